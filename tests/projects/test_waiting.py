"""What happens to a request that has to wait for another's lock: it judges by what is true after the wait."""

import time

import pytest

from .. import racing
from ..people import NOBODY, new_team, problem


@pytest.fixture
def project(app, ada, bob):
    """A project of Ada's in which Bob is an admin."""
    made = ada.project()
    ada.add(made, bob, "admin")
    return made


@pytest.fixture
def carl(ada, person, project):
    """A member of the project."""
    carl = person("carl")
    ada.add(project, carl)
    return carl


def waiting(holding, project, ask, *changes):
    """What is answered to a request that waits for the project while these changes are made by another."""
    racing.hold(holding, "projects", project["id"])
    return racing.waiting(holding, ask, *changes)


@pytest.mark.parametrize("change", ["DELETE FROM project_members", "UPDATE project_members SET role = 0"])
def test_an_admin_who_is_one_no_more_cannot_make_themselves_one(ada, bob, project, holding, change):
    path = f"/projects/{project['id']}/members/{bob.id}"
    answer = waiting(holding, project, lambda: bob.put(path, {"role": "admin"}), f"{change} WHERE user_id = '{bob.id}'")
    problem(answer, 404 if "DELETE" in change else 403)
    roles = {row["user"]["id"]: row["role"] for row in ada.get(f"/projects/{project['id']}/members").json}
    assert roles.get(bob.id) in (None, "viewer")


def test_who_handed_a_project_over_meanwhile_is_an_admin_of_it(ada, bob, project, holding):
    """PostgreSQL gives who waited the project with its new owner, and the members from before."""
    given = [
        f"UPDATE projects SET owner_id = '{bob.id}' WHERE id = '{project['id']}'",
        f"UPDATE project_members SET user_id = '{ada.id}' WHERE project_id = '{project['id']}'",
    ]
    answer = waiting(holding, project, lambda: ada.patch(f"/projects/{project['id']}", {"name": "Mine"}), *given)
    assert (answer.status_code, answer.json["name"], answer.json["role"]) == (200, "Mine", "admin")
    assert answer.json["owner"]["id"] == bob.id


@pytest.mark.parametrize("ask", ["put", "delete"])
def test_an_admin_does_nothing_to_who_became_one_meanwhile(bob, carl, project, holding, ask):
    path = f"/projects/{project['id']}/members/{carl.id}"
    asks = {"put": lambda: bob.put(path, {"role": "viewer"}), "delete": lambda: bob.delete(path)}
    promoted = f"UPDATE project_members SET role = 2 WHERE user_id = '{carl.id}'"
    problem(waiting(holding, project, asks[ask], promoted), 403)
    assert carl.get(f"/projects/{project['id']}").json["role"] == "admin"


def test_a_team_that_was_let_in_as_admin_meanwhile_is_the_owners_to_change(app, ada, bob, project, holding):
    team = new_team(app, bob)
    path = f"/projects/{project['id']}/teams/{team}"
    let_in = f"INSERT INTO project_teams VALUES ('{project['id']}', '{team}', 2)"
    problem(waiting(holding, project, lambda: bob.put(path, {"role": "viewer"}), let_in), 403)
    assert ada.get(f"/projects/{project['id']}/teams").json[0]["role"] == "admin"


def test_a_tag_that_was_changed_meanwhile_is_another_version(ada, project, holding):
    tag = ada.tag(project, "bug")
    etag = ada.get(f"/tags/{tag['id']}").headers["ETag"]
    path, changed = f"/tags/{tag['id']}", f"UPDATE tags SET version = 2, color = '#000000' WHERE id = '{tag['id']}'"
    asks = {"If-Match": etag}
    problem(waiting(holding, project, lambda: ada.patch(path, {"name": "defect"}, headers=asks), changed), 412)
    assert [(row["name"], row["color"]) for row in ada.get("/tags").json] == [("bug", "#000000")]


@pytest.mark.parametrize("change", ["DELETE FROM project_members", "UPDATE project_members SET role = 0"])
def test_no_tag_is_made_by_who_may_not_any_more(ada, bob, project, holding, change):
    path = f"/projects/{project['id']}/tags"
    lost = f"{change} WHERE user_id = '{bob.id}'"
    problem(waiting(holding, project, lambda: bob.post(path, {"name": "late"}), lost), 404 if "DELETE" in change else 403)
    assert ada.get(path).json == []


def test_nobody_waits_for_what_they_may_not_see(person, project, holding):
    stranger = person()
    if holding.dialect.name == "postgresql":  # SQLite has one lock for everything, which tells nothing of a project.
        racing.hold(holding, "projects", project["id"])
    begun = time.monotonic()
    hidden = [
        stranger.delete(f"/projects/{project['id']}"),
        stranger.post("/tags", {"name": "x", "project_id": project["id"]}),
        stranger.post("/tasks", {"title": "x", "project_id": project["id"]}),
    ]
    assert time.monotonic() - begun < 1, "the lock was waited for"
    nothing = [
        stranger.delete(f"/projects/{NOBODY}"),
        stranger.post("/tags", {"name": "x", "project_id": NOBODY}),
        stranger.post("/tasks", {"title": "x", "project_id": NOBODY}),
    ]
    assert [answer.status_code for answer in hidden] == [answer.status_code for answer in nothing] == [404, 422, 422]


def test_a_membership_has_no_validator_to_be_held_to(ada, bob, project):
    path = f"/projects/{project['id']}/members/{bob.id}"
    assert "ETag" not in ada.put(path, {"role": "viewer"}).headers
    problem(ada.delete(f"/projects/{project['id']}/members/{NOBODY}", headers={"If-Match": '"1-a"'}), 404)
    problem(ada.delete(path, headers={"If-Match": '"1-a"'}), 412)
    assert ada.delete(path, headers={"If-Match": "*"}).status_code == 204
