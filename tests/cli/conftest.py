from collections.abc import Iterator

import pytest
from flask import Flask

from ..people import Person
from .apps import SMALL, flask, logged_in, new_app


@pytest.fixture
def empty(environment: dict[str, str], tmp_path) -> Iterator[Flask]:
    """An application on an empty database of its own."""
    with new_app(environment, tmp_path) as app:
        yield app


@pytest.fixture(scope="session")
def seeded(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on a database with a small sample and nothing else."""
    with new_app(environment, tmp_path_factory.mktemp("seeded")) as app:
        result = flask(app, "seed", *SMALL)
        assert result.exit_code == 0, result.output
        yield app


@pytest.fixture
def demo(seeded: Flask) -> Person:
    return logged_in(seeded, "demo", "demo-password-please-change")
