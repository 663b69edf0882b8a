"""The migrations of docs/database.md run while the service is used."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from tasktracker.core.migrations import MIGRATIONS
from tasktracker.extensions import db

from . import servers
from .cli.apps import flask, new_app
from .core.another import another
from .live import ROOT
from .people import Person, new_person
from .test_migrations import REVISIONS

TASKS = 1_600  # More than three batches.
IDLE = '''"""Thinks for longer than a transaction may be left alone."""

import time

from alembic import op

revision = "9001"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("CREATE TABLE thoughts (id INTEGER)")
    time.sleep(0.4)


def downgrade() -> None:
    op.execute("DROP TABLE thoughts")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations."""
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    return tmp_path / "migrations"


@pytest.fixture
def examples(folder: Path) -> Path:
    """The same, and those of the page after the newest."""
    page = (ROOT / "docs" / "database.md").read_text()
    found = re.findall(r"`migrations/versions/(\d{4})_(\w+\.py)`:\n\n```py\n(.*?)```", page, re.DOTALL)
    # Files that can be copied as they stand: a new migration takes their numbers, and the page gives them the next.
    following = [f"{int(REVISIONS[-1]) + step:04d}" for step in (1, 2)]
    assert [number for number, *_ in found] == following, "renumber the examples of docs/database.md"
    for number, name, code in found:
        (folder / "versions" / f"{number}_{name}").write_text(code)
    return folder


@pytest.fixture
def service(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Flask, dict[str, str]]]:
    """An application on a database of its own, and its settings."""
    with new_app(environment, tmp_path) as app:
        yield app, {**environment, "DATABASE_URL": app.config["SETTINGS"].database_url}


def query(app: Flask, statement: str):
    with app.app_context(), db.engine.connect() as connection:
        return connection.execute(text(statement)).all()


@contextmanager
def at_work(ada: Person) -> Iterator[list[int]]:
    """Somebody reads and writes without a pause; gives the status of each answer, all of which must be successes."""
    answers: list[TestResponse] = []
    statuses: list[int] = []
    stop, task = threading.Event(), ada.task()

    def work() -> None:
        while not stop.is_set():
            answers[:] = [
                ada.post("/tasks", {"title": "new", "priority": "high"}),
                ada.patch(f"/tasks/{task['id']}", {"title": f"change {len(statuses)}"}),
                ada.get("/tasks", query={"search": "change"}),
            ]
            statuses.extend(answer.status_code for answer in answers)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()
    assert set(statuses) == {200, 201}, [answer.text for answer in answers]


@contextmanager
def reading(environment: dict[str, str]) -> Iterator[None]:
    """Somebody reads tasks in one long transaction, as pg_dump does."""
    reader = psycopg2.connect(environment["DATABASE_URL"].replace("+psycopg2", ""))
    try:
        reader.cursor().execute("SELECT 1 FROM tasks")
        yield
    finally:
        reader.close()


def test_a_column_is_added_filled_insisted_on_and_taken_away_while_people_read_and_write(service, examples):
    app, environment = service
    ada = new_person(app, "ada")
    assert flask(app, "seed", "--users", "2", "--projects", "2", "--tasks", str(TASKS), "--tags", "2").exit_code == 0
    is_postgresql = environment["DATABASE_URL"].startswith("postgresql")
    with at_work(ada) as answers:
        servers.wait_for(lambda: len(answers) > 5, "answers")
        before = len(answers)
        with app.app_context():
            if is_postgresql:
                with reading(environment), pytest.raises(OperationalError, match="lock timeout"):
                    upgrade(str(examples))
            upgrade(str(examples))
        meanwhile = len(answers) - before
        ada.task(title="after")
    assert meanwhile > 3 or not is_postgresql, "SQLite has one writer at a time"
    made_before = "title NOT IN ('new', 'after')"
    assert query(app, f"SELECT count(*), sum(abs(weight - priority - 1)) FROM tasks WHERE {made_before}") == [(TASKS + 1, 0)]
    assert query(app, "SELECT weight FROM tasks WHERE title = 'after'") == [(1,)]
    if is_postgresql:
        column = "attrelid = 'tasks'::regclass AND attname = 'weight'"
        assert query(app, f"SELECT attnotnull FROM pg_attribute WHERE {column}") == [(True,)]
        index = "indexrelid = 'ix_tasks_project_id_weight_id'::regclass"
        assert query(app, f"SELECT indisvalid FROM pg_index WHERE {index}") == [(True,)]
        assert query(app, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated OR conname ~ 'weight'") == [(0,)]
    with app.app_context():
        downgrade(str(examples), REVISIONS[-1])
    assert query(app, "SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]
    assert [task["title"] for task in ada.get("/tasks", query={"search": "after"}).json] == ["after"]


def test_a_migration_may_think_for_longer_than_a_request(environments, folder):
    (folder / "versions" / "9001_thoughts.py").write_text(IDLE.format(head=REVISIONS[-1]))
    with servers.new_database() as url:
        hasty = {**environments("postgresql"), "DATABASE_URL": url, "DATABASE_IDLE_TIMEOUT": "0.2"}
        with another(hasty) as app, app.app_context():
            upgrade(str(folder))
