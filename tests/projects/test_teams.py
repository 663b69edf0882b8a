"""Teams in projects."""

import pytest

from ..people import NOBODY, leave_team, new_team, problem
from .asking import members, path


@pytest.fixture
def project(ada):
    return ada.project()


def team_path(project, team):
    return path(project, "teams", team)


def test_a_team_is_put_and_put_again_and_removed_once(ada, bob, project, app):
    team = new_team(app, ada, bob, name="Platform")
    for role in ("viewer", "viewer", "member", "admin"):
        row = {"team": {"id": team, "name": "Platform", "member_count": 2}, "role": role}
        answer = ada.put(team_path(project, team), {"role": role})
        assert (answer.status_code, answer.json) == (200, row)
        assert ada.get(path(project, "teams")).json == [row]
        assert bob.get(path(project)).json["role"] == role
    assert ada.delete(team_path(project, team)).status_code == 204
    problem(ada.delete(team_path(project, team)), 404)
    problem(bob.get(path(project)), 404)
    assert members(ada, project) == {ada.id: "owner"}


def test_the_teams_of_a_project_are_told_and_not_what_they_are_elsewhere(ada, bob, project, app):
    teams = [new_team(app, ada, bob, name=name) for name in ("A", "B")]
    for team in teams:
        ada.add_team(project, team, "viewer")
        bob.add_team(bob.project(), team, "admin")
        bob.add_team(bob.project(), team, "member")
    answer = ada.get(path(project, "teams"))
    assert [(row["team"]["name"], row["role"]) for row in answer.json] == [("A", "viewer"), ("B", "viewer")]
    assert app.json.loads(answer.headers["X-Pagination"])["total"] == 2


def test_only_who_belongs_to_a_team_brings_it_in(ada, bob, project, app):
    team = new_team(app, bob)
    hidden, missing, malformed = (ada.put(team_path(project, given), {"role": "viewer"}) for given in (team, NOBODY, "x"))
    for answer in (hidden, missing, malformed):
        problem(answer, 404, "not_found")
    assert hidden.json["detail"] == missing.json["detail"] == malformed.json["detail"]
    ada.add(project, bob, "admin")
    bob.add_team(project, team)
    assert ada.get(path(project, "teams")).json[0]["team"]["id"] == team


def test_a_team_that_is_in_the_project_is_removed_by_who_is_not_in_it(ada, bob, project, app):
    ada.add(project, bob, "admin")
    team = new_team(app, bob)
    bob.add_team(project, team)
    problem(ada.put(team_path(project, team), {"role": "viewer"}), 403)
    assert ada.delete(team_path(project, team)).status_code == 204


def test_a_team_of_admins_is_changed_by_the_owner_alone(ada, bob, project, app):
    ada.add(project, bob, "admin")
    team = new_team(app, ada, bob)
    bob.add_team(project, team, "admin")
    problem(bob.put(team_path(project, team), {"role": "viewer"}), 403)
    problem(bob.delete(team_path(project, team)), 403)
    ada.add_team(project, team, "viewer")
    assert bob.delete(team_path(project, team)).status_code == 204


def test_the_role_follows_the_team_from_the_next_request_on(ada, bob, project, app):
    team = new_team(app, ada, bob)
    ada.add_team(project, team, "member")
    assert bob.get(path(project)).json["role"] == "member"
    leave_team(app, team, bob)
    problem(bob.get(path(project)), 404)
    assert project["id"] not in [row["id"] for row in bob.get("/projects").json]
    assert ada.get(path(project, "teams")).json[0]["team"]["member_count"] == 1


def test_a_project_stands_once_in_the_list_however_many_ways_lead_to_it(ada, bob, project, app):
    for _ in range(2):
        ada.add_team(project, new_team(app, ada, bob), "viewer")
    ada.add(project, bob, "member")
    task = ada.task(project)
    assert [row["id"] for row in bob.get("/projects").json].count(project["id"]) == 1
    assert [row["id"] for row in bob.get("/tasks").json] == [task["id"]]
    assert sorted(members(bob, project)) == sorted([ada.id, bob.id])


def test_teams_are_listed_by_name_and_in_pages(ada, project, app):
    teams = {name: new_team(app, ada, name=name) for name in ("b", "C", "a")}
    for team in teams.values():
        ada.add_team(project, team)
    pages = [ada.get(path(project, "teams"), query={"page": page, "page_size": 2}) for page in (1, 2, 3)]
    assert [[row["team"]["name"] for row in page.json] for page in pages] == [["C", "a"], ["b"], []]
    assert '"total":3,"total_pages":2' in pages[0].headers["X-Pagination"]
