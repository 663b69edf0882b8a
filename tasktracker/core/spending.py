"""What a request, or a job, spends: how long it waits for the database and for Redis, on how many statements and rows.

Whoever waits adds to the account of what is in hand here; the line in the log and the metrics read it. On PostgreSQL a
statement is counted from when it is sent, with the waits for a connection and for a commit; on SQLite, which works in this
process, its own work.
"""

from contextvars import ContextVar
from time import perf_counter
from typing import Any


class Spending:
    """An account; times in seconds."""

    __slots__ = ("began", "database", "redis", "rows", "statements")

    def __init__(self) -> None:
        self.began = perf_counter()
        self.database = self.redis = 0.0
        self.statements = self.rows = 0


_nobodys = Spending()  # Where goes what belongs to no request and no job.
_current: ContextVar[Spending] = ContextVar("spending", default=_nobodys)
current = _current.get


def begin() -> Spending:
    """Opens an account for what begins now."""
    account = Spending()
    _current.set(account)
    return account


# What concerns a connection or a transaction, and not what a request is about.
_ASIDE = ("PREPARE", "DEALLOCATE", "BEGIN", "PRAGMA")


def ran(query: str, cursor: Any) -> None:
    """Counts a statement that a driver's cursor has run, and the rows that it knows of."""
    if not query.startswith(_ASIDE):
        account = current()
        account.statements += 1
        if cursor.rowcount > 0:
            account.rows += cursor.rowcount
