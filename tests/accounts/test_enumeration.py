"""Nobody learns who has an account: the same status, body, headers and time, whoever is asked about (OWASP ASVS 6.3.8)."""

import gc
import json
import random
import secrets
import time
from collections.abc import Callable
from statistics import median

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import delete
from werkzeug.test import TestResponse

from tasktracker.accounts import passwords
from tasktracker.core.jobs import Job
from tasktracker.core.models import now

from ..core.another import another
from ..people import PASSWORD, Person, new_person
from .asking import change, execute, post

# Tracing their every line takes long, and shows nothing that other tests do not.
pytestmark = pytest.mark.no_cover

TRIES = 200
CLOSE = 1.1


class Everyone:
    """Someone of each kind, for a service where addresses must be confirmed."""

    def __init__(self, app: Flask, strict: Flask) -> None:
        self.known, self.disabled = new_person(app, "known"), new_person(app, "disabled")
        change(app, self.disabled.id, disabled_at=now())
        name = f"unconfirmed-{secrets.token_hex(5)}"
        self.unconfirmed = Person(app, "", name, f"{name}@example.com", "", "")
        body = {"username": name, "email": self.unconfirmed.email, "password": PASSWORD}
        assert post(strict, "/auth/register", **body).status_code == 202
        name = f"unknown-{secrets.token_hex(5)}"
        self.unknown = Person(app, "", name, f"{name}@example.com", "", "")


@pytest.fixture
def everyone(app, strict, monkeypatch):
    """They have hashes that take long enough to be missed where one is left out, and short enough for thousands."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=2048, parallelism=1))
    return Everyone(app, strict)


def logins(everyone):
    """What is refused at a login, though the password is right where there is one."""

    def of(person, password=PASSWORD):
        return "/auth/login", lambda: {"username": person.username, "password": password}

    return {
        "wrong": of(everyone.known, "wrong"),
        **{kind: of(getattr(everyone, kind)) for kind in ("unknown", "disabled", "unconfirmed")},
    }


def addresses(everyone, path, *kinds):
    return {kind: (path, lambda kind=kind: {"email": getattr(everyone, kind).email}) for kind in kinds}


def registrations(everyone):
    def of(email=None):
        name = f"new-{secrets.token_hex(8)}"
        return {"username": name, "email": email or f"{name}@example.com", "password": PASSWORD}

    return {"fresh": ("/auth/register", of), "taken": ("/auth/register", lambda: of(everyone.known.email))}


WHAT: dict[str, Callable] = {
    "login": logins,
    "forgot-password": lambda everyone: addresses(everyone, "/auth/forgot-password", "known", "unknown", "disabled"),
    "resend-verification": lambda everyone: addresses(everyone, "/auth/resend-verification", "known", "unknown", "unconfirmed"),
    "register": registrations,
}
everything = pytest.mark.parametrize("what", WHAT)


def told(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that an answer tells, apart from the request's own id, the date and how often one may still ask."""
    request_id = answer.headers["X-Request-ID"].encode()
    own = ("X-Request-ID", "Date", "RateLimit-Remaining", "RateLimit-Reset")
    headers = [(name, "" if name in own else value) for name, value in answer.headers.items()]
    return answer.status_code, answer.data.replace(request_id, b""), headers


@everything
def test_answers_are_equal_byte_by_byte(environment, everyone, what):
    questions = WHAT[what](everyone)
    # Limits are on, and counted for a network that nobody else is in.
    http = {"environ_base": {"REMOTE_ADDR": f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"}}
    with another(environment, REQUIRE_EMAIL_VERIFICATION="true", RATELIMIT_ENABLED="true") as service:
        answers = {kind: told(post(service, path, http=http, **body())) for kind, (path, body) in questions.items()}
    first, *others = answers.items()
    assert first[1][0] == (401 if what == "login" else 202)
    assert "RateLimit-Limit" in dict(first[1][2])
    for other in others:
        assert other[1] == first[1], (first[0], other[0])


@everything
def test_answers_take_the_same_time(app, strict, everyone, what):
    questions = WHAT[what](everyone)
    times: dict[str, list[float]] = {kind: [] for kind in questions}
    try:
        # With more tries, a difference that other processes made goes away; one that is in the code stays.
        for _ in range(5):
            measure(strict, questions, times)
            if spread(times) <= CLOSE:
                break
    finally:
        execute(app, delete(Job))  # Hundreds of letters that no test waits for.
    assert spread(times) <= CLOSE, {kind: f"{median(taken) * 1000:.2f} ms" for kind, taken in times.items()}


def spread(times: dict[str, list[float]]) -> float:
    medians = [median(taken) for taken in times.values()]
    return max(medians) / min(medians)


def measure(service: Flask, questions: dict[str, tuple[str, Callable]], times: dict[str, list[float]]) -> None:
    """Adds how long each kind of question takes, asked by one client in turns of random order."""
    client, turns = service.test_client(), list(questions)
    gc.collect()
    gc.disable()
    try:
        for turn in range(TRIES + 1):
            random.shuffle(turns)
            for kind in turns:
                path, body = questions[kind]
                data = json.dumps(body()).encode()
                before = time.perf_counter()
                client.post(f"/api/v1{path}", data=data, content_type="application/json")
                taken = time.perf_counter() - before
                if turn:  # The first is for warming up.
                    times[kind].append(taken)
    finally:
        gc.enable()
