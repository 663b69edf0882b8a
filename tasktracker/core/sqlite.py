"""SQLite, the embedded database: how its connections are set up, bounded in time, and counted."""

import sqlite3
from functools import partial
from time import monotonic, perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry
from typing_extensions import override

from config import Settings

from . import deadline, spending

_BEGUN = "begun"  # When a connection began its statement.
_STEPS = 100_000  # Of SQLite's machine, some milliseconds: after so many it asks whether to go on.


def connect_args(settings: Settings) -> dict[str, Any]:
    """What the driver is given with each connection."""
    return {"timeout": settings.sqlite_busy_timeout, "factory": TimedConnection}


def set_up(transactions: Engine, statements: Engine, settings: Settings) -> None:
    """Sets each new connection of the two engines up, and bounds what it is asked."""
    # What was answered is on the disk before, as with PostgreSQL. Tests suffer no power cut, and write a lot.
    synchronous = "NORMAL" if settings.app_env == "testing" else "FULL"
    for engine in (transactions, statements):
        event.listen(engine, "connect", partial(_set_up, synchronous))
        event.listen(engine, "connect", partial(_bound, settings.database_statement_timeout))
        event.listen(engine, "before_cursor_execute", _start_clock)
    event.listen(transactions, "begin", _begin_immediate)


def _set_up(synchronous: str, connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # The driver must not begin transactions of its own.
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"synchronous={synchronous}"):
        connection.execute(f"PRAGMA {pragma}")


def _bound(seconds: float, connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    """Ends a statement of a request that takes too long, as PostgreSQL does."""

    def is_over() -> bool:
        grant = deadline.granted()
        return grant is not None and monotonic() - record.info[_BEGUN] > max(seconds, grant.statement)

    record.info[_BEGUN] = monotonic()
    connection.set_progress_handler(is_over, _STEPS)


def _start_clock(connection: Connection, *_: object) -> None:
    connection.info[_BEGUN] = monotonic()


def _begin_immediate(connection: Connection) -> None:
    # A transaction that begins as a reader and turns into a writer fails when another has written meanwhile.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class TimedCursor(sqlite3.Cursor):
    """A cursor, which looks for rows when they are fetched, and says how many it has written."""

    @override
    def execute(self, query: str, *values: Any) -> "TimedCursor":
        begun = perf_counter()
        try:
            super().execute(query, *values)
        finally:
            spending.current().database += perf_counter() - begun
        spending.ran(query, self)
        return self

    @override
    def fetchall(self) -> list[Any]:
        begun = perf_counter()
        rows = super().fetchall()
        account = spending.current()
        account.database += perf_counter() - begun
        account.rows += len(rows)
        return rows

    @override
    def fetchone(self) -> Any:
        row = super().fetchone()
        spending.current().rows += row is not None
        return row


class TimedConnection(sqlite3.Connection):
    """A connection, whose commit waits for the disk."""

    @override
    def cursor(self, factory: Any = TimedCursor) -> Any:
        return super().cursor(factory)

    @override
    def commit(self) -> None:
        begun = perf_counter()
        try:
            super().commit()
        finally:
            spending.current().database += perf_counter() - begun
