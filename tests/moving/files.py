"""Files that go from one instance to another."""

import json
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

from tasktracker.accounts.models import User
from tasktracker.accounts.sessions import start
from tasktracker.accounts.tokens import make_pair
from tasktracker.core.database import transactional
from tasktracker.extensions import db

from ..cli.apps import flask
from ..people import Person


def exported(app: Flask, folder: Path, *words: str) -> bytes:
    """What `flask export` writes."""
    file = folder / "exported"
    result = flask(app, "export", *words, "--output", str(file))
    assert result.exit_code == 0, result.output
    return file.read_bytes()


def imported(app: Flask, folder: Path, how: str, data: bytes, *words: str) -> str:
    """What `flask import` says of a file that it takes in."""
    result = _import(app, folder, how, data, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(app: Flask, folder: Path, how: str, data: bytes, *words: str) -> list[str]:
    """The lines in which `flask import` refuses a file."""
    result = _import(app, folder, how, data, *words)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    return result.stderr.partition("Error: ")[2].splitlines()


def _import(app: Flask, folder: Path, how: str, data: bytes, *words: str):
    file = folder / "imported"
    file.write_bytes(data)
    return flask(app, "import", how, str(file), *words)


def objects(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def lines(*values: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def let_in(app: Flask, username: str) -> Person:
    """Somebody whose account an import has made, once they may log in."""
    assert flask(app, "users", "enable", username).exit_code == 0
    with app.app_context():
        with db.engine.connect() as connection:
            found = select(User.id, User.email, User.password_hash).where(User.username == username)
            user = connection.execute(found).one()
        pair = make_pair(transactional(start)(user.id, user.password_hash, "127.0.0.1", "tests"))
    return Person(app, user.id, username, user.email, pair["access_token"], pair["refresh_token"])
