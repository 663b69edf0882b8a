"""Projects: made, read, changed and deleted."""

import pytest

from ..people import NOBODY, pointers, problem
from .asking import member, path

FIELDS = ["id", "key", "name", "description", "color", "owner", "role", "is_inbox", "archived_at", "task_count",
          "open_task_count", "created_at", "updated_at"]  # fmt: skip


def test_a_new_project_has_all_fields(ada):
    answer = ada.post("/projects", {"name": "  Web Site ", "description": "a\tb\r\nc", "color": "#ABCDEF"})
    project = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/projects/{project['id']}"
    assert list(project) == FIELDS
    owner = {"id": ada.id, "username": ada.username, "display_name": ada.username}
    rest = {"key": "WS", "name": "Web Site", "description": "a\tb\nc", "color": "#abcdef", "owner": owner, "role": "owner"}
    rest |= {"is_inbox": False, "archived_at": None, "task_count": 0, "open_task_count": 0}
    assert {name: project[name] for name in rest} == rest
    assert project["created_at"].endswith("Z")
    read = ada.get(answer.headers["Location"])
    assert (read.json, read.headers["ETag"]) == (project, answer.headers["ETag"])


def test_a_new_project_has_not_been_changed_yet(ada):
    project = ada.project()
    assert project["created_at"] == project["updated_at"]


def test_only_the_name_is_needed(ada):
    project = ada.post("/projects", {"name": "x"}).json
    assert (project["description"], project["color"]) == ("", "#6b7280")


WRONG = [
    ("/name", ["", "   ", "x" * 101, None, 5, "a\nb", "a\x00b"]),
    ("/description", ["x" * 5001, None, 5, "a\x00b", "a\x1bb"]),
    ("/color", ["", "red", "#12345", "#1234567", "#12345g", "123456", None, 5, "#12345\uff16"]),
]


@pytest.mark.parametrize(("pointer", "value"), [(pointer, value) for pointer, values in WRONG for value in values])
def test_what_breaks_a_rule_is_refused(ada, pointer, value):
    body = {"name": "x", pointer[1:]: value}
    assert pointers(ada.post("/projects", body)) == {pointer}
    assert pointers(ada.patch(path(ada.inbox()), {pointer[1:]: value})) == {pointer}


def test_the_longest_texts_are_taken(ada):
    longest = {"name": "ä" * 100, "description": "😀" * 5000}
    project = ada.project(**longest)
    assert {name: ada.get(path(project)).json[name] for name in longest} == longest


@pytest.mark.parametrize("field", ["id", "owner", "role", "is_inbox", "archived_at", "task_count", "open_task_count",
                                   "created_at", "updated_at", "version", "last_number", "words"])  # fmt: skip
def test_what_is_read_only_is_refused(ada, field):
    project = ada.project()
    assert pointers(ada.post("/projects", {"name": "x", field: project.get(field)})) == {f"/{field}"}
    assert pointers(ada.patch(path(project), {field: project.get(field)})) == {f"/{field}"}


@pytest.mark.parametrize("field", ["archived", "owner_id"])
def test_what_only_a_change_may_hold_is_refused_at_the_start(ada, field):
    assert pointers(ada.post("/projects", {"name": "x", field: False})) == {f"/{field}"}


@pytest.mark.parametrize(("field", "value"), [("archived", None), ("archived", "true"), ("archived", 1), ("owner_id", None),
                                              ("owner_id", "me"), ("owner_id", 1)])  # fmt: skip
def test_changes_of_the_wrong_type_are_refused(ada, field, value):
    assert pointers(ada.patch(path(ada.project()), {field: value})) == {f"/{field}"}


def test_a_change_touches_only_what_is_sent(ada):
    project = ada.project(description="old")
    changed = ada.patch(path(project), {"name": "New", "color": "#FFFFFF"}).json
    assert changed["updated_at"] > project["updated_at"]
    assert changed == {**project, "name": "New", "color": "#ffffff", "updated_at": changed["updated_at"]}
    assert ada.get(path(project)).json == changed


def test_a_change_that_changes_nothing_writes_nothing(ada, bob):
    project = ada.project(description="x", color="#abcdef")
    before = ada.get(path(project))
    same = {name: project[name] for name in ("name", "key", "description", "color")}
    for body in ({}, same, {"name": " Website ", "color": "#ABCDEF"}, {"archived": False}, {"owner_id": ada.id}):
        after = ada.patch(path(project), body)
        assert (after.status_code, after.json, after.headers["ETag"]) == (200, before.json, before.headers["ETag"]), body


def test_a_deleted_project_is_gone_with_all_that_is_in_it(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    task, tag = ada.task(project), ada.tag(project)
    assert ada.delete(path(project)).status_code == 204
    for person in (ada, bob):
        for gone in (path(project), f"/tasks/{task['id']}", f"/tags/{tag['id']}", path(project, "members")):
            problem(person.get(gone), 404, "not_found")
        problem(person.delete(path(project)), 404)
        assert task["id"] not in [row["id"] for row in person.get("/tasks").json]
        assert tag["id"] not in [row["id"] for row in person.get("/tags").json]


def test_counts_follow_the_tasks(ada):
    project = ada.project()
    counts = []

    def count():
        counts.append([ada.get(path(project)).json[name] for name in ("task_count", "open_task_count")])

    tasks = [ada.task(project, status=status) for status in ("todo", "in_progress", "in_review", "done", "cancelled")]
    ada.task(ada.project())
    count()
    ada.patch(f"/tasks/{tasks[0]['id']}", {"status": "done"})
    count()
    ada.patch(f"/tasks/{tasks[3]['id']}", {"status": "todo"})
    ada.delete(f"/tasks/{tasks[4]['id']}")
    count()
    ada.patch(f"/tasks/{tasks[1]['id']}", {"project_id": ada.inbox()["id"]})
    count()
    assert counts == [[5, 3], [5, 2], [4, 3], [3, 2]]
    assert next(row["task_count"] for row in ada.get("/projects").json if row["id"] == project["id"]) == 3


# --- handing over -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_who_gave_a_project_away_stays_as_admin(ada, bob, role):
    project = ada.project()
    ada.add(project, bob, role)
    given = ada.patch(path(project), {"owner_id": bob.id})
    assert given.status_code == 200, given.text
    assert (given.json["owner"]["id"], given.json["role"]) == (bob.id, "admin")
    assert given.json["updated_at"] > project["updated_at"]
    rows = [
        (row["user"]["id"], row["role"], [way["kind"] for way in row["via"]]) for row in bob.get(path(project, "members")).json
    ]
    assert rows == [(bob.id, "owner", ["owner"]), (ada.id, "admin", ["direct"])]
    problem(ada.delete(path(project)), 403)
    assert bob.delete(member(project, ada)).status_code == 204
    problem(ada.get(path(project)), 404)


def test_a_project_can_come_back_and_go_with_other_changes(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    assert ada.patch(path(project), {"owner_id": bob.id, "name": "Yours"}).json["name"] == "Yours"
    assert bob.patch(path(project), {"owner_id": ada.id, "archived": True}).json["archived_at"]
    assert ada.get(path(project)).json["role"] == "owner"


def test_an_owner_must_be_someone_in_the_project(ada, bob):
    project = ada.project()
    answers = [ada.patch(path(project), {"owner_id": target, "name": "x"}) for target in (bob.id, NOBODY)]
    assert [pointers(answer) for answer in answers] == [{"/owner_id"}] * 2
    assert answers[0].json["errors"] == answers[1].json["errors"]
    assert ada.get(path(project)).json == project


def test_a_project_is_not_given_to_whoever_has_its_key(ada, bob):
    project = ada.project(key="WEB")
    bob.project(key="WEB")
    ada.add(project, bob)
    problem(ada.patch(path(project), {"owner_id": bob.id}), 409, "key_taken")
    assert (ada.get(path(project)).json["role"], bob.get(path(project)).json["role"]) == ("owner", "member")
    assert ada.patch(path(project), {"owner_id": bob.id, "key": "WEB2"}).status_code == 200
