"""Traces for OpenTelemetry and faults for Sentry, where their own variables ask for it; else nothing of them is imported.

What leaves the process is what stands in the log, and no more: routes and not paths, ids and not names, of an exception its
kind and its place and not its words. No body, header, query or variable goes along.
"""

import os
from importlib import import_module
from typing import Any

from flask import Flask, Response, g, request

from config import SettingsError

from . import spending

TRACES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FAULTS = "SENTRY_DSN"
_MISSING = "asks for packages that are not installed; set nothing, or run: pip install -r requirements-telemetry.lock"


def init_app(app: Flask) -> None:
    """Switches on what is asked for.

    Raises:
        SettingsError: its packages are missing, or its variable is malformed.
    """
    for name in TRACES if os.environ.get("OTEL_TRACES_EXPORTER") != "none" else ():
        if os.environ.get(name):
            _trace(app, name)
            break
    if os.environ.get(FAULTS):
        _tell_faults()


def _import(name: str, variable: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise SettingsError({variable: _MISSING}) from error


# --- OpenTelemetry ----------------------------------------------------------------------------------------------------


def _trace(app: Flask, variable: str) -> None:
    """A span for each request. The name of the service, the sampling and the collector are OpenTelemetry's own variables."""
    trace = _import("opentelemetry.trace", variable)
    propagate = _import("opentelemetry.propagate", variable)
    resources = _import("opentelemetry.sdk.resources", variable)
    is_named = resources.OTELResourceDetector().detect().attributes.get("service.name")
    resource = resources.Resource.create({} if is_named else {"service.name": "tasktracker"})
    provider = _import("opentelemetry.sdk.trace", variable).TracerProvider(resource=resource)
    exporter = _import("opentelemetry.exporter.otlp.proto.http.trace_exporter", variable).OTLPSpanExporter()
    provider.add_span_processor(_import("opentelemetry.sdk.trace.export", variable).BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("tasktracker")

    @app.before_request
    def begin() -> None:
        rule = request.url_rule
        if rule is None or request.path in ("/healthz", "/readyz", "/metrics"):
            return
        about = {"http.request.method": request.method, "http.route": rule.rule}
        # Whose trace it is part of, and none of the baggage that may come along.
        caller = propagate.extract({"traceparent": request.headers.get("Traceparent", "")})
        g.span = tracer.start_span(f"{request.method} {rule.rule}", caller, kind=trace.SpanKind.SERVER, attributes=about)

    @app.after_request
    def end(response: Response) -> Response:
        if "span" in g:
            spent = spending.current()
            g.span.set_attributes(
                {
                    "http.response.status_code": response.status_code,
                    "tasktracker.request_id": response.headers.get("X-Request-ID", ""),
                    "tasktracker.database_ms": round(spent.database * 1000, 2),
                    "tasktracker.redis_ms": round(spent.redis * 1000, 2),
                    "tasktracker.statements": spent.statements,
                    "tasktracker.rows": spent.rows,
                }
            )
            if response.status_code >= 500:
                g.span.set_status(trace.StatusCode.ERROR)
            g.span.end()
        return response

    _ = begin, end


# --- Sentry -----------------------------------------------------------------------------------------------------------


def _tell_faults() -> None:
    """What is logged as an error, with where it happened. The environment and the release are Sentry's own variables."""
    sentry = _import("sentry_sdk", FAULTS)
    at_exit = import_module("sentry_sdk.integrations.atexit").AtexitIntegration
    logs = import_module("sentry_sdk.integrations.logging").LoggingIntegration
    try:
        sentry.init(
            integrations=[logs(level=None), at_exit(callback=_say_nothing)],
            # What it finds by itself, it also looks into: requests, their bodies and users, statements, the machine.
            default_integrations=False,
            auto_enabling_integrations=False,
            send_default_pii=False,
            send_client_reports=False,
            include_local_variables=False,
            max_breadcrumbs=0,
            before_send=_without_words,
        )
    except ValueError as error:
        raise SettingsError({FAULTS: "is not an address of Sentry; set the DSN of a project"}) from error


def _say_nothing(_pending: int, _timeout: float) -> None:
    """When the process ends, Sentry would tell that it waits."""


def _without_words(event: Any, _hint: Any) -> Any:
    """Takes out what exceptions say, which may quote anything; their kinds and places stay."""
    for error in event.get("exception", {}).get("values", ()):
        error["value"] = ""
    event.pop("extra", None)
    return event
