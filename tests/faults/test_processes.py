"""Processes die, are stopped, cannot write their log, and meet clients that take their time."""

import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import pytest

from .. import live, servers
from ..breaking import writers_wait
from ..core.another import another
from ..people import Person, new_person
from ..servers import free_port, wait_for


@dataclass
class Service:
    """gunicorn, and what it has acknowledged."""

    environment: dict[str, str]
    person: Person
    told: Path  # Where the writes that wait are told.
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes]" = field(init=False)
    done: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)

    def start(self, log: IO[str]) -> None:
        self.process = live.start(self.environment, self.port, log=log, app="tests.telling:app")
        wait_for(lambda: live.answers(f"http://127.0.0.1:{self.port}/healthz"), "gunicorn")

    def ask(self, method: str, path: str, body=None, **headers: str) -> tuple[int, bytes]:
        headers |= {"Authorization": f"Bearer {self.person.access_token}", "Content-Type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, f"/api/v1{path}", body and json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def write(self) -> int:
        """Makes a task; 0 if there is no answer."""
        title = secrets.token_hex(8)
        self.sent.add(title)
        try:
            status, _ = self.ask("POST", "/tasks", {"title": title}, **{"X-Tell": str(self.told / title)})
        except (OSError, HTTPException):
            status = 0
        finally:
            (self.told / title).unlink(missing_ok=True)
        if status == 201:
            self.done.add(title)
        self.statuses.append(status)
        return status

    def stored(self) -> list[str]:
        """The titles of all tasks there are, as another process sees them."""
        titles, page = [], 1
        while rows := self.person.get("/tasks", query={"page_size": 100, "page": page}).json:
            titles += [row["title"] for row in rows]
            page += 1
        return titles

    def waiting(self) -> set[str]:
        """The titles of the tasks that are being written, while `writers_wait`."""
        return {file.name for file in self.told.iterdir()}

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Four clients that write, one request after the other, until the end of the block."""
        stop = threading.Event()

        def client() -> None:
            while not stop.is_set():
                if self.write() == 0:
                    stop.wait(0.02)

        with ThreadPoolExecutor(4) as threads:
            clients = [threads.submit(client) for _ in range(4)]
            try:
                yield
            finally:
                stop.set()
            for one in clients:
                one.result(30)

    def lost_nothing(self) -> None:
        stored = self.stored()
        assert self.done <= set(stored) <= self.sent
        assert len(set(stored)) == len(stored)


@contextmanager
def serving(environment, app, folder: Path) -> Iterator[Service]:
    """All the while its log cannot be written: the disk is full, and no request may fail for that."""
    # Whoever waits is let go by the test, however long that takes.
    patient = dict.fromkeys(("DATABASE_STATEMENT_TIMEOUT", "DATABASE_LOCK_TIMEOUT", "DATABASE_REQUEST_TIMEOUT"), "60")
    made = Service({**environment, **patient, "SQLITE_BUSY_TIMEOUT": "60", "LOG_LEVEL": "INFO"}, new_person(app), folder)
    with Path("/dev/full").open("w") as full:
        made.start(full)
        try:
            yield made
        finally:
            live.stop(made.process)


@pytest.fixture(scope="module")
def service(environment, app, tmp_path_factory):
    with serving(environment, app, tmp_path_factory.mktemp("told")) as made:
        yield made


def test_workers_that_are_killed_while_they_write_lose_nothing_that_was_acknowledged(service):
    done = set(service.done)
    with writers_wait(service.environment["DATABASE_URL"]), ThreadPoolExecutor(1) as threads:
        write = threads.submit(service.write)
        wait_for(service.waiting, "a write that waits")
        before = live.workers(service.process.pid)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert write.result(20) == 0
        assert service.ask("GET", "/users/me")[0] == 200  # The connection waits until there is a worker again.
        # Another worker answers before the master has heard of every death.
        wait_for(lambda: not set(before) & set(live.workers(service.process.pid)), "the end of the workers")
    assert service.done == done
    service.lost_nothing()

    with service.under_load():
        for _ in range(2):
            enough = len(service.done) + 10
            wait_for(lambda enough=enough: len(service.done) >= enough, "answers")
            os.kill(live.workers(service.process.pid)[0], signal.SIGKILL)
    wait_for(lambda: service.write() == 201, "another worker")
    assert set(service.statuses) == {0, 201}
    service.lost_nothing()


def dribble(port: int, body: bytes, seconds: float, begun: threading.Semaphore, rest: threading.Event) -> bytes:
    """Sends a request byte by byte, its headers too, until the rest may follow; lets know when it is well begun."""
    head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for place in range(len(request)):
            if rest.wait(seconds):
                connection.sendall(request[place:])
                break
            connection.sendall(request[place : place + 1])
            if place == 10:
                begun.release()
        return connection.makefile("rb").read()


def seconds_of(ask: Callable[[], tuple[int, bytes]]) -> float:
    begun = time.monotonic()
    assert ask()[0] == 200
    return time.monotonic() - begun


def test_slow_clients_keep_nobody_else_waiting_while_there_are_threads_left(service, environment):
    """All but one of them: 7 of 8 with the embedded default, 1 of 2 workers with PostgreSQL; a proxy shields from more."""
    slow = 7 if environment["DATABASE_URL"].startswith("sqlite") else 1
    begun, rest, body = threading.Semaphore(0), threading.Event(), b"{" + b" " * 200 + b"}"
    with ThreadPoolExecutor(slow) as threads:
        clients = [threads.submit(dribble, service.port, body, 0.05, begun, rest) for _ in range(slow)]
        try:
            assert all(begun.acquire(timeout=20) for _ in clients)
            took = sorted(seconds_of(lambda: service.ask("GET", "/users/me")) for _ in range(20))
        finally:
            rest.set()
        # Who waits for a slow client waits for more than 10 s; one that is a little late is the machine's fault.
        assert took[10] < 1
        assert took[-1] < 5
        for client in clients:
            assert client.result(20).startswith(b"HTTP/1.1 422 ")


def test_who_is_told_to_stop_under_load_ends_what_is_in_hand(environment, app, tmp_path):
    """The service is one of its own, for it does not come back."""
    with serving(environment, app, tmp_path) as service:
        with service.under_load():
            wait_for(lambda: len(service.done) >= 30, "answers")
            with writers_wait(environment["DATABASE_URL"]):
                wait_for(service.waiting, "a write that waits")
                in_hand = service.waiting()
                service.process.send_signal(signal.SIGTERM)
                wait_for(lambda: not live.listens(service.process.pid), "the beginning of the end")
                assert service.process.poll() is None
            assert service.process.wait(20) == 0
        assert in_hand <= service.done
        assert not set(service.statuses) - {0, 201}
        service.lost_nothing()


def test_of_several_that_migrate_at_once_one_does(environments):
    """As where several servers start a new version; with SQLite there is one server."""
    with servers.new_database() as url:
        settings = {**environments("postgresql"), "DATABASE_URL": url}
        with ThreadPoolExecutor(2) as threads:  # Each asserts that its command ended well.
            list(threads.map(lambda _: live.flask(settings, "db", "upgrade"), range(2)))
        with another(settings) as app:
            assert app.test_client().get("/readyz").status_code == 200
