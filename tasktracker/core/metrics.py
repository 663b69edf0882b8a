"""What is counted for Prometheus: requests, the database, jobs, mails and what matters for security.

Labels have few values, none of which a client chooses: routes as they are declared, methods that HTTP knows, classes of
statuses, and names that stand in the code. gunicorn's processes count into files that whoever is asked adds up (see
`gunicorn.conf.py`); elsewhere a process counts for itself.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Engine, event

from .spending import Spending

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class _Nothing:
    """Counts nothing. Without METRICS_TOKEN nobody reads, and the library would take 3 MiB."""

    def labels(self, *_: str) -> "_Nothing":
        """Itself, whatever is counted."""
        return self

    def count(self, _: float = 1) -> None:
        """Nothing."""

    inc = dec = observe = count

    def track_inprogress(self) -> AbstractContextManager[None]:
        """Nothing, too."""
        return nullcontext()


# See `counters`.
REQUESTS: Any = _Nothing()
DATABASE_SECONDS = REDIS_SECONDS = CONNECTIONS = POOL_WAITS = POOL_WAIT_SECONDS = REQUESTS
JOBS = JOBS_RUNNING = MAILS = AUDIT_EVENTS = REQUESTS


def start() -> None:
    """Has this process count from now on."""
    from . import counters  # noqa: PLC0415

    globals().update({name: value for name, value in vars(counters).items() if name in globals() and name.isupper()})


class _Route(NamedTuple):
    """What counts a route's requests of one method and one class of status."""

    seconds: Callable[[float], None]
    database: Callable[[float], None]
    redis: Callable[[float], None]


@cache  # There are as many as routes, times methods, times five.
def _route(method: str, route: str, status: int) -> _Route:
    """Looking labels up costs more than counting."""
    return _Route(
        REQUESTS.labels(method, route, f"{status}xx").observe,
        DATABASE_SECONDS.labels(method, route).inc,
        REDIS_SECONDS.labels(method, route).inc,
    )


def request(method: str, route: str | None, status: int, seconds: float, spent: Spending) -> None:
    """Counts a request; what has no route is one to all that are unknown."""
    counted = _route(method if method in _METHODS else "other", route or "unknown", status // 100)
    counted.seconds(seconds)
    if spent.database:
        counted.database(spent.database)
    if spent.redis:
        counted.redis(spent.redis)


def watch(engine: Engine, name: str) -> None:
    """Counts the connections of an engine that are in use."""
    in_use = CONNECTIONS.labels(name)
    event.listen(engine, "checkout", lambda *_: in_use.inc())
    event.listen(engine, "checkin", lambda *_: in_use.dec())
