"""The database: how engines are set up, the one place that commits, and which broken rule is which error."""

import re
import secrets
import select
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from flask import Flask
from psycopg2 import extensions
from sqlalchemy import Connection, Dialect, Engine, Index, UniqueConstraint, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from config import Settings

from ..extensions import Base, db
from . import deadline, metrics, spending
from .errors import Conflict, Refusal, Unavailable

P = ParamSpec("P")
R = TypeVar("R")


class Overtaken(Exception):
    """What a use case had read was changed before it held the lock; it is run anew."""


class UnknownOutcome(Unavailable):
    """A commit was asked for, and the answer was lost: saying that nothing was changed could be wrong."""

    detail = (
        "The database has not said whether this was done. Look before you try again, or repeat it with its Idempotency-Key."
    )


_UUID_OID = 2950  # PostgreSQL's number of the type.
READ = "read"  # The name of the engine for statements outside a transaction.
_ATTEMPTS = 3
_USED = "used"  # Whether a connection was handed out before.
_BEGUN = "begun"  # When a connection of SQLite began its statement.
_STEPS = 100_000  # Of SQLite's machine, some milliseconds: after so many it asks whether to go on.
# Serialization failure, deadlock, and a row that was deleted before it could be referred to: the same work may succeed,
# or be refused with its proper reason, when it is done anew.
_TRANSIENT = ("40001", "40P01", "23503")
# A prepared statement that a migration has made stale, or that somebody between us and PostgreSQL has thrown away. The same
# work succeeds on a new connection.
_UNPREPARED = ("0A000", "26000")
# What PostgreSQL says when it can only be read from (a standby, or a full disk), and when it has ended a transaction that was
# left alone: neither is an error of ours, though the driver calls them internal ones.
_AWAY = ("25006", "25P03")


def engine_config(settings: Settings) -> dict[str, Any]:
    """The part of Flask's configuration that Flask-SQLAlchemy reads."""
    breaker = deadline.Breaker(max(settings.database_statement_timeout, settings.database_lock_timeout))
    options: dict[str, Any] = {
        "hide_parameters": True,
        "poolclass": deadline.pool_of(breaker),
        "pool_size": 8,
        "max_overflow": 0,
        "pool_timeout": settings.database_pool_timeout,
    }
    if settings.is_sqlite:
        options["connect_args"] = {"timeout": settings.sqlite_busy_timeout, "factory": spending.TimedConnection}
    else:
        options["connect_args"] = {
            "options": _postgresql_options(settings),
            "application_name": "tasktracker",
            "cursor_factory": spending.CountingCursor,
        }
    url = make_url(settings.database_url)
    return {
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_ENGINE_OPTIONS": options,
        # Outside a transaction each statement stands alone, which saves BEGIN and ROLLBACK.
        "SQLALCHEMY_BINDS": {READ: {**options, "url": url, "isolation_level": "AUTOCOMMIT"}},
    }


def _postgresql_options(settings: Settings) -> str:
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


def init_app(app: Flask, settings: Settings) -> None:
    """Binds the engines to the application, sets each new connection up, and grants each request its time."""
    db.init_app(app)
    with app.app_context():
        for name, engine in (("transactions", db.engine), ("statements", db.engines[READ])):
            if settings.metrics_token:
                metrics.watch(engine, name)
            if settings.is_sqlite:
                # What was answered is on the disk before, as with PostgreSQL. Tests suffer no power cut, and write a lot.
                synchronous = "NORMAL" if settings.app_env == "testing" else "FULL"
                event.listen(engine, "connect", partial(_set_up_sqlite, synchronous))
                event.listen(engine, "connect", partial(_bound_sqlite, settings.database_statement_timeout))
                event.listen(engine, "before_cursor_execute", _start_clock)
            else:
                event.listen(engine, "do_connect", partial(_connect, settings.database_connect_timeout))
                event.listen(engine, "connect", _read_ids_as_text)
                event.listen(engine, "checkout", _refuse_closed)
                event.listen(engine, "handle_error", _give_up_unprepared)
        if settings.is_sqlite:
            event.listen(db.engine, "begin", _begin_immediate)
        else:
            deadline.install()
    app.wsgi_app = _bounded(app.wsgi_app, settings.database_request_timeout)


def _bounded(wsgi_app: Callable[..., Iterable[bytes]], seconds: float) -> Callable[..., Iterable[bytes]]:
    """Grants a request its time, up to the rollback after its answer."""

    def run(*request: Any) -> Iterable[bytes]:
        with deadline.at_most(seconds):
            return wsgi_app(*request)

    return run


def _connect(seconds: float, dialect: Dialect, _: object, words: list[Any], named: dict[str, Any]) -> DBAPIConnection:
    """A new connection; libpq's own time-out does not count where the driver waits in `deadline`."""
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


def _give_up_unprepared(context: ExceptionContext) -> None:
    """Treats a connection like a dead one whose prepared statements are not good any more."""
    if getattr(context.original_exception, "pgcode", None) in _UNPREPARED:
        context.is_disconnect = True


@contextmanager
def unbounded() -> Generator[None]:
    """Has the driver wait as long as it takes, with new connections, for a command that uses COPY."""
    if not is_on_postgresql():
        yield
        return
    db.engine.dispose()
    with deadline.uninstalled():
        yield
    db.engine.dispose()


def lift_limits(connection: Connection) -> None:
    """Lets the open transaction of a command take as long as it takes."""
    if is_on_postgresql():
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


def _set_up_sqlite(synchronous: str, connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # The driver must not begin transactions of its own.
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"synchronous={synchronous}"):
        connection.execute(f"PRAGMA {pragma}")


def _bound_sqlite(seconds: float, connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    """Ends a statement of a request that takes too long, as PostgreSQL does."""

    def is_over() -> bool:
        return monotonic() - record.info[_BEGUN] > seconds and deadline.is_bounded()

    record.info[_BEGUN] = monotonic()
    connection.set_progress_handler(is_over, _STEPS)


def _start_clock(connection: Connection, *_: object) -> None:
    connection.info[_BEGUN] = monotonic()


def _begin_immediate(connection: Connection) -> None:
    # A transaction that begins as a reader and turns into a writer fails when another has written meanwhile.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def is_on_postgresql() -> bool:
    """Whether the application runs on PostgreSQL and not on SQLite."""
    return db.engine.dialect.name == "postgresql"


class _Transaction:
    """The transaction of a use case: a connection, taken when it is first needed, and what is to happen when it ends."""

    def __init__(self) -> None:
        self.on_commit: list[Callable[[], object]] = []
        self.on_rollback: list[Callable[[], object]] = []
        self.asked = 0  # How often for its connection, which is for one statement each.
        self._connection: Connection | None = None
        self._session: Session | None = None

    @property
    def connection(self) -> Connection:
        """The connection, on which the transaction has begun."""
        self.asked += 1
        if self._connection is None:
            self._connection = db.engine.connect()
            self._connection.begin()
        return self._connection

    @property
    def session(self) -> Session:
        """A session for entities, within this transaction."""
        if self._session is None:
            self._session = Session(self.connection, expire_on_commit=False)
        return self._session

    def commit(self) -> None:
        """Writes what the session holds, and commits."""
        if self._session is not None:
            self._session.flush()
        if self._connection is not None:
            try:
                self._connection.commit()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                raise UnknownOutcome from error
        self._close()

    def roll_back(self) -> None:
        """Takes everything back, also where the commit has failed."""
        if self._connection is not None:
            self._connection.rollback()
        self._close()

    def was_dead(self, error: DBAPIError) -> bool:
        """Whether its connection was found dead by its first statement, so that nothing has been done."""
        return error.connection_invalidated and self.asked <= 1 and not isinstance(error.orig, deadline.Overdue)

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
        if self._connection is not None:
            self._connection.close()


_current: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)


def session() -> Session:
    """The session for entities within the transaction of this use case; outside of one, a session that nobody commits."""
    transaction = _current.get()
    return db.session() if transaction is None else transaction.session


def reading() -> Engine | Connection:
    """Where a statement runs: in the open transaction if there is one, else on its own."""
    transaction = _current.get()
    return aside() if transaction is None else transaction.connection


def aside() -> Engine:
    """Where a statement runs on its own, whatever transaction is open."""
    return db.engines[READ]


def transactional(use_case: Callable[P, R]) -> Callable[P, R]:
    """Makes a use case one transaction: committed when it returns, rolled back when it raises.

    A deadlock, a serialization failure or `Overtaken` runs the whole use case again, three times in all. A use case that
    another one calls is part of that one's transaction.

    Raises:
        Unavailable: others were faster three times.
        UnknownOutcome: the commit was asked for, and nobody has said whether it was made.
        Conflict: where a unique rule of the database is broken that was registered with `taken`.
    """

    @wraps(use_case)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if _current.get() is not None:
            return use_case(*args, **kwargs)
        for attempt in range(1, _ATTEMPTS + 1):
            transaction = _Transaction()
            try:
                with _begun(transaction):
                    return use_case(*args, **kwargs)
            except (DBAPIError, Overtaken) as error:
                if refusal := _conflict(error):
                    raise refusal from error
                if isinstance(error, DBAPIError) and not is_transient(error) and not transaction.was_dead(error):
                    raise
                if attempt < _ATTEMPTS:
                    time.sleep(secrets.SystemRandom().uniform(0.01, 0.05) * attempt)
        raise Unavailable(retry_after=1)

    return run


@contextmanager
def _begun(transaction: _Transaction) -> Generator[None]:
    token = _current.set(transaction)
    try:
        yield
        transaction.commit()
    except UnknownOutcome:
        # What was done outside the database may be right: a session that may have ended stays on the blocklist.
        transaction.roll_back()
        raise
    except BaseException:
        transaction.roll_back()
        for take_back in transaction.on_rollback:
            take_back()
        raise
    finally:
        _current.reset(token)
    for follow in transaction.on_commit:
        follow()


def is_away(error: Exception) -> bool:
    """Whether an error means that the database cannot be used for the moment, and not that it was used wrongly."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    return isinstance(error, DBAPIError) and (error.connection_invalidated or getattr(error.orig, "pgcode", None) in _AWAY)


def on_commit(follow: Callable[[], object]) -> None:
    """Registers what is done once the open transaction is committed, and not at all if it is not."""
    _open().on_commit.append(follow)


def on_rollback(take_back: Callable[[], object]) -> None:
    """Registers what takes back something outside the database, if the open transaction is not committed."""
    _open().on_rollback.append(take_back)


def _open() -> _Transaction:
    transaction = _current.get()
    if transaction is None:
        raise RuntimeError("This belongs into a use case that is transactional.")
    return transaction


def is_transient(error: DBAPIError) -> bool:
    """Whether the same work may succeed when it is done anew."""
    return getattr(error.orig, "pgcode", None) in (*_TRANSIENT, *_UNPREPARED)


_taken: dict[str, Callable[[], Refusal]] = {}


def taken(constraint: str, code: str, detail: str) -> str:
    """Says how a unique constraint answers when it is broken; returns the constraint's name."""
    _taken[constraint] = lambda: Conflict(detail, code)
    return constraint


def _conflict(error: Exception) -> Refusal | None:
    refusal = _taken.get(violated(error) or "") if isinstance(error, IntegrityError) else None
    return refusal() if refusal else None


def violated(error: IntegrityError) -> str | None:
    """The name of the constraint that a statement broke."""
    diagnostics = getattr(error.orig, "diag", None)
    if diagnostics is not None:
        return diagnostics.constraint_name
    # SQLite names the columns: "UNIQUE constraint failed: projects.owner_id, projects.key".
    found = re.fullmatch(r"UNIQUE constraint failed: (.+)", str(error.orig))
    return _unique_constraints().get(frozenset(found[1].split(", "))) if found else None


def _unique_constraints() -> Mapping[frozenset[str], str]:
    return {
        frozenset(f"{table.name}.{column.name}" for column in unique.columns): str(unique.name)
        for table in Base.metadata.tables.values()
        for unique in (*table.constraints, *table.indexes)
        if isinstance(unique, UniqueConstraint) or (isinstance(unique, Index) and unique.unique)
    }
