"""What gunicorn answers itself, before a request reaches the application, in the form of all other answers."""

import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from gunicorn.http import errors, wsgi
from gunicorn.workers.base import Worker
from werkzeug.http import http_date

from config import Settings

from .http import CSP, access_log, code_of, problem_body, security_headers, title_of
from .json import to_bytes
from .models import new_id

_STATUS: dict[type[BaseException], int] = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
    # What the application wanted to send, or how it is set up, is not the client's fault.
    errors.InvalidResponseHeader: 500,  # pyright: ignore[reportAttributeAccessIssue] - the stubs are older.
    errors.InvalidResponseHeaderName: 500,  # pyright: ignore[reportAttributeAccessIssue]
    errors.ConfigurationProblem: 500,
    errors.ParseException: 400,
    # A worker that hangs is told to end by its master.
    SystemExit: 503,
}
_DETAILS = {
    400: "This is no request that HTTP/1.1 knows.",
    414: "The URL is too long.",
    417: "This expectation cannot be met.",
    431: "The header fields are too large.",
    501: "This transfer coding is not known here.",
}
_SERVER = "TaskTracker"

log = logging.getLogger(__name__)


def install(worker: Worker, settings: Settings) -> None:
    """Has a worker of gunicorn, of whichever class, answer with problems, and name no software or version."""
    wsgi.SERVER = _SERVER  # pyright: ignore[reportAttributeAccessIssue] - what `Server` says.
    common = {**security_headers(settings), "Content-Security-Policy": CSP, "Cache-Control": "no-store"}

    def handle_error(req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:  # noqa: ARG001
        _answer(client, exc, common, is_answered=req is not None)

    worker.handle_error = handle_error


def _answer(client: socket.socket, error: BaseException, common: Mapping[str, str], *, is_answered: bool) -> None:
    """Answers what gunicorn cannot hand to the application; what a client sent stands in no log."""
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    if is_answered and status < 500:
        return  # What is wrong with the rest of a body that nobody asked for gets no second answer.
    request_id = new_id()
    structlog.contextvars.clear_contextvars()  # This worker's last request was another.
    structlog.contextvars.bind_contextvars(request_id=request_id)
    access_log.info("request", status=status, refused=type(error).__name__)
    if status in (500, 503):
        log.error("The server failed", exc_info=error)
    with suppress(OSError):  # Whoever does not listen any more misses nothing.
        client.sendall(_message(status, request_id, common))


def _message(status: int, request_id: str, common: Mapping[str, str]) -> bytes:
    title = title_of(status)
    body = to_bytes(problem_body(status, code_of(status), _DETAILS.get(status, f"{title}."), request_id))
    headers = {
        "Server": _SERVER,
        "Date": http_date(),
        "Connection": "close",
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "X-Request-ID": request_id,
        **common,
        **({"Retry-After": "2"} if status == 503 else {}),
    }
    lines = [f"HTTP/1.1 {status} {title}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
