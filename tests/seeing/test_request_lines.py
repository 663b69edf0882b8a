"""The line that each request leaves in the log: who, what, and where the time went."""

import json
import threading
import time
from contextlib import ExitStack
from statistics import median
from urllib.parse import urlsplit

import pytest

from tasktracker.core import spending
from tasktracker.extensions import db

from ..breaking import writers_wait
from ..live import answers, start, stop
from ..people import NOBODY
from ..proxy import proxy_to
from ..remote import ask
from ..servers import free_port, wait_for

FIELDS = {"event", "level", "timestamp", "request_id", "user_id", "method", "route", "status", "ms", "database_ms", "redis_ms",
          "statements", "rows"}  # fmt: skip
MOST_APART = 200  # Milliseconds by which a busy machine may be late; less than what is waited for below.


class Service:
    """gunicorn, what it logs, and the proxy in front of its Redis, if it has one."""

    def __init__(self, app, url, log, proxy):
        self.app, self.url, self.log, self.proxy = app, url, log, proxy

    def line(self, request_id):
        """What the request with this id has left; it is written before the answer is sent."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        (found,) = [line for line in lines if line.get("request_id") == request_id and line["event"] == "request"]
        return found


@pytest.fixture(scope="module")
def service(environment, backend, app, tmp_path_factory):
    log, port = tmp_path_factory.mktemp("lines") / "log", free_port()
    patient = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json", "WEB_CONCURRENCY": "1", "REDIS_TIMEOUT": "5"}
    with ExitStack() as stack:
        proxy = None
        if backend == "postgresql":
            url = urlsplit(environment["REDIS_URL"])
            proxy = stack.enter_context(proxy_to(url.port))
            patient["REDIS_URL"] = url._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
        process = start({**environment, **patient}, port, log=stack.enter_context(log.open("w")))
        stack.callback(stop, process)
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        yield Service(app, f"http://127.0.0.1:{port}", log, proxy)


@pytest.fixture
def send(service, ada):
    """Sends a request as a user and gives its line."""

    def run(method, path, request_id, body=None):
        headers = {"X-Request-ID": request_id, "Authorization": f"Bearer {ada.access_token}"}
        answer = ask(service.url, method, path, body, headers=headers)
        line = service.line(request_id)
        assert line["status"] == answer.status_code
        return line

    return run


def test_a_line_says_who_asked_for_what_and_what_it_took(service, send, ada):
    project = ada.project()
    tasks = [ada.task(project) for _ in range(3)]
    send("GET", "/tasks", "connects")
    session = 0 if service.proxy else 1  # Without Redis, whether the session lives is asked of the table, which has its row.
    line = send("GET", f"/tasks/{tasks[0]['id']}", "one")
    assert set(line) == FIELDS
    assert (line["method"], line["route"], line["user_id"]) == ("GET", "/api/v1/tasks/<id:task_id>", ada.id)
    assert (line["statements"], line["rows"]) == (1 + session, 1 + session)
    assert 0 < line["database_ms"] < line["ms"]
    assert line["database_ms"] + line["redis_ms"] < line["ms"]
    page = send("GET", f"/tasks?project_id={project['id']}", "page")
    assert (page["route"], page["statements"], page["rows"]) == ("/api/v1/tasks", 1 + session, 3 + session)
    assert send("GET", f"/tasks/{NOBODY}", "nothing")["rows"] == session


def test_what_is_written_counts_too_with_what_goes_along(send, ada):
    project = ada.project()
    made = send("POST", "/tasks", "made", {"title": "Counted", "project_id": project["id"]})
    assert made["statements"] >= 2
    assert made["rows"] >= 1
    # The profile is read and written by SQLAlchemy's statements, and by ours.
    assert send("PATCH", "/users/me", "profile", {"display_name": "Ada"})["statements"] >= 1
    assert send("GET", "/nowhere", "nowhere")["route"] is None


def test_the_time_with_redis_is_counted_where_there_is_one(service, send, backend):
    send("GET", "/projects", "connected")
    if service.proxy is None:
        assert send("GET", "/projects", "embedded")["redis_ms"] == 0
        return
    service.proxy.hang()
    threading.Timer(0.3, service.proxy.heal).start()
    line = send("GET", "/projects", "slow-redis")
    assert 250 < line["redis_ms"] < 300 + MOST_APART
    assert line["database_ms"] < line["redis_ms"] < line["ms"] < line["redis_ms"] + line["database_ms"] + MOST_APART


def test_waiting_for_a_lock_is_time_in_the_database(service, send, ada, environment):
    task = ada.task(ada.project())
    lines = []

    def change():
        lines.append(send("PATCH", f"/tasks/{task['id']}", "locked", {"title": "Later"}))

    with writers_wait(environment["DATABASE_URL"]):
        writer = threading.Thread(target=change)
        writer.start()
        time.sleep(0.5)
    writer.join(20)
    (line,) = lines
    assert line["status"] == 200
    assert 300 < line["database_ms"] < line["ms"] < line["database_ms"] + line["redis_ms"] + MOST_APART


def test_probes_leave_no_line(service):
    assert answers(f"{service.url}/readyz")
    assert "readyz" not in service.log.read_text()
    assert "healthz" not in service.log.read_text()


# SQLite is quick: what it is asked takes a millisecond, beside which Python's own work is little.
COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT max(i) FROM n"


def test_a_statement_counts_from_when_it_is_sent(app):
    """PostgreSQL may take the core at that moment, and have its answer there before anybody waits for it."""
    shares = []
    with app.app_context(), db.engine.connect() as connection:
        asked = "SELECT 1" if connection.dialect.name == "postgresql" else COUNTING
        cursor = connection.connection.cursor()
        for _ in range(300):
            account, begun = spending.begin(), time.perf_counter()
            cursor.execute(asked)
            shares.append(account.database / (time.perf_counter() - begun))
    assert median(shares) > 0.85  # 0.7 where only the wait was counted.
