"""How Alembic runs the migrations: on the application's own engine, in one transaction for each."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from flask import current_app
from sqlalchemy import text

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


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Spells our column types without our code, so that an old migration stays what it was."""
    return RENDERED.get(type(item), False) if kind == "type" else False


def include_object(_: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leaves out how SQLite searches: by tables that a migration makes, and not by the index of PostgreSQL."""
    is_search_table = kind == "table" and (name or "").startswith("tasks_search")
    return not is_search_table and (name != "ix_tasks_words" or database.engine.dialect.name == "postgresql")


def run() -> None:
    """Runs what is asked for."""
    with database.engine.connect() as connection:
        is_postgresql = connection.dialect.name == "postgresql"
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_item=render_item,
            include_object=include_object,
            render_as_batch=not is_postgresql,
            compare_server_default=True,
        )
        with context.begin_transaction():
            if is_postgresql:
                connection.execute(text("SET statement_timeout = 0"))
                connection.execute(text("SET lock_timeout = 0"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            context.run_migrations()


run()
