"""The database: how engines are set up, the one place that commits, and which broken rule is which error."""

import re
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from flask import Flask
from sqlalchemy import Connection, Engine, Index, UniqueConstraint, event, make_url, text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from config import Settings

from ..extensions import Base, db
from . import deadline, metrics
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


READ = "read"  # The name of the engine for statements outside a transaction.
_ATTEMPTS = 3
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
        "connect_args": _driver(settings).connect_args(settings),
        "hide_parameters": True,
        "poolclass": deadline.pool_of(breaker),
        "pool_size": 8,
        "max_overflow": 0,
        "pool_timeout": settings.database_pool_timeout,
    }
    url = make_url(settings.database_url)
    return {
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_ENGINE_OPTIONS": options,
        # Outside a transaction each statement stands alone, which saves BEGIN and ROLLBACK.
        "SQLALCHEMY_BINDS": {READ: {**options, "url": url, "isolation_level": "AUTOCOMMIT"}},
    }


def _driver(settings: Settings) -> ModuleType:
    """What concerns one of the two databases alone; the driver of the other is not loaded."""
    if settings.is_sqlite:
        from . import sqlite as driver  # noqa: PLC0415
    else:
        from . import postgresql as driver  # noqa: PLC0415
    return driver


def init_app(app: Flask, settings: Settings) -> None:
    """Binds the engines to the application, sets each new connection up, and grants each request its time."""
    db.init_app(app)
    with app.app_context():
        for name, engine in (("transactions", db.engine), ("statements", db.engines[READ])):
            if settings.metrics_token:
                metrics.watch(engine, name)
            event.listen(engine, "handle_error", _give_up_unprepared)
        _driver(settings).set_up(db.engine, db.engines[READ], settings)
    app.wsgi_app = _bounded(app.wsgi_app, settings.database_request_timeout)


def _bounded(wsgi_app: Callable[..., Iterable[bytes]], seconds: float) -> Callable[..., Iterable[bytes]]:
    """Grants a request its time, up to the rollback after its answer."""

    def run(*request: Any) -> Iterable[bytes]:
        with deadline.at_most(seconds):
            return wsgi_app(*request)

    return run


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
    from . import postgresql  # noqa: PLC0415 - see `_driver`.

    db.engine.dispose()
    try:
        with postgresql.uninstalled():
            yield
    finally:
        db.engine.dispose()


def lift_limits(connection: Connection) -> None:
    """Lets the open transaction of a command take as long as it takes."""
    if is_on_postgresql():
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


def analyze(connection: Connection, tables: Iterable[str]) -> None:
    """Has the database look at what tables hold now, in the open transaction; a role that owns none is left without.

    A plan that was made for few rows may read a whole table when there are many, until the database looks by itself.
    """
    for table in tables:
        connection.execute(text(f"ANALYZE {table}"))


def is_on_postgresql() -> bool:
    """Whether the application runs on PostgreSQL and not on SQLite."""
    return db.engine.dialect.name == "postgresql"


class _Transaction:
    """The transaction of a use case: a connection, taken when it is first needed, and what is to happen when it ends."""

    def __init__(self) -> None:
        self.on_commit: list[Callable[[], object]] = []
        self.on_rollback: list[Callable[[], object]] = []
        self.asked = 0  # How many statements have asked for its connection.
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


def is_in_transaction() -> bool:
    """Whether a use case has begun one here."""
    return _current.get() is not None


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
        if is_in_transaction():
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
