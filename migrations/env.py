"""How Alembic runs the migrations: on the application's own engine, in one transaction for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from flask import current_app
from sqlalchemy import Connection, text

from tasktracker.core import types

database = current_app.extensions["migrate"].db
# One migration at a time, also when several servers start at once.
LOCK = 7_246_531_900

RENDERED = {
    types.Id: 'sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")',
    types.UtcDateTime: 'sa.TIMESTAMP(timezone=True).with_variant(sa.CHAR(27), "sqlite")',
    types.Words: 'postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite")',
    types.Choice: "sa.SmallInteger()",
}


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Spells our column types without our code, so that an old migration stays what it was."""
    if kind == "type" and isinstance(item, types.Words):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
    return RENDERED.get(type(item), False) if kind == "type" else False


def include_object(_: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leaves out how SQLite searches: by tables that a migration makes, and not by the index of PostgreSQL."""
    is_search_table = kind == "table" and (name or "").startswith("tasks_search")
    return not is_search_table and (name != "ix_tasks_words" or database.engine.dialect.name == "postgresql")


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Lets SQLite rebuild a table: dropping the old one would delete whatever refers to its rows.

    The switch works outside a transaction alone, so it is set on the driver's connection, before one begins.
    """
    driver = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def check_sqlite(connection: Connection) -> None:
    """Refuses, and so rolls back, a migration that leaves references to nothing or tasks that cannot be searched."""
    if lost := connection.execute(text("PRAGMA foreign_key_check")).all():
        raise RuntimeError(f"This migration leaves {len(lost)} references to rows that are gone.")
    made = connection.execute(
        text("SELECT name FROM sqlite_master WHERE name LIKE 'tasks_search_%' AND type = 'trigger'")
    ).all()
    searchable = connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'tasks_search'")).first()
    if searchable and len(made) < 3:
        raise RuntimeError("This migration rebuilds tasks, which drops its triggers; make those of 0003 again at its end.")


def run() -> None:
    """Runs what is asked for, in one transaction."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            migrate(connection)
        else:
            with foreign_keys_off(connection):
                migrate(connection)


def migrate(connection: Connection) -> None:
    """Runs the migrations on this connection."""
    is_postgresql = connection.dialect.name == "postgresql"
    context.configure(
        connection=connection,
        target_metadata=database.metadata,
        render_item=render_item,
        include_object=include_object,
        render_as_batch=not is_postgresql,
        compare_server_default=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        if is_postgresql:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("SET lock_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        context.run_migrations()
        if not is_postgresql:
            check_sqlite(connection)


run()
