"""How text is made comparable: trimmed, normalised, folded and cut into words."""

import re
import unicodedata
from typing import TypeVar

T = TypeVar("T")
# NUL, the other control characters but tab, line feed and carriage return, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_CONTROLS = re.compile("[\t\n\r]")
MOST_REMEMBERED = 10_000  # Characters.
LONGEST_WORD = 255  # Characters; what is longer is known by its beginning (PostgreSQL refuses lexemes over 2 kB).


def _kept(table: dict[int, T], code: int, found: T) -> T:
    """Remembers what a character is, but not of all of Unicode: who sends it would fill the memory."""
    if len(table) < MOST_REMEMBERED:
        table[code] = found
    return found


class _Separators(dict[int, int]):
    """For `str.translate`: letters, digits and the marks on them stay, everything else becomes a space."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        stays = character.isalnum() or unicodedata.category(character).startswith("M")
        return _kept(self, code, code if stays else ord(" "))


_SEPARATORS = _Separators()


class _Marks(dict[int, str]):
    """For `str.translate`: a mark on the character before it becomes `^`, everything else a space.

    A character that stands for several is taken apart, so that a text has as many marks as when it is normalised.
    """

    def __missing__(self, code: int) -> str:
        parts = unicodedata.normalize("NFKD", chr(code))
        return _kept(self, code, "".join("^" if unicodedata.combining(part) else " " for part in parts))


_MARKS = _Marks()
# No language has as many on one letter (UAX 15, 13: Stream-Safe Text Format). Normalising sorts them in a time that grows
# with the square of their number: a body full of them would keep a worker busy for minutes.
MOST_MARKS = 30


class UnprintableError(ValueError):
    """The text holds a character that must not be in it, or too many marks on one letter."""


def clean(text: str, *, multiline: bool = False) -> str:
    """Trims the ends and normalises to NFC; with `multiline` CRLF becomes LF.

    Raises:
        UnprintableError: for NUL, control characters and lone surrogates; tab and newline are fine where the text
            has several lines. For more than 30 marks on one letter, too.
    """
    if _UNPRINTABLE.search(text):
        raise UnprintableError
    text = text.strip()
    if multiline:
        text = text.replace("\r\n", "\n")
    if ("\r" in text) if multiline else _LINE_CONTROLS.search(text):
        raise UnprintableError
    if text.isascii():
        return text
    if "^" * (MOST_MARKS + 1) in text.translate(_MARKS):
        raise UnprintableError
    return unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """The text as it is compared: NFKC and without the difference of letter case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def caseless(text: str) -> str:
    """The text without the difference of letter case, and with no other."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def words(*texts: str) -> list[str]:
    """The different words of the texts, folded, in order: runs of letters and digits, 255 characters at most each."""
    found = (word[:LONGEST_WORD] for text in texts for word in fold(text).translate(_SEPARATORS).split(" ") if word)
    return sorted(set(found))


def spaced_words(*texts: str) -> str:
    """The words of the texts, each with a space before it, as they are stored to be found by `core/sql`."""
    return "".join(f" {word}" for word in words(*texts))
