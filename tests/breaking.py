"""Faults of a server and of the proxy in front of it: each is there within its block, and is taken back at its end."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress

import psycopg2
import redis
from sqlalchemy import make_url

from .proxy import Proxy
from .servers import PostgreSQL, Redis, Server

Fault = Callable[[Server, Proxy], AbstractContextManager[None]]


@contextmanager
def refused(server: Server, proxy: Proxy) -> Iterator[None]:
    """Nobody listens."""
    proxy.refuse()
    try:
        yield
    finally:
        proxy.heal()


@contextmanager
def hung(server: Server, proxy: Proxy) -> Iterator[None]:
    """What is asked never arrives, until the end; then it does."""
    proxy.hang()
    try:
        yield
    finally:
        proxy.heal()


@contextmanager
def hung_and_cut(server: Server, proxy: Proxy) -> Iterator[None]:
    """What is asked never arrives."""
    proxy.hang()
    try:
        yield
    finally:
        proxy.cut()
        proxy.heal()


@contextmanager
def mute(server: Server, proxy: Proxy) -> Iterator[None]:
    """What is asked is done, and never answered."""
    proxy.lose_answers()
    try:
        yield
    finally:
        proxy.cut()
        proxy.heal()


@contextmanager
def frozen(server: Server, proxy: Proxy) -> Iterator[None]:
    """It takes connections and answers nothing."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextmanager
def stopped(server: Server, proxy: Proxy) -> Iterator[None]:
    """It has ended as it likes to end."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def killed(server: Server, proxy: Proxy) -> Iterator[None]:
    """It has ended without a word."""
    server.kill()
    try:
        yield
    finally:
        server.start()


def cut(server: Server, proxy: Proxy) -> AbstractContextManager[None]:
    """Connections are reset, ten times a second."""
    return _again_and_again(proxy.cut)


@contextmanager
def _again_and_again(act: Callable[[], object]) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        act()
        while not over.wait(0.1):
            act()

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run)
        try:
            yield
        finally:
            over.set()
        running.result()


# --- PostgreSQL -----------------------------------------------------------------------------------------------------------


@contextmanager
def connected(server: PostgreSQL) -> Iterator[psycopg2.extensions.cursor]:
    """Past the proxy, and as somebody else."""
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


@contextmanager
def out_of_connections(server: PostgreSQL, proxy: Proxy) -> Iterator[None]:
    """Others have taken all that there are, those of the service's too when they were cut."""
    server.stop()
    server.start()
    with ExitStack() as others:
        with suppress(psycopg2.OperationalError):
            while True:
                others.enter_context(closing(psycopg2.connect(server.url)))
        yield


@contextmanager
def only_read(server: PostgreSQL, proxy: Proxy) -> Iterator[None]:
    """It is as a standby is, or as a server that its administrator has closed for writing."""
    with connected(server) as cursor:
        cursor.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        _disconnect(cursor)
        try:
            yield
        finally:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
            _disconnect(cursor)


def _disconnect(cursor: psycopg2.extensions.cursor) -> None:
    """Ends every connection but this one."""
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )


@contextmanager
def slow(server: PostgreSQL, table: str, action: str, seconds: float) -> Iterator[None]:
    """Every such statement takes so long."""
    body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END"
    with connected(server) as cursor:
        cursor.execute(f"CREATE FUNCTION slow_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        try:
            cursor.execute(f"CREATE TRIGGER slow BEFORE {action} ON {table} FOR EACH ROW EXECUTE FUNCTION slow_{table}()")
            yield
        finally:
            cursor.execute(f"DROP FUNCTION slow_{table}() CASCADE")


@contextmanager
def failing(server: PostgreSQL, table: str, state: str) -> Iterator[None]:
    """Every INSERT ends with this code."""
    body = f"BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END"
    with connected(server) as cursor:
        cursor.execute(f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        try:
            cursor.execute(f"CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no()")
            yield
        finally:
            cursor.execute("DROP FUNCTION no() CASCADE")


# --- Redis ----------------------------------------------------------------------------------------------------------------


@contextmanager
def direct(server: Redis) -> Iterator[redis.Redis]:
    """Past the proxy."""
    with redis.Redis.from_url(server.url, socket_timeout=5) as client:
        yield client


@contextmanager
def configured(server: Redis, name: str, value: str, otherwise: str) -> Iterator[None]:
    """Its administrator has set something so."""
    with direct(server) as client:
        client.config_set(name, value)
        try:
            yield
        finally:
            client.config_set(name, otherwise)


def without_replicas(server: Redis, proxy: Proxy) -> AbstractContextManager[None]:
    """It takes nothing that it cannot copy."""
    return configured(server, "min-replicas-to-write", "1", "0")


def full(server: Redis, proxy: Proxy) -> AbstractContextManager[None]:
    """It has no room, and evicts nothing."""
    return configured(server, "maxmemory", "1", "0")


@contextmanager
def read_only(server: Redis, proxy: Proxy) -> Iterator[None]:
    """A failover has made it a replica."""
    with direct(server) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            yield
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def emptied(server: Redis, proxy: Proxy) -> Iterator[None]:
    """It forgets everything, ten times a second."""
    with direct(server) as client, _again_and_again(client.flushall):
        yield


# --- either database ------------------------------------------------------------------------------------------------------


@contextmanager
def writers_wait(url: str) -> Iterator[None]:
    """Somebody else holds the lock that every write of a task needs."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "", isolation_level=None, timeout=10)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLE tasks IN SHARE MODE")
            yield
