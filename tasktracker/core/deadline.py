"""How long a request, or a job, may wait for PostgreSQL in all, and how long a statement of it may take on either database.

Each wait of the driver (see `postgresql`) and for a connection uses up what `at_most` has granted; with nothing left it
raises `Overdue`, and the connection is given up. Only waiting counts, and not the time that a slow client takes for its
body. Commands are granted nothing, and wait as long as it takes.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

from sqlalchemy import QueuePool
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Queue
from typing_extensions import override

from . import metrics, spending

_PAUSE = 0.5  # Seconds in which nobody asks a PostgreSQL that is silent.
_LONG = 20.0  # Seconds for what touches as many rows as there are; the proxy waits for longer, and so does gunicorn.


class Overdue(Exception):
    """PostgreSQL did not answer in the time that was granted."""


class Breaker:
    """Whether a PostgreSQL is asked at all. Once it was silent for longer than it may be, it is asked twice a second.

    Meanwhile all others are refused at once: each would wait as long in vain, and those behind it in the queue of a server
    with few threads for the sum of all.

    Args:
        silence: seconds after which PostgreSQL itself ends a statement or the wait for a lock.
    """

    def __init__(self, silence: float) -> None:
        self.silence = silence
        self._is_open = False
        self._ask_again = 0.0

    def open(self) -> None:
        """PostgreSQL is silent."""
        self._is_open = True
        self._ask_again = monotonic() + _PAUSE

    def close(self) -> None:
        """It has answered."""
        self._is_open = False

    def refuses(self) -> bool:
        """Whether nothing is to be asked now."""
        if not self._is_open:
            return False
        if monotonic() < self._ask_again:
            return True
        self._ask_again = monotonic() + _PAUSE
        return False


class Grant:
    """The seconds that are left for waiting and that one statement may take, and whom one waits for."""

    def __init__(self, seconds: float, breaker: Breaker | None) -> None:
        self.left = seconds
        self.statement = 0.0  # If it is more than what the database lets each take.
        self.breaker = breaker


_grant: ContextVar[Grant | None] = ContextVar("grant", default=None)
granted = _grant.get


@contextmanager
def at_most(seconds: float) -> Generator[None]:
    """Grants so many seconds of waiting, of those that are left where some were granted already.

    Raises:
        Overdue: they are used up; from within, by whatever waits.
    """
    outer = _grant.get()
    most = seconds if outer is None else min(seconds, outer.left)
    own = Grant(most, outer.breaker if outer else None)
    token = _grant.set(own)
    try:
        yield
    finally:
        _grant.reset(token)
        if outer is not None:
            outer.left -= most - own.left


def grant_long() -> float | None:
    """Grants the next statement, and what follows it, the time that it takes to delete what a hundred thousand tasks have.

    Returns:
        The seconds that each may take; nothing where there is no limit.
    """
    grant = _grant.get()
    if grant is None:
        return None
    grant.statement = max(_LONG, grant.breaker.silence if grant.breaker else 0.0)
    grant.left = max(grant.left, grant.statement)
    return grant.statement


def silent(*, for_seconds: float = inf) -> None:
    """PostgreSQL has said nothing for so long; in vain, if it would have ended by then whatever it was busy with."""
    grant = _grant.get()
    if grant is not None and grant.breaker is not None and for_seconds > grant.breaker.silence:
        grant.breaker.open()


class _Queue(Queue[ConnectionPoolEntry]):
    """The connections that are free. Waiting for one is a wait like another."""

    breaker: Breaker

    @override
    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        grant = _grant.get()
        if grant is not None:
            grant.breaker = self.breaker
            if self.breaker.refuses():
                raise PoolTimeoutError("PostgreSQL has not answered lately.")
        if grant is None or not block or timeout is None:
            return super().get(block, timeout)
        begun, none_is_free = monotonic(), self.empty()
        try:
            return super().get(block, min(timeout, max(0.0, grant.left)))
        finally:
            waited = monotonic() - begun
            if none_is_free:
                metrics.POOL_WAITS.inc()
                metrics.POOL_WAIT_SECONDS.inc(waited)
            spending.current().database += waited
            grant.left -= waited


def pool_of(breaker: Breaker) -> type[QueuePool]:
    """Pools in which nobody waits for longer than was granted, nor for a PostgreSQL that is silent."""

    class OwnQueue(_Queue):
        pass

    class Pool(QueuePool):
        _queue_class = OwnQueue
        # SQLAlchemy would name its log after this module, and what it says at DEBUG is not ours to say.
        _sqla_logger_namespace = "sqlalchemy.pool"

    OwnQueue.breaker = breaker
    return Pool
