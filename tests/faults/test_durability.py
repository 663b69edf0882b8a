"""What was answered is on the disk, also when the power fails."""

import pytest
from sqlalchemy import text

from tasktracker.extensions import db

from ..conftest import SECRETS
from ..core.another import another


@pytest.mark.parametrize(("app_env", "synchronous"), [("development", 2), ("testing", 1)])
def test_the_embedded_database_waits_for_the_disk_at_each_commit(tmp_path, app_env, synchronous):
    """2 is FULL; with 1 the newest transactions of a write-ahead log may be lost (https://sqlite.org/pragma.html)."""
    environment = {"APP_ENV": app_env, "INSTANCE_PATH": str(tmp_path), "LOG_LEVEL": "WARNING", **SECRETS}
    with another(environment) as application, application.app_context():
        for engine in db.engines.values():
            with engine.connect() as connection:
                assert connection.execute(text("PRAGMA synchronous")).scalar_one() == synchronous


def test_postgresql_is_asked_for_nothing_less_than_its_default(app):
    with app.app_context(), db.engine.connect() as connection:
        if not app.config["SETTINGS"].is_sqlite:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        else:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
