"""A migration that rebuilds a table on SQLite, as each that alters one does, loses no row and no search."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask_migrate import upgrade
from sqlalchemy import text

from config import load
from tasktracker import create_app
from tasktracker.core.migrations import MIGRATIONS
from tasktracker.extensions import db

from .conftest import SECRETS
from .test_migrations import REVISIONS, rows, upgrade_with_rows

REBUILD = '''"""Rebuild a table."""

from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    with op.batch_alter_table("{table}", recreate="always"):
        pass


def downgrade() -> None:
    pass
'''


@pytest.fixture
def filled(tmp_path) -> Iterator[str]:
    """A database with a row in each table, and a copy of the migrations."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    environment = {"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path), "LOG_LEVEL": "WARNING", **SECRETS}
    with create_app(load(environment)).app_context():
        upgrade_with_rows()
        yield str(folder)
        for engine in db.engines.values():
            engine.dispose()


def rebuild(folder: str, table: str) -> None:
    Path(folder, "versions", "9999_rebuild.py").write_text(REBUILD.format(head=REVISIONS[-1], table=table))
    upgrade(directory=folder)


def found() -> int:
    """How many tasks are found by a word."""
    with db.engine.connect() as connection:
        sought = "SELECT count(*) FROM task_words_search WHERE task_words_search MATCH 'words : 1f0a05fix'"
        return connection.execute(text(sought)).scalar_one()


@pytest.mark.parametrize("table", ["users", "teams", "sessions", "projects", "tags", "tasks", "task_tags"])
def test_nothing_that_refers_to_its_rows_is_lost(filled, table):
    before = rows()
    rebuild(filled, table)
    assert rows() == before
    assert found() == 1


def test_words_are_not_rebuilt_without_their_search(filled, caplog):
    before = rows()
    with pytest.raises(SystemExit):
        rebuild(filled, "task_words")
    assert "make those of 0009 again" in caplog.text
    db.session.remove()
    assert rows() == before
    assert found() == 1
    with db.engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
