from collections.abc import Iterator

import pytest
from flask import Flask

from ..core.another import another
from ..servers import free_port


@pytest.fixture(scope="session")
def strict(environment: dict[str, str], app: Flask) -> Iterator[Flask]:
    """The same service where addresses must be confirmed."""
    with another(environment, REQUIRE_EMAIL_VERIFICATION="true") as application:
        yield application


@pytest.fixture(scope="session")
def other_worker(environment: dict[str, str], app: Flask) -> Iterator[Flask]:
    """The same service in another process: the same database and the same Redis."""
    with another(environment) as application:
        yield application


@pytest.fixture(scope="session")
def without_redis(environment: dict[str, str], app: Flask) -> Iterator[Flask]:
    """The same service while Redis is away."""
    with another(environment, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as application:
        yield application
