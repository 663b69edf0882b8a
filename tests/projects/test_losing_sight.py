"""Whoever loses sight of a project is taken off the tasks that are assigned to them there."""

import pytest

from ..people import new_team
from .asking import member, path


def assigned(person, task):
    answer = person.get(f"/tasks/{task['id']}")
    return answer.json["assigned_to"] and answer.json["assigned_to"]["id"]


@pytest.fixture
def project(ada):
    return ada.project()


def check_taken_off(ada, bob, project, lose):
    """Bob, who sees the project, loses sight of it by `lose`; ada and what is elsewhere are not touched."""
    other = ada.project()
    ada.add(other, bob)
    gone = [ada.task(project, assigned_to_id=bob.id) for _ in range(2)]
    kept = [ada.task(project, assigned_to_id=ada.id), ada.task(other, assigned_to_id=bob.id)]
    before = ada.get(f"/tasks/{gone[0]['id']}")
    assert lose().status_code == 204
    assert bob.get(path(project)).status_code == 404
    assert [assigned(ada, task) for task in gone] == [None, None]
    assert [assigned(ada, task) for task in kept] == [ada.id, bob.id]
    after = ada.get(f"/tasks/{gone[0]['id']}")
    assert after.json["updated_at"] > before.json["updated_at"]
    assert after.json == {**before.json, "assigned_to": None, "updated_at": after.json["updated_at"]}
    stale = ada.patch(f"/tasks/{gone[0]['id']}", {"title": "x"}, headers={"If-Match": before.headers["ETag"]})
    assert stale.status_code == 412
    assert [ada.get(f"/tasks/{task['id']}").json["updated_at"] for task in kept] == [task["updated_at"] for task in kept]
    assert [row["id"] for row in bob.get("/tasks?assigned_to=me").json] == [kept[1]["id"]]


def test_who_leaves(ada, bob, project):
    ada.add(project, bob)
    check_taken_off(ada, bob, project, lambda: bob.delete(member(project, bob)))


def test_who_is_removed(ada, bob, project):
    ada.add(project, bob, "viewer")
    check_taken_off(ada, bob, project, lambda: ada.delete(member(project, bob)))


def test_who_is_removed_while_others_stay(ada, bob, person, project, app):
    """What others have, as members or by a team, is no reason to keep the tasks."""
    carl, dora = person("carl"), person("dora")
    ada.add(project, carl)
    ada.add_team(project, new_team(app, ada, dora))
    for someone in (carl, dora):
        ada.task(project, assigned_to_id=someone.id)
    ada.add(project, bob)
    check_taken_off(ada, bob, project, lambda: ada.delete(member(project, bob)))


def test_whose_team_is_removed(ada, bob, project, app):
    team = new_team(app, ada, bob)
    ada.add_team(project, team, "viewer")
    check_taken_off(ada, bob, project, lambda: ada.delete(path(project, "teams", team)))


@pytest.mark.parametrize("way", ["leaves", "is removed", "is in a team that is deleted"])
def test_who_loses_their_team(ada, bob, project, app, way):
    team = new_team(app, ada, bob)
    ada.add_team(project, team, "viewer")
    where = f"/teams/{team}" if "deleted" in way else f"/teams/{team}/members/{bob.id}"
    check_taken_off(ada, bob, project, lambda: (bob if way == "leaves" else ada).delete(where))


def test_who_loses_their_team_loses_all_its_projects(ada, bob, app):
    """Also one that is archived: its tasks are nobody's to change, and not theirs any more."""
    team = new_team(app, ada, bob)
    projects = [ada.project(name=name) for name in ("One", "Two", "Old")]
    tasks = []
    for each in projects:
        ada.add_team(each, team)
        tasks.append(ada.task(each, assigned_to_id=bob.id))
    assert ada.patch(path(projects[2]), {"archived": True}).status_code == 200
    assert bob.delete(f"/teams/{team}/members/{bob.id}").status_code == 204
    assert [assigned(ada, task) for task in tasks] == [None] * 3


def test_who_keeps_another_way_keeps_the_tasks_when_the_team_goes(ada, bob, project, app):
    teams = [new_team(app, ada, bob) for _ in range(3)]
    for team in teams:
        ada.add_team(project, team)
    task = ada.task(project, assigned_to_id=bob.id)
    assert ada.put(f"/teams/{teams[0]}/members/{bob.id}", {"role": "admin"}).status_code == 200
    for where in (f"/teams/{teams[0]}/members/{bob.id}", f"/teams/{teams[1]}"):
        assert ada.delete(where).status_code == 204
        answer = ada.get(f"/tasks/{task['id']}").json
        assert (answer["assigned_to"]["id"], answer["updated_at"]) == (bob.id, task["updated_at"])
    assert ada.delete(f"/teams/{teams[2]}").status_code == 204
    assert assigned(ada, task) is None
    assert [row["team"]["id"] for row in ada.get(path(project, "teams")).json] == teams[:1]


def test_a_former_owner_who_leaves(ada, bob, project):
    ada.add(project, bob, "admin")
    ada.patch(path(project), {"owner_id": bob.id})
    task = bob.task(project, assigned_to_id=ada.id)
    assert assigned(bob, task) == ada.id
    assert ada.delete(member(project, ada)).status_code == 204
    assert assigned(bob, task) is None


def test_whoever_still_sees_the_project_keeps_the_tasks(ada, bob, project, app):
    teams = [new_team(app, ada, bob) for _ in range(2)]
    for team in teams:
        ada.add_team(project, team)
    ada.add(project, bob)
    task = ada.task(project, assigned_to_id=bob.id)
    steps = [
        lambda: ada.delete(path(project, "teams", teams[0])),
        lambda: ada.put(member(project, bob), {"role": "viewer"}),
        lambda: ada.delete(member(project, bob)),
        lambda: ada.put(path(project, "teams", teams[1]), {"role": "viewer"}),
    ]
    for step in steps:
        assert step().status_code in (200, 204)
        answer = ada.get(f"/tasks/{task['id']}").json
        assert (answer["assigned_to"]["id"], answer["updated_at"]) == (bob.id, task["updated_at"])
    assert ada.delete(path(project, "teams", teams[1])).status_code == 204
    assert assigned(ada, task) is None


def test_who_handed_a_project_over_keeps_the_tasks(ada, bob, project):
    ada.add(project, bob)
    tasks = [ada.task(project, assigned_to_id=someone.id) for someone in (ada, bob)]
    ada.patch(path(project), {"owner_id": bob.id})
    assert [assigned(ada, task) for task in tasks] == [ada.id, bob.id]


def test_who_was_taken_off_can_come_back(ada, bob, project):
    ada.add(project, bob)
    task = ada.task(project, assigned_to_id=bob.id)
    ada.delete(member(project, bob))
    assert ada.patch(f"/tasks/{task['id']}", {"assigned_to_id": bob.id}).status_code == 422
    ada.add(project, bob, "viewer")
    assert assigned(ada, task) is None
    assert ada.patch(f"/tasks/{task['id']}", {"assigned_to_id": bob.id}).status_code == 200
