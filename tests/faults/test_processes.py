"""Processes die, are stopped, cannot write their log, and meet clients that take their time."""

import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import psycopg2
import pytest
from sqlalchemy import make_url

from .. import live, servers
from ..core.another import another
from ..people import Person, new_person
from ..servers import free_port, wait_for


@dataclass
class Service:
    """gunicorn, and what it has acknowledged."""

    environment: dict[str, str]
    person: Person
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes]" = field(init=False)
    done: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)

    def start(self, log: IO[str]) -> None:
        self.process = live.start(self.environment, self.port, log=log)
        wait_for(lambda: live.answers(f"http://127.0.0.1:{self.port}/healthz"), "gunicorn")

    def ask(self, method: str, path: str, body=None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.person.access_token}", "Content-Type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, f"/api/v1{path}", body and json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def write(self) -> int:
        """Makes a task; 0 if there is no answer."""
        title = secrets.token_hex(8)
        self.sent.add(title)
        try:
            status, _ = self.ask("POST", "/tasks", {"title": title})
        except (OSError, HTTPException):
            status = 0
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

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

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


@pytest.fixture(scope="module")
def service(environment, app):
    """All the while its log cannot be written: the disk is full, and no request may fail for that."""
    made = Service({**environment, "LOG_LEVEL": "INFO"}, new_person(app))
    with Path("/dev/full").open("w") as full:
        made.start(full)
        yield made
        live.stop(made.process)


@contextmanager
def writers_wait(environment) -> Iterator[None]:
    """Somebody else holds the lock that every write needs."""
    url = environment["DATABASE_URL"]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
    else:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLE tasks IN SHARE MODE")
            yield


def test_workers_that_are_killed_while_they_write_lose_nothing_that_was_acknowledged(service, environment):
    with writers_wait(environment), ThreadPoolExecutor(1) as threads:
        write = threads.submit(service.write)
        time.sleep(0.3)  # Until it is in the middle of its transaction, which cannot be seen from here on SQLite.
        before = service.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert write.result(10) == 0
        assert service.ask("GET", "/users/me")[0] == 200  # The connection waits until there is a worker again.
        assert not set(before) & set(service.workers())
    assert not service.done
    service.lost_nothing()

    with service.under_load():
        for _ in range(2):
            enough = len(service.done) + 10
            wait_for(lambda enough=enough: len(service.done) >= enough, "answers")
            os.kill(service.workers()[0], signal.SIGKILL)
    wait_for(lambda: service.write() == 201, "another worker")
    assert set(service.statuses) == {0, 201}
    service.lost_nothing()


def dribble(port: int, body: bytes, seconds: float, rest: threading.Event) -> bytes:
    """Sends a request byte by byte, its headers too, until the rest may follow."""
    head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for place in range(len(request)):
            if rest.wait(seconds):
                connection.sendall(request[place:])
                break
            connection.sendall(request[place : place + 1])
        return connection.makefile("rb").read()


def test_slow_clients_keep_nobody_else_waiting_while_there_are_threads_left(service, environment):
    """All but one of them: 7 of 8 with the embedded default, 1 of 2 workers with PostgreSQL; a proxy shields from more."""
    slow = 7 if environment["DATABASE_URL"].startswith("sqlite") else 1
    rest = threading.Event()
    with ThreadPoolExecutor(slow) as threads:
        clients = [threads.submit(dribble, service.port, b"{" + b" " * 200 + b"}", 0.05, rest) for _ in range(slow)]
        time.sleep(0.5)
        longest = 0.0
        for _ in range(20):
            begun = time.monotonic()
            assert service.ask("GET", "/users/me")[0] == 200
            longest = max(longest, time.monotonic() - begun)
        rest.set()
        assert longest < 1
        for client in clients:
            assert client.result(20).startswith(b"HTTP/1.1 422 ")


def test_who_is_told_to_stop_under_load_ends_what_is_in_hand(service, environment):
    with service.under_load():
        enough = len(service.done) + 30
        wait_for(lambda: len(service.done) >= enough, "answers")
        with writers_wait(environment):
            time.sleep(0.2)
            before = len(service.done)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert service.process.poll() is None
        assert service.process.wait(20) == 0
    assert len(service.done) > before
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
