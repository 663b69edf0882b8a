"""The whole service with servers of its own, in front of which faults can be put."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade

from .. import breaking
from ..conftest import SECRETS
from ..core.another import another
from ..live import answers, start, stop, workers
from ..proxy import Proxy, proxy_to
from ..servers import PostgreSQL, Redis, Server, free_port, own, wait_for


@dataclass
class System:
    """What runs, and what can be done to it.

    Args:
        app: an application on the same database that no fault is in front of.
        environment: the settings of the service.
        parts: PostgreSQL and Redis by name, with the proxies in front of them; none of them on SQLite.
    """

    app: Flask
    environment: dict[str, str]
    parts: dict[str, tuple[Server, Proxy]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (Path(self.environment["INSTANCE_PATH"]) / "log").open("a") as log:
            self.service = start(self.environment, self.port, "--log-level", "critical", log=log)
        wait_for(self.is_ready, "the service", 60)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        stop(self.service, sig)

    def is_ready(self) -> bool:
        return answers(f"{self.url}/readyz")


@contextmanager
def running(backend: str, folder: Path) -> Iterator[System]:
    """The service on SQLite alone, or on PostgreSQL with Redis, both behind proxies."""
    common = {"APP_ENV": "testing", "INSTANCE_PATH": str(folder), "LOG_LEVEL": "ERROR", "RATELIMIT_ENABLED": "false"}
    with ExitStack() as stack:
        direct = environment = {**common, **SECRETS, "DATABASE_URL": f"sqlite:///{folder / 'history.db'}"}
        parts: dict[str, tuple[Server, Proxy]] = {}
        if backend == "postgresql":
            database, store = stack.enter_context(own(PostgreSQL)), stack.enter_context(own(Redis))
            in_front, before = (stack.enter_context(proxy_to(server.port)) for server in (database, store))
            direct = {**direct, "DATABASE_URL": database.url, "REDIS_URL": store.url}
            behind = {
                "DATABASE_URL": database.url.replace(str(database.port), str(in_front.port)),
                "REDIS_URL": store.url.replace(str(store.port), str(before.port)),
            }
            environment = {**direct, **behind, "WEB_CONCURRENCY": "2", "WEB_THREADS": "4"}
            parts = {"PostgreSQL": (database, in_front), "Redis": (store, before)}
        app = stack.enter_context(another(direct))
        with app.app_context():
            upgrade()
        system = System(app, environment, parts)
        system.start()
        try:
            yield system
        finally:
            system.stop(signal.SIGKILL)


# --- faults: each is there within its block ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """What can be done to a system, and what it is called."""

    name: str
    breaks: Callable[[System], AbstractContextManager[None]]


def _of(part: str, breaks: breaking.Fault) -> Fault:
    return Fault(f"{part} {breaks.__name__.replace('_', ' ')}", lambda system: breaks(*system.parts[part]))


@contextmanager
def _a_worker_killed(system: System) -> Iterator[None]:
    os.kill(workers(system.service.pid)[0], signal.SIGKILL)
    yield


@contextmanager
def _service_killed(system: System) -> Iterator[None]:
    system.stop(signal.SIGKILL)
    yield
    system.start()


@contextmanager
def _service_restarted(system: System) -> Iterator[None]:
    system.stop()
    yield
    system.start()


def _writers_wait(system: System) -> AbstractContextManager[None]:
    return breaking.writers_wait(system.environment["DATABASE_URL"])


_OF_PROCESSES = [
    Fault("a worker killed", _a_worker_killed),
    Fault("the service restarted", _service_restarted),
    Fault("the service killed", _service_killed),
]
_OF_SERVERS = [breaking.hung, breaking.mute, breaking.refused, breaking.killed]
_OF_POSTGRESQL = [*_OF_SERVERS, breaking.hung_and_cut, breaking.cut, breaking.stopped]
_OF_REDIS = [*_OF_SERVERS, breaking.frozen, breaking.emptied]
FAULTS: dict[str, list[Fault]] = {
    "postgresql": [
        *(_of("PostgreSQL", breaks) for breaks in _OF_POSTGRESQL),
        *(_of("Redis", breaks) for breaks in _OF_REDIS),
        *_OF_PROCESSES,
    ],
    "sqlite": [*_OF_PROCESSES, Fault("another process writes", _writers_wait)],
}
