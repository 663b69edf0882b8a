"""What the commands have in common: faults become one line and exit status 1."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError

from ..core.errors import Refusal

P = ParamSpec("P")
R = TypeVar("R")


def told_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Makes a command say why a use case refused, or that the database cannot be used, instead of showing a traceback.

    Raises:
        ClickException: in place of a refusal or a fault of the database.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Refusal as refusal:
            raise click.ClickException(refusal.detail) from refusal
        except (OperationalError, ProgrammingError, InterfaceError) as error:
            reason = str(error.orig).strip().splitlines()[0]
            advice = "Check that DATABASE_URL is right and answers, and run 'flask db upgrade'."
            raise click.ClickException(f"The database refused: {reason}\n{advice}") from error

    return run


def many(count: int, what: str) -> str:
    """So many tasks, or one task."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def table(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Lines of a table whose columns are as wide as what stands in them."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for cells in (headers, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
