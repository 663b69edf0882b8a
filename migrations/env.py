"""How Alembic runs the migrations: on the application's own engine, with PostgreSQL in one transaction for each."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from warnings import filterwarnings

from alembic import context
from alembic.autogenerate.api import AutogenContext
from flask import current_app
from sqlalchemy import Connection, text

from tasktracker.cli.terminal import told_plainly
from tasktracker.core import types

database = current_app.extensions["migrate"].db
LOCK = 7_246_531_900

RENDERED = {
    types.Id: 'sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")',
    types.UtcDateTime: 'sa.TIMESTAMP(timezone=True).with_variant(sa.CHAR(27), "sqlite")',
    types.Choice: "sa.SmallInteger()",
}
POSTGRESQL_ONLY = ("ix_task_words_words", "ix_tasks_project_id_due_date_desc")


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Spells our column types without our code, so that an old migration stays what it was."""
    return RENDERED.get(type(item), False) if kind == "type" else False


def include_object(_: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leaves out how SQLite searches, by tables that a migration makes, and the indexes of PostgreSQL alone."""
    is_search_table = kind == "table" and (name or "").startswith("task_words_search")
    return not is_search_table and (name not in POSTGRESQL_ONLY or database.engine.dialect.name == "postgresql")


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
    # Before 0009 the table of words was `tasks` itself.
    search = text("SELECT name FROM sqlite_master WHERE name IN ('tasks_search', 'task_words_search')")
    made = text("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE :search || '_%'")
    searchable = connection.execute(search).scalar()
    if searchable and connection.execute(made, {"search": searchable}).scalar_one() < 3:
        raise RuntimeError("This migration rebuilds task_words, which drops its triggers; make those of 0009 again at its end.")


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Migrates while nobody else does, also when several servers start at once.

    The lock belongs to the connection, as a migration may want several transactions. It is asked for again and again: a
    transaction that waited for it would keep CREATE INDEX CONCURRENTLY waiting, which waits for all that are open.
    """
    for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET {limit} = 0"))
    connection.commit()
    while not connection.scalar(text(f"SELECT pg_try_advisory_lock({LOCK})")):
        connection.rollback()
        time.sleep(0.1)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text(f"SELECT pg_advisory_unlock({LOCK})"))
        connection.commit()


@told_plainly
def connect() -> Connection:
    """A connection; that there is none is no fault of a migration, so nobody needs to see where it happened."""
    return database.engine.connect()


def run() -> None:
    """Runs what is asked for."""
    with connect() as connection:
        if connection.dialect.name == "postgresql":
            with alone(connection):
                migrate(connection)
        else:
            # Alembic warns of what it cannot compare on SQLite before it asks whether to leave it out.
            filterwarnings("ignore", "autogenerate skipping metadata-specified expression-based index 'ix_task_words_words'")
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
        transaction_per_migration=is_postgresql,
    )
    with context.begin_transaction():
        context.run_migrations()
        if not is_postgresql:
            check_sqlite(connection)


run()
