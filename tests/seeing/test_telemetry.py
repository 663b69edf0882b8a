"""Traces and faults: they come to a receiver that is named, and nothing of anyone's is in them."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module

import pytest

from ..live import ROOT, answers, start, stop
from ..people import new_person
from ..remote import ask
from ..servers import free_port, wait_for


class Receiver:
    """A collector of OpenTelemetry and a Sentry in one: it keeps what is sent, unpacked."""

    def __init__(self):
        self.came: list[tuple[str, bytes]] = []

    def of(self, path):
        return [body for where, body in self.came if where.startswith(path)]

    @property
    def resources(self):
        """Services, each with its spans."""
        read = import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2").ExportTraceServiceRequest.FromString
        return [of for body in self.of("/v1/traces") for of in read(body).resource_spans]

    @property
    def spans(self):
        return [span for of in self.resources for scope in of.scope_spans for span in scope.spans]

    @property
    def faults(self):
        """Events of Sentry: the third line of what it calls an envelope."""
        return [json.loads(body.split(b"\n")[2]) for body in self.of("/api/1/envelope")]


@pytest.fixture(scope="module")
def packages(root):
    """What requirements-telemetry.lock has, in a folder of its own: redis-py imports OpenTelemetry wherever it is installed."""
    lock = root / "requirements-telemetry.lock"
    folder = root / ".venv-telemetry" / sha256(lock.read_bytes()).hexdigest()
    if not folder.exists():
        own = folder.with_name(f"{folder.name}-{os.getpid()}")  # Of several processes of the tests, one wins.
        words = ["install", "-qq", "--disable-pip-version-check", "--require-hashes", "--requirement", lock, "--target", own]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        with suppress(OSError):
            own.rename(folder)
        shutil.rmtree(own, ignore_errors=True)
    return str(folder)


@contextmanager
def receiving() -> Iterator[tuple[Receiver, int]]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.came.append((self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver, server.server_port
    finally:
        server.shutdown()
        server.server_close()


def attributes(span):
    return {each.key: each.value.string_value or each.value.int_value or each.value.double_value for each in span.attributes}


def test_what_is_sent_says_what_happened_and_nothing_of_anyone(environments, applications, packages, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(packages)
    environment, app = environments("postgresql"), applications("postgresql")
    person, port = new_person(app, "needle"), free_port()
    url, parent = f"http://127.0.0.1:{port}", "4bf92f3577b34da6a3ce929d0e0e4736"
    with receiving() as (receiver, collector), (tmp_path / "log").open("w") as log:
        told = {
            **environment,
            "PYTHONPATH": packages,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "SENTRY_DSN": f"http://key@127.0.0.1:{collector}/1",
            "WEB_CONCURRENCY": "2",
        }
        service = start(told, port, log=log, app="tests.edges.broken:app")
        try:
            wait_for(lambda: answers(f"{url}/healthz"), "gunicorn")
            headers = {
                "Authorization": f"Bearer {person.access_token}",
                "X-Request-ID": "seen",
                "X-Secret": "needle-header",
                "Traceparent": f"00-{parent}-00f067aa0ba902b7-01",
                "Baggage": "who=needle-baggage",
            }
            assert ask(url, "GET", "/tasks?search=needle-query", headers=headers).status_code == 200
            body = {"title": "needle-title", "description": "needle-text"}
            assert ask(url, "POST", "/tasks", body, headers=headers).status_code == 201
            login = {"username": person.username, "password": "needle-password"}
            assert ask(url, "POST", "/auth/login", login).status_code == 401
            assert ask(url, "GET", "/needle-nowhere", headers=headers).status_code == 404
            for way in ("words", "chain", "unique", "no_table", "file"):
                assert ask(url, "POST", f"/broken/{way}", "needle-fault", headers=headers).status_code == 500
            wait_for(lambda: len(receiver.spans) >= 8 and len(receiver.faults) >= 5, "what is sent")
        finally:
            stop(service)
    by_name = {span.name: span for span in receiver.spans}
    assert {"GET /api/v1/tasks", "POST /api/v1/tasks", "POST /api/v1/auth/login"} < by_name.keys()
    assert not [name for name in by_name if "healthz" in name or "needle" in name]
    page = by_name["GET /api/v1/tasks"]
    assert page.trace_id.hex() == parent
    said = attributes(page)
    assert (said["http.route"], said["http.response.status_code"], said["tasktracker.request_id"]) == (
        "/api/v1/tasks",
        200,
        "seen",
    )
    assert said["tasktracker.statements"] >= 1
    assert said["tasktracker.database_ms"] > 0
    assert page.end_time_unix_nano > page.start_time_unix_nano
    (fault, *_) = receiver.faults
    assert fault["level"] == "error"
    assert "Unexpected fault" in json.dumps(fault["logentry"])
    assert fault["exception"]["values"][-1]["stacktrace"]["frames"]
    sent = b"".join(body for _, body in receiver.came)
    assert b"tasktracker" in sent
    for secret in (b"needle", person.access_token.encode(), person.email.encode(), person.id.encode(), b"Authorization"):
        assert secret not in sent, secret


SERVE = """
import sys
from wsgi import app
print(app.test_client().get("/healthz").status_code)
print(*sys.modules)
"""


def python(code, **environment):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_without_their_variables_nothing_is_imported(environments, packages):
    done = python(SERVE, PYTHONPATH=packages, **environments("sqlite"))
    status, loaded = done.stdout.splitlines()
    assert status == "200"
    assert not {"sentry_sdk", "opentelemetry.exporter"} & set(loaded.split())


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "SENTRY_DSN"])
def test_without_the_packages_the_start_says_which_to_install(environments, name):
    done = python("import wsgi", **environments("sqlite"), **{name: "http://k@h/1"})
    assert done.returncode == 1
    assert done.stderr.startswith("TaskTracker cannot start:\n")
    assert f"{name}: asks for packages that are not installed" in done.stderr
    assert "requirements-telemetry.lock" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_none_stops_the_start(environments, packages):
    done = python("import wsgi", PYTHONPATH=packages, **environments("sqlite"), SENTRY_DSN="nonsense")
    assert done.returncode == 1
    assert "SENTRY_DSN: is not an address of Sentry" in done.stderr


ONE_SPAN = """
from wsgi import app
from opentelemetry.sdk.trace import TracerProvider
print(app.test_client().get("/api/v1/openapi.json").status_code)
"""


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ({}, {"tasktracker"}),
        ({"OTEL_SERVICE_NAME": ""}, {"tasktracker"}),
        ({"OTEL_SERVICE_NAME": "ours"}, {"ours"}),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=ours,a=b"}, {"ours"}),
        ({"OTEL_TRACES_EXPORTER": "none"}, set()),
    ],
)
def test_the_variables_of_opentelemetry_win(environments, packages, monkeypatch, told, names):
    monkeypatch.syspath_prepend(packages)
    with receiving() as (receiver, collector):
        address = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}"}
        done = python(ONE_SPAN, PYTHONPATH=packages, **environments("sqlite"), **address, **told)
    assert done.stdout == "200\n", done.stderr
    assert {attributes(each.resource)["service.name"] for each in receiver.resources} == names
