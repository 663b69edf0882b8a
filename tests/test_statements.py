"""How many statements each route sends: a read one, a write three at most and a commit, however much there is.

A statement is what a cursor of the driver executes. What begins and ends a transaction and what prepares a statement is
none; neither is the question whether a connection still works, which the pool asks.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from .attacks.document import Document
from .core.another import another
from .people import PASSWORD, Person, new_person, new_team
from .post import Letter, do_jobs
from .statements import Heard, Listener
from .test_docs import table

# The most statements of a route, and how many more an Idempotency-Key may cost.
READ, WRITE, KEY = 1, 3, 2
ALONG = 6
FEW, MANY = 1, 5
KEYED = "POST /tasks, with an Idempotency-Key"
Letters = Callable[[str], list[Letter]]


@dataclass
class Ask:
    """A request, but for its route.

    Args:
        ids: what stands in the path, where it is not what the world has.
        json: the body.
        query: the query string.
        person: who asks, if it is not the world's.
        headers: more of them.
    """

    ids: dict[str, str] = field(default_factory=dict)
    json: Any = None
    query: Any = None
    person: Person | None = None
    headers: dict[str, str] = field(default_factory=dict)


class World:
    """Someone with a number of everything: projects, members, teams, tags, tasks, sessions."""

    def __init__(self, app: Flask, letters: Letters, number: int) -> None:
        self.app, self.letters, self.number = app, letters, number
        self.me = new_person(app, "me")
        self.friends = [new_person(app, "friend") for _ in range(number)]
        self.project = self.a_project()
        self.projects = [self.project, *(self.me.project() for _ in range(number))]
        self.teams = [new_team(app, self.me, *self.friends) for _ in range(number)]
        for team in self.teams:
            self.me.add_team(self.project, team, "viewer")
        self.tags = [self.me.tag(self.project, f"tag {place}")["id"] for place in range(number)]
        self.tasks = [self.a_task() for _ in range(number)]
        for _ in range(number):
            self.log_in(self.me)
        self.ids = {
            "project_id": self.project["id"],
            "task_id": self.tasks[0],
            "tag_id": self.tags[0],
            "team_id": self.teams[0],
            "user_id": self.friends[0].id,
        }

    def a_project(self) -> dict[str, Any]:
        """A project with members, whose key nobody else has."""
        project = self.me.project(key=f"K{secrets.token_hex(4)}".upper())
        for friend in self.friends:
            self.me.add(project, friend)
        return project

    def a_task(self) -> str:
        """A task with an assignee and tags."""
        return self.me.task(self.project, tag_ids=self.tags, assigned_to_id=self.friends[0].id)["id"]

    def a_tag(self) -> str:
        """A tag of tasks."""
        tag = self.me.tag(self.project, secrets.token_hex(5))["id"]
        for _ in range(self.number):
            self.me.task(self.project, tag_ids=[tag])
        return tag

    def a_team(self) -> str:
        """A team with members, in projects where they have tasks."""
        team = new_team(self.app, self.me, *(new_person(self.app, "mate") for _ in range(self.number)))
        for project in self.projects:
            self.me.add_team(project, team)
        return team

    def a_person(self) -> Person:
        """Somebody else with sessions, projects, teams, and tasks of others."""
        person = new_person(self.app, "person")
        for _ in range(self.number):
            self.log_in(person)
            person.project()
            person.team()
            self.me.add_to_team(self.teams[0], person)
            self.me.add(self.project, person)
            self.me.task(self.project, assigned_to_id=person.id)
        return person

    def a_session(self) -> str:
        """Another session of mine."""
        self.log_in(self.me)
        return next(each["id"] for each in self.me.get("/auth/sessions").json if not each["current"])

    def log_in(self, person: Person) -> None:
        answer = person.post("/auth/login", {"username": person.username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text


def an_address() -> str:
    return f"new-{secrets.token_hex(5)}@example.com"


def registration() -> dict[str, str]:
    return {"email": an_address(), "username": f"new-{secrets.token_hex(5)}", "password": PASSWORD}


def changed_address(world: World) -> Ask:
    """Whoever has asked for another address and has the letter."""
    person, address = world.a_person(), an_address()
    person.post("/users/me/email", {"email": address, "password": PASSWORD})
    return Ask(json={"token": world.letters(address)[-1].token}, person=person)


def forgotten_password(world: World) -> Ask:
    person = world.a_person()
    person.post("/auth/forgot-password", {"email": person.email})
    return Ask(json={"token": world.letters(person.email)[-1].token, "password": PASSWORD[::-1]}, person=person)


def assigned(world: World) -> Ask:
    """All tags taken off and others put on, and another assignee."""
    tags = [world.me.tag(world.project, secrets.token_hex(5))["id"] for _ in range(world.number)]
    return Ask({"task_id": world.a_task()}, {"tag_ids": tags, "assigned_to_id": world.me.id})


def moved(world: World) -> Ask:
    return Ask({"task_id": world.a_task()}, {"project_id": world.a_project()["id"]})


def handed_over(world: World) -> Ask:
    return Ask({"project_id": world.a_project()["id"]}, {"owner_id": world.friends[0].id})


def stranger(world: World) -> Ask:
    """A person that the caller knows, who is not in the project or the team."""
    person = new_person(world.app, "stranger")
    world.me.add(world.projects[1], person)
    return Ask({"user_id": person.id}, {"role": "member"})


def member_who_loses_tasks(world: World) -> Ask:
    project, person = world.me.project(), new_person(world.app, "leaver")
    world.me.add(project, person)
    for _ in range(world.number):
        world.me.task(project, assigned_to_id=person.id)
    return Ask({"user_id": person.id, "project_id": project["id"]})


def team_of_member(world: World) -> Ask:
    team = world.a_team()
    person = new_person(world.app, "leaver")
    world.me.add_to_team(team, person)
    for project in world.projects:
        world.me.task(project, assigned_to_id=person.id)
    return Ask({"user_id": person.id, "team_id": team})


def project_of_team(world: World) -> Ask:
    return Ask({"team_id": world.a_team()})


def full_project(world: World) -> Ask:
    project = world.a_project()
    for _ in range(world.number):
        world.me.task(project, tag_ids=[world.me.tag(project, secrets.token_hex(5))["id"]])
    return Ask({"project_id": project["id"]})


def every_filter(world: World) -> Ask:
    me = world.me.id
    query = {
        "status": ["todo", "done"],
        "priority": ["none", "low"],
        "assigned_to": [me, world.friends[0].id],
        "created_by": me,
        "project_id": [project["id"] for project in world.projects],
        "tag": ["tag 0", "tag 1"],
        "tag_id": world.tags,
        "due_before": "2030-01-01",
        "due_after": "2020-01-01",
        "overdue": "true",
        "updated_since": "2020-01-01T00:00:00Z",
        "search": "do it",
        "sort": "-due_date,priority",
    }
    return Ask(query=query)


def task_body(world: World) -> dict[str, Any]:
    return {"title": "Do it", "assigned_to_id": world.friends[0].id, "tag_ids": world.tags, "due_date": "2030-01-01"}


# Each operation of the document; what stands after a comma is one more way to use it.
ROUTES: dict[str, Callable[[World], Ask]] = {
    "POST /auth/register": lambda _: Ask(json=registration()),
    "POST /auth/verify-email": changed_address,
    "POST /auth/resend-verification": lambda w: Ask(json={"email": new_person(w.app, verified=False).email}),
    "POST /auth/login": lambda w: Ask(json={"username": w.me.username, "password": PASSWORD}),
    "POST /auth/refresh": lambda w: Ask(json={"refresh_token": new_person(w.app).refresh_token}),
    "POST /auth/logout": lambda w: Ask(person=w.a_person()),
    "POST /auth/forgot-password": lambda w: Ask(json={"email": w.a_person().email}),
    "POST /auth/reset-password": forgotten_password,
    "POST /auth/change-password": lambda w: Ask(
        json={"current_password": PASSWORD, "new_password": PASSWORD[::-1]}, person=w.a_person()
    ),
    "GET /auth/sessions": lambda _: Ask(),
    "DELETE /auth/sessions": lambda w: Ask(person=w.a_person()),
    "DELETE /auth/sessions/{session_id}": lambda w: Ask({"session_id": w.a_session()}),
    "GET /users/me": lambda _: Ask(),
    "PATCH /users/me": lambda _: Ask(json={"display_name": secrets.token_hex(5)}),
    "DELETE /users/me": lambda w: Ask(json={"password": PASSWORD}, person=w.a_person()),
    "POST /users/me/email": lambda w: Ask(json={"email": an_address(), "password": PASSWORD}, person=w.a_person()),
    "GET /users": lambda _: Ask(),
    "GET /users/{user_id}": lambda _: Ask(),
    "GET /teams": lambda _: Ask(),
    "POST /teams": lambda _: Ask(json={"name": "Team"}),
    "GET /teams/{team_id}": lambda _: Ask(),
    "PATCH /teams/{team_id}": lambda _: Ask(json={"name": secrets.token_hex(5)}),
    "DELETE /teams/{team_id}": lambda w: Ask({"team_id": w.a_team()}),
    "GET /teams/{team_id}/members": lambda _: Ask(),
    "PUT /teams/{team_id}/members/{user_id}": stranger,
    "DELETE /teams/{team_id}/members/{user_id}": team_of_member,
    "GET /projects": lambda _: Ask(),
    "POST /projects": lambda _: Ask(json={"name": "Website"}),
    "GET /projects/{project_id}": lambda _: Ask(),
    "PATCH /projects/{project_id}": lambda _: Ask(json={"name": secrets.token_hex(5)}),
    "PATCH /projects/{project_id}, handed over": handed_over,
    "DELETE /projects/{project_id}": full_project,
    "GET /projects/{project_id}/members": lambda _: Ask(),
    "PUT /projects/{project_id}/members/{user_id}": stranger,
    "DELETE /projects/{project_id}/members/{user_id}": member_who_loses_tasks,
    "GET /projects/{project_id}/teams": lambda _: Ask(),
    "PUT /projects/{project_id}/teams/{team_id}": lambda w: Ask({"team_id": new_team(w.app, w.me)}, {"role": "member"}),
    "DELETE /projects/{project_id}/teams/{team_id}": project_of_team,
    "GET /projects/{project_id}/tasks": lambda _: Ask(),
    "POST /projects/{project_id}/tasks": lambda w: Ask(json=task_body(w)),
    "GET /projects/{project_id}/tags": lambda _: Ask(),
    "POST /projects/{project_id}/tags": lambda _: Ask(json={"name": secrets.token_hex(5)}),
    "GET /tasks": lambda _: Ask(),
    "GET /tasks, every filter": every_filter,
    "POST /tasks": lambda w: Ask(json={**task_body(w), "project_id": w.project["id"]}),
    "POST /tasks, in the inbox": lambda _: Ask(json={"title": "Do it"}),
    KEYED: lambda w: Ask(
        json={**task_body(w), "project_id": w.project["id"]}, headers={"Idempotency-Key": secrets.token_hex(5)}
    ),
    "GET /tasks/{task_id}": lambda _: Ask(),
    "PATCH /tasks/{task_id}": lambda w: Ask({"task_id": w.a_task()}, {"status": "done"}),
    "PATCH /tasks/{task_id}, title and a date": lambda w: Ask(
        {"task_id": w.a_task()}, {"title": "New", "due_date": "2026-12-24"}
    ),
    "PATCH /tasks/{task_id}, assignee and tags": assigned,
    "PATCH /tasks/{task_id}, moved": moved,
    "DELETE /tasks/{task_id}": lambda w: Ask({"task_id": w.a_task()}),
    "GET /tags": lambda _: Ask(),
    "POST /tags": lambda w: Ask(json={"project_id": w.project["id"], "name": secrets.token_hex(5)}),
    "GET /tags/{tag_id}": lambda _: Ask(),
    "PATCH /tags/{tag_id}": lambda w: Ask({"tag_id": w.a_tag()}, {"name": secrets.token_hex(5)}),
    "DELETE /tags/{tag_id}": lambda w: Ask({"tag_id": w.a_tag()}),
}


class Meter:
    """Counts what a route sends.

    Args:
        app: an application of its own.
        letters: the letters that came to an address.
    """

    def __init__(self, app: Flask, letters: Letters) -> None:
        self.listener = Listener(app)
        self.worlds = {number: World(app, letters, number) for number in (FEW, MANY)}

    def measure(self, route: str, number: int) -> Heard:
        """What a request of this route sends where there is so much of everything."""
        world, ask = self.worlds[number], ROUTES[route](self.worlds[number])
        method, path = route.partition(",")[0].split()
        path = path.format_map({**world.ids, **ask.ids})
        with self.listener.listening() as heard:
            answer = (ask.person or world.me).call(method, path, json=ask.json, query=ask.query, headers=ask.headers)
        assert answer.status_code < 300, (route, answer.text)
        return heard


Counted = dict[str, dict[int, Heard]]


@pytest.fixture(scope="module")
def heard(app, environment, office) -> Counted:
    """What each route sends, with few and with many of everything."""
    with another(environment) as own:

        def letters(address):
            do_jobs(own)
            return office.to(address)

        meter = Meter(own, letters)
        return {route: {number: meter.measure(route, number) for number in (FEW, MANY)} for route in ROUTES}


@pytest.fixture(scope="module")
def counted(heard) -> dict[str, dict[int, int]]:
    """How many statements each route sends, without the look-up of the session."""
    return {
        route: {number: len(one.statements) - looks_up_session(one) for number, one in by_number.items()}
        for route, by_number in heard.items()
    }


def looks_up_session(one: Heard) -> bool:
    """Whether the caller's session was asked of the table: always without Redis, and with it every few seconds."""
    return one.statements[0].startswith("SELECT sessions.id FROM sessions WHERE sessions.id = ")


def test_every_operation_has_a_row(app):
    assert {route.partition(",")[0] for route in ROUTES} == {repr(operation) for operation in Document(app).operations}


def test_a_read_is_one_statement_and_a_write_three_at_most(app, counted):
    most = {route: READ if route.startswith("GET") else WRITE for route in ROUTES}
    most[KEYED] += KEY
    if app.config["SETTINGS"].is_sqlite:  # What goes along with a write is one statement with it on PostgreSQL alone.
        most |= {route: number + ALONG for route, number in most.items() if not route.startswith("GET")}
    assert not {route: by_number for route, by_number in counted.items() if max(by_number.values()) > most[route]}


def test_a_write_is_one_transaction_and_a_read_is_none(heard, counted):
    for route, by_number in heard.items():
        commits = {one.commits for one in by_number.values()}
        # A write that is a single statement may stand alone: the database commits it by itself.
        allowed = [{0}] if route.startswith("GET") else [{1}, {0}] if counted[route][MANY] == 1 else [{1}]
        assert commits in allowed, route


def test_no_route_sends_more_where_there_is_more(counted):
    assert not {route: by_number for route, by_number in counted.items() if by_number[FEW] != by_number[MANY]}


def test_without_redis_the_session_is_one_statement_more(app, heard):
    asked = {route for route, by_number in heard.items() if looks_up_session(by_number[FEW])}
    public = {repr(operation) for operation in Document(app).operations if operation.is_public}
    closed = heard.keys() - public
    assert asked == closed if app.config["SETTINGS"].is_sqlite else asked <= closed


def test_the_table_says_what_is_sent(app, counted, root):
    rows = table((root / "docs" / "performance.md").read_text(), "Statements")
    said = {
        route.strip("`"): int(sqlite if app.config["SETTINGS"].is_sqlite else postgresql) for route, postgresql, sqlite in rows
    }
    sent = {route: by_number[MANY] for route, by_number in counted.items()}
    assert said.keys() == sent.keys()
    assert not {route: f"{sent[route]}, and not {said[route]}" for route in sent if sent[route] != said[route]}
