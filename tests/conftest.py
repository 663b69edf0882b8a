"""What all tests share. Each test that uses `app` runs twice: on SQLite alone, and on PostgreSQL with Redis.

Tests do not clean up after themselves: everyone in them is a new user who sees only what is theirs.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade

from config import load
from tasktracker import create_app
from tasktracker.extensions import db

from . import servers
from .people import Person, new_person

SECRETS = {"SECRET_KEY": "tests-only-" + "0a1b2c3d4e" * 4, "JWT_SECRET_KEY": "tests-only-" + "5f6g7h8i9j" * 4}
BACKENDS = ["sqlite", "postgresql"]


@pytest.fixture(scope="session", params=BACKENDS)
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings of an application on a database of its own."""
    instance = tmp_path_factory.mktemp(request.param)
    common = {"APP_ENV": "testing", "INSTANCE_PATH": str(instance), "LOG_LEVEL": "WARNING", **SECRETS}
    if request.param == "sqlite":
        yield {**common, "DATABASE_URL": f"sqlite:///{instance / 'test.db'}"}
    else:
        with servers.new_database() as url:
            yield {**common, "DATABASE_URL": url, "REDIS_URL": servers.redis_url()}


@pytest.fixture(scope="session")
def app(environment: dict[str, str]) -> Iterator[Flask]:
    """The application on a migrated database."""
    application = create_app(load(environment))
    with application.app_context():
        upgrade()
    yield application
    with application.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Overrides pytest-flask's fixture, which would keep one `flask.g` for all requests of a test."""


@pytest.fixture
def person(app: Flask) -> Callable[..., Person]:
    """Makes users."""
    return lambda name="user", **fields: new_person(app, name, **fields)


@pytest.fixture
def ada(app: Flask) -> Person:
    """A user."""
    return new_person(app, "ada")


@pytest.fixture
def bob(app: Flask) -> Person:
    """Another user."""
    return new_person(app, "bob")


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the project."""
    return Path(__file__).parents[1]
