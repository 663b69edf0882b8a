"""The OpenAPI document and its page, Swagger UI, whose assets are served from here."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import flask_smorest
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response, redirect, send_from_directory, url_for
from marshmallow import Schema
from marshmallow import fields as ma

from ..version import VERSION
from . import caching, fields, idempotency
from .blueprint import LIMIT_HEADERS, PROBLEMS, IdConverter, problem_response
from .errors import NotFound
from .http import PREFIX
from .json import to_bytes
from .schemas import Input, ProblemSchema, Query

View = Callable[..., Any]
_DAY = 24 * 3600
_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TaskTracker API</title>
<link rel="stylesheet" href="{base}/assets/swagger-ui.css">
<link rel="icon" href="{base}/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{base}/assets/swagger-ui-bundle.js"></script>
<script src="{base}/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "%s/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  displayRequestDuration: true,
});
"""
_ABOUT = """Task tracking for teams: projects, tasks and tags, with roles.

Log in with `POST /api/v1/auth/login`, press **Authorize** and paste the `access_token`. Every error is
`application/problem+json`; `code` tells programs what happened, `detail` tells people what to do."""


_Untyped: Any = flask_smorest.Api  # It says nothing of types.
_TEXT = {"type": "string"}
_NUMBERS = ("total", "total_pages", "first_page", "last_page", "page", "previous_page", "next_page")
_PAGINATION = {
    "type": "object",
    "properties": {name: {"type": "integer"} for name in _NUMBERS},
    "required": ["total", "total_pages"],
    "additionalProperties": False,
}
_HEADERS: dict[str, dict[str, Any]] = {
    "REQUEST_ID": {"description": "The id of the request, as it stands in the log.", "schema": _TEXT, "required": True},
    "ETAG": {"description": "A strong validator of this answer.", "schema": _TEXT, "required": True},
    "LOCATION": {"description": "The URL of the new resource.", "schema": _TEXT, "required": True},
    "LINK": {"description": "The `first`, `prev`, `next` and `last` page (RFC 8288).", "schema": _TEXT, "required": True},
    "PAGINATION": {
        "description": "Where this page stands; what there is none of is absent.",
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Pagination"},
                "example": {"total": 42, "total_pages": 3, "first_page": 1, "last_page": 3, "page": 1, "next_page": 2},
            }
        },
    },
    "AUTHENTICATE": {"description": "`Bearer`.", "schema": {"type": "string", "const": "Bearer"}, "required": True},
    "RATE_LIMIT_LIMIT": {"description": "Attempts allowed; absent where limits are off.", "schema": {"type": "integer"}},
    "RATE_LIMIT_REMAINING": {"description": "Attempts left.", "schema": {"type": "integer"}},
    "RATE_LIMIT_RESET": {"description": "Seconds until they are counted anew.", "schema": {"type": "integer"}},
    "REPLAYED": {
        "description": "There where this is the answer to an earlier request with the same key.",
        "schema": {"type": "string", "const": "true"},
    },
    "RETRY_SOON": {
        "description": f"Seconds; there with `{idempotency.IN_USE}`.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RETRY_AFTER": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}, "required": True},
}
_KEY = {"type": "string", "pattern": f"^{idempotency.PATTERN}$"}
_PARAMETERS = {
    "IF_MATCH": ("If-Match", "Change only if the resource still has this ETag, else 412.", _TEXT),
    "IF_NONE_MATCH": ("If-None-Match", "Answer 304 if the resource still has this ETag.", _TEXT),
    "IF_ABSENT": ("If-None-Match", "`*`: only if it is not there yet, else 412.", _TEXT),
    "IDEMPOTENCY_KEY": (
        idempotency.HEADER,
        "A value of your own, new for each thing to be done. The same request with the same key is done once within 24 hours, "
        "and answered each time; another request with it is 422 `idempotency_key_reused`.",
        _KEY,
    ),
}
_MORE_HEADERS = {401: {"WWW-Authenticate": "AUTHENTICATE"}, 503: {"Retry-After": "RETRY_AFTER"}}
_MORE_HEADERS[429] = {"Retry-After": "RETRY_AFTER", **LIMIT_HEADERS}


def public(view: View) -> View:
    """Marks a view as open to everyone."""
    view.is_public = True  # pyright: ignore[reportFunctionMemberAccess]
    return view


class Api(_Untyped):
    """Builds the document; errors are answered by `core/http` alone."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None
    spec: APISpec

    def _register_error_handlers(self) -> None:
        """None: flask-smorest's would drop headers and speak another format."""

    def _register_responses(self) -> None:
        self.ma_plugin.converter.add_attribute_function(_rules_of_text)
        self.ma_plugin.converter.add_attribute_function(_named_enumeration)
        components = self.spec.components
        components.schema("Pagination", _PAGINATION)
        for name, header in _HEADERS.items():
            components.header(name, header, lazy=True)
        for status in PROBLEMS:
            problem = problem_response(status)
            problem["headers"] |= _MORE_HEADERS.get(status, {})
            components.response(f"PROBLEM_{status}", problem, lazy=True)
        unchanged = {
            "description": "The client has this answer already.",
            "headers": {"X-Request-ID": "REQUEST_ID", "ETag": "ETAG"},
        }
        components.response("NOT_MODIFIED", unchanged, lazy=True)
        for name, (header, text, schema) in _PARAMETERS.items():
            components.parameter(name, "header", {"name": header, "description": text, "schema": schema}, lazy=True)

    def _register_etag_headers(self) -> None:
        """None: see above."""

    def _register_pagination_header(self) -> None:
        """None: see above."""

    def document(self) -> bytes:
        """The document as JSON; it follows from the code alone."""
        return to_bytes(self.spec.to_dict())

    @public
    def _openapi_json(self) -> Response:
        document = caching.remember(f"openapi:{caching.release()}", _DAY, self.document)
        return Response(document, mimetype="application/json", headers={"Cache-Control": "public, max-age=300"})


# Regular expressions that Python and JavaScript read alike; what is trimmed may stand at the ends.
_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
_PUNCTUATION = r"\u0000-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9"
_LINE = rf"^[ \t\r\n]*[^\s{_CONTROLS}]([^{_CONTROLS}]*[^\s{_CONTROLS}])?[ \t\r\n]*$"
_LINES = r"^([^\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\r\n)*$"
_WORDS = rf"^[^{_CONTROLS}]*[^{_PUNCTUATION}][^{_CONTROLS}]*$"
_NO_NUL = r"^[^\u0000]*$"


def _rules_of_text(_: object, field: ma.Field[Any], ret: dict[str, Any], **__: object) -> dict[str, Any]:
    """What a text that is sent may hold, as a pattern."""
    if not isinstance(field.root, Input | Query):
        return {}
    if isinstance(field.root, Query):
        ret.pop("example", None)  # Swagger UI would send it and find nothing.
    if isinstance(field, fields.IdOr):
        ret.pop("format", None)  # There is no name for it; the pattern says it all.
    if isinstance(field, fields.Search):
        return {"pattern": f"{_WORDS}|^{field.wordless}$" if field.wordless else _WORDS}
    if "pattern" in ret:  # `\Z` is Python's alone; `$` of JSON Schema never stands before a newline.
        return {"pattern": ret["pattern"].replace(r"\Z", "$")}
    if isinstance(field, fields.Text):
        return {"pattern": _LINES if field.multiline else _LINE}
    return {"pattern": _NO_NUL} if isinstance(field, fields.Password) else {}


def _named_enumeration(converter: Any, field: ma.Field[Any], ret: dict[str, Any], **__: object) -> dict[str, Any]:
    """An enumeration by its name, so that a generated client has one type for all its uses."""
    if not isinstance(field, fields.Choice) or not field.is_whole:
        return {}
    name, schema = field.enumeration.__name__, {key: ret.pop(key) for key in ("type", "enum")}
    if converter.spec.components.schemas.setdefault(name, schema) != schema:
        raise ValueError(f"Two enumerations are named {name}.")
    return {"$ref": f"#/components/schemas/{name}"}


def config() -> dict[str, Any]:
    """The part of Flask's configuration that flask-smorest reads."""
    return {
        "API_TITLE": "TaskTracker",
        "API_VERSION": VERSION,
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": PREFIX,
        "OPENAPI_JSON_PATH": "openapi.json",
        "API_SPEC_OPTIONS": {
            "info": {"description": _ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": "/", "description": "This server"}],
        },
    }


docs = Blueprint("docs", __name__)


@docs.get("/")
@public
def page() -> Response:
    """Swagger UI."""
    return _static(_PAGE.format(base=f"{PREFIX}/docs"), "text/html")


@docs.get("/start.js")
@public
def start() -> Response:
    """What starts Swagger UI; a file of its own, because the page allows no script within it."""
    return _static(_START % PREFIX, "text/javascript")


def _static(text: str, mimetype: str) -> Response:
    headers = {"Content-Security-Policy": _DOCS_CSP, "Cache-Control": "public, max-age=300"}
    return Response(text, mimetype=mimetype, headers=headers)


@docs.get("/assets/<name>")
@public
def asset(name: str) -> Response:
    """One of Swagger UI's files."""
    if name not in _ASSETS:
        raise NotFound
    return send_from_directory(str(files("flask_swagger_ui") / "dist"), name, max_age=86400)


def init_app(app: Flask) -> Api:
    """Adds the document and its page to the application; returns the Api that blueprints are registered with."""
    app.url_map.converters["id"] = IdConverter
    api = Api(app, spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name)})
    api.register_converter(IdConverter, _rules_of_id)
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The `access_token` of a login."}
    api.spec.components.security_scheme("bearer", bearer)
    app.register_blueprint(docs, url_prefix=f"{PREFIX}/docs")
    app.add_url_rule("/", "root", public(lambda: redirect(url_for("docs.page"))))
    return api


def _rules_of_id(_: IdConverter) -> dict[str, str]:
    return {"type": "string", "format": "uuid", "pattern": fields.ID_PATTERN}


def _schema_name(schema: Schema | type[Schema]) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")
