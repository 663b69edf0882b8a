"""Builders: users who call the API as themselves, and what they make, with only what is required filled in."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from tasktracker.accounts.services.users import create_user
from tasktracker.accounts.sessions import start
from tasktracker.accounts.tokens import make_pair
from tasktracker.core.database import transactional
from tasktracker.extensions import db

PREFIX = "/api/v1"
PASSWORD = "correct horse battery staple"
NOBODY = "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57"  # Well-formed, and no one's id.


def path_of(path: str) -> str:
    return path if path.startswith(("/api", "/healthz", "/readyz")) or path == "/" else PREFIX + path


@dataclass
class Person:
    """A logged-in user; `get`, `post` … call the API with their token."""

    app: Flask
    id: str
    username: str
    email: str
    access_token: str
    refresh_token: str
    extra: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, /, *, headers: dict[str, str] | None = None, **kwargs: Any) -> TestResponse:
        """A request; pairs of a query go in `query`, a body in `json` or `data`."""
        if query := kwargs.pop("query", None):
            path = f"{path}?{urlencode(query, doseq=True)}"
        merged = {"Authorization": f"Bearer {self.access_token}", **(headers or {})}
        return self.app.test_client().open(path_of(path), method=method, headers=merged, **kwargs)

    def get(self, path: str, /, **kwargs: Any) -> TestResponse:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, /, json: Any = None, **kwargs: Any) -> TestResponse:
        return self.call("POST", path, json=json, **kwargs)

    def patch(self, path: str, /, json: Any = None, **kwargs: Any) -> TestResponse:
        return self.call("PATCH", path, json=json, **kwargs)

    def put(self, path: str, /, json: Any = None, **kwargs: Any) -> TestResponse:
        return self.call("PUT", path, json=json, **kwargs)

    def delete(self, path: str, /, **kwargs: Any) -> TestResponse:
        return self.call("DELETE", path, **kwargs)

    # What they make; each returns the resource as the API answered it.

    def project(self, **fields: Any) -> dict[str, Any]:
        return made(self.post("/projects", {"name": "Website", **fields}))

    def team(self, **fields: Any) -> dict[str, Any]:
        return made(self.post("/teams", {"name": "Team", **fields}))

    def task(self, project: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        where = {"project_id": project["id"]} if project else {}
        return made(self.post("/tasks", {"title": "Do it", **where, **fields}))

    def tag(self, project: dict[str, Any], name: str = "bug", **fields: Any) -> dict[str, Any]:
        return made(self.post("/tags", {"project_id": project["id"], "name": name, **fields}))

    def add(self, project: dict[str, Any], person: "Person", role: str = "member") -> None:
        answer = self.put(f"/projects/{project['id']}/members/{person.id}", {"role": role})
        assert answer.status_code == 200, answer.text

    def add_team(self, project: dict[str, Any], team: str, role: str = "member") -> None:
        answer = self.put(f"/projects/{project['id']}/teams/{team}", {"role": role})
        assert answer.status_code == 200, answer.text

    def add_to_team(self, team: str, person: "Person", role: str = "member") -> None:
        answer = self.put(f"/teams/{team}/members/{person.id}", {"role": role})
        assert answer.status_code == 200, answer.text

    def inbox(self) -> dict[str, Any]:
        return next(project for project in self.get("/projects", query={"page_size": 100}).json if project["is_inbox"])


def made(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    return answer.json


def new_person(app: Flask, name: str = "user", *, verified: bool = True, **fields: Any) -> Person:
    """A new user with a session of their own; usernames are made different by a random end."""
    username = f"{name}-{secrets.token_hex(5)}"
    with app.app_context():
        user = create_user(email=f"{username}@example.com", username=username, password=PASSWORD, verified=verified, **fields)
        user_id, email, password_hash = user.id, user.email, user.password_hash
        pair = make_pair(transactional(start)(user_id, password_hash, "127.0.0.1", "tests"))
    return Person(app, user_id, username, email, pair["access_token"], pair["refresh_token"])


def new_team(app: Flask, *people: Person, admin: Person | None = None, name: str = "Team") -> str:
    """The id of a team of these people; its admin is the first of them, if no other is named."""
    maker = admin or people[0]
    team = maker.team(name=name)["id"]
    for person in people:
        if person is not maker:
            maker.add_to_team(team, person)
    return team


def leave_team(app: Flask, team: str, person: Person) -> None:
    """Takes someone out of a team."""
    answer = person.delete(f"/teams/{team}/members/{person.id}")
    assert answer.status_code == 204, answer.text


def lock_out(app: Flask, person: Person, how: str = "disabled") -> None:
    """Lets an account be one that is disabled, or `unconfirmed`, behind the API's back."""
    value = {"disabled": "disabled_at = created_at", "unconfirmed": "activated_at = NULL"}[how]
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(f"UPDATE users SET {value} WHERE id = '{person.id}'"))


def problem(answer: TestResponse, status: int, code: str | None = None) -> dict[str, Any]:
    """Checks that an answer is a problem of this status, and of this code if one is given; returns it."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = json.loads(answer.data)
    assert set(body) - {"errors"} == {"type", "title", "status", "code", "detail", "request_id"}
    assert body["status"] == status
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert ("errors" in body) == (body["code"] == "validation_failed")
    if code:
        assert body["code"] == code, body
    return body


def pointers(answer: TestResponse, location: str = "body") -> set[str]:
    """The pointers of a 422, all of which must be of this location."""
    errors = problem(answer, 422, "validation_failed")["errors"]
    assert {error["location"] for error in errors} == {location}, errors
    return {error["pointer"] for error in errors}
