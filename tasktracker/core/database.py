"""The database: how engines are set up, the one place that commits, and which broken rule is which error."""

import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask
from sqlalchemy import Connection, Engine, Index, UniqueConstraint, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from config import Settings

from ..extensions import Base, db
from .errors import Conflict, Refusal, Unavailable

P = ParamSpec("P")
R = TypeVar("R")


class Overtaken(Exception):
    """What a use case had read was changed before it held the lock; it is run anew."""


READ = "read"  # The name of the engine for statements outside a transaction.
_ATTEMPTS = 3
_UNDO, _OPEN = "undo", "use case"  # What a session carries while a use case runs.
# Serialization failure, deadlock, and a row that was deleted before it could be referred to: the same work may succeed,
# or be refused with its proper reason, when it is done anew.
_TRANSIENT = ("40001", "40P01", "23503")
# No statement of a request may hold a worker or a lock for longer; migrations and the command line lift the limit.
_POSTGRESQL_OPTIONS = (
    "-c timezone=UTC -c jit=off -c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
)


def engine_config(settings: Settings) -> dict[str, Any]:
    """The part of Flask's configuration that Flask-SQLAlchemy reads."""
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": 8, "max_overflow": 0, "pool_timeout": 2}
    if settings.is_sqlite:
        options["connect_args"] = {"timeout": 5}
    else:
        options["connect_args"] = {"connect_timeout": 2, "options": _POSTGRESQL_OPTIONS, "application_name": "tasktracker"}
    url = make_url(settings.database_url)
    return {
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_ENGINE_OPTIONS": {**options, "pool_pre_ping": not settings.is_sqlite},
        # Outside a transaction each statement stands alone, which saves BEGIN and ROLLBACK.
        "SQLALCHEMY_BINDS": {READ: {**options, "url": url, "isolation_level": "AUTOCOMMIT"}},
    }


def init_app(app: Flask) -> None:
    """Binds the engines to the application and sets each new connection up."""
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _set_up_sqlite)
            event.listen(db.engines[READ], "connect", _set_up_sqlite)
            event.listen(db.engine, "begin", _begin_immediate)


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # The driver must not begin transactions of its own.
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=5000", "synchronous=NORMAL", "cache_size=-8192"):
        connection.execute(f"PRAGMA {pragma}")


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
                db.session.commit()
                session().info.clear()
                return result
            except (DBAPIError, Overtaken) as error:
                _roll_back()
                if refusal := _conflict(error):
                    raise refusal from error
                if isinstance(error, DBAPIError) and not _is_transient(error):
                    raise
                time.sleep(secrets.SystemRandom().uniform(0.01, 0.05) * attempt)
            except BaseException:
                _roll_back()
                raise
        raise Unavailable(retry_after=1)

    return run


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
