"""`flask worker`: as a process beside gunicorn, as a thread in it, and what it shows."""

import asyncio
import json
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import insert

from tasktracker.core.jobs import Job
from tasktracker.core.models import now

from ..core.another import another
from ..live import serving, working
from ..people import new_person
from ..post import PostOffice, post_office
from ..queue import empty, execute, make_due, waiting
from ..servers import wait_for
from .apps import flask, new_app


@pytest.fixture
def _empty_queue(app):
    empty(app)
    yield
    empty(app)


empty_queue = pytest.mark.usefixtures("_empty_queue")


@dataclass
class Slow(PostOffice):
    """Takes a letter in once its gate is open."""

    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - so aiosmtpd calls it.
        self.asked.set()
        while not self.gate.is_set():
            await asyncio.sleep(0.01)
        return await super().handle_DATA(server, session, envelope)


def forget(url, person):
    """Asks the service at this URL for a link to choose a new password."""
    body = json.dumps({"email": person.email}).encode()
    request = Request(f"{url}/api/v1/auth/forgot-password", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 202


def mails_waiting(app):
    return waiting(app, Job.kind == "mail_reset_password")


@empty_queue
def test_mails_go_out_while_workers_die_and_stop(app, environment, ada, bob):
    eve = new_person(app, "eve")
    with post_office(Slow) as office, serving(environment, "--workers", "2") as url:
        mailing = {**environment, "MAIL_PORT": str(office.port)}
        with working(mailing) as worker:
            forget(url, ada)
            assert office.asked.wait(20)
            worker.kill()
            worker.wait(10)
        (job,) = mails_waiting(app)
        assert (job.attempts, job.failed_at) == (1, None)
        office.gate.set()
        make_due(app)  # As when the lease is over.
        with working(mailing) as worker:
            wait_for(lambda: not mails_waiting(app), "the mail of the worker that died")
            assert {letter.message["Message-ID"].strip("<>").partition("@")[0] for letter in office.to(ada.email)} == {job.id}
            assert len({letter.token for letter in office.to(ada.email)}) == 1

            forget(url, bob)
            wait_for(lambda: office.to(bob.email), "the mail", 5)

            office.gate.clear()
            office.asked.clear()
            forget(url, eve)
            assert office.asked.wait(5)
            worker.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(0.3)
            office.gate.set()
            assert worker.wait(10) == 0
    assert len(office.to(eve.email)) == 1
    assert mails_waiting(app) == []


def test_its_standard_output_is_for_lines_of_the_log(environment, tmp_path):
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        with working({**environment, "LOG_FORMAT": "json"}, stdout=out, stderr=err) as worker:
            wait_for(lambda: "waits for jobs" in (tmp_path / "err").read_text(), "the worker")
        assert worker.returncode == 0
    assert [line for line in (tmp_path / "out").read_text().splitlines() if not line.startswith("{")] == []


def test_with_an_inline_worker_gunicorn_sends_the_mail_itself(environments, applications, office):
    """As in development, where SQLite is the default."""
    person = new_person(applications("sqlite"))
    with serving({**environments("sqlite"), "INLINE_WORKER": "true"}) as url:
        forget(url, person)
        wait_for(lambda: office.to(person.email), "the mail", 10)


@empty_queue
def test_what_waits_and_what_has_failed_is_shown(app, ada, bob, office):
    assert flask(app, "worker", "--status").output == "Nothing waits.\n\nNothing has failed for good.\n"
    for person in (ada, bob):
        office.answers[person.email] = "550 5.1.1 No such user" if person is ada else "451 4.7.1 Try again"
        assert person.post("/auth/forgot-password", {"email": person.email}).status_code == 202
    (due, _) = mails_waiting(app)
    moment = f"{due.due_at:%Y-%m-%dT%H:%M:%SZ}"
    result = flask(app, "worker", "--status")
    assert result.exit_code == 0
    assert result.output == (
        "Waiting:\n"
        "KIND                 JOBS  MOST ATTEMPTS  NEXT                  A FAILURE\n"
        f"mail_reset_password  2     0              {moment}\n"
        "\nNothing has failed for good.\n"
    )
    assert flask(app, "worker", "--once").output.endswith("Jobs done or tried: 4.\n")  # Two of them recur.
    dead = next(job for job in mails_waiting(app) if job.failed_at)
    output = flask(app, "worker", "--status").output
    assert "\nprune_accounts       1     0 " in output
    waits = next(line for line in output.splitlines() if line.startswith("mail_reset_password"))
    assert waits.split(maxsplit=4)[1:3] == ["1", "1"]
    assert waits.endswith("  OSError: The mail server refused it: 451")
    failed = output.partition("\nFailed for good (--retry tries them again):\n")[2].splitlines()
    assert failed[0].split() == ["ID", "KIND", "SINCE", "ATTEMPTS", "REASON"]
    since = f"{dead.failed_at:%Y-%m-%dT%H:%M:%SZ}"
    reason = "HopelessError: The mail server refused it: 550"
    assert failed[1:] == [f"{dead.id}  mail_reset_password  {since}  1         {reason}"]
    assert json.loads(dead.payload)["nonce"] not in output

    office.answers.clear()
    assert flask(app, "worker", "--retry").output == "Jobs that are tried again: 1.\n"
    make_due(app)
    assert flask(app, "worker", "--once").output.endswith("Jobs done or tried: 4.\n")
    assert [len(office.to(person.email)) for person in (ada, bob)] == [1, 1]
    assert flask(app, "worker", "--once").output == "Jobs done or tried: 0.\n"
    assert mails_waiting(app) == []


@empty_queue
def test_of_very_many_that_failed_the_newest_are_shown(app):
    for n in range(60):
        failed = {"failed_at": now() - timedelta(hours=n), "last_error": f"number {n}."}
        execute(app, insert(Job).values(kind="x", payload="{}", **failed))
    output = flask(app, "worker", "--status").output
    assert [f"number {n}." in output for n in (0, 49, 50, 59)] == [True, True, False, False]


def test_a_database_without_tables_is_told_plainly(environment, tmp_path):
    with new_app(environment, tmp_path, migrated=False) as app:
        for option in ("--status", "--once", "--retry"):
            result = flask(app, "worker", option)
            assert result.exit_code == 1
            assert "flask db upgrade" in result.output
            assert "Traceback" not in result.output


def test_the_commands_are_ours_and_those_of_the_migrations(environment):
    with another(environment, RATELIMIT_ENABLED="true") as limited:
        listed = flask(limited, "--help").output.partition("Commands:")[2]
    names = {line.split()[0] for line in listed.splitlines() if line.strip() and not line.startswith("    ")}
    assert names == {"check-config", "db", "doctor", "export", "import", "openapi", "seed", "sessions", "users", "worker"}
