"""Services in processes of their own, and people who call them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from flask import Flask

from ..live import serving
from ..remote import Remote, remote


@dataclass(frozen=True)
class Services:
    """Where the application is served: by processes that share nothing but its database."""

    app: Flask
    urls: tuple[str, ...]

    def person(self, name: str = "user") -> Remote:
        return remote(self.app, self.urls, name)


@pytest.fixture(scope="session")
def services(app: Flask, environment: dict[str, str]) -> Iterator[Services]:
    """On PostgreSQL one gunicorn with two workers of four threads; on SQLite two as they ship, on one file."""
    settings = {**environment, "WEB_CONCURRENCY": "2", "WEB_THREADS": "4"} if "REDIS_URL" in environment else environment
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(settings)) for _ in range(1 if "REDIS_URL" in environment else 2)]
        yield Services(app, tuple(urls))


@pytest.fixture
def person(services: Services) -> Callable[..., Remote]:
    """Makes users of the services."""
    return services.person


@pytest.fixture
def ada(services: Services) -> Remote:
    return services.person("ada")


@pytest.fixture
def bob(services: Services) -> Remote:
    return services.person("bob")
