"""`/metrics` of the real service: gunicorn's processes count together, and the worker has a page of its own."""

import os
import signal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from ..cli.apps import flask_process
from ..live import answers, start, stop, workers, working
from ..people import new_person
from ..queue import empty
from ..remote import ask
from ..servers import free_port, wait_for
from .reading import BEARER, TOKEN, parsed

COUNT = "tasktracker_http_request_duration_seconds_count"


@pytest.fixture
def settings(environments, applications):
    """Two workers on PostgreSQL."""
    return {**environments("postgresql"), "METRICS_TOKEN": TOKEN, "WEB_CONCURRENCY": "2"}, applications("postgresql")


def read(url):
    with urlopen(Request(f"{url}/metrics", headers=BEARER), timeout=10) as answer:
        return parsed(answer.read().decode())


def status(url, **headers):
    try:
        with urlopen(Request(url, headers=headers), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        with error:
            return error.code


def folders(pid, temporary):
    return list(temporary.glob(f"tasktracker-metrics-{pid}-*"))


def test_all_processes_of_gunicorn_count_together_and_one_that_dies_takes_nothing_along(settings, tmp_path):
    environment, app = settings
    person, port = new_person(app), free_port()
    url = f"http://127.0.0.1:{port}"
    # By its name and not by an address that it answers for: Prometheus asks each machine.
    service = start({**environment, "TMPDIR": str(tmp_path), "TRUSTED_HOSTS": "tracker.company.test"}, port)
    try:
        wait_for(lambda: answers(f"{url}/healthz"), "gunicorn")
        wait_for(lambda: len(workers(service.pid)) == 2, "the workers")
        (folder,) = folders(service.pid, tmp_path)
        assert folder.stat().st_mode & 0o077 == 0

        def count():
            return read(url).get(COUNT, method="GET", status="2xx", route="/api/v1/projects")

        def send(number):
            headers = {"Authorization": f"Bearer {person.access_token}", "Host": "tracker.company.test"}
            for _ in range(number):
                assert ask(url, "GET", "/projects", headers=headers).status_code == 200

        def served():
            """Which workers have counted."""
            return {pid for pid in workers(service.pid) if (folder / f"counter_{pid}.db").exists()}

        sent = 0
        while len(served()) < 2 or sent < 20:
            send(5)
            sent += 5
            assert sent < 1000
        assert {count() for _ in range(10)} == {sent}  # Whichever worker is asked.
        before = workers(service.pid)
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(workers(service.pid)) == 2 and before[0] not in workers(service.pid), "another worker")
        send(20)
        assert {count() for _ in range(10)} == {sent + 20}
        assert read(url).get("tasktracker_database_connections_in_use") == 0
        assert not list(folder.glob(f"gauge_live*_{before[0]}.db"))
    finally:
        stop(service)
    assert folders(service.pid, tmp_path) == []


def test_without_a_token_nothing_is_kept(environments, applications, tmp_path):
    applications("sqlite")
    port = free_port()
    service = start({**environments("sqlite"), "TMPDIR": str(tmp_path)}, port)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        assert status(f"http://127.0.0.1:{port}/metrics", **BEARER) == 404
        assert folders(service.pid, tmp_path) == []
    finally:
        stop(service)


def test_the_worker_has_a_page_of_its_own(settings, office):
    environment, app = settings
    empty(app)
    person, port = new_person(app), free_port()
    address = f"127.0.0.1:{port}"
    with working({**environment, "WORKER_METRICS_ADDRESS": address}):
        wait_for(lambda: status_or_none(f"http://{address}/metrics") == 401, "the worker")
        assert person.post("/auth/forgot-password", {"email": person.email}).status_code == 202
        wait_for(lambda: office.to(person.email), "the mail")
        job = {"kind": "mail_reset_password", "outcome": "done"}
        wait_for(lambda: read(f"http://{address}").get("tasktracker_job_duration_seconds_count", **job) == 1, "the count", 5)
        metrics = read(f"http://{address}")
        assert metrics.get("tasktracker_mails_total", outcome="sent") == 1
        assert metrics.get("tasktracker_database_up") == 1
        # Nothing else of the application is served there.
        assert [status(f"http://{address}{path}") for path in ("/healthz", "/api/v1/tasks", "/metrics/", "/")] == [404] * 4
        with urlopen(Request(f"http://{address}/metrics", headers=BEARER), timeout=10) as answer:
            assert answer.headers["Server"].strip() == "TaskTracker"
        taken = flask_process({**environment, "WORKER_METRICS_ADDRESS": address}, "--app", "wsgi", "worker", timeout=60)
    assert taken.returncode == 1
    assert f"WORKER_METRICS_ADDRESS: {address} cannot be listened on" in taken.stderr


def status_or_none(url):
    try:
        return status(url)
    except OSError:
        return None


@pytest.mark.parametrize(
    ("words", "more"), [(["wsgi:app", "--check-config"], {}), (["wsgi:app"], {"WEB_THREADS": "x"}), (["wsgi:nothing"], {})]
)
def test_a_start_that_comes_to_nothing_leaves_no_folder(environments, tmp_path, words, more):
    environment = {**environments("sqlite"), **more, "METRICS_TOKEN": TOKEN, "TMPDIR": str(tmp_path)}
    app, *options = words
    stopped = start(environment, free_port(), *options, app=app)
    assert (stopped.wait(20) == 0) == ("--check-config" in options)
    assert folders(stopped.pid, tmp_path) == []
