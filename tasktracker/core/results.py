"""What use cases and reads give to the edge, which alone turns it into HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import Stale


@dataclass(frozen=True)
class Resource:
    """One resource as it is answered.

    Args:
        body: the fields, in the order of its schema.
        version: the count of changes to it, for its ETag; none where it has no life of its own.
    """

    body: dict[str, Any]
    version: int | None


@dataclass(frozen=True)
class Page:
    """One page of a list: its rows, and how many there are on all pages."""

    rows: Sequence[dict[str, Any]]
    total: int


@dataclass(frozen=True)
class Expected:
    """What must hold of a resource for the caller to change it (RFC 9110, 13.1); anything, where they said nothing.

    Args:
        versions: those that it may have; any, if none are given.
        unwanted: those that it may not have.
        present: whether it must be there.
        absent: whether it must not be there.
    """

    versions: frozenset[int] | None = None
    unwanted: frozenset[int] = frozenset()
    present: bool = False
    absent: bool = False

    def check(self, version: int | None, *, exists: bool = True) -> None:
        """Compares with what is locked.

        Args:
            version: its version; none where the resource has no validator.
            exists: whether it is there, which for what PUT makes it need not be.

        Raises:
            Stale: something else holds.
        """
        fits = self.versions is None or version in self.versions
        if not fits or version in self.unwanted or (self.absent if exists else self.present):
            raise Stale


ANYTHING = Expected()  # What most who change something expect.
