"""Services in processes of their own, and people who call them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

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
def services_on(
    applications: Callable[[str], Flask], environments: Callable[[str], dict[str, str]]
) -> Iterator[Callable[[str], Services]]:
    """On PostgreSQL one gunicorn with two workers of four threads; on SQLite two as they ship, on one file."""
    with ExitStack() as stack:

        @cache
        def services(backend: str) -> Services:
            app, times = applications(backend), 1 if backend == "postgresql" else 2
            settings = {**environments(backend), **({"WEB_CONCURRENCY": "2", "WEB_THREADS": "4"} if times == 1 else {})}
            return Services(app, tuple(stack.enter_context(serving(settings)) for _ in range(times)))

        yield services


@pytest.fixture(scope="session")
def services(backend: str, services_on: Callable[[str], Services]) -> Services:
    return services_on(backend)


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
