"""The table of roles: for every operation in a project, what each role gets; and people who hold these roles."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from ..people import NOBODY, new_person, new_team, path_of

COLUMNS = ("nobody", "stranger", "viewer", "member", "admin", "owner")

# What is in braces is made for the request: {task} is the owner's, {own_task} the caller's, {viewer} and the like are
# others with that role, {newcomer} is not in the project, {my_team} is the caller's and not in it, {team} and {admin_team}
# are in it and not the caller's.
TABLE: list[tuple[Any, ...]] = [
    # nobody, stranger, viewer, member, admin, owner; what it is in NEEDED; request; body
    ("401 404 200 200 200 200", "read", "GET /projects/{project}"),
    ("401 404 200 200 200 200", "read", "GET /projects/{project}/members"),
    ("401 404 200 200 200 200", "read", "GET /projects/{project}/teams"),
    ("401 404 200 200 200 200", "read", "GET /projects/{project}/tasks"),
    ("401 404 200 200 200 200", "read", "GET /projects/{project}/tags"),
    ("401 404 200 200 200 200", "read", "GET /tasks/{task}"),
    ("401 404 200 200 200 200", "read", "GET /tags/{tag}"),
    ("401 404 403 201 201 201", "create_task", "POST /projects/{project}/tasks", {"title": "New"}),
    ("401 422 403 201 201 201", "create_task", "POST /tasks", {"title": "New", "project_id": "{project}"}),
    ("401 422 403 200 200 200", "create_task", "PATCH /tasks/{task_elsewhere}", {"project_id": "{project}"}),
    ("401 404 403 200 200 200", "update_task", "PATCH /tasks/{task}", {"title": "New"}),
    ("401 404 403 200 200 200", "update_task", "PATCH /tasks/{own_task}", {"status": "done"}),
    ("401 404 403 200 200 200", "update_task", "PATCH /tasks/{task}", {"tag_ids": ["{tag}"]}),
    ("401 404 403 200 200 200", "update_task", "PATCH /tasks/{task}", {"project_id": "{my_project}"}),
    ("401 404 403 204 204 204", "delete_own_task", "DELETE /tasks/{own_task}"),
    ("401 404 403 403 204 204", "delete_any_task", "DELETE /tasks/{task}"),
    ("401 404 403 201 201 201", "create_tag", "POST /projects/{project}/tags", {"name": "{name}"}),
    ("401 422 403 201 201 201", "create_tag", "POST /tags", {"name": "{name}", "project_id": "{project}"}),
    ("401 404 403 403 200 200", "update_tag", "PATCH /tags/{tag}", {"color": "#000000"}),
    ("401 404 403 403 204 204", "delete_tag", "DELETE /tags/{tag}"),
    ("401 404 403 403 200 200", "update", "PATCH /projects/{project}", {"name": "{name}"}),
    ("401 404 403 403 200 200", "manage_members", "PUT /projects/{project}/members/{newcomer}", {"role": "viewer"}),
    ("401 404 403 403 200 200", "manage_members", "PUT /projects/{project}/members/{newcomer}", {"role": "admin"}),
    ("401 404 403 403 200 200", "manage_members", "PUT /projects/{project}/members/{member}", {"role": "admin"}),
    ("401 404 403 403 403 200", "manage_members", "PUT /projects/{project}/members/{admin}", {"role": "viewer"}),
    ("401 404 403 403 403 409", "manage_members", "PUT /projects/{project}/members/{owner}", {"role": "admin"}),
    ("401 404 403 403 200 409", "manage_members", "PUT /projects/{project}/members/{me}", {"role": "viewer"}),
    ("401 404 403 403 204 204", "manage_members", "DELETE /projects/{project}/members/{viewer}"),
    ("401 404 403 403 204 204", "manage_members", "DELETE /projects/{project}/members/{member}"),
    ("401 404 403 403 403 204", "manage_members", "DELETE /projects/{project}/members/{admin}"),
    ("401 404 403 403 403 409", "manage_members", "DELETE /projects/{project}/members/{owner}"),
    ("401 404 403 403 200 200", "manage_members", "PUT /projects/{project}/teams/{my_team}", {"role": "admin"}),
    ("401 404 403 403 204 204", "manage_members", "DELETE /projects/{project}/teams/{team}"),
    ("401 404 403 403 403 204", "manage_members", "DELETE /projects/{project}/teams/{admin_team}"),
    ("401 404 204 204 204 409", "leave", "DELETE /projects/{project}/members/{me}"),
    ("401 404 403 403 403 200", "archive", "PATCH /projects/{project}", {"archived": True}),
    ("401 404 403 403 403 200", "hand_over", "PATCH /projects/{project}", {"owner_id": "{member}"}),
    ("401 404 403 403 403 204", "delete", "DELETE /projects/{project}"),
]

# Who holds which role, and how: column of the table, own role, roles of teams. The owner comes last, so that nothing is
# deleted or archived before all others have tried.
PEOPLE: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    "nobody": ("nobody", None, ()),
    "stranger": ("stranger", None, ()),
    "viewer": ("viewer", "viewer", ()),
    "member": ("member", "member", ()),
    "admin": ("admin", "admin", ()),
    "viewer by a team": ("viewer", None, ("viewer",)),
    "member by a team": ("member", None, ("member",)),
    "admin by a team": ("admin", None, ("admin",)),
    "viewer, and member by a team": ("member", "viewer", ("member",)),
    "viewer, and admin by a team": ("admin", "viewer", ("admin",)),
    "member, and viewer by a team": ("member", "member", ("viewer",)),
    "admin, and viewer by a team": ("admin", "admin", ("viewer",)),
    "viewer by one team, member by another": ("member", None, ("viewer", "member")),
    "owner": ("owner", None, ()),
}


@dataclass(frozen=True)
class Operation:
    """A row of the table."""

    codes: Mapping[str, int]
    needs: str
    method: str
    path: str
    body: Any

    @property
    def changes_roles(self) -> bool:
        """Whether someone's role may be another afterwards, or the project gone."""
        return self.needs in ("leave", "archive", "hand_over", "delete") or "{me}" in self.path or "{my_team}" in self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body or ''}".strip()


def operation(codes: str, needs: str, request: str, body: Any = None) -> Operation:
    numbers = dict(zip(COLUMNS, map(int, codes.split()), strict=True))
    return Operation(numbers, needs, *request.split(), body)


GRID = [operation(*row) for row in TABLE]


class World:
    """The people of the table, in teams as it says; the owner is in each team, which lets them bring it in."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.people = {who: new_person(app, "grid") for who in PEOPLE}
        self.owner = self.people["owner"]
        self.teams = [
            (role, new_team(app, person, self.owner))
            for who, person in self.people.items()
            for role in PEOPLE[who][2]
        ]  # fmt: skip
        self.kept: dict[str, Any] | None = None

    def project(self) -> dict[str, Any]:
        """A new project in which everyone holds their roles."""
        project = self.owner.project()
        for who, person in self.people.items():
            if role := PEOPLE[who][1]:
                self.owner.add(project, person, role)
        for role, team in self.teams:
            self.owner.add_team(project, team, role)
        return project

    def project_for(self, operation: Operation) -> dict[str, Any]:
        """The same project again and again, if the operation leaves its people in their roles; else a new one."""
        if operation.changes_roles:
            return self.project()
        self.kept = self.kept or self.project()
        return self.kept

    def try_all(self, operation: Operation, people: Iterable[str]) -> dict[str, int]:
        """The status that each of the people gets."""
        project, shared = self.project_for(operation), {}
        return {who: self.send(who, operation, project, shared).status_code for who in people}

    def send(self, who: str, operation: Operation, project: dict[str, Any], shared: dict[str, str]) -> TestResponse:
        """Asks as one of the people; what was made for one who was refused serves the next."""
        names = Names(self, who, project, shared)
        path, body = names.fill(operation.path), names.fill(operation.body)
        if who == "nobody":
            answer = self.app.test_client().open(path_of(path), method=operation.method, json=body)
        else:
            answer = self.people[who].call(operation.method, path, json=body)
        if answer.status_code < 300:
            shared.clear()
        return answer


class Names(dict[str, str]):
    """What the names in braces stand for, each made when it is asked for."""

    def __init__(self, world: World, who: str, project: dict[str, Any], shared: dict[str, str] | None = None) -> None:
        self.world, self.who, self.in_project, self.shared = world, who, project, {} if shared is None else shared
        # Whoever is not logged in tries with what is the owner's.
        self.person = world.owner if who == "nobody" else world.people[who]
        me = NOBODY if who == "nobody" else self.person.id
        super().__init__(project=project["id"], me=me, owner=world.owner.id)

    def fill(self, pattern: Any) -> Any:
        """Puts ids for names, in text at any depth."""
        if isinstance(pattern, str):
            return pattern.format_map(self)
        if isinstance(pattern, list):
            return [self.fill(item) for item in pattern]
        return {name: self.fill(value) for name, value in pattern.items()} if isinstance(pattern, dict) else pattern

    def __missing__(self, name: str) -> str:
        if own := getattr(self, f"_{name}", None):
            self[name] = own()
        else:
            if name not in self.shared:
                self.shared[name] = getattr(self, f"_new_{name}")()
            self[name] = self.shared[name]
        return self[name]

    # The caller's own.

    def _own_task(self) -> str:
        """A task that the caller made, as a member for this long if they are less."""
        owner, (column, role, _) = self.world.owner, PEOPLE[self.who]
        lifted = self.who != "nobody" and column in ("stranger", "viewer")
        if lifted:
            owner.add(self.in_project, self.person, "member")
        task = self.person.task(self.in_project)["id"]
        if lifted and role:
            owner.add(self.in_project, self.person, role)
        elif lifted:
            owner.delete(f"/projects/{self.in_project['id']}/members/{self.person.id}")
        return task

    def _my_project(self) -> str:
        return self.person.project()["id"]

    def _my_team(self) -> str:
        return new_team(self.world.app, self.person)

    def _task_elsewhere(self) -> str:
        return self.person.task()["id"]

    # Others'.

    def _new_task(self) -> str:
        return self.world.owner.task(self.in_project)["id"]

    def _new_tag(self) -> str:
        return self.world.owner.tag(self.in_project, self._new_name())["id"]

    def _new_name(self) -> str:
        return f"x{secrets.token_hex(5)}"

    def _new_newcomer(self) -> str:
        return new_person(self.world.app, "new").id

    def _new_viewer(self, role: str = "viewer") -> str:
        other = new_person(self.world.app, role)
        self.world.owner.add(self.in_project, other, role)
        return other.id

    def _new_member(self) -> str:
        return self._new_viewer("member")

    def _new_admin(self) -> str:
        return self._new_viewer("admin")

    def _new_team(self, role: str = "viewer") -> str:
        team = new_team(self.world.app, self.world.owner)
        self.world.owner.add_team(self.in_project, team, role)
        return team

    def _new_admin_team(self) -> str:
        return self._new_team("admin")
