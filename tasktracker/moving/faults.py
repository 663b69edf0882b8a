"""What is wrong with a file, line by line."""

from bisect import insort
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, cast

from marshmallow import Schema, ValidationError

from ..core.errors import Refusal
from ..core.logs import printable

MOST_TOLD = 20


class Rejected(Refusal):
    """A file of which nothing was imported."""


class BrokenFile(Exception):
    """From this line on the file cannot be read.

    Args:
        line: the number of the line.
        message: what is wrong with it.
    """

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


class Faults:
    """The faults of a file: the first of them are told, all of them are counted."""

    def __init__(self) -> None:
        self.count = 0
        self._told: list[tuple[int, str]] = []

    def add(self, line: int, message: str) -> None:
        """Notes that a line is at fault."""
        self.count += 1
        insort(self._told, (line, message), key=itemgetter(0))  # Some are noted later than those of lines below.
        del self._told[MOST_TOLD:]

    def load(self, schema: Schema, line: int, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a schema makes of a line; nothing where the line breaks a rule, which is noted."""
        try:
            return cast("dict[str, Any]", schema.load(given))
        except ValidationError as error:
            for message in _flat(error.normalized_messages()):
                self.add(line, message)
            return None

    def check(self) -> None:
        """Raises what was noted.

        Raises:
            Rejected: anything was.
        """
        if self.count:
            title = f"Nothing was imported; there {'is 1 fault' if self.count == 1 else f'are {self.count:,} faults'}."
            more = [f"  and {self.count - MOST_TOLD:,} more"] if self.count > MOST_TOLD else []
            told = [f"  line {line}: {printable(message)}" for line, message in self._told]
            raise Rejected("\n".join([title, *told, *more]))


def _flat(messages: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Each message behind the names that lead to it."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            yield from _flat(inner, (*path, str(name)))
    else:
        for message in messages:
            yield f"{'.'.join(path)}: {message}"
