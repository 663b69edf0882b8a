"""The cache: what takes long to make, changes hardly ever and is the same for everyone who may have it.

Flask-Caching keeps it, in Redis for all workers together and in the process with the embedded defaults, as JSON and not as
pickled objects, which whoever writes to Redis could make run code (CWE-502). Each key names all that its value depends on,
so nothing needs to be ended; and nothing is kept that says what someone may do. Without Redis everything is made anew.

docs/performance.md lists what is kept, and what was measured and is not.
"""

import logging
from collections.abc import Callable
from functools import cache as once
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis
from cachelib.serializers import BaseSerializer
from flask import Flask
from flask_caching.backends.rediscache import RedisCache
from typing_extensions import override

from config import Settings

from ..extensions import cache
from . import store

_PACKAGE = Path(__file__).parent.parent

log = logging.getLogger(__name__)


class AsItIs(BaseSerializer):
    """Values are JSON already, as it is answered: nothing is read or written once more."""

    @override
    def dumps(self, value: Any, protocol: int = 0) -> Any:
        """The bytes."""
        return value

    @override
    def loads(self, bvalue: Any) -> Any:
        """The bytes."""
        return bvalue


class SharedCache(RedisCache):
    """Flask-Caching's Redis store on the client of this application, with its time-outs."""

    serializer: Any = AsItIs()

    @classmethod
    @override
    def factory(cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> "SharedCache":
        return cls(host=app.extensions[store.NAME], key_prefix="tasktracker:cache:", **kwargs)


def config(settings: Settings) -> dict[str, Any]:
    """The part of Flask's configuration that Flask-Caching reads."""
    shared = f"{__name__}.{SharedCache.__name__}"
    return {"CACHE_TYPE": shared if settings.redis_url else "SimpleCache", "CACHE_THRESHOLD": 100}


def init_app(app: Flask) -> None:
    """Makes the cache; the client of Redis must be there already."""
    cache.init_app(app)


def remember(key: str, seconds: int, make: Callable[[], bytes]) -> bytes:
    """What is kept under a key; made and kept if there is nothing.

    Args:
        key: names all that the value depends on.
        seconds: how long it is kept.
        make: gives the value, as JSON.
    """
    try:
        kept = cache.get(key)
        if kept is not None:
            return kept
        value = make()
        cache.set(key, value, timeout=seconds)
        return value
    except redis.RedisError as error:
        log.warning("The cache does not answer: %s", type(error).__name__)
        return make()


@once
def release() -> str:
    """What tells this code, with what makes the document of it, from any other."""
    digest = sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        digest.update(file.read_bytes())
    libraries = [version(name) for name in ("apispec", "flask-smorest", "marshmallow", "marshmallow-sqlalchemy")]
    return "-".join([digest.hexdigest()[:16], *libraries])
