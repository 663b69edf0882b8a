from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import delete

from tasktracker.extensions import db

from ..cli.apps import new_app


@pytest.fixture(scope="session")
def other(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on a database of its own, of the same kind."""
    with new_app(environment, tmp_path_factory.mktemp("elsewhere")) as app:
        yield app


@pytest.fixture
def elsewhere(other: Flask) -> Flask:
    """Another instance, in which there is nothing."""
    clear(other)
    return other


def clear(app: Flask) -> None:
    with app.app_context(), db.engine.begin() as connection:
        for table in reversed(db.metadata.sorted_tables):
            connection.execute(delete(table))
