"""`/metrics`: who may read it, and that what it says is so."""

import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert

from tasktracker.core.database import READ
from tasktracker.core.jobs import Job
from tasktracker.core.models import now
from tasktracker.extensions import db

from ..cli.apps import new_app
from ..core.another import another
from ..people import PASSWORD, new_person
from ..post import do_jobs
from ..proxy import proxy_to
from ..queue import execute
from .reading import BEARER, TOKEN, parsed

SECONDS = "tasktracker_http_request_duration_seconds"


@pytest.fixture(scope="module")
def counted(environment, tmp_path_factory):
    """An application that counts, on a database of its own."""
    settings = {**environment, "METRICS_TOKEN": TOKEN, "RATELIMIT_ENABLED": "true"}
    with new_app(settings, tmp_path_factory.mktemp("counted")) as made:
        yield made


@pytest.fixture
def read(counted):
    """Reads the metrics of the application."""

    def metrics():
        answer = counted.test_client().get("/metrics", headers=BEARER)
        assert answer.status_code == 200
        assert answer.content_type.startswith("text/plain; version=")
        return parsed(answer.text)

    return metrics


def test_without_a_token_there_is_no_such_page(app):
    asked = [app.test_client().get(path, headers=BEARER) for path in ("/metrics", "/nowhere")]
    first, second = [(answer.status_code, {**answer.json, "request_id": ""}) for answer in asked]
    assert first == second
    assert first[0] == 404


WRONG = (None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é")


@pytest.mark.parametrize("sent", WRONG)
def test_only_who_has_the_token_reads(counted, sent):
    answer = counted.test_client().get("/metrics", headers={} if sent is None else {"Authorization": sent})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "tasktracker_" not in answer.text


def test_a_users_token_is_not_that_token(counted):
    person = new_person(counted)
    answer = counted.test_client().get("/metrics", headers={"Authorization": f"Bearer {person.access_token}"})
    assert answer.status_code == 401


def test_requests_are_counted_by_route_method_and_class_of_status(counted, read):
    ada = new_person(counted, "ada")
    before = read()
    task = ada.task(ada.project())
    for _ in range(3):
        assert ada.get(f"/tasks/{task['id']}").status_code == 200
    assert ada.patch(f"/tasks/{task['id']}", {"title": ""}).status_code == 422
    after = read()
    route = "/api/v1/tasks/<id:task_id>"

    def more(name, **labels):
        return after.get(name, **labels) - before.get(name, **labels)

    assert more(f"{SECONDS}_count", method="GET", route=route, status="2xx") == 3
    assert more(f"{SECONDS}_count", method="PATCH", route=route, status="4xx") == 1
    assert more(f"{SECONDS}_count", method="POST", route="/api/v1/tasks", status="2xx") == 1
    took = more(f"{SECONDS}_sum", method="GET", route=route)
    assert 0 < more("tasktracker_http_database_seconds_total", method="GET", route=route) < took
    redis_seconds = more("tasktracker_http_redis_seconds_total", method="GET", route=route)
    assert (0 < redis_seconds < took) == (counted.config["SETTINGS"].redis_url is not None)


def test_nothing_that_a_client_chooses_makes_a_series(counted, read):
    client = counted.test_client()

    def send(number):
        client.get(f"/api/v1/{number}/tasks?{number}={number}", headers={"X-Request-ID": f"id-{number}"})
        client.open("/api/v1/tasks", method=f"METHOD{number}")
        client.get(f"/api/v1/tasks/{number}")
        client.post("/api/v1/auth/login", json={"username": f"somebody-{number}", "password": PASSWORD})

    send(0)
    before = read()
    for number in range(1, 30):
        send(number)
    after = read()
    assert before.samples.keys() == after.samples.keys()
    assert after.get(f"{SECONDS}_count", method="other") - before.get(f"{SECONDS}_count", method="other") == 29
    assert after.get(f"{SECONDS}_count", route="unknown") >= 30
    assert not [labels for _, labels in after.samples if "METHOD1" in str(labels) or "somebody" in str(labels)]


def test_probes_and_readings_are_not_counted(counted, read):
    for path in ("/healthz", "/readyz", "/metrics"):
        counted.test_client().get(path)
    assert not [labels for _, labels in read().samples if dict(labels).get("route") in ("/healthz", "/readyz", "/metrics")]


def test_failed_logins_and_reached_limits_are_counted(counted, read):
    person, before = new_person(counted), read()
    body = {"username": person.username, "password": "not that one"}
    headers = {"REMOTE_ADDR": "203.0.113.77"}
    statuses = [
        counted.test_client().post("/api/v1/auth/login", json=body, environ_base=headers).status_code for _ in range(12)
    ]
    assert set(statuses) == {401, 429}
    after = read()
    for event, status in (("login_failed", 401), ("limit_reached", 429)):
        counts = [each.get("tasktracker_audit_events_total", event=event) for each in (before, after)]
        assert counts[1] - counts[0] == statuses.count(status)


def test_jobs_and_mails_are_counted(counted, office, read):
    do_jobs(counted)
    people, before = [new_person(counted) for _ in range(3)], read()
    office.answers |= {people[1].email: "451 4.7.1 Later", people[2].email: "550 5.1.1 Nobody"}
    for person in people:
        assert person.post("/auth/forgot-password", {"email": person.email}).status_code == 202
    waiting = read()
    assert waiting.get("tasktracker_jobs_waiting") - before.get("tasktracker_jobs_waiting") == 3
    do_jobs(counted)
    after = read()
    assert after.get("tasktracker_jobs_waiting") == before.get("tasktracker_jobs_waiting")
    assert after.get("tasktracker_jobs_scheduled") - before.get("tasktracker_jobs_scheduled") == 1
    assert after.get("tasktracker_jobs_failed") - before.get("tasktracker_jobs_failed") == 1
    assert after.get("tasktracker_jobs_running") == 0
    for mail, job in (("sent", "done"), ("failed", "tried_again"), ("refused", "failed")):
        for name, labels in (
            ("tasktracker_mails_total", {"outcome": mail}),
            ("tasktracker_job_duration_seconds_count", {"outcome": job, "kind": "mail_reset_password"}),
        ):
            assert after.get(name, **labels) - before.get(name, **labels) == 1, (name, labels)


def test_the_age_is_that_of_the_oldest_that_is_due(counted, read):
    do_jobs(counted)
    assert read().get("tasktracker_jobs_oldest_waiting_seconds") == 0
    for due, failed in ((timedelta(minutes=-10), None), (timedelta(minutes=5), None), (timedelta(days=-1), now())):
        execute(counted, insert(Job).values(kind="x", payload="{}", due_at=now() + due, failed_at=failed))
    age = read().get("tasktracker_jobs_oldest_waiting_seconds")
    assert 600 <= age < 610


def test_a_job_of_an_unknown_kind_makes_no_series(counted, read):
    for number in range(3):
        execute(counted, insert(Job).values(kind=f"kind-{number}", payload="{}"))
    do_jobs(counted)
    after = read()
    assert after.get("tasktracker_job_duration_seconds_count", kind="unknown") >= 3
    assert not [labels for _, labels in after.samples if "kind-1" in str(labels)]


def test_connections_in_use_and_waits_for_them_are_counted(counted, read):
    person, before = new_person(counted), read()
    assert before.get("tasktracker_database_connections_in_use") == 0
    with ExitStack() as held:
        with counted.app_context():
            held.enter_context(db.engine.connect())
            *_, eighth = [held.enter_context(db.engines[READ].connect()) for _ in range(8)]
        threading.Timer(0.3, eighth.close).start()
        waited = person.get("/projects")
        in_use = read()
    assert waited.status_code == 200
    assert in_use.get("tasktracker_database_connections_in_use", pool="statements") == 7
    assert in_use.get("tasktracker_database_connections_in_use", pool="transactions") == 1
    after = read()
    assert after.get("tasktracker_database_connections_in_use") == 0
    for name, least in (("waits_total", 1), ("wait_seconds_total", 0.2)):
        more = after.get(f"tasktracker_database_pool_{name}") - before.get(f"tasktracker_database_pool_{name}")
        assert least <= more < 3, name


def test_a_database_without_tables_fails_nothing_else(environments, tmp_path):
    with new_app({**environments("sqlite"), "METRICS_TOKEN": TOKEN}, tmp_path, migrated=False) as empty:
        read = parsed(empty.test_client().get("/metrics", headers=BEARER).text)
    assert read.get("tasktracker_database_up") == 0
    assert "tasktracker_jobs_waiting" not in read.names
    assert f"{SECONDS}_count" in read.names


@pytest.mark.parametrize("part", ["database", "redis"])
@pytest.mark.parametrize("fault", ["refuse", "hang"])
def test_what_does_not_answer_is_told_in_time(environments, applications, part, fault):
    applications("postgresql")  # Which makes the tables.
    environment = environments("postgresql")
    name = f"{part.upper()}_URL"
    url = urlsplit(environment[name])
    with proxy_to(url.port) as proxy:
        place = url.netloc.replace(str(url.port), str(proxy.port))
        changes = {name: url._replace(netloc=place).geturl(), "METRICS_TOKEN": TOKEN, "DATABASE_REQUEST_TIMEOUT": "5"}
        with another(environment, **changes) as app:

            def read():
                answer = app.test_client().get("/metrics", headers=BEARER)
                assert answer.status_code == 200
                return parsed(answer.text)

            assert (read().get("tasktracker_database_up"), read().get("tasktracker_redis_up")) == (1, 1)
            getattr(proxy, fault)()
            begun = time.monotonic()
            broken = read()
            assert time.monotonic() - begun < 2
            other = "redis" if part == "database" else "database"
            assert (broken.get(f"tasktracker_{part}_up"), broken.get(f"tasktracker_{other}_up")) == (0, 1)
            assert ("tasktracker_jobs_waiting" in broken.names) == (part == "redis")
