"""flask-smorest's Blueprint and Api, as this API wants them.

A route says in its decorators who may call it, what goes in and what comes out; from that come the checks and the
OpenAPI document, so the two cannot differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

import flask_smorest
from flask import g
from marshmallow import Schema
from werkzeug.routing import BaseConverter

from . import idempotency
from .errors import Forbidden, NotFound, Refusal
from .fields import is_id
from .http import PROBLEM, expected, title_of
from .parsing import StrictParser, refuse_undeclared
from .schemas import ProblemSchema, example_of

View = Callable[..., Any]
_Untyped: Any = flask_smorest.Blueprint  # It says nothing of types.
NO_ID = "00000000-0000-0000-0000-000000000000"
# The usual code of each status, and what it means.
PROBLEMS = {
    400: ("malformed_json", "The request cannot be read."),
    401: ("not_authenticated", "There is no valid access token."),
    403: ("forbidden", "The caller may not do this."),
    404: ("not_found", "It does not exist, or may not be seen."),
    409: ("conflict", "It clashes with what is there."),
    412: ("precondition_failed", "It was changed since it was read (`If-Match`)."),
    413: ("content_too_large", "The body is larger than 1 MiB."),
    415: ("unsupported_media_type", "The body is not `application/json`."),
    422: ("validation_failed", "The input breaks a rule; `errors` says which."),
    429: ("rate_limited", "Too many attempts; try again after `Retry-After` seconds."),
    500: ("internal_server_error", "A fault of the server."),
    503: ("unavailable", "A part of the service does not answer; try again after `Retry-After` seconds."),
}
LIMIT_HEADERS = {f"RateLimit-{name}": f"RATE_LIMIT_{name.upper()}" for name in ("Limit", "Remaining", "Reset")}
# What any request can be answered: the first four for a query string or a body that is not taken too.
_ANYWHERE = {400, 413, 415, 422, 500, 503}


class IdConverter(BaseConverter):
    """An id in a path. What is no UUID version 7 in lower case names nothing: it becomes an id that does not exist.

    So it takes the same way as the id of something that is not there, and looks the same in all things.
    """

    regex = "[^/]+"
    part_isolating = True  # The slash in the expression makes Werkzeug think otherwise.

    def to_python(self, value: str) -> str:
        """The id, or one that nothing has."""
        return value if is_id(value) else NO_ID


@dataclass(frozen=True)
class Policy:
    """What `Blueprint.route` says of a route, which its document and the tests read too.

    Args:
        name: of its view, and of the operation in the document.
        takes: what it takes, of "query" and "json".
        finds: whether its path names something that the caller may see or not.
        repeatable: whether it heeds `Idempotency-Key`.
    """

    name: str
    takes: frozenset[str]
    finds: bool
    public: bool
    refused: bool
    forbids: tuple[str, ...]
    conditional: bool
    conflicts: tuple[str, ...]
    repeatable: bool
    limited: bool
    accepts: Schema | None


class Blueprint(_Untyped):
    """A feature's routes."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, import_name: str, **kwargs: Any) -> None:
        super().__init__(name, import_name, **kwargs)
        self._prepare_doc_cbks.append(_document)

    def route(
        self,
        rule: str,
        *,
        method: str = "GET",
        find: Callable[..., object] | None = None,
        to: str = "read",
        public: bool = False,
        refused: bool = False,
        forbids: Sequence[str] = (),
        conditional: bool = False,
        conflicts: Sequence[str] = (),
        limited: bool = False,
        accepts: Schema | None = None,
        first: Callable[[], object] | None = None,
    ) -> Callable[[View], View]:
        """Registers a view; without `public` it needs a login.

        Args:
            rule: the URL rule.
            method: the HTTP method.
            find: looks up what the ids in the path name, as `find(user_id, *ids, to=to)`, and raises NotFound or Forbidden.
                It is asked before any other refusal is answered, so that whoever may not see a resource learns nothing
                about it.
            to: what the caller wants with the resource.
            public: whether it is open to everyone.
            refused: whether it answers 401 all the same, because it judges a secret in the body.
            forbids: the codes of 403 that it can answer, beside that of a role that is too low for what the path names.
            conditional: whether `If-Match` and `If-None-Match` are heeded; the view gets them as `expected`.
            conflicts: the codes of 409 that it can answer.
            limited: whether attempts are counted, so that it can answer 429.
            first: refuses what is refused whatever the request holds, before anything of it is read.
            accepts: what it answers with 202, where it may do so instead of the documented success.
        """

        def decorator(view: View) -> View:
            apidoc: dict[str, Any] = getattr(view, "_apidoc", {})
            repeatable = method == "POST" and not rule.startswith("/auth/")
            policy = Policy(
                name=view.__name__,
                takes=frozenset(parameter["in"] for parameter in apidoc.get("arguments", {}).get("parameters", ())),
                finds=find is not None,
                public=public,
                refused=refused,
                forbids=tuple(forbids),
                conditional=conditional,
                conflicts=(*conflicts, *([idempotency.IN_USE] if repeatable else [])),
                repeatable=repeatable,
                limited=limited,
                accepts=accepts,
            )
            run = _kept(view, policy, find and partial(find, to=to), first)
            run.__dict__.update(is_public=public, policy=policy, _apidoc={**apidoc, "policy": policy})
            self.add_url_rule(rule, view.__name__, run, methods=[method])
            return run

        return decorator

    def arguments(self, schema: Schema, *, location: str = "json", **kwargs: Any) -> Any:
        """Takes a schema as an instance: from a class, an instance would be made at each request."""
        if location == "json":
            kwargs.setdefault("example", _request_example(schema))
        return super().arguments(schema, location=location, **kwargs)

    def response(self, status_code: int, schema: Schema | None = None, **kwargs: Any) -> Any:
        """Documents the answer, with an example made from the schema's fields."""
        if schema is not None:
            one = example_of(schema)
            kwargs["example"] = [one] if schema.many else one
        kwargs.setdefault("description", HTTPStatus(status_code).phrase + ".")
        return super().response(status_code, schema, **kwargs)


def _kept(view: View, policy: Policy, find: Callable[..., object] | None, first: Callable[[], object] | None) -> View:
    """The view, run as its policy says; whatever it refuses, whoever may not see what the path names learns no more."""

    @wraps(view)
    def run(**path: Any) -> Any:
        def look() -> None:
            if find:
                find(g.caller.user_id, *path.values())

        def do() -> Any:
            return view(**path, expected=expected()) if policy.conditional else view(**path)

        try:
            if first:
                first()
            refuse_undeclared(query="query" not in policy.takes, body="json" not in policy.takes)
            if policy.repeatable and (key := idempotency.sent_key()):
                return idempotency.once(key, do, find=look, judges_secret=policy.limited)
            return do()
        except Refusal as refusal:
            if not isinstance(refusal, NotFound | Forbidden):
                look()
            raise

    return run


def _request_example(schema: Schema) -> dict[str, Any]:
    """A body that can be sent as it stands: without the ids that may be left out, which name nothing of the reader's."""
    optional_ids = {name for name, field in schema.fields.items() if not field.required and name.endswith(("_id", "_ids"))}
    return {name: value for name, value in example_of(schema).items() if name not in optional_ids}


def _document(doc: dict[str, Any], info: Mapping[str, Any], *, method: str, **_: Any) -> dict[str, Any]:
    """Adds to an operation what follows from its policy: security, headers and every problem it can answer."""
    responses = doc["responses"]
    policy: Policy = info["policy"]
    success = next(status for status in responses if int(status) < 400)
    documented: dict[int, Any] = {int(success): responses[success]}
    responses[success]["headers"] = _headers(policy, method, int(success))
    if policy.accepts is not None:
        documented[202] = _accepted(policy.accepts)
    parameters = [*doc.get("parameters", ()), *(["IF_MATCH"] if policy.conditional else ())]
    parameters += ["IDEMPOTENCY_KEY"] if policy.repeatable else []
    if method == "put":
        parameters.append("IF_ABSENT")
    if method == "get" and not policy.public:
        parameters.append("IF_NONE_MATCH")
        documented[304] = "NOT_MODIFIED"
    codes = {403: policy.forbids, 409: policy.conflicts}
    for status in sorted(_problems(policy, method)):
        documented[status] = _with_codes(status, codes[status]) if codes.get(status) else f"PROBLEM_{status}"
    if policy.repeatable:
        documented[409]["headers"]["Retry-After"] = "RETRY_SOON"
    security = [] if policy.public else [{"bearer": []}]
    return {**doc, "operationId": policy.name, "security": security, "parameters": parameters, "responses": documented}


def _accepted(schema: Schema) -> dict[str, Any]:
    """How it is documented that a request was only taken."""
    return {
        "description": "Accepted.",
        "headers": {"X-Request-ID": "REQUEST_ID", **LIMIT_HEADERS},
        "content": {"application/json": {"schema": schema, "example": example_of(schema)}},
    }


def _headers(policy: Policy, method: str, success: int) -> dict[str, str]:
    """The names in the document of the headers of a success."""
    headers = {"X-Request-ID": "REQUEST_ID"}
    is_resource = success not in (HTTPStatus.NO_CONTENT, HTTPStatus.ACCEPTED) and not policy.public
    if is_resource and method != "put":  # A membership has no version.
        headers["ETag"] = "ETAG"
    if success == HTTPStatus.CREATED:
        headers["Location"] = "LOCATION"
    if policy.limited:
        headers |= LIMIT_HEADERS
    if policy.repeatable:
        headers[idempotency.REPLAYED] = "REPLAYED"
    if method == "get" and "query" in policy.takes:
        headers |= {"X-Pagination": "PAGINATION", "Link": "LINK"}
    return headers


def _problems(policy: Policy, method: str) -> set[int]:
    """The status of every problem that an operation can answer."""
    applies = {
        401: policy.refused or not policy.public,
        403: bool(policy.forbids) or (policy.finds and method != "get"),
        404: policy.finds,
        409: bool(policy.conflicts),
        412: policy.conditional,
        429: policy.limited,
    }
    return _ANYWHERE | {status for status, may_be in applies.items() if may_be}


def _with_codes(status: int, codes: Sequence[str]) -> dict[str, Any]:
    named = ", ".join(f"`{code}`" for code in codes)
    return problem_response(status, f"{PROBLEMS[status][1]} `code`: {named}.", codes[0])


def problem_response(status: int, description: str = "", code: str = "") -> dict[str, Any]:
    """How a problem is documented."""
    usual, meaning = PROBLEMS[status]
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "code": code or usual,
        "detail": meaning,
        "request_id": "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57",
    }
    if status == 422:
        example["errors"] = [{"location": "body", "pointer": "/due_date", "message": "Not a date such as 2026-12-24."}]
    return {
        "description": description or meaning,
        "headers": {"X-Request-ID": "REQUEST_ID"},
        "content": {PROBLEM: {"schema": ProblemSchema, "example": example}},
    }
