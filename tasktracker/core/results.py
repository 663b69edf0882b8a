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
    """The versions that the caller allows a resource to have; any, where they said nothing."""

    versions: frozenset[int] | None

    def check(self, version: int | None) -> None:
        """Compares with the version of the locked row, or with none where the resource has no validator.

        Raises:
            Stale: the row has another version.
        """
        if self.versions is not None and version not in self.versions:
            raise Stale
