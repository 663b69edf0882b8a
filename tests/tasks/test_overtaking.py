"""One request is about to commit while another begins: what the second judges by must be what the first leaves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy import event, text
from werkzeug.test import TestResponse

from tasktracker.extensions import db

from ..people import new_team, pointers, problem
from ..racing import hold

Request = Callable[[], TestResponse]


@pytest.fixture
def project(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    return project


def creation(person, project, **fields) -> Request:
    return lambda: person.post("/tasks", {"title": "New", "project_id": project["id"], **fields})


def change(person, task, **changes) -> Request:
    return lambda: person.patch(f"/tasks/{task['id']}", changes)


@pytest.mark.parametrize("kind", ["create", "change"])
def test_who_is_being_removed_is_not_assigned(ada, bob, project, overtake, kind):
    second = creation(ada, project, assigned_to_id=bob.id)
    if kind == "change":
        second = change(ada, ada.task(project), assigned_to_id=bob.id)
    removed, assigned = overtake(lambda: ada.delete(f"/projects/{project['id']}/members/{bob.id}"), second)
    assert removed.status_code == 204
    assert [task["assigned_to"] for task in ada.get("/tasks").json if task["assigned_to"]] == []
    assert pointers(assigned) == {"/assigned_to_id"}


@pytest.mark.parametrize("kind", ["create", "change"])
def test_who_is_being_assigned_is_removed_from_the_task_too(ada, bob, project, overtake, kind):
    first = creation(ada, project, assigned_to_id=bob.id)
    if kind == "change":
        first = change(ada, ada.task(project), assigned_to_id=bob.id)
    assigned, removed = overtake(first, lambda: ada.delete(f"/projects/{project['id']}/members/{bob.id}"))
    assert (assigned.status_code in (200, 201), removed.status_code) == (True, 204)
    assert ada.get(f"/tasks/{assigned.json['id']}").json["assigned_to"] is None


@pytest.mark.parametrize("kind", ["create", "change"])
def test_a_tag_that_is_being_deleted_is_not_put_on(ada, project, overtake, kind):
    tag = ada.tag(project)
    second = creation(ada, project, tag_ids=[tag["id"]])
    if kind == "change":
        second = change(ada, ada.task(project), tag_ids=[tag["id"]])
    deleted, tagged = overtake(lambda: ada.delete(f"/tags/{tag['id']}"), second)
    assert deleted.status_code == 204
    assert pointers(tagged) == {"/tag_ids"}


@pytest.mark.parametrize("kind", ["create", "change"])
def test_a_tag_that_is_being_put_on_is_deleted_from_the_task_too(ada, project, overtake, kind):
    tag = ada.tag(project)
    first = creation(ada, project, tag_ids=[tag["id"]])
    if kind == "change":
        first = change(ada, ada.task(project), tag_ids=[tag["id"]])
    tagged, deleted = overtake(first, lambda: ada.delete(f"/tags/{tag['id']}"))
    assert (tagged.status_code in (200, 201), deleted.status_code) == (True, 204)
    task = ada.get(f"/tasks/{tagged.json['id']}")
    assert task.json["tags"] == []
    # The task has changed by losing its tag, so what was read before is stale.
    problem(ada.delete(f"/tasks/{task.json['id']}", headers={"If-Match": tagged.headers["ETag"]}), 412)


def test_a_project_that_is_being_archived_takes_no_task(ada, project, overtake):
    url = f"/projects/{project['id']}"
    archived, made = overtake(lambda: ada.patch(url, {"archived": True}), creation(ada, project))
    assert archived.status_code == 200
    problem(made, 409, "project_archived")


def test_a_project_that_is_being_deleted_takes_no_task(ada, bob, project, overtake):
    task = bob.task()
    gone = lambda: ada.delete(f"/projects/{project['id']}")  # noqa: E731
    deleted, made = overtake(gone, creation(bob, project))
    assert deleted.status_code == 204
    assert pointers(made) == {"/project_id"}
    project = ada.project()
    ada.add(project, bob)
    deleted, moved = overtake(lambda: ada.delete(f"/projects/{project['id']}"), change(bob, task, project_id=project["id"]))
    assert deleted.status_code == 204
    assert pointers(moved) == {"/project_id"}
    assert bob.get(f"/tasks/{task['id']}").json == task


def test_a_task_that_is_being_deleted_is_not_found(ada, project, overtake):
    task = ada.task(project)
    deleted, changed = overtake(lambda: ada.delete(f"/tasks/{task['id']}"), change(ada, task, title="Other"))
    assert deleted.status_code == 204
    problem(changed, 404)
    task = ada.task(project)
    deleted, changed = overtake(lambda: ada.delete(f"/projects/{project['id']}"), change(ada, task, title="Other"))
    assert deleted.status_code == 204
    problem(changed, 404)


def test_a_task_that_is_being_moved_can_be_changed(ada, project, overtake):
    target = ada.project(name="Target")
    task = ada.task(project)
    moved, changed = overtake(change(ada, task, project_id=target["id"]), change(ada, task, title="Other", priority="high"))
    assert (moved.status_code, changed.status_code) == (200, 200), changed.text
    after = {**moved.json, "title": "Other", "priority": "high", "updated_at": changed.json["updated_at"]}
    assert changed.json == after == ada.get(f"/tasks/{task['id']}").json


def test_a_task_that_is_being_moved_takes_the_tags_and_people_of_its_new_project(ada, bob, project, overtake):
    target = ada.project(name="Target")
    old, new = ada.tag(project), ada.tag(target, "new")
    for wrong, pointer in (({"tag_ids": [old["id"]]}, "/tag_ids"), ({"assigned_to_id": bob.id}, "/assigned_to_id")):
        task = ada.task(project)
        moved, changed = overtake(change(ada, task, project_id=target["id"]), change(ada, task, **wrong))
        assert moved.status_code == 200
        assert pointers(changed) == {pointer}
    task = ada.task(project)
    moved, changed = overtake(change(ada, task, project_id=target["id"]), change(ada, task, tag_ids=[new["id"]]))
    assert (moved.status_code, changed.status_code) == (200, 200)
    assert [tag["name"] for tag in changed.json["tags"]] == ["new"]


def test_a_task_that_is_being_moved_out_of_sight_is_not_found(ada, bob, project, overtake):
    target = ada.project(name="Target")
    task = ada.task(project)
    moved, changed = overtake(change(ada, task, project_id=target["id"]), change(bob, task, title="Other"))
    assert moved.status_code == 200
    problem(changed, 404)
    assert ada.get(f"/tasks/{task['id']}").json == moved.json


# --- by teams ---------------------------------------------------------------------------------------------------------


def test_who_is_leaving_a_team_is_not_assigned(app, ada, bob, project, overtake):
    theirs = ada.project()
    team = new_team(app, ada, bob)
    ada.add_team(theirs, team)
    left, assigned = overtake(
        lambda: bob.delete(f"/teams/{team}/members/{bob.id}"), creation(ada, theirs, assigned_to_id=bob.id)
    )
    assert left.status_code == 204
    assert pointers(assigned) == {"/assigned_to_id"}


@pytest.mark.parametrize("way", ["leaves", "is deleted"])
def test_who_is_being_assigned_and_loses_the_team_is_taken_off(app, ada, bob, overtake, way):
    theirs = ada.project()
    team = new_team(app, ada, bob)
    ada.add_team(theirs, team)
    where = f"/teams/{team}" if way == "is deleted" else f"/teams/{team}/members/{bob.id}"
    assigned, left = overtake(creation(ada, theirs, assigned_to_id=bob.id), lambda: ada.delete(where))
    assert (assigned.status_code, left.status_code) == (201, 204)
    assert ada.get(f"/tasks/{assigned.json['id']}").json["assigned_to"] is None


def test_a_team_that_is_being_left_brings_only_who_stays_into_a_project(app, ada, bob, overtake):
    theirs = ada.project()
    team = new_team(app, ada, bob)

    def bring_in_and_assign() -> TestResponse:
        ada.add_team(theirs, team)
        return creation(ada, theirs, assigned_to_id=bob.id)()

    left, assigned = overtake(lambda: bob.delete(f"/teams/{team}/members/{bob.id}"), bring_in_and_assign)
    assert left.status_code == 204
    assert pointers(assigned) == {"/assigned_to_id"}
    assert ada.get(f"/projects/{theirs['id']}/teams").json[0]["team"]["member_count"] == 1


def test_a_team_that_is_being_brought_into_a_project_and_left_leaves_nobody_assigned(app, ada, bob, overtake):
    theirs = ada.project()
    team = new_team(app, ada, bob)
    body = {"role": "member"}
    brought, left = overtake(
        lambda: ada.put(f"/projects/{theirs['id']}/teams/{team}", body), lambda: bob.delete(f"/teams/{team}/members/{bob.id}")
    )
    assert (brought.status_code, left.status_code) == (200, 204)
    problem(bob.get(f"/projects/{theirs['id']}"), 404)


def test_who_is_being_removed_from_a_team_brings_it_nowhere(app, ada, bob, project, overtake):
    team = new_team(app, ada, bob)
    theirs = bob.project()
    removed, brought = overtake(
        lambda: ada.delete(f"/teams/{team}/members/{bob.id}"),
        lambda: bob.put(f"/projects/{theirs['id']}/teams/{team}", {"role": "viewer"}),
    )
    assert removed.status_code == 204
    problem(brought, 404)


@pytest.mark.parametrize(
    "second", [{"status": "done"}, {"priority": "high"}, {"title": "Other"}], ids=lambda fields: next(iter(fields))
)
def test_what_is_answered_after_a_wait_is_what_the_version_holds(ada, project, overtake, second):
    """Else who writes back what they were answered would undo the other change, and `If-Match` would let them."""
    task, tag = ada.task(project), ada.tag(project)
    tagged, changed = overtake(change(ada, task, tag_ids=[tag["id"]]), change(ada, task, **second))
    assert (tagged.status_code, changed.status_code) == (200, 200)
    assert [one["id"] for one in changed.json["tags"]] == [tag["id"]]
    assert changed.headers["ETag"] == ada.get(f"/tasks/{task['id']}").headers["ETag"]
    assert changed.json["updated_at"] > tagged.json["updated_at"]


@pytest.mark.parametrize("body", [{"status": "done"}, {"title": "Other"}], ids=str)
@pytest.mark.parametrize("loses", ["role", "project"])
@pytest.mark.parametrize("holder", ["writes", "only looks"])
def test_who_waits_for_a_task_is_judged_by_what_holds_then(ada, bob, body, loses, holder):
    """Meanwhile the one who waits for somebody else loses the right to change it."""
    app = ada.app
    if app.config["SETTINGS"].is_sqlite:
        return  # One writer at a time: nobody can take a right away meanwhile.
    project = ada.project()
    ada.add(project, bob)
    task = ada.task(project)
    with app.app_context():
        engine = db.engine
    with ThreadPoolExecutor(1) as threads, engine.connect() as other:
        hold(other, "tasks", task["id"])
        if holder == "writes":
            other.execute(text("UPDATE tasks SET version = version + 1 WHERE id = :task"), {"task": task["id"]})
        waiting = threads.submit(change(bob, task, **body))
        wait([waiting], timeout=0.3)
        if loses == "role":
            assert ada.delete(f"/projects/{project['id']}/members/{bob.id}").status_code == 204
        else:
            assert ada.patch(f"/projects/{project['id']}", {"archived": True}).status_code == 200
        other.commit()
        problem(waiting.result(10), 404 if loses == "role" else 409)


def test_who_is_being_removed_makes_no_task(ada, bob, project, overtake):
    removed, made = overtake(lambda: ada.delete(f"/projects/{project['id']}/members/{bob.id}"), creation(bob, project))
    assert removed.status_code == 204
    assert pointers(made) == {"/project_id"}
    assert ada.get("/tasks").json == []


def test_a_role_given_while_a_task_moves_does_not_let_it_in_unseen(app, ada, bob, project):
    """The place it moves to is held before it is judged, or the move begins anew."""
    target, task = ada.project(name="Target"), bob.task(bob.project())
    ada.add(target, bob, "viewer")
    seen = []

    def give(_connection, _cursor, statement, *_):
        if "place_role" in statement and not seen:
            seen.append(threads.submit(ada.add, target, bob, "member").result(10))

    with app.app_context():
        engine = db.engine
    if app.config["SETTINGS"].is_sqlite:
        return  # One writer at a time.
    with ThreadPoolExecutor(1) as threads:
        event.listen(engine, "before_cursor_execute", give)
        try:
            moved = bob.patch(f"/tasks/{task['id']}", {"project_id": target["id"]})
        finally:
            event.remove(engine, "before_cursor_execute", give)
    assert (len(seen), moved.status_code, moved.json["number"]) == (1, 200, 1)
    assert ada.task(target)["number"] == 2
    assert ada.get(f"/projects/{target['id']}").json["task_count"] == 2
