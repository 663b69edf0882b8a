"""What all tests share. Each test that uses `app` runs twice: on SQLite alone, and on PostgreSQL with Redis.

Tests do not clean up after themselves: everyone in them is a new user who sees only what is theirs.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Connection, event
from werkzeug.test import TestResponse

from config import load
from tasktracker import create_app
from tasktracker.extensions import db

from . import servers
from .people import Person, new_person
from .post import Letter, PostOffice, do_jobs, post_office

SECRETS = {"SECRET_KEY": "tests-only-" + "0a1b2c3d4e" * 4, "JWT_SECRET_KEY": "tests-only-" + "5f6g7h8i9j" * 4}
# A busy machine is no fault; the tests of faults have the defaults.
PATIENT = {"DATABASE_STATEMENT_TIMEOUT": "5", "DATABASE_LOCK_TIMEOUT": "3", "DATABASE_REQUEST_TIMEOUT": "20"}
BACKENDS = ["sqlite", "postgresql"]
Request = Callable[[], TestResponse]


@pytest.fixture(scope="session")
def office() -> Iterator[PostOffice]:
    """The mail server of all applications."""
    with post_office() as running:
        yield running


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory, office: PostOffice) -> Iterator[Callable[[str], dict[str, str]]]:
    """The settings for each backend, on a database of its own; made once, however often the tests change between them."""
    with ExitStack() as stack:

        @cache
        def settings(backend: str) -> dict[str, str]:
            instance = tmp_path_factory.mktemp(backend)
            # Thousands of logins come from one address; the tests of limits switch them on.
            quiet = {"LOG_LEVEL": "WARNING", "RATELIMIT_ENABLED": "false"}
            mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(office.port), "MAIL_DEFAULT_SENDER": "tracker@example.com"}
            common = {"APP_ENV": "testing", "INSTANCE_PATH": str(instance), **quiet, **mail, **PATIENT, **SECRETS}
            if backend == "sqlite":
                return {**common, "DATABASE_URL": f"sqlite:///{instance / 'test.db'}"}
            url = stack.enter_context(servers.new_database())
            return {**common, "DATABASE_URL": url, "REDIS_URL": servers.redis_url()}

        yield settings


@pytest.fixture(scope="session")
def applications(environments: Callable[[str], dict[str, str]]) -> Iterator[Callable[[str], Flask]]:
    """The application for each backend, on a migrated database."""
    made: list[Flask] = []

    @cache
    def application(backend: str) -> Flask:
        made.append(create_app(load(environments(backend))))
        with made[-1].app_context():
            upgrade()
        return made[-1]

    yield application
    for one in made:
        with one.app_context():
            for engine in db.engines.values():
                engine.dispose()


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """SQLite alone, or PostgreSQL with Redis."""
    return request.param


@pytest.fixture(scope="session")
def environment(backend: str, environments: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """The settings of the application."""
    return environments(backend)


@pytest.fixture(scope="session")
def app(backend: str, applications: Callable[[str], Flask]) -> Flask:
    """The application."""
    return applications(backend)


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


@pytest.fixture
def holding(app: Flask) -> Iterator[Connection]:
    """A connection that holds rows, see `racing.waiting`."""
    with app.app_context(), db.engine.connect() as connection:
        yield connection


@pytest.fixture
def overtake(app: Flask):
    """Holds the first request before its commit until the second waits for it, or is through; gives both answers."""
    with app.app_context():
        engine = db.engine
    held, go, first_thread = threading.Event(), threading.Event(), []

    def hold(_: object) -> None:
        if threading.get_ident() in first_thread:
            held.set()
            go.wait(10)

    def run(first: Request, second: Request) -> tuple[TestResponse, TestResponse]:
        held.clear()
        go.clear()

        def send_first() -> TestResponse:
            first_thread[:] = [threading.get_ident()]
            return first()

        with ThreadPoolExecutor(2) as threads:
            before = threads.submit(send_first)
            assert held.wait(10)
            after = threads.submit(second)
            wait([after], timeout=0.25)  # Whoever waits for a lock cannot be seen from here on SQLite.
            go.set()
            return before.result(20), after.result(20)

    event.listen(engine, "commit", hold)
    yield run
    event.remove(engine, "commit", hold)


@pytest.fixture
def letters(app: Flask, office: PostOffice) -> Callable[[str], list[Letter]]:
    """Does what the worker has to do, and gives what has come to an address."""

    def delivered(address: str) -> list[Letter]:
        do_jobs(app)
        return office.to(address)

    return delivered


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the project."""
    return Path(__file__).parents[1]
