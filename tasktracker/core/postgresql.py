"""PostgreSQL: how its connections are set up, waited for, and given up.

PostgreSQL ends what takes too long while it works (`statement_timeout`), but one that is frozen, or behind a network that
swallows everything, ends nothing, and its driver would wait for ever. So the driver waits here, as long as `deadline` grants.
"""

import select
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any

import psycopg2
from psycopg2 import extensions
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry
from typing_extensions import override

from config import Settings

from . import deadline, spending

_UUID_OID = 2950  # PostgreSQL's number of the type.
_USED = "used"  # Whether a connection was handed out before.


class Overdue(deadline.Overdue, psycopg2.OperationalError):
    """PostgreSQL did not answer in the time that was granted."""


def connect_args(settings: Settings) -> dict[str, Any]:
    """What the driver is given with each connection."""
    return {"options": _options(settings), "application_name": "tasktracker", "cursor_factory": CountingCursor}


def _options(settings: Settings) -> str:
    """What each connection asks of PostgreSQL; migrations and sample data lift the limits for themselves."""
    limits = {
        "statement_timeout": settings.database_statement_timeout,
        "lock_timeout": settings.database_lock_timeout,
        "idle_in_transaction_session_timeout": settings.database_idle_timeout,
    }
    # One plan serves all values. What is asked all the time is in memory, where a row is found by an index as fast as the
    # next one in the table.
    planner = "-c jit=off -c plan_cache_mode=force_generic_plan -c random_page_cost=1.1 -c max_parallel_workers_per_gather=0"
    return " ".join(["-c timezone=UTC", planner, *(f"-c {name}={seconds * 1000:.0f}" for name, seconds in limits.items())])


def set_up(transactions: Engine, statements: Engine, settings: Settings) -> None:
    """Sets each new connection of the two engines up, and has the driver wait here in this process."""
    for engine in (transactions, statements):
        event.listen(engine, "do_connect", partial(_connect, settings.database_connect_timeout))
        event.listen(engine, "connect", _read_ids_as_text)
        event.listen(engine, "checkout", _refuse_closed)
    extensions.set_wait_callback(wait)


def _connect(seconds: float, dialect: Dialect, _: object, words: list[Any], named: dict[str, Any]) -> DBAPIConnection:
    """A new connection; libpq's own time-out does not count where the driver waits here."""
    try:
        with deadline.at_most(seconds):
            return dialect.connect(*words, **named)
    except deadline.Overdue:
        deadline.silent()
        raise


def _read_ids_as_text(connection: Any, _: object) -> None:
    """Undoes what SQLAlchemy has set: objects for UUIDs, which would become text again (1.5 microseconds for each id)."""
    extensions.register_type(extensions.new_type((_UUID_OID,), "id", extensions.UNICODE), connection)


def _refuse_closed(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
    """Has the pool replace a connection that PostgreSQL has closed: nothing else is to be read from one that is idle.

    It takes a microsecond; SQLAlchemy's own way, to ask for something each time, a round trip. A connection that was opened
    just now is left to its first statement, whose error says what is wrong: of replacements that die at once the pool says
    that it was used wrongly.
    """
    if _USED not in record.info:
        record.info[_USED] = True
        return
    if connection.closed:
        raise DisconnectionError
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    if poller.poll(0):
        raise DisconnectionError


def wait(connection: Any) -> None:
    """Waits for PostgreSQL; the driver calls it whenever it would wait itself.

    Raises:
        Overdue: it took too long; the driver then closes the connection.
    """
    grant = deadline.granted()
    begun = monotonic()
    try:
        while (state := connection.poll()) != extensions.POLL_OK:
            left = None if grant is None else max(0.0, grant.left - (monotonic() - begun))
            poller = select.poll()
            poller.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            if not poller.poll(None if left is None else left * 1000):
                deadline.silent(for_seconds=left or 0.0)
                raise Overdue("PostgreSQL did not answer in time")
        if grant is not None and grant.breaker is not None:
            grant.breaker.close()
    finally:
        waited = monotonic() - begun
        spending.current().database += waited
        if grant is not None:
            grant.left -= waited


@contextmanager
def uninstalled() -> Generator[None]:
    """Has the driver wait by itself, as COPY needs it; for new connections, in a process that does nothing else."""
    extensions.set_wait_callback(None)
    try:
        yield
    finally:
        extensions.set_wait_callback(wait)


class CountingCursor(extensions.cursor):
    """A cursor, which has all rows when a statement was run."""

    @override
    def execute(self, query: Any, vars: Any = None) -> None:
        account, begun = spending.current(), monotonic()
        spent = account.database
        try:
            super().execute(query, vars)
        finally:
            # From before it is sent: PostgreSQL may take the core at that moment, and `wait` find the answer there.
            account.database = spent + monotonic() - begun
        spending.ran(query, self)
