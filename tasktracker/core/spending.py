"""What a request, or a job, spends: how long it waits for the database and for Redis, on how many statements and rows.

Whoever waits adds to the account of what is in hand here; the line in the log and the metrics read it. On PostgreSQL the
driver's waits are counted (see `deadline`), with those for a connection and for a commit; on SQLite, which works in this
process, its own work.
"""

import sqlite3
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from psycopg2 import extensions
from typing_extensions import override


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


def _ran(query: str, cursor: Any) -> None:
    if not query.startswith(_ASIDE):
        account = current()
        account.statements += 1
        if cursor.rowcount > 0:
            account.rows += cursor.rowcount


class CountingCursor(extensions.cursor):
    """PostgreSQL's cursor, which has all rows when a statement was run."""

    @override
    def execute(self, query: Any, vars: Any = None) -> None:
        super().execute(query, vars)
        _ran(query, self)


class TimedCursor(sqlite3.Cursor):
    """SQLite's cursor, which looks for rows when they are fetched, and says how many it has written."""

    @override
    def execute(self, query: str, *values: Any) -> "TimedCursor":
        begun = perf_counter()
        try:
            super().execute(query, *values)
        finally:
            current().database += perf_counter() - begun
        _ran(query, self)
        return self

    @override
    def fetchall(self) -> list[Any]:
        begun = perf_counter()
        rows = super().fetchall()
        account = current()
        account.database += perf_counter() - begun
        account.rows += len(rows)
        return rows

    @override
    def fetchone(self) -> Any:
        row = super().fetchone()
        current().rows += row is not None
        return row


class TimedConnection(sqlite3.Connection):
    """SQLite's connection, whose commit waits for the disk."""

    @override
    def cursor(self, factory: Any = TimedCursor) -> Any:
        return super().cursor(factory)

    @override
    def commit(self) -> None:
        begun = perf_counter()
        try:
            super().commit()
        finally:
            current().database += perf_counter() - begun
