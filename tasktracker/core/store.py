"""The connection to Redis, which is there where `REDIS_URL` is set."""

from collections.abc import Callable
from threading import local
from time import monotonic, perf_counter
from typing import Any, TypeVar

import redis
from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import override

from config import Settings

from . import spending

T = TypeVar("T")
NAME = "redis"  # Of the client among the extensions of the application.
_PAUSE = 1.0
_MISSES = 2


class Breaker(Retry):
    """Retries nothing. Once Redis has let two time-outs pass, it is asked once a second: nobody else waits for it.

    Until then what can be known without Redis is known from the table, and what cannot is refused at once.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 0)
        self._misses = 0
        self._ask_again = 0.0

    def __deepcopy__(self, _: object) -> "Breaker":
        """All connections of a client are one Redis, so they have one breaker."""
        return self

    @override
    def call_with_retry(self, do: Callable[[], T], *args: Any, **kwargs: Any) -> T:
        if self._misses >= _MISSES:
            if monotonic() < self._ask_again:
                raise redis.ConnectionError("It has not answered lately.")
            self._ask_again = monotonic() + _PAUSE
        account = spending.current()
        before, begun = account.redis, perf_counter()
        try:
            result = super().call_with_retry(do, *args, **kwargs)
        except (redis.TimeoutError, TimeoutError):
            self._misses += 1
            self._ask_again = monotonic() + _PAUSE
            raise
        finally:
            # To connect anew is a call within the call, and is not counted twice.
            account.redis = before + perf_counter() - begun
        self._misses = 0
        return result


class _Kept:
    """A connection that is closed when it is not kept any more: its thread has ended, or it has failed."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        # No pool counts it: threads come and go.
        self.connection: Any = pool.connection_class(**pool.connection_kwargs)
        self.connection.connect()

    def __del__(self) -> None:
        self.connection.disconnect()


class Client(redis.Redis):
    """A client in which each thread keeps a connection for what each request asks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = local()

    def look_up(self, key: str) -> bytes | None:
        """What stands under a key.

        The client's own `get` takes a connection out of the pool, looks whether it still works, measures itself, and prepares
        for what Redis never answers to it; each request would pay for that with 11 microseconds. Here a connection that Redis
        has closed is found by asking, and the next question gets another.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        kept: _Kept | None = getattr(self._own, "kept", None)
        if kept is None:
            kept = self._own.kept = _Kept(self.connection_pool)
        connection = kept.connection

        def ask() -> Any:
            connection.send_command("GET", key)
            return connection.read_response()

        def give_up(_: Exception) -> None:
            self._own.kept = None

        return connection.retry.call_with_retry(ask, give_up)


def init_app(app: Flask, settings: Settings) -> None:
    """Makes the client; it connects when it is first used, and anew after a fault."""
    client = None
    if settings.redis_url:
        # The library's own time-outs and retries add up to a minute.
        client = Client.from_url(
            settings.redis_url,
            socket_timeout=settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            retry=Breaker(),
            health_check_interval=0,
        )
    app.extensions[NAME] = client


def client() -> Client | None:
    """The client; none with the embedded defaults."""
    return current_app.extensions[NAME]
