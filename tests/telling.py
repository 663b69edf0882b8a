"""The application, in which a request that names a file in `X-Tell` makes it before it waits to write a task.

The file is gone before the commit: while somebody else keeps all writers waiting, each file is a request that waits.
"""

from pathlib import Path

from flask import has_request_context, request
from sqlalchemy import event

from tasktracker.extensions import db
from wsgi import app

__all__ = ["app"]


def _file() -> Path | None:
    name = request.headers.get("X-Tell") if has_request_context() else None
    return Path(name) if name else None


def _tell(_connection: object, _cursor: object, statement: str, *_: object) -> None:
    if ("INSERT INTO tasks" in statement or statement == "BEGIN IMMEDIATE") and (file := _file()):
        file.touch()


def _take_back(_: object) -> None:
    if file := _file():
        file.unlink(missing_ok=True)


with app.app_context():
    event.listen(db.engine, "before_cursor_execute", _tell)
    event.listen(db.engine, "commit", _take_back)
