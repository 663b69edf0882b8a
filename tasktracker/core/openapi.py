"""The OpenAPI document and its page, Swagger UI, whose assets are served from here."""

from collections.abc import Callable
from functools import cached_property
from importlib.resources import files
from typing import Any

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Blueprint, Flask, Response, redirect, send_from_directory, url_for

from .blueprint import PROBLEMS, IdConverter, problem_response
from .errors import NotFound
from .fields import ID_PATTERN
from .http import PREFIX
from .json import to_bytes
from .schemas import ProblemSchema

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


class Api(flask_smorest.Api):
    """Builds the document; errors are answered by `core/http` alone."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """None: flask-smorest's would drop headers and speak another format."""

    def _register_responses(self) -> None:
        for status in PROBLEMS:
            response = problem_response(status)
            if status == 401:
                response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`"}}
            if status == 503:
                response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
            self.spec.components.response(f"PROBLEM_{status}", response, lazy=True)

    def _register_etag_headers(self) -> None:
        for name, text in (
            ("If-Match", "Change only if the resource still has this ETag, else 412."),
            ("If-None-Match", "Answer 304 if the resource still has this ETag."),
        ):
            header = {"name": name, "description": text, "schema": {"type": "string"}}
            self.spec.components.parameter(name.upper().replace("-", "_"), "header", header, lazy=True)

    def _register_pagination_header(self) -> None:
        names = ("total", "total_pages", "first_page", "last_page", "page", "previous_page", "next_page")
        numbers = {"type": "object", "properties": {name: {"type": "integer"} for name in names}, "required": list(names[:2])}
        example = {"total": 42, "total_pages": 3, "first_page": 1, "last_page": 3, "page": 1, "next_page": 2}
        header = {
            "description": "Where this page stands.",
            "content": {"application/json": {"schema": numbers, "example": example}},
        }
        self.spec.components.header("PAGINATION", header, lazy=True)

    @cached_property
    def document(self) -> bytes:
        """The document as JSON; it does not change while the process lives."""
        return to_bytes(self.spec.to_dict())

    def answer_document(self) -> Response:
        """The OpenAPI document."""
        return Response(self.document, mimetype="application/json", headers={"Cache-Control": "public, max-age=300"})


def config() -> dict[str, Any]:
    """The part of Flask's configuration that flask-smorest reads."""
    return {
        "API_TITLE": "TaskTracker",
        "API_VERSION": "1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": PREFIX,
        "OPENAPI_JSON_PATH": "openapi.json",
        "API_SPEC_OPTIONS": {
            "info": {"description": _ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": "/", "description": "This server"}],
        },
    }


View = Callable[..., Any]
docs = Blueprint("docs", __name__)


def public(view: View) -> View:
    """Marks a view as open to everyone."""
    view.is_public = True  # pyright: ignore[reportFunctionMemberAccess]
    return view


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
    response = send_from_directory(str(files("flask_swagger_ui") / "dist"), name, max_age=86400)
    return response


def init_app(app: Flask) -> Api:
    """Adds the document and its page to the application; returns the Api that blueprints are registered with."""
    app.url_map.converters["id"] = IdConverter
    api = Api(app, spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name)})
    api.register_converter(IdConverter, lambda _: {"type": "string", "format": "uuid", "pattern": ID_PATTERN})
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The `access_token` of a login."}
    api.spec.components.security_scheme("bearer", bearer)
    app.register_blueprint(docs, url_prefix=f"{PREFIX}/docs")
    app.add_url_rule("/", "root", public(lambda: redirect(url_for("docs.page"))))
    app.view_functions["api-docs.openapi_json"] = public(lambda: api.answer_document())
    return api


def _schema_name(schema: Any) -> str:
    return resolve_schema_cls(schema).__name__.removesuffix("Schema")
