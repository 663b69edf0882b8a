"""What a whole day leaves in the logs: no secret of anybody, and what matters for security."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ..live import ROOT, answers, flask, stop
from ..people import new_person
from ..proxy import proxy_to
from ..servers import free_port, wait_for
from .day import Day, live_through

# No secret of the test's own making, and seen nowhere but where one is.
TELLTALE = re.compile(r"eyJ[\w-]{10}|Bearer |@example|\$argon2|needle-|\[SQL", re.IGNORECASE)
EVENTS = {
    "account_created", "address_confirmed", "login_failed", "login_succeeded", "access_denied", "limit_reached",
    "password_changed", "address_change_asked_for", "address_changed", "password_reset", "session_ended", "account_deleted",
}  # fmt: skip


@contextmanager
def process(environment, log, *words):
    """Runs a program of ours as people do; what it says goes to the log."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    with log.open("ab") as out:
        running = subprocess.Popen(
            command, cwd=ROOT, env={**known, **environment}, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield running
    finally:
        stop(running)


@pytest.fixture
def settings(environment, backend):
    """With secrets of its own in the settings, and on PostgreSQL through a proxy that can be taken away."""
    told = {
        **environment,
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json" if backend == "postgresql" else "console",
        "RATELIMIT_ENABLED": "true",
        "REQUIRE_EMAIL_VERIFICATION": "true",
        "TRUSTED_PROXIES": "1",
        "CORS_ORIGINS": "https://app.company.test",
        "WEB_CONCURRENCY": "1",
    }
    if backend == "sqlite":
        yield told, None
        return
    url = urlsplit(told["DATABASE_URL"])
    with proxy_to(url.port or 5432) as proxy:
        place = f"{url.username}:needle-database@127.0.0.1:{proxy.port}"
        yield {**told, "DATABASE_URL": url._replace(netloc=place).geturl()}, proxy


def test_no_secret_of_a_day_stands_in_any_log(settings, backend, app, office, tmp_path):
    environment, proxy = settings
    log, mailing, port = tmp_path / "log", tmp_path / "mailing", free_port()
    bob = new_person(app, "bob")
    day = Day(("127.0.0.1", port), office)
    # A mail server that wants no login, and one that is not there.
    broken_mail = {**environment, "MAIL_USERNAME": "needle-mail", "MAIL_PASSWORD": "needle-mail-password"}
    with process({**environment, "PORT": str(port)}, log, "gunicorn", "tests.edges.broken:app"):
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        day.call("POST", "/auth/forgot-password", 202, {"email": bob.email})
        office.answers[bob.email] = f"550 5.1.1 <{day.secret()}@example.com> is nobody"
        with process(broken_mail, mailing, "flask", "--app", "wsgi", "worker", "--once") as once:
            assert once.wait(60) == 0
        with process(environment, log, "flask", "--app", "tests.edges.broken", "worker"):
            live_through(day, bob)
            wait_for(lambda: b"RuntimeError" in log.read_bytes().partition(b"(broken)")[2], "the job that fails")
            if proxy:
                proxy.refuse()
                day.call("POST", "/auth/login", 503, {"username": day.secret(), "password": day.secret()})
                day.call("GET", "/tasks", 503, who=bob.access_token)
                proxy.heal()
    text = log.read_text() + mailing.read_text()
    check_coverage(app, day, text, backend)
    day.secrets |= {bob.access_token, bob.refresh_token, bob.email, environment["SECRET_KEY"], environment["JWT_SECRET_KEY"]}
    found = {secret for secret in day.secrets if secret in text}
    assert not found, [line for line in text.splitlines() if any(secret in line for secret in found)][:5]
    assert not TELLTALE.search(text), TELLTALE.search(text)
    assert len(day.secrets) > 200
    check_events(log.read_text(), backend)


def check_coverage(app, day, text, backend):
    """The day had every operation in it, and the log a line for each of them."""
    document = app.test_client().get("/api/v1/openapi.json").json
    operations = {
        (method.upper(), re.sub(r"{\w+}", "{}", path.removeprefix("/api/v1")))
        for path, item in document["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    assert operations <= {(method, re.sub(r"{\w+}", "{}", template)) for method, template in day.done}
    lines = [line for line in text.splitlines() if ('"event":"request"' if backend == "postgresql" else " request ") in line]
    # The probe of the start leaves none.
    assert len(lines) == day.sent
    assert text.count("Unexpected fault") >= 6


def check_events(text, backend):
    lines = [line for line in text.splitlines() if "audit" in line]
    for event in EVENTS:
        (line, *_) = [line for line in lines if re.search(rf"\b{event}\b", line)]
        assert re.search(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line), line
        assert "request_id" in line, line
        assert "user_id" in line, line
        if backend == "postgresql":
            assert json.loads(line)["event"] == event


def test_a_command_logs_what_it_did(environments, applications):
    ada = new_person(applications("sqlite"), "ada")
    told = {**environments("sqlite"), "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
    said = flask(told, "users", "disable", ada.username).stdout.splitlines()
    events = {line["event"]: line for line in (json.loads(line) for line in said if line.startswith("{"))}
    assert set(events) == {"user_disabled", "session_ended"}
    assert (events["user_disabled"]["user_id"], events["user_disabled"]["by"]) == (ada.id, "command line")
    assert events["session_ended"]["user_id"] == ada.id
