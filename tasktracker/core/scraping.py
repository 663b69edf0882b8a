"""`/metrics`: what Prometheus reads, for whoever has METRICS_TOKEN; where that is not set, there is no such page.

With what is counted goes what stands in the database: how many jobs wait, and for how long. A part that does not answer is
told as such, and keeps nothing else from being read.
"""

import hmac
import os
import re
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import redis
from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from config import Settings

from . import audit, store
from .deadline import at_most
from .errors import Unauthenticated
from .jobs import Job
from .models import now
from .openapi import public
from .statement import Statement
from .types import UtcDateTime

PATH = "/metrics"
scraping = Blueprint("metrics", __name__)
_PATIENCE = 1.0  # Whoever reads the metrics waits ten seconds at most, for all of them.
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_is_alive = Job.failed_at.is_(None)
_is_due = _is_alive & (Job.due_at <= bindparam("now", type_=UtcDateTime()))
_JOBS = Statement(
    select(
        func.count().filter(_is_due).label("waiting"),
        func.count().filter(_is_alive).label("alive"),
        func.count().label("all"),
        func.min(Job.due_at).filter(_is_alive).label("oldest"),
    )
)


class _Everything(Collector):
    """What is counted, by all processes of gunicorn or by this one, and what is looked up now."""

    @override
    def collect(self) -> Iterator[Metric]:
        registry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        yield from registry.collect()
        for (name, about), value in _readings():
            yield GaugeMetricFamily(name, about, value)


def _readings() -> Iterator[tuple[tuple[str, str], float]]:
    jobs, client = _jobs(), store.client()
    yield ("tasktracker_database_up", "Whether the database answers, and has its tables."), jobs is not None
    if client is not None:
        yield ("tasktracker_redis_up", "Whether Redis answers."), _answers(client)
    if jobs is None:
        return
    age = max(0.0, (now() - jobs.oldest).total_seconds()) if jobs.oldest else 0.0
    yield ("tasktracker_jobs_waiting", "Jobs that are due and that no worker has taken."), jobs.waiting
    yield ("tasktracker_jobs_scheduled", "Jobs in hand, to be tried again, or that recur."), jobs.alive - jobs.waiting
    yield ("tasktracker_jobs_failed", "Jobs that have failed for good."), jobs.all - jobs.alive
    yield ("tasktracker_jobs_oldest_waiting_seconds", "How long the oldest job that is due has waited."), age


def _jobs() -> Any:
    try:
        with at_most(_PATIENCE):
            return _JOBS.first(now=now())
    except SQLAlchemyError:
        return None


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@scraping.get(PATH)
@public
def metrics() -> Response:
    """What Prometheus reads.

    Raises:
        Unauthenticated: METRICS_TOKEN was not sent.
    """
    settings: Settings = current_app.config["SETTINGS"]
    if not _is_right(request.headers.get("Authorization", ""), settings.metrics_token or ""):
        audit.refused("metrics_refused", address=request.remote_addr)
        raise Unauthenticated("Send METRICS_TOKEN as 'Authorization: Bearer TOKEN'.")
    return Response(generate_latest(_Everything()), content_type=CONTENT_TYPE_LATEST)


def _is_right(header: str, token: str) -> bool:
    sent = _BEARER.fullmatch(header)
    return bool(token) and sent is not None and hmac.compare_digest(sent[1].encode(), token.encode())


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Has no line in the log for each reading, and does not wait for a client for ever."""

    timeout = 10

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(app: Flask, host: str, port: int) -> None:
    """Serves the application's `/metrics`, and nothing else of it, from a thread of a process that is no web server.

    Raises:
        OSError: that address cannot be listened on.
    """

    def only_metrics(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        def start_plainly(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start(status, [*headers, ("Server", "TaskTracker")], *rest)  # And not which Python this is.

        if environ["PATH_INFO"] == PATH:
            return app.wsgi_app(environ, start_plainly)
        start_plainly("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There is nothing but /metrics.\n"]

    server = make_server(host, port, only_metrics, _Server, _Quiet)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
