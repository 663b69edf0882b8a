"""An archived project is read-only, and an inbox cannot be shared, archived, deleted or handed over."""

import pytest

from ..people import new_team, pointers, problem
from .asking import path

WRITES = {
    "change": ("PATCH /projects/{project}", {"name": "New"}),
    "add a member": ("PUT /projects/{project}/members/{eve}", {"role": "viewer"}),
    "change a member": ("PUT /projects/{project}/members/{bob}", {"role": "viewer"}),
    "remove a member": ("DELETE /projects/{project}/members/{bob}", None),
    "add a team": ("PUT /projects/{project}/teams/{other_team}", {"role": "viewer"}),
    "change a team": ("PUT /projects/{project}/teams/{team}", {"role": "admin"}),
    "remove a team": ("DELETE /projects/{project}/teams/{team}", None),
    "create a task below it": ("POST /projects/{project}/tasks", {"title": "x"}),
    "create a task": ("POST /tasks", {"title": "x", "project_id": "{project}"}),
    "change a task": ("PATCH /tasks/{task}", {"title": "New"}),
    "tag a task": ("PATCH /tasks/{task}", {"tag_ids": []}),
    "move a task out": ("PATCH /tasks/{task}", {"project_id": "{inbox}"}),
    "move a task in": ("PATCH /tasks/{inbox_task}", {"project_id": "{project}"}),
    "delete a task": ("DELETE /tasks/{other_task}", None),
    "create a tag below it": ("POST /projects/{project}/tags", {"name": "new"}),
    "create a tag": ("POST /tags", {"name": "newer", "project_id": "{project}"}),
    "change a tag": ("PATCH /tags/{tag}", {"name": "newest"}),
    "delete a tag": ("DELETE /tags/{tag}", None),
    "change and archive": ("PATCH /projects/{project}", {"archived": True, "color": "#000000"}),
}
# As the owner alone, and nothing works after them.
LAST = {
    "hand over": ("PATCH /projects/{project}", {"owner_id": "{bob}"}),
    "delete": ("DELETE /projects/{project}", None),
}


def fill(pattern, ids):
    if isinstance(pattern, dict):
        return {name: fill(value, ids) for name, value in pattern.items()}
    return pattern.format_map(ids) if isinstance(pattern, str) else pattern


def state(person, ids):
    """All that can be seen of the project."""
    below = ["", "/members", "/teams", "/tasks", "/tags"]
    return [person.get(f"/projects/{ids['project']}{more}").json for more in below]


@pytest.fixture
def ids(ada, bob, person, app):
    """A project with everything in it, and what is needed to write to it."""
    project = ada.project()
    ada.add(project, bob)
    team, other_team = new_team(app, ada, bob), new_team(app, ada)
    ada.add_team(project, team)
    tag = ada.tag(project)
    made = {"project": project, "tag": tag, "task": ada.task(project, tag_ids=[tag["id"]]), "other_task": ada.task(project),
            "inbox_task": ada.task()}  # fmt: skip
    people = {"ada": ada.id, "bob": bob.id, "eve": person("eve").id}
    return {**{name: row["id"] for name, row in made.items()}, **people, "team": team, "other_team": other_team,
            "inbox": ada.inbox()["id"]}  # fmt: skip


def send(person, request, body, ids):
    method, where = request.split()
    return person.call(method, fill(where, ids), json=fill(body, ids))


def test_every_write_to_an_archived_project_is_refused(ada, ids):
    archived = ada.patch(f"/projects/{ids['project']}", {"archived": True}).json
    assert archived["archived_at"].endswith("Z")
    before = state(ada, ids)
    for request, body in (WRITES | LAST).values():
        problem(send(ada, request, body, ids), 409, "project_archived")
    assert state(ada, ids) == before


def test_the_same_writes_work_when_it_is_open_again(ada, ids):
    """One after the other, in the order of the table."""
    for archived in (True, False):
        assert ada.patch(f"/projects/{ids['project']}", {"archived": archived}).status_code == 200
    for name, (request, body) in WRITES.items():
        before = state(ada, ids)
        assert send(ada, request, body, ids).status_code in (200, 201, 204), name
        assert state(ada, ids) != before, name


def test_nobody_leaves_an_archived_project(ada, bob, ids):
    ada.patch(f"/projects/{ids['project']}", {"archived": True})
    problem(bob.delete(f"/projects/{ids['project']}/members/{bob.id}"), 409, "project_archived")


def test_archiving_is_a_change_and_archiving_again_is_none(ada, ids):
    where = f"/projects/{ids['project']}"
    first = ada.patch(where, {"archived": True})
    again = ada.patch(where, {"archived": True})
    assert (again.status_code, again.json, again.headers["ETag"]) == (200, first.json, first.headers["ETag"])
    opened = ada.patch(where, {"archived": False, "name": "Back"}).json
    assert (opened["archived_at"], opened["name"]) == (None, "Back")
    assert opened["updated_at"] > first.json["updated_at"]


def test_a_role_is_judged_before_the_archive(bob, ada, ids, person):
    ada.patch(f"/projects/{ids['project']}", {"archived": True})
    problem(bob.patch(f"/projects/{ids['project']}", {"name": "x"}), 403)
    problem(bob.delete(f"/tags/{ids['tag']}"), 403)
    problem(person("eve").patch(f"/projects/{ids['project']}", {"name": "x"}), 404)


def test_tasks_of_an_archived_project_can_be_read(bob, ada, ids):
    ada.patch(f"/projects/{ids['project']}", {"archived": True})
    assert bob.get(f"/tasks/{ids['task']}").status_code == 200
    assert ids["task"] in [row["id"] for row in bob.get("/tasks").json]


# --- the inbox --------------------------------------------------------------------------------------------------------


def test_everyone_has_one_inbox(ada):
    inboxes = [row for row in ada.get("/projects").json if row["is_inbox"]]
    assert [(row["name"], row["key"], row["role"]) for row in inboxes] == [("Inbox", "INBOX", "owner")]
    assert ada.project()["is_inbox"] is False


def test_a_task_without_a_project_goes_to_the_inbox(ada):
    assert ada.task()["project_id"] == ada.inbox()["id"]


FIXED = {
    "archive": ("PATCH /projects/{inbox}", {"archived": True}),
    "archive and rename": ("PATCH /projects/{inbox}", {"archived": True, "name": "x"}),
    "hand over": ("PATCH /projects/{inbox}", {"owner_id": "{bob}"}),
    "delete": ("DELETE /projects/{inbox}", None),
    "add a member": ("PUT /projects/{inbox}/members/{bob}", {"role": "viewer"}),
    "add a team": ("PUT /projects/{inbox}/teams/{team}", {"role": "viewer"}),
}


@pytest.mark.parametrize("write", FIXED)
def test_an_inbox_is_fixed(ada, ids, write):
    before = ada.inbox()
    problem(send(ada, *FIXED[write], ids), 409, "inbox_fixed")
    assert ada.inbox() == before
    assert [row["role"] for row in ada.get(path(before, "members")).json] == ["owner"]


def test_an_inbox_can_be_renamed_and_used(ada):
    inbox = ada.inbox()
    assert ada.patch(path(inbox), {"name": "Mine", "key": "MINE", "color": "#000000"}).json["name"] == "Mine"
    assert ada.task(inbox, tag_ids=[ada.tag(inbox)["id"]])["ref"] == "MINE-1"
    assert ada.patch(path(inbox), {"archived": False, "owner_id": ada.id}).status_code == 200
    assert pointers(ada.patch(path(inbox), {"is_inbox": False})) == {"/is_inbox"}


def test_an_inbox_is_hidden_from_others(ada, bob):
    where = path(ada.inbox())
    for method, more in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/members"), ("PUT", f"/members/{bob.id}")):
        problem(bob.call(method, where + more, json={"role": "viewer"} if method == "PUT" else None), 404)
