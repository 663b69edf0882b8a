"""Applications on databases of their own, and commands run in them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import select

from config import load
from tasktracker import create_app
from tasktracker.extensions import db

from .. import servers
from ..conftest import SECRETS
from ..people import Person

PLAIN = {"APP_ENV": "testing", "LOG_LEVEL": "WARNING", **SECRETS}
ROOT = Path(__file__).parents[2]
SMALL = ("--users", "20", "--projects", "40", "--tasks", "400", "--tags", "4")


@contextmanager
def new_app(environment: dict[str, str], folder: Path, *, migrated: bool = True) -> Iterator[Flask]:
    """An application with these settings on an empty database of the same kind."""
    if environment["DATABASE_URL"].startswith("sqlite"):
        with application({**environment, "DATABASE_URL": f"sqlite:///{folder / 'own.db'}"}, migrated=migrated) as app:
            yield app
    else:
        with servers.new_database() as url, application({**environment, "DATABASE_URL": url}, migrated=migrated) as app:
            yield app


@contextmanager
def application(environment: dict[str, str], *, migrated: bool = False) -> Iterator[Flask]:
    """An application with these settings, and with `migrated` all tables."""
    app = create_app(load(environment))
    if migrated:
        with app.app_context():
            upgrade()
    yield app
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def flask(app: Flask, *words: str, stdin: str | bytes | None = None) -> Result:
    """Runs a command of `flask` in the application."""
    result = app.test_cli_runner().invoke(args=words, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def flask_process(environment: dict[str, str], *words: str, **kwargs: Any) -> "subprocess.CompletedProcess[str]":
    """Runs `flask` in a process of its own, as people do."""
    return subprocess.run(
        [Path(sys.executable).with_name("flask"), *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )


DIFFERENT = {"users.password_hash"}  # It has a random salt.


def all_rows(app: Flask) -> dict[str, list[tuple[str, ...]]]:
    """Every row of every table as Python sees it, but for what each database has its own way with."""
    with app.app_context(), db.engine.connect() as connection:
        return {
            table.name: sorted(
                tuple(str(value) for value in row)
                for row in connection.execute(select(*(c for c in table.columns if str(c) not in DIFFERENT)))
            )
            for table in db.metadata.sorted_tables
        }


def logged_in(app: Flask, username: str, password: str) -> Person:
    """The user, after a login over the API."""
    credentials = {"username": username, "password": password}
    answer = app.test_client().post("/api/v1/auth/login", json=credentials)
    assert answer.status_code == 200, answer.text
    tokens = answer.json
    user = tokens["user"]
    return Person(app, user["id"], user["username"], user["email"], tokens["access_token"], tokens["refresh_token"])


def every(person: Person, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    rows: list[dict[str, Any]] = []
    for page in range(1, 100):
        portion = person.get(path, query={**query, "page": page, "page_size": 100}).json
        rows += portion
        if len(portion) < 100:
            break
    return rows
