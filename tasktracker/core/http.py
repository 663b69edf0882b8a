"""The edge: what every answer has in common, and how refusals and faults become problems (RFC 9457)."""

import hashlib
import logging
import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode, urlsplit

import redis
import structlog
from flask import Flask, Response, g, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from config import Settings

from . import audit, database, errors, metrics, spending
from .json import to_bytes
from .limits import Standing
from .logs import reason_of
from .models import new_id
from .parsing import discard_body
from .results import ANYTHING, Expected, Page, Resource

PREFIX = "/api/v1"
PROBLEM = "application/problem+json"
MOST_ERRORS = 50
# The names that RFC 9110 gives, where Python still has older ones.
_TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
_STATUS: dict[type[errors.Refusal], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}
_DETAILS = {
    400: "The request cannot be read.",
    404: errors.NotFound.detail,
    405: "This method is not allowed here; see the header Allow.",
    413: errors.TooLarge.detail,
    500: "Something went wrong on our side. It was logged under this request_id.",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ETAG = re.compile(r'"([0-9]{1,18})-[0-9a-f]+"')
CSP = "default-src 'none'; frame-ancestors 'none'"
_PROBES = ("/healthz", "/readyz", "/metrics")  # A load balancer, or Prometheus, asks them by address, not by name.

log = logging.getLogger(__name__)
access_log = structlog.get_logger("tasktracker.access")


# --- answers ----------------------------------------------------------------------------------------------------------


def answer(resource: Resource) -> Response:
    """200 with the resource and its ETag; 304 where a reader has this answer already."""
    body = to_bytes(resource.body)
    if resource.version is None:
        return Response(body, 200, mimetype="application/json")
    return _validated(body, f'"{resource.version}-{_digest(body)}"')


def answer_once(body: Mapping[str, Any]) -> Response:
    """200 with what is not a resource and must not be kept, such as tokens."""
    return Response(to_bytes(body), 200, mimetype="application/json", headers={"Cache-Control": "no-store"})


def created(resource: Resource, path: str) -> Response:
    """201 with the new resource, its ETag and `Location`."""
    body = to_bytes(resource.body)
    response = Response(body, 201, mimetype="application/json")
    response.headers["ETag"] = f'"{resource.version}-{_digest(body)}"'
    response.headers["Location"] = f"{PREFIX}{path}/{resource.body['id']}"
    return response


def answer_page(page: Page, query: Mapping[str, Any]) -> Response:
    """200 with the rows of a page, `X-Pagination`, `Link` and an ETag of all that."""
    body = to_bytes(page.rows)
    numbers = page_numbers(page.total, query["page"], query["page_size"])
    about, link = to_bytes(numbers).decode(), _links(numbers)
    response = _validated(body, f'"{_digest(body + about.encode())}"')
    response.headers["X-Pagination"] = about
    response.headers["Link"] = link
    return response


def accepted(message: str) -> Response:
    """202: it will be done, or not, and the answer does not tell."""
    return Response(to_bytes({"message": message}), 202, mimetype="application/json", headers={"Cache-Control": "no-store"})


def no_content() -> Response:
    """204 without a body."""
    response = Response(status=204)
    response.headers.remove("Content-Type")
    return response


def page_numbers(total: int, page: int, size: int) -> dict[str, int]:
    """The numbers of `X-Pagination`, in the form that flask-smorest gives them."""
    last = -(-total // size)
    if not last:
        return {"total": 0, "total_pages": 0}
    numbers = {"total": total, "total_pages": last, "first_page": 1, "last_page": last}
    if page <= last:
        numbers["page"] = page
        if page > 1:
            numbers["previous_page"] = page - 1
        if page < last:
            numbers["next_page"] = page + 1
    return numbers


def _links(numbers: Mapping[str, int]) -> str:
    """`Link` (RFC 8288), with the other parameters of the request kept."""
    parameters = [(name, value) for name, value in request.args.items(multi=True) if name != "page"]
    relations = {"first": "first_page", "prev": "previous_page", "next": "next_page", "last": "last_page"}
    pages = {relation: numbers[name] for relation, name in relations.items() if name in numbers} or {"first": 1, "last": 1}
    path = request.path.rstrip("/")
    return ", ".join(
        f'<{path}?{urlencode([*parameters, ("page", page)])}>; rel="{relation}"' for relation, page in pages.items()
    )


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:24]


def _validated(body: bytes, etag: str) -> Response:
    sent = request.headers.get("If-None-Match") if request.method in ("GET", "HEAD") else None
    # A proxy that compresses makes the tag weak; it stands for the same content (RFC 9110, 13.1.2).
    if sent is not None and (sent.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in sent.split(","))):
        response = Response(status=304)
        response.headers.remove("Content-Type")
    else:
        response = Response(body, 200, mimetype="application/json")
    response.headers["ETag"] = etag
    return response


def expected() -> Expected:
    """What `If-Match` and `If-None-Match` ask for; a malformed tag, and a weak one in `If-Match`, matches nothing."""
    if "HTTP_IF_MATCH" not in request.environ and "HTTP_IF_NONE_MATCH" not in request.environ:
        return ANYTHING
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match", "")
    present, absent = match is not None and match.strip() == "*", none_match.strip() == "*"
    versions = None if match is None or present else _versions(match)
    return Expected(versions, _versions(none_match, weak=True), present, absent)


def _versions(tags: str, *, weak: bool = False) -> frozenset[int]:
    found = (_ETAG.fullmatch(tag.strip().removeprefix("W/" if weak else "")) for tag in tags.split(","))
    return frozenset(int(tag[1]) for tag in found if tag)


# --- problems ---------------------------------------------------------------------------------------------------------


def problem(
    status: int, code: str, detail: str, faults: Sequence[errors.Fault] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of 400 or more."""
    body = problem_body(status, code, detail, request_id())
    if faults:
        body["errors"] = [
            {"location": fault.location, "pointer": quotable(fault.pointer), "message": quotable(fault.message)}
            for fault in faults[:MOST_ERRORS]
        ]
    response = Response(to_bytes(body), status, mimetype=PROBLEM)
    response.headers.update(headers or {})
    return response


def problem_body(status: int, code: str, detail: str, request_id: str) -> dict[str, Any]:
    """What every problem says."""
    return {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "code": code,
        "detail": quotable(detail),
        "request_id": request_id,
    }


def title_of(status: int) -> str:
    """The name of a status code."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def code_of(status: int) -> str:
    """The word for programs where nothing more is known than the status."""
    return "not_found" if status == 404 else re.sub("[^a-z]+", "_", title_of(status).lower())


def quotable(text: str) -> str:
    """Text that may hold what a client sent, without lone surrogates, and short."""
    return text[:500].encode(errors="backslashreplace").decode()


def refuse(refusal: errors.Refusal) -> Response:
    """The answer to a refusal of the domain."""
    status = next(_STATUS[kind] for kind in type(refusal).__mro__ if kind in _STATUS)
    if status in (403, 429):
        route = str(request.url_rule) if request.url_rule else None
        audit.refused(
            "access_denied" if status == 403 else "limit_reached",
            code=refusal.code,
            method=request.method,
            route=route,
            user_id=_user_id(),
            address=request.remote_addr,
        )
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return problem(status, refusal.code, refusal.detail, refusal.faults, headers)


def refuse_http(error: HTTPException) -> Response:
    """The answer to an error of Flask or Werkzeug; the headers that it brings, such as `Allow`, are kept."""
    original = error.get_response(request.environ)
    status = original.status_code
    if status < 400:
        return original  # pyright: ignore[reportReturnType] - a redirect of the router.
    headers = {name: value for name, value in original.headers.items() if name in ("Allow", "Retry-After")}
    return problem(status, code_of(status), _DETAILS.get(status, f"{title_of(status)}."), headers=headers)


def refuse_fault(error: Exception) -> Response:
    """The answer when a part of the service fails: 503 where trying again may help, else 500."""
    if isinstance(error, redis.RedisError) or database.is_away(error):
        log.error("A part of the service does not answer: %s", reason_of(error), exc_info=error)
        return refuse(errors.Unavailable())
    log.error("Unexpected fault: %s", reason_of(error), exc_info=error)
    return problem(500, "internal_server_error", _DETAILS[500])


# --- hooks ------------------------------------------------------------------------------------------------------------


def request_id() -> str:
    """The id of this request: the client's if it is well-formed, else one made here."""
    known: str = g.get("request_id", "")
    if not known:
        sent = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.request_id = known = sent if _REQUEST_ID.fullmatch(sent) else new_id()
    return known


def security_headers(settings: Settings) -> dict[str, str]:
    """What every answer carries, whatever it is about."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers


def init_app(app: Flask, settings: Settings) -> None:
    """Adds to the application what every request and every answer goes through."""
    app.register_error_handler(errors.Refusal, refuse)
    app.register_error_handler(HTTPException, refuse_http)
    app.register_error_handler(Exception, refuse_fault)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=0)
    common, is_counted = security_headers(settings), settings.metrics_token is not None

    @app.before_request
    def begin() -> None:
        spending.begin()
        structlog.contextvars.bind_contextvars(request_id=request_id())
        environ = request.environ
        _check_host(environ, settings.trusted_hosts)
        _check_utf8(environ.get("QUERY_STRING", ""))

    @app.after_request
    def end(response: Response) -> Response:
        discard_body(request)
        if response.status_code >= 400 and response.mimetype != PROBLEM:
            # Werkzeug answers a precondition that fails with the file all the same.
            response.close()
            response = problem(response.status_code, code_of(response.status_code), f"{title_of(response.status_code)}.")
        headers = response.headers
        # Nothing of this is there yet; `add` does not look for it, as setting would.
        headers.add("X-Request-ID", request_id())
        for name, value in common.items():
            headers.add(name, value)
        if "rate_limit" in g:
            _add_limit(headers, g.rate_limit)
        headers.setdefault("Content-Security-Policy", CSP)
        headers.setdefault("Cache-Control", "private, no-cache" if "caller" in g else "no-store")
        if settings.cors_origins:
            response.vary.add("Origin")
        if request.path not in _PROBES:
            _log(response.status_code, is_counted=is_counted)
        return response

    _ = begin, end


def _add_limit(headers: Headers, standing: Standing) -> None:
    """How the caller stands with the limit that is nearest to its end; `Reset` in seconds."""
    headers["RateLimit-Limit"] = str(standing.limit)
    headers["RateLimit-Remaining"] = str(standing.remaining)
    headers["RateLimit-Reset"] = str(standing.reset)


def _log(status: int, *, is_counted: bool) -> None:
    spent = spending.current()
    seconds = time.perf_counter() - spent.began
    route = request.url_rule.rule if request.url_rule else None
    if is_counted:
        metrics.request(request.method, route, status, seconds, spent)
    access_log.info(
        "request",
        method=request.method,
        route=route,
        status=status,
        user_id=_user_id(),
        ms=round(seconds * 1000, 2),
        database_ms=round(spent.database * 1000, 2),
        redis_ms=round(spent.redis * 1000, 2),
        statements=spent.statements,
        rows=spent.rows,
    )


def _user_id() -> str | None:
    return g.caller.user_id if "caller" in g else None


def _check_host(environ: Mapping[str, Any], trusted: tuple[str, ...]) -> None:
    if environ["PATH_INFO"] in _PROBES:
        return
    host = environ.get("HTTP_HOST", "").lower()
    if not host and environ["SERVER_PROTOCOL"] == "HTTP/1.1":
        raise errors.Malformed("HTTP/1.1 needs the header Host.", "host_missing")
    # A request target may be a whole URL, whose host then counts (RFC 9112, 3.2.2).
    target = environ.get("RAW_URI", "/")
    named = (host,) if target.startswith(("/", "*")) else (host, urlsplit(target).netloc.lower())
    if trusted and not all(_is_trusted(name, trusted) for name in named):
        raise errors.Malformed("This service does not answer for that host.", "host_not_trusted")


_is_trusted = lru_cache(maxsize=100)(host_is_trusted)


def _check_utf8(query: str) -> None:
    if "%" not in query and query.isascii():
        return
    try:
        # WSGI hands bytes over as latin-1 text (PEP 3333).
        unquote_to_bytes(query.encode("latin-1")).decode()
    except UnicodeError as error:
        raise errors.Malformed("The query string is not UTF-8.", "malformed_query") from error
