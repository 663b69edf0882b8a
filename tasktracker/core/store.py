"""The connection to Redis, which is there where `REDIS_URL` is set."""

from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

import redis
from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import override

from config import Settings

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
        try:
            result = super().call_with_retry(do, *args, **kwargs)
        except (redis.TimeoutError, TimeoutError):
            self._misses += 1
            self._ask_again = monotonic() + _PAUSE
            raise
        self._misses = 0
        return result


def init_app(app: Flask, settings: Settings) -> None:
    """Makes the client; it connects when it is first used, and anew after a fault."""
    client = None
    if settings.redis_url:
        # The library's own time-outs and retries add up to a minute.
        client = redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            retry=Breaker(),
            health_check_interval=0,
        )
    app.extensions[NAME] = client


def client() -> redis.Redis | None:
    """The client; none with the embedded defaults."""
    return current_app.extensions[NAME]
