"""The database: how engines are set up, the one place that commits, and which broken rule is which error."""

import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from flask import Flask
from sqlalchemy import Connection, Dialect, Engine, Index, UniqueConstraint, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from config import Settings

from ..extensions import Base, db
from . import deadline
from .errors import Conflict, Refusal, Unavailable

P = ParamSpec("P")
R = TypeVar("R")


class Overtaken(Exception):
    """What a use case had read was changed before it held the lock; it is run anew."""


class UnknownOutcome(Unavailable):
    """A commit was asked for, and the answer was lost: saying that nothing was changed could be wrong."""


READ = "read"  # The name of the engine for statements outside a transaction.
_ATTEMPTS = 3
_BEGUN = "begun"  # When a connection of SQLite began its statement.
_STEPS = 100_000  # Of SQLite's machine, some milliseconds: after so many it asks whether to go on.
_UNDO, _OPEN = "undo", "use case"  # What a session carries while a use case runs.
# Serialization failure, deadlock, and a row that was deleted before it could be referred to: the same work may succeed,
# or be refused with its proper reason, when it is done anew.
_TRANSIENT = ("40001", "40P01", "23503")
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
        options["connect_args"] = {"timeout": settings.sqlite_busy_timeout}
    else:
        options["connect_args"] = {"options": _postgresql_options(settings), "application_name": "tasktracker"}
    url = make_url(settings.database_url)
    return {
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_ENGINE_OPTIONS": {**options, "pool_pre_ping": not settings.is_sqlite},
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
    return " ".join(["-c timezone=UTC -c jit=off", *(f"-c {name}={seconds * 1000:.0f}" for name, seconds in limits.items())])


def init_app(app: Flask, settings: Settings) -> None:
    """Binds the engines to the application, sets each new connection up, and grants each request its time."""
    db.init_app(app)
    with app.app_context():
        for engine in (db.engine, db.engines[READ]):
            if settings.is_sqlite:
                # What was answered is on the disk before, as with PostgreSQL. Tests suffer no power cut, and write a lot.
                synchronous = "NORMAL" if settings.app_env == "testing" else "FULL"
                event.listen(engine, "connect", partial(_set_up_sqlite, synchronous))
                event.listen(engine, "connect", partial(_bound_sqlite, settings.database_statement_timeout))
                event.listen(engine, "before_cursor_execute", _start_clock)
            else:
                event.listen(engine, "do_connect", partial(_connect, settings.database_connect_timeout))
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


def _set_up_sqlite(synchronous: str, connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # The driver must not begin transactions of its own.
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"synchronous={synchronous}", "cache_size=-8192"):
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


def session() -> Session:
    """The session of this use case, whose transaction `transactional` ends."""
    return db.session()


def reading() -> Engine | Connection:
    """Where a read runs: in the open transaction if there is one, else on its own."""
    current = db.session()
    return current.connection() if current.in_transaction() else db.engines[READ]


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
        if _OPEN in session().info:
            return use_case(*args, **kwargs)
        for attempt in range(1, _ATTEMPTS + 1):
            session().info[_OPEN] = True
            try:
                result = use_case(*args, **kwargs)
                _commit()
                session().info.clear()
                return result
            except (DBAPIError, Overtaken) as error:
                _roll_back()
                if refusal := _conflict(error):
                    raise refusal from error
                if isinstance(error, DBAPIError) and not _is_transient(error):
                    raise
                if attempt < _ATTEMPTS:
                    time.sleep(secrets.SystemRandom().uniform(0.01, 0.05) * attempt)
            except UnknownOutcome:
                # What was done outside the database may be right: a session that may have ended stays on the blocklist.
                session().info.pop(_UNDO, None)
                _roll_back()
                raise
            except BaseException:
                _roll_back()
                raise
        raise Unavailable(retry_after=1)

    return run


def _commit() -> None:
    session().flush()
    try:
        db.session.commit()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise UnknownOutcome(
            "The database has not said whether this was done. Look before you try again, or repeat it with its Idempotency-Key."
        ) from error


def is_away(error: Exception) -> bool:
    """Whether an error means that the database cannot be used for the moment, and not that it was used wrongly."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    return isinstance(error, DBAPIError) and (error.connection_invalidated or getattr(error.orig, "pgcode", None) in _AWAY)


def _roll_back() -> None:
    undo: list[Callable[[], object]] = session().info.pop(_UNDO, [])
    session().info.clear()
    db.session.rollback()
    for take_back in undo:
        take_back()


def on_rollback(take_back: Callable[[], object]) -> None:
    """Registers what takes back something outside the database, if the open transaction is not committed."""
    session().info.setdefault(_UNDO, []).append(take_back)


def _is_transient(error: DBAPIError) -> bool:
    return getattr(error.orig, "pgcode", None) in _TRANSIENT


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
