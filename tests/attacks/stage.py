"""Who attacks, and what there is: someone's own things, another's, and what was deleted."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from ..people import PASSWORD, Person, new_person, new_team, problem
from .document import Document, Operation

# A word of these in an answer would tell what the service is made of, or what it holds.
INSIDE = ("traceback", 'file "', "select ", "insert into", "sqlalchemy", "psycopg", "sqlite", "werkzeug", "marshmallow",
          "flask", "webargs", "redis", "python", "site-packages", "argon2", "/tmp/", "exception")  # fmt: skip


class Things(dict[str, str]):
    """One thing of each kind that belongs to a person, by the names that paths and bodies have for their ids."""

    def __init__(self, app: Flask, person: Person) -> None:
        self.person, self.friend = person, new_person(app, "friend")
        self.project = person.project()
        person.add(self.project, self.friend)
        team = new_team(app, person, self.friend)
        person.add_team(self.project, team)
        tag = person.tag(self.project, "known")
        task = person.task(self.project, title="known", tag_ids=[tag["id"]], assigned_to_id=self.friend.id)
        person.post("/auth/login", {"username": person.email, "password": PASSWORD})
        session = next(each["id"] for each in person.get("/auth/sessions").json if not each["current"])
        super().__init__(project_id=self.project["id"], task_id=task["id"], tag_id=tag["id"], team_id=team,
                         user_id=self.friend.id, session_id=session)  # fmt: skip
        self.kinds = tuple(self)
        # Bodies and queries have other names for some.
        self |= {"owner_id": self.friend.id, "assigned_to_id": self.friend.id, "tag_ids": tag["id"]}
        self |= {"owner": person.id, "assigned_to": self.friend.id, "created_by": person.id}

    def delete_all(self) -> None:
        """Deletes all of them, and the friend's account."""
        for kind in ("task", "tag", "session", "team", "project"):
            path = "/auth/sessions" if kind == "session" else f"/{kind}s"
            assert self.person.delete(f"{path}/{self[f'{kind}_id']}").status_code == 204
        assert self.friend.delete("/users/me", json={"password": PASSWORD}).status_code == 204
        self |= {"owner": self.friend.id, "created_by": self.friend.id}


class Stage:
    """Two people who do not know each other, and their things."""

    def __init__(self, app: Flask) -> None:
        self.app, self.document = app, Document(app)
        self.me, self.other = new_person(app, "me"), new_person(app, "other")
        self.mine, self.hidden = Things(app, self.me), Things(app, self.other)

    @cached_property
    def gone(self) -> Things:
        """What was mine and is deleted."""
        things = Things(self.app, self.me)
        things.delete_all()
        return things

    def others(self, name: str) -> dict[str, str]:
        """Ids that name nothing that I may see in the place of an id of this name: by what they are."""
        kind = {"owner_id": "user_id", "assigned_to_id": "user_id", "owner": "user_id", "assigned_to": "user_id",
                "created_by": "user_id", "tag_ids": "tag_id"}.get(name, name)  # fmt: skip
        wrong = {f"my {other}": self.mine[other] for other in self.mine.kinds if other != kind}
        return {"hidden": self.hidden[name], "deleted": self.gone[name], **wrong}

    def fill(self, operation: Operation, **ids: str) -> str:
        """The path of an operation with my things in it, but for these."""
        return operation.path.format_map({**self.mine, **ids})

    def body(self, operation: Operation) -> dict[str, Any] | None:
        """A body that is well-formed and names my things; none where none is taken."""
        if operation.fields is None:
            return None
        own = {name: self.mine[name] for name in operation.example if name in self.mine and name != "tag_ids"}
        return {**operation.example, **own}

    def send(self, operation: Operation, path: str = "", /, **request: Any) -> TestResponse:
        """Sends an operation as me."""
        return self.me.call(operation.method, path or self.fill(operation), **request)

    def state(self) -> dict[str, Any]:
        """All that I and the other can see of what is ours."""
        lists = [operation for operation in self.document.operations if operation.name.startswith("list_")]
        seen: dict[str, Any] = {}
        for person, things in ((self.me, self.mine), (self.other, self.hidden)):
            for operation in lists:
                path = operation.path.format_map(things)
                answer = person.get(path, query={"page_size": 100})
                seen[f"{person.id} {path}"] = ([unused(row) for row in answer.json], answer.headers["X-Pagination"])
            seen[person.id] = person.get("/users/me").json
        return seen


def unused(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without when it was last used, which each request changes."""
    return {name: value for name, value in row.items() if name != "last_used_at"}


def harmless(answer: TestResponse, asked: object = "") -> None:
    """Checks what holds of every answer, whatever was sent."""
    assert answer.status_code < 500, (asked, answer.text)
    assert answer.headers["X-Request-ID"]
    if answer.status_code >= 400 and answer.request.method == "HEAD":
        assert (answer.data, answer.headers["Content-Type"]) == (b"", "application/problem+json"), asked
    elif answer.status_code >= 400:
        problem(answer, answer.status_code)
        said = answer.text.lower()
        assert not [word for word in INSIDE if word in said], (asked, answer.text)
        assert len(answer.json.get("errors", ())) <= 50, asked
        assert len(answer.data) < 100_000, asked


def places(operations: list[Operation]) -> Iterator[tuple[Operation, str]]:
    """Each id of each path."""
    for operation in operations:
        for name in operation.ids:
            yield operation, name
