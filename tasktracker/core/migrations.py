"""The migrations: which is the newest, and Flask-Migrate, which is there when it is looked for."""

from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask

from ..extensions import db

MIGRATIONS = Path(__file__).parents[2] / "migrations"
_EXTENSION = "migrate"  # Where Flask-Migrate looks for what it was told.


@cache
def newest() -> str:
    """The migration that the code needs: they are numbered, so Alembic need not read them all."""
    return max(file.name for file in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


class _Later:
    """Stands where Flask-Migrate will stand: only `flask db` needs it, and with Alembic it is 5 MiB in each worker."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __getattr__(self, name: str) -> Any:
        from flask_migrate import Migrate  # noqa: PLC0415

        # It puts itself in this one's place, and its command, which is the same, in that of ours.
        Migrate(self._app, db, directory=str(MIGRATIONS), render_as_batch=True)
        return getattr(self._app.extensions[_EXTENSION], name)


def init_app(app: Flask) -> None:
    """Has the application know where its migrations are."""
    app.extensions[_EXTENSION] = _Later(app)
