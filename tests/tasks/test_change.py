"""Changing and deleting tasks."""

from datetime import datetime

import pytest

from ..people import NOBODY, lock_out, pointers, problem


@pytest.fixture
def project(ada, bob):
    project = ada.project(key="WEB")
    ada.add(project, bob)
    return project


def test_only_what_is_sent_changes(ada, bob, project):
    tags = [ada.tag(project, name)["id"] for name in ("a", "b", "c")]
    task = ada.task(project, description="Long", tag_ids=tags[:1], due_date="2026-05-01")
    changes = {
        "title": ("  Other  ", "Other"),
        "description": ("# New\n", "# New"),
        "status": ("in_progress", "in_progress"),
        "priority": ("low", "low"),
        "due_date": ("2026-06-01", "2026-06-01"),
        "start_date": ("2026-05-15", "2026-05-15"),
    }
    for field, (sent, kept) in changes.items():
        before, task = task, ada.patch(f"/tasks/{task['id']}", {field: sent}).json
        assert task == {**before, field: kept, "updated_at": task["updated_at"]}
        assert datetime.fromisoformat(task["updated_at"]) > datetime.fromisoformat(before["updated_at"])
    changed = bob.patch(f"/tasks/{task['id']}", {"assigned_to_id": bob.id, "tag_ids": tags[1:]}).json
    assert changed["assigned_to"]["id"] == bob.id
    assert [tag["id"] for tag in changed["tags"]] == tags[1:]
    assert changed["created_by"] == task["created_by"]
    assert ada.get(f"/tasks/{task['id']}").json == changed


def test_null_clears(ada, bob, project):
    task = ada.task(project, assigned_to_id=bob.id, due_date="2026-05-02", start_date="2026-05-01")
    for field, shown in (("assigned_to_id", "assigned_to"), ("due_date", "due_date"), ("start_date", "start_date")):
        task = ada.patch(f"/tasks/{task['id']}", {field: None}).json
        assert task[shown] is None
    assert ada.get("/tasks", query={"assigned_to": "none"}).json == [task]


def test_an_empty_list_takes_all_tags_off(ada, project):
    task = ada.task(project, tag_ids=[ada.tag(project)["id"]])
    assert ada.patch(f"/tasks/{task['id']}", {"tag_ids": []}).json["tags"] == []


def test_a_change_of_nothing_changes_nothing(ada, bob, project):
    tags = [ada.tag(project, name)["id"] for name in "ab"]
    body = {
        "title": "Do it",
        "description": "a\nb",
        "status": "done",
        "priority": "low",
        "assigned_to_id": bob.id,
        "due_date": "2026-05-01",
        "start_date": "2026-05-01",
        "tag_ids": tags,
    }
    task = ada.task(project, **body)
    path = f"/tasks/{task['id']}"
    etag = ada.get(path).headers["ETag"]
    same = [
        {},
        body,
        {"project_id": project["id"]},
        {"title": " Do it\n", "description": "a\r\nb "},
        {"tag_ids": [*tags[::-1], tags[0]]},
    ]
    for changes in [*same, *({name: value} for name, value in body.items())]:
        answer = ada.patch(path, changes)
        assert (answer.status_code, answer.json, answer.headers["ETag"]) == (200, task, etag), changes


def test_a_patch_takes_an_object(ada):
    path = f"/tasks/{ada.task()['id']}"
    for body in ([], "x", None):
        assert pointers(ada.patch(path, body)) == {""}


def test_completed_at_follows_the_status(ada):
    path = f"/tasks/{ada.task()['id']}"

    def completed_at(**changes):
        answer = ada.patch(path, changes)
        assert answer.status_code == 200, answer.text
        return answer.json["completed_at"], answer.json["updated_at"]

    assert completed_at(status="in_progress")[0] is None
    done, updated = completed_at(status="done")
    assert done is not None
    assert abs(datetime.fromisoformat(done) - datetime.fromisoformat(updated)).total_seconds() < 0.1
    assert completed_at(status="cancelled", title="Other")[0] == done  # It was completed all the time.
    assert completed_at(title="Another")[0] == done
    assert completed_at(status="in_review")[0] is None
    again, _ = completed_at(status="cancelled")
    assert again > done
    assert pointers(ada.patch(path, {"completed_at": None})) == {"/completed_at"}


def test_dates_are_judged_against_the_stored_other_one(ada):
    first = {"start_date": "2026-05-01", "due_date": "2026-05-10"}
    path = f"/tasks/{ada.task(**first)['id']}"
    refused = [
        ({"start_date": "2026-05-11"}, "/start_date"),
        ({"due_date": "2026-04-30"}, "/due_date"),
        ({"start_date": "2026-06-02", "due_date": "2026-06-01"}, "/start_date"),
    ]
    taken = [
        {"start_date": "2026-05-10"},
        {"due_date": "2026-05-01"},
        {"start_date": "2026-06-01", "due_date": "2026-06-01"},
        {"start_date": None, "due_date": "2020-01-01"},
        {"start_date": "2030-01-01", "due_date": None},
    ]
    for changes, pointer in refused:
        assert pointers(ada.patch(path, changes)) == {pointer}
    for changes in taken:
        before = ada.patch(path, first).json
        answer = ada.patch(path, changes)
        assert answer.json == {**before, **changes, "updated_at": answer.json["updated_at"]}


def test_a_change_with_one_fault_changes_nothing(ada, project):
    task = ada.task(project)
    assert pointers(ada.patch(f"/tasks/{task['id']}", {"title": "Other", "tag_ids": [NOBODY]})) == {"/tag_ids"}
    assert ada.get(f"/tasks/{task['id']}").json == task


def test_who_may_see_the_project_may_be_assigned(ada, bob, person, project):
    viewer = person("viewer")
    ada.add(project, viewer, "viewer")
    task = ada.task(project)
    for someone in (ada, bob, viewer):
        assert ada.patch(f"/tasks/{task['id']}", {"assigned_to_id": someone.id}).json["assigned_to"]["id"] == someone.id


def test_who_cannot_log_in_is_assigned_nothing_new_and_keeps_what_they_have(app, ada, bob):
    project = ada.project()
    ada.add(project, bob)
    path = f"/tasks/{ada.task(project, assigned_to_id=bob.id)['id']}"
    lock_out(app, bob)
    assert ada.patch(path, {"title": "New", "assigned_to_id": bob.id}).json["assigned_to"]["id"] == bob.id
    body = {"title": "a", "project_id": project["id"], "assigned_to_id": bob.id}
    assert pointers(ada.post("/tasks", body)) == {"/assigned_to_id"}
    assert pointers(ada.patch(f"/tasks/{ada.task(project)['id']}", {"assigned_to_id": bob.id})) == {"/assigned_to_id"}
    assert pointers(ada.patch(f"/projects/{project['id']}", {"owner_id": bob.id})) == {"/owner_id"}


def test_a_new_title_is_found_and_the_old_one_is_not(ada, project):
    task = ada.task(project, title="Alpha", description="beta")
    found = {}
    for changes in ({"title": "Gamma"}, {"description": "delta"}, {"priority": "low"}):
        task = ada.patch(f"/tasks/{task['id']}", changes).json
    for word in ("alpha", "beta", "gamma", "delta"):
        found[word] = [row["id"] for row in ada.get("/tasks", query={"search": word}).json]
    assert found == {"alpha": [], "beta": [], "gamma": [task["id"]], "delta": [task["id"]]}


def test_a_deleted_task_is_gone(ada, project):
    tag = ada.tag(project)
    task = ada.task(project, title="Needle", tag_ids=[tag["id"]])
    path = f"/tasks/{task['id']}"
    answer = ada.delete(path)
    assert (answer.status_code, answer.data, answer.headers.get("Content-Type")) == (204, b"", None)
    for gone in (ada.get(path), ada.delete(path), ada.patch(path, {"title": "x"})):
        problem(gone, 404, "not_found")
    for query in ({}, {"search": "needle"}, {"tag": "bug"}, {"project_id": project["id"]}):
        assert ada.get("/tasks", query=query).json == []
    assert ada.get(f"/tags/{tag['id']}").json["task_count"] == 0
    assert ada.get(f"/projects/{project['id']}").json["task_count"] == 0


def test_an_id_of_any_shape_is_not_found(ada):
    for id_ in ("x", NOBODY, NOBODY.upper(), "1", "%00", "🚀", NOBODY.replace("-7", "-4")):
        path = f"/tasks/{id_}"
        for answer in (ada.get(path), ada.patch(path, {"title": ""}), ada.delete(f"{path}?x=1")):
            problem(answer, 404, "not_found")


def test_an_archived_project_is_read_only(ada, project):
    task = ada.task(project)
    path = f"/tasks/{task['id']}"
    ada.patch(f"/projects/{project['id']}", {"archived": True})
    for answer in (ada.patch(path, {"title": "x"}), ada.patch(path, {}), ada.delete(path)):
        problem(answer, 409, "project_archived")
    assert ada.get(path).json == task
    assert ada.get("/tasks").json == [task]


def test_who_loses_sight_of_the_project_is_taken_off(ada, bob, project):
    task = ada.task(project, assigned_to_id=bob.id)
    etag = ada.get(f"/tasks/{task['id']}").headers["ETag"]
    assert ada.delete(f"/projects/{project['id']}/members/{bob.id}").status_code == 204
    after = ada.get(f"/tasks/{task['id']}")
    assert after.json["assigned_to"] is None
    assert after.json["updated_at"] > task["updated_at"]
    problem(ada.patch(f"/tasks/{task['id']}", {"title": "x"}, headers={"If-Match": etag}), 412)
