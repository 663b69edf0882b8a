"""A service whose parts a test breaks, and what must be seen of it meanwhile and afterwards."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask
from werkzeug.test import TestResponse

from tasktracker.extensions import db

from ..people import Person, new_person, problem
from ..servers import wait_for

LONGEST = 2.0  # Seconds until the answer, whatever has failed.


class Late(AssertionError):
    """An answer took longer than that."""


@dataclass
class Site:
    """An application, someone who works with it, and what it has acknowledged to them.

    Args:
        app: the application.
        ada: a user.
        gone: the same user in a session that has ended, and was told so.
        longest: seconds that anything took.
    """

    app: Flask
    ada: Person
    gone: Person
    done: set[str] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    longest: float = 0

    @classmethod
    def of(cls, app: Flask) -> "Site":
        ada, gone = new_person(app, "ada"), new_person(app, "gone")
        site = cls(app, ada, gone)
        assert site.ask(gone.post, "/auth/logout").status_code == 204
        return site

    def ask(self, call: Callable[..., TestResponse], *words, **named) -> TestResponse:
        """An answer, which comes in time, also to the first who meets a fault: nothing is asked twice."""
        begun = time.monotonic()
        answer = call(*words, **named)
        took = time.monotonic() - begun
        if took >= LONGEST:
            raise Late(f"{took:.2f} s for {answer.status_code}")
        self.longest = max(self.longest, took)
        return answer

    def write(self) -> TestResponse:
        """Makes a task, and keeps in mind whether that was acknowledged."""
        title = secrets.token_hex(8)
        self.perhaps.add(title)
        answer = self.ask(self.ada.post, "/tasks", {"title": title})
        if answer.status_code == 201:
            self.done.add(title)
        return answer

    def read(self) -> TestResponse:
        return self.ask(self.ada.get, "/tasks", query={"page_size": 100})

    def is_well(self) -> None:
        """Everything is answered at the first attempt, nothing acknowledged is lost, and nothing came out of nowhere."""
        answer = self.read()
        assert answer.status_code == 200, answer.text
        assert self.write().status_code == 201
        stored = [task["title"] for task in self.read().json]
        assert self.done <= set(stored) <= self.perhaps
        assert len(stored) == len(set(stored))
        assert self.probe("/readyz").status_code == 200
        problem(self.ask(self.gone.get, "/users/me"), 401)
        self.holds_nothing()

    def is_well_again(self) -> None:
        """The same, where PostgreSQL was silent: it is asked twice a second, and so is served within a second."""
        wait_for(lambda: self.read().status_code == 200, "PostgreSQL", 1.5)
        self.is_well()

    def is_away(self, answer: TestResponse) -> None:
        """503, and when to come back."""
        problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        self.holds_nothing()

    def lacks(self, *parts: str) -> None:
        """The process is alive, and says which of its parts is not."""
        assert self.probe("/healthz").status_code == 200
        answer = self.probe("/readyz")
        named = problem(answer, 503, "not_ready")["detail"].removeprefix("Not ready: ").rstrip(".").split(", ")
        assert set(parts) <= set(named)
        assert int(answer.headers["Retry-After"]) > 0
        self.holds_nothing()

    def probe(self, path: str) -> TestResponse:
        return self.ask(self.app.test_client().get, path)

    def holds_nothing(self) -> None:
        """No connection stays taken from a pool."""
        with self.app.app_context():
            assert [engine.pool.checkedout() for engine in db.engines.values()] == [0] * len(db.engines)
