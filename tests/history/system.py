"""The whole service with servers of its own, in front of which faults can be put."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

import redis
from flask import Flask
from flask_migrate import upgrade

from ..conftest import SECRETS
from ..core.another import another
from ..live import answers, start, stop
from ..proxy import Proxy, proxy_to
from ..servers import PostgreSQL, Redis, free_port, own, wait_for


@dataclass
class System:
    """What runs, and what can be done to it.

    Args:
        app: an application on the same database that no fault is in front of.
        environment: the settings of the service.
        parts: PostgreSQL and Redis, and the proxies in front of them; none of them on SQLite.
    """

    app: Flask
    environment: dict[str, str]
    parts: tuple[PostgreSQL, Proxy, Redis, Proxy] | None = None
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

    def workers(self) -> list[int]:
        pid = self.service.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def running(backend: str, folder: Path) -> Iterator[System]:
    """The service on SQLite alone, or on PostgreSQL with Redis, both behind proxies."""
    common = {"APP_ENV": "testing", "INSTANCE_PATH": str(folder), "LOG_LEVEL": "ERROR", "RATELIMIT_ENABLED": "false"}
    with ExitStack() as stack:
        direct = environment = {**common, **SECRETS, "DATABASE_URL": f"sqlite:///{folder / 'history.db'}"}
        parts = None
        if backend == "postgresql":
            database, store = stack.enter_context(own(PostgreSQL)), stack.enter_context(own(Redis))
            in_front, before = (stack.enter_context(proxy_to(server.port)) for server in (database, store))
            direct = {**direct, "DATABASE_URL": database.url, "REDIS_URL": store.url}
            behind = {
                "DATABASE_URL": database.url.replace(str(database.port), str(in_front.port)),
                "REDIS_URL": store.url.replace(str(store.port), str(before.port)),
            }
            environment = {**direct, **behind, "WEB_CONCURRENCY": "2", "WEB_THREADS": "4"}
            parts = (database, in_front, store, before)
        app = stack.enter_context(another(direct))
        with app.app_context():
            upgrade()
        system = System(app, environment, parts)
        system.start()
        try:
            yield system
        finally:
            system.stop(signal.SIGKILL)


# --- faults: each does its harm, waits for so many seconds, and takes it back ---------------------------------------------


def _postgresql_hangs(system: System, seconds: float) -> None:
    _, proxy, _, _ = system.parts
    proxy.hang()
    sleep(seconds)
    proxy.heal()


def _postgresql_hangs_and_is_cut(system: System, seconds: float) -> None:
    _, proxy, _, _ = system.parts
    proxy.hang()
    sleep(seconds)
    proxy.cut()
    proxy.heal()


def _postgresql_answers_are_lost(system: System, seconds: float) -> None:
    _, proxy, _, _ = system.parts
    proxy.lose_answers()
    sleep(seconds)
    proxy.cut()
    proxy.heal()


def _postgresql_is_cut(system: System, seconds: float) -> None:
    _, proxy, _, _ = system.parts
    for _ in range(5):
        proxy.cut()
        sleep(seconds / 5)


def _postgresql_refuses(system: System, seconds: float) -> None:
    _, proxy, _, _ = system.parts
    proxy.refuse()
    sleep(seconds)
    proxy.heal()


def _postgresql_is_restarted(system: System, seconds: float) -> None:
    database, *_ = system.parts
    database.stop()
    sleep(seconds)
    database.start()


def _postgresql_is_killed(system: System, seconds: float) -> None:
    database, *_ = system.parts
    database.kill()
    sleep(seconds)
    database.start()


def _redis_hangs(system: System, seconds: float) -> None:
    *_, proxy = system.parts
    proxy.hang()
    sleep(seconds)
    proxy.heal()


def _redis_answers_are_lost(system: System, seconds: float) -> None:
    *_, proxy = system.parts
    proxy.lose_answers()
    sleep(seconds)
    proxy.cut()
    proxy.heal()


def _redis_refuses(system: System, seconds: float) -> None:
    *_, proxy = system.parts
    proxy.refuse()
    sleep(seconds)
    proxy.heal()


def _redis_is_killed(system: System, seconds: float) -> None:
    _, _, store, _ = system.parts
    store.kill()
    sleep(seconds)
    store.start()


def _redis_is_frozen(system: System, seconds: float) -> None:
    _, _, store, _ = system.parts
    store.freeze()
    sleep(seconds)
    store.thaw()


def _redis_is_emptied(system: System, seconds: float) -> None:
    _, _, store, _ = system.parts
    with closing(redis.Redis.from_url(store.url)) as client:
        for _ in range(5):
            client.flushall()
            sleep(seconds / 5)


def _a_worker_is_killed(system: System, seconds: float) -> None:
    os.kill(system.workers()[0], signal.SIGKILL)
    sleep(seconds)


def _the_service_is_killed(system: System, seconds: float) -> None:
    system.stop(signal.SIGKILL)
    sleep(seconds / 10)
    system.start()


def _the_service_is_restarted(system: System, seconds: float) -> None:
    system.stop()
    sleep(seconds / 10)
    system.start()


def _another_process_writes(system: System, seconds: float) -> None:
    """It holds the one lock that SQLite has for writing."""
    path = system.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        sleep(seconds)
        connection.execute("ROLLBACK")


Fault = Callable[[System, float], None]
_OF_PROCESSES: list[Fault] = [_a_worker_is_killed, _the_service_is_restarted, _the_service_is_killed]
FAULTS: dict[str, list[Fault]] = {
    "postgresql": [
        _postgresql_hangs,
        _postgresql_hangs_and_is_cut,
        _postgresql_answers_are_lost,
        _postgresql_is_cut,
        _postgresql_refuses,
        _postgresql_is_restarted,
        _postgresql_is_killed,
        _redis_hangs,
        _redis_answers_are_lost,
        _redis_refuses,
        _redis_is_killed,
        _redis_is_frozen,
        _redis_is_emptied,
        *_OF_PROCESSES,
    ],
    "sqlite": [*_OF_PROCESSES, _another_process_writes],
}


def name_of(fault: Fault) -> str:
    return fault.__name__.strip("_").replace("_", " ")
