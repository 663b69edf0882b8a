from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from flask import Flask

from ..live import serving
from .sockets import Address

HOST = "tracker.company.test"


@dataclass
class Service:
    """gunicorn, and the application on the same database."""

    app: Flask
    address: Address
    kind: str


@pytest.fixture(scope="session", params=["gthread", "sync"])
def service(request, environments, applications) -> Iterator[Service]:
    """Threads on SQLite that keep connections, and a plain process behind one proxy on PostgreSQL with Redis."""
    threaded = request.param == "gthread"
    backend = "sqlite" if threaded else "postgresql"
    settings = {
        **environments(backend),
        "PUBLIC_URL": f"https://{HOST}",
        "TRUSTED_HOSTS": f"localhost,{HOST}",
        "TRUSTED_PROXIES": "0" if threaded else "1",
        "WEB_CONCURRENCY": "1",
    }
    app = applications(backend)  # Which makes the tables.
    with serving(settings) as url:
        parts = urlsplit(url)
        yield Service(app, (str(parts.hostname), int(parts.port or 0)), request.param)
