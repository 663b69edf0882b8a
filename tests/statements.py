"""What an application asks of its database, as the driver sees it: whoever sends it, and however."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from psycopg2 import extensions
from sqlalchemy import event

from tasktracker.extensions import db

_PREPARE = re.compile(r"PREPARE (\w+)\b.*? AS (.*)", re.DOTALL)
_EXECUTE = re.compile(r"EXECUTE (\w+)")
_LIMIT = re.compile(r"SET LOCAL statement_timeout = \d+; ")  # It goes along with a statement.
# What concerns a transaction or a connection, and not what a request is about.
_ASIDE = re.compile(r"BEGIN|COMMIT|ROLLBACK|SET|PRAGMA|DEALLOCATE|SELECT 1$")


@dataclass
class Heard:
    """What was sent while somebody listened.

    Args:
        statements: each statement, once for each time that it was sent; a prepared one as it was prepared.
        commits: how many transactions were committed.
    """

    statements: list[str] = field(default_factory=list)
    commits: int = 0


class Listener:
    """Listens to all connections that an application makes from now on."""

    def __init__(self, app: Flask) -> None:
        self._heard: Heard | None = None
        self._prepared: dict[str, str] = {}
        with app.app_context():
            for engine in db.engines.values():
                # The driver's own cursors: what is sent past SQLAlchemy is heard too.
                if engine.dialect.name == "sqlite":
                    event.listen(engine, "do_connect", self._with_class)
                else:
                    event.listen(engine, "connect", self._with_cursor)
                event.listen(engine, "commit", self._note_commit)

    @contextmanager
    def listening(self) -> Iterator[Heard]:
        """What is sent in between."""
        self._heard = heard = Heard()
        try:
            yield heard
        finally:
            self._heard = None

    def _with_class(self, _dialect: object, _record: object, _words: object, named: dict[str, Any]) -> None:
        note = self._note

        class Cursor(sqlite3.Cursor):
            def execute(self, query, *values):
                note(query)
                return super().execute(query, *values)

            def executemany(self, query, rows):
                note(query)  # Many rows are no round trips here.
                return super().executemany(query, rows)

        class Connection(sqlite3.Connection):
            def cursor(self, factory=Cursor):
                return super().cursor(factory)

        named["factory"] = Connection

    def _with_cursor(self, connection: Any, _: object) -> None:
        note = self._note

        class Cursor(extensions.cursor):
            def execute(self, query, values=None):
                note(query)
                return super().execute(query, values)

            def executemany(self, query, rows):
                for row in rows:  # This is what the driver does with them, too.
                    self.execute(query, row)

        connection.cursor_factory = Cursor

    def _note_commit(self, _: object) -> None:
        if self._heard is not None:
            self._heard.commits += 1

    def _note(self, query: str | bytes) -> None:
        text = " ".join((query.decode() if isinstance(query, bytes) else query).split())
        text = _LIMIT.sub("", text)
        if prepared := _PREPARE.match(text):
            self._prepared[prepared[1]] = prepared[2]
            return
        if self._heard is not None and not _ASIDE.match(text):
            executed = _EXECUTE.match(text)
            self._heard.statements.append(self._prepared[executed[1]] if executed else text)
