"""What SQL gives is what the schemas say: the fields, their order and their kinds."""

from typing import Any

import marshmallow as ma
import pytest

from tasktracker.accounts.schemas import MeSchema, TokensSchema, UserBrief
from tasktracker.accounts.team_schemas import TeamMemberSchema, TeamSchema
from tasktracker.projects.schemas import MemberSchema, ProjectSchema, ProjectTeamSchema
from tasktracker.tags.schemas import TagSchema
from tasktracker.tasks.schemas import TaskSchema

from ..people import PASSWORD, new_team


def check(schema: ma.Schema, value: dict[str, Any]) -> None:
    """The value has exactly the schema's fields, in its order at every depth, and loads."""
    schema.load(value, unknown=ma.RAISE)
    in_order(schema, value)


def in_order(schema: ma.Schema, value: dict[str, Any]) -> None:
    assert list(value) == list(schema.fields), type(schema).__name__
    for name, field in schema.fields.items():
        inner = field.inner if isinstance(field, ma.fields.List) else field
        if isinstance(inner, ma.fields.Nested):
            for one in value[name] if isinstance(field, ma.fields.List) else [value[name]]:
                assert one is not None or inner.allow_none
                if one is not None:
                    in_order(inner.schema, one)


@pytest.fixture
def scene(app, ada, bob):
    """A project in which every field of every resource is filled in."""
    project = ada.project(key="WEB", description="Long")
    ada.add(project, bob, "viewer")
    ada.add_team(project, new_team(app, ada, bob, admin=ada, name="Zeta"), "admin")
    tags = [ada.tag(project, name) for name in ("bug", "new")]
    ada.task(project)
    full = {"assigned_to_id": bob.id, "due_date": "2026-05-02", "start_date": "2026-05-01", "status": "done"}
    ada.task(project, description="Long", tag_ids=[tag["id"] for tag in tags], **full)
    return project


LISTS = [
    ("/tasks", TaskSchema, 2),
    ("/projects/{id}/tasks", TaskSchema, 2),
    ("/projects", ProjectSchema, 2),
    ("/tags", TagSchema, 2),
    ("/projects/{id}/tags", TagSchema, 2),
    ("/projects/{id}/members", MemberSchema, 2),
    ("/projects/{id}/teams", ProjectTeamSchema, 1),
    ("/teams", TeamSchema, 1),
    ("/users", UserBrief, 1),
]


@pytest.mark.parametrize(("path", "schema", "count"), LISTS, ids=[path for path, *_ in LISTS])
def test_every_row_is_as_its_schema_says_and_as_it_is_alone(ada, scene, path, schema, count):
    rows = ada.get(path.format(**scene)).json
    assert len(rows) == count
    for row in rows:
        check(schema(), row)
        if "id" in row:
            alone = ada.get(f"{path.rsplit('/', 1)[-1]}/{row['id']}".join(["/", ""])).json
            assert alone == row
            assert list(alone) == list(row)


def test_an_archived_project_is_as_its_schema_says(ada, scene):
    check(ProjectSchema(), ada.patch(f"/projects/{scene['id']}", {"archived": True}).json)


def test_a_membership_is_answered_as_in_the_list(app, ada, bob, scene):
    answer = ada.put(f"/projects/{scene['id']}/members/{bob.id}", {"role": "member"}).json
    check(MemberSchema(), answer)
    assert answer in ada.get(f"/projects/{scene['id']}/members").json
    team = ada.get(f"/projects/{scene['id']}/teams").json[0]["team"]["id"]
    answer = ada.put(f"/projects/{scene['id']}/teams/{team}", {"role": "viewer"}).json
    check(ProjectTeamSchema(), answer)
    assert answer in ada.get(f"/projects/{scene['id']}/teams").json


def test_a_membership_of_a_team_is_answered_as_in_the_list(ada, bob, scene):
    members = f"/teams/{ada.get('/teams').json[0]['id']}/members"
    answer = ada.put(f"{members}/{bob.id}", {"role": "admin"}).json
    check(TeamMemberSchema(), answer)
    assert answer in ada.get(members).json


def test_my_profile_is_as_its_schema_says(ada, scene):
    profile = ada.get("/users/me").json
    assert [team["name"] for team in profile["teams"]] == ["Zeta"]
    check(MeSchema(), profile)


def test_a_login_is_as_its_schema_says(ada, scene):
    answer = ada.post("/auth/login", {"username": ada.username, "password": PASSWORD})
    check(TokensSchema(), answer.json)
    check(TokensSchema(), ada.post("/auth/refresh", {"refresh_token": answer.json["refresh_token"]}).json)
    assert answer.json["user"] == ada.get("/users/me").json
