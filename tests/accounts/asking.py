"""What is asked of accounts: registration, login and passwords, and what happens to users behind the API's back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import Executable, update
from werkzeug.test import TestResponse

from tasktracker.accounts.models import User
from tasktracker.core.database import session, transactional

from ..people import PASSWORD, Person, problem
from .tokens import claims_of, is_refused, me, refresh

OTHER = "eleven purple umbrellas"  # Another good password.


def post(app: Flask, path: str, /, *, http: dict[str, Any] | None = None, **body: Any) -> TestResponse:
    """A request of somebody who is not logged in; `http` is what the test client takes."""
    return app.test_client().post(f"/api/v1{path}", json=body, **(http or {}))


def log_in(app: Flask, username: str, password: str = PASSWORD, **http: Any) -> TestResponse:
    return post(app, "/auth/login", http=http, username=username, password=password)


def again(person: Person, password: str = PASSWORD, **http: Any) -> Person:
    """The same user in another session."""
    answer = log_in(person.app, person.username, password, **http)
    assert answer.status_code == 200, answer.text
    pair = answer.json
    return Person(person.app, person.id, person.username, person.email, pair["access_token"], pair["refresh_token"])


def goes_on(person: Person, *workers: Flask) -> None:
    """Both tokens of a session are good; the refresh token is used up."""
    for worker in (person.app, *workers):
        assert me(person, app=worker).status_code == 200
    assert refresh(person).status_code == 200


def is_over(person: Person, *workers: Flask) -> None:
    """Neither token of a session is good in any worker."""
    for worker in (person.app, *workers):
        is_refused(me(person, app=worker))
        is_refused(refresh(person, app=worker))


def no_such_token(answer: TestResponse) -> None:
    """The one answer to every mailed token that is no good."""
    problem(answer, 422, "token_invalid")


def execute(app: Flask, statement: Executable) -> None:
    """A change behind the API's back."""

    @transactional
    def run() -> None:
        session().execute(statement)

    with app.app_context():
        run()


def change(app: Flask, user_id: str, **values: Any) -> None:
    """Changes a user behind the API's back."""
    execute(app, update(User).where(User.id == user_id).values(**values))


def later(**delta: float) -> time_machine.travel:
    """The time is so much later, and runs on."""
    return time_machine.travel(datetime.now(UTC) + timedelta(**delta), tick=True)


def known(app: Flask, person: Person) -> list[bytes]:
    """What Redis knows about a session."""
    blocklist = app.extensions["redis"]
    return list(blocklist.scan_iter(match=f"*{claims_of(person.access_token)['sid']}*", count=10_000)) if blocklist else []


def forget(app: Flask, person: Person) -> None:
    """Empties Redis of that, as a restart does."""
    for key in known(app, person):
        app.extensions["redis"].delete(key)
