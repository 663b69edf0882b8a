"""How long a request, or a job, may wait for PostgreSQL in all.

PostgreSQL ends what takes too long while it works (`statement_timeout`), but one that is frozen, or behind a network that
swallows everything, ends nothing, and its driver would wait for ever. So the driver waits here: each wait uses up what
`at_most` has granted, and with nothing left it raises `Overdue` and the connection is given up. Only waiting counts, and
not the time that a slow client takes for its body. Commands are granted nothing, and wait as long as it takes.
"""

import select
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

import psycopg2
from psycopg2 import extensions
from sqlalchemy import QueuePool
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Queue
from typing_extensions import override


class Overdue(psycopg2.OperationalError):
    """PostgreSQL did not answer in the time that was granted."""


class _Grant:
    """The seconds that are left for waiting."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds


_grant: ContextVar[_Grant | None] = ContextVar("grant", default=None)


@contextmanager
def at_most(seconds: float) -> Generator[None]:
    """Grants so many seconds of waiting, of those that are left where some were granted already.

    Raises:
        Overdue: they are used up; from within, by whatever waits.
    """
    outer = _grant.get()
    granted = seconds if outer is None else min(seconds, outer.left)
    own = _Grant(granted)
    token = _grant.set(own)
    try:
        yield
    finally:
        _grant.reset(token)
        if outer is not None:
            outer.left -= granted - own.left


def wait(connection: Any) -> None:
    """Waits for PostgreSQL; psycopg2 calls it whenever it would wait itself.

    Raises:
        Overdue: it took too long; psycopg2 then closes the connection.
    """
    grant = _grant.get()
    begun = monotonic()
    try:
        while (state := connection.poll()) != extensions.POLL_OK:
            left = None if grant is None else max(0.0, grant.left - (monotonic() - begun))
            poller = select.poll()
            poller.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            if not poller.poll(None if left is None else left * 1000):
                raise Overdue("PostgreSQL did not answer in time")
    finally:
        if grant is not None:
            grant.left -= monotonic() - begun


class _Queue(Queue[ConnectionPoolEntry]):
    """The connections that are free. Waiting for one is a wait like another."""

    @override
    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        grant = _grant.get()
        if grant is None or not block or timeout is None:
            return super().get(block, timeout)
        begun = monotonic()
        try:
            return super().get(block, min(timeout, max(0.0, grant.left)))
        finally:
            grant.left -= monotonic() - begun


class Pool(QueuePool):
    """A pool in which nobody waits for longer than was granted."""

    _queue_class = _Queue


def install() -> None:
    """Has psycopg2 wait here, for all connections of this process."""
    extensions.set_wait_callback(wait)


@contextmanager
def uninstalled() -> Generator[None]:
    """Has psycopg2 wait by itself, as COPY needs it; for new connections, in a process that does nothing else."""
    extensions.set_wait_callback(None)
    try:
        yield
    finally:
        extensions.set_wait_callback(wait)
