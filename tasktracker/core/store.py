"""The connection to Redis, which is there where `REDIS_URL` is set."""

import redis
from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import Settings

# A request never waits longer than this for Redis; the library's own defaults add up to a minute.
_TIMEOUT = 0.25
NAME = "redis"  # Of the client among the extensions of the application.


def init_app(app: Flask, settings: Settings) -> None:
    """Makes the client; it connects when it is first used, and anew after a fault."""
    client = None
    if settings.redis_url:
        client = redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
    app.extensions[NAME] = client


def client() -> redis.Redis | None:
    """The client; none with the embedded defaults."""
    return current_app.extensions[NAME]
