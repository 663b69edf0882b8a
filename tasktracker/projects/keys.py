"""Keys made from the names of projects."""

import re
import unicodedata
from collections.abc import Iterator

_LONGEST = 10


def keys_for(name: str) -> Iterator[str]:
    """Keys for a project's name, the best first: `Web Site` gives WS, WS2, WS3 and so on; `Website` gives WEBS.

    Args:
        name: any text; of letters with marks the letter is taken.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    found = re.findall("[A-Z0-9]+", ascii_name)
    key = "".join(word[0] for word in found) if len(found) > 1 else "".join(found)[:4]
    key = key.lstrip("0123456789")[:5]
    key = key if len(key) > 1 else f"{key}PRJ"[:4]
    yield key
    for number in range(2, 10**6):
        suffix = str(number)
        yield key[: _LONGEST - len(suffix)] + suffix
