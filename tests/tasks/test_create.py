"""Making tasks: defaults, every field and its limits, and what is refused."""

# ruff: noqa: RUF001 - strange digits on purpose.

import json

import pytest

from ..people import NOBODY, pointers, problem

SPREADING = "\u0958"  # One character that NFC makes two of.


def test_defaults(ada):
    answer = ada.post("/tasks", {"title": "Do it"})
    task = answer.json
    assert answer.status_code == 201
    assert task == {
        "id": task["id"],
        "project_id": ada.inbox()["id"],
        "number": 1,
        "ref": "INBOX-1",
        "title": "Do it",
        "description": "",
        "status": "todo",
        "priority": "none",
        "assigned_to": None,
        "created_by": {"id": ada.id, "username": ada.username, "display_name": task["created_by"]["display_name"]},
        "due_date": None,
        "start_date": None,
        "completed_at": None,
        "tags": [],
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
    }
    assert task["created_at"].endswith("Z")


def test_the_answer_names_and_equals_the_new_task(ada):
    answer = ada.post("/tasks", {"title": "Do it"})
    assert answer.headers["Location"] == f"/api/v1/tasks/{answer.json['id']}"
    again = ada.get(answer.headers["Location"])
    assert (again.json, again.headers["ETag"]) == (answer.json, answer.headers["ETag"])


@pytest.mark.parametrize("nested", [False, True])
def test_every_field(ada, bob, nested):
    project = ada.project(key="WEB")
    ada.add(project, bob)
    tags = sorted((ada.tag(project, name) for name in ("zeta", "Alpha", "beta")), key=lambda tag: tag["name"])
    body = {
        "title": "Release",
        "description": "# Notes\n\n- one\twith a tab",
        "status": "in_review",
        "priority": "urgent",
        "assigned_to_id": bob.id,
        "due_date": "2028-02-29",
        "start_date": "2028-02-29",
        "tag_ids": [tag["id"] for tag in reversed(tags)],
    }
    if nested:
        answer = ada.post(f"/projects/{project['id']}/tasks", body)
    else:
        answer = ada.post("/tasks", {**body, "project_id": project["id"]})
    assert answer.status_code == 201, answer.text
    task = answer.json
    kept = ("title", "description", "status", "priority", "due_date", "start_date")
    assert {name: task[name] for name in kept} == {name: body[name] for name in kept}
    assert (task["project_id"], task["ref"]) == (project["id"], "WEB-1")
    assert task["assigned_to"]["username"] == bob.username
    assert task["tags"] == [{name: tag[name] for name in ("id", "name", "color")} for tag in tags]
    assert answer.headers["Location"] == f"/api/v1/tasks/{task['id']}"


def test_null_stands_for_nothing_where_it_may(ada):
    task = ada.task(assigned_to_id=None, due_date=None, start_date=None)
    assert (task["assigned_to"], task["due_date"], task["start_date"]) == (None, None, None)


def test_a_task_can_be_made_completed(ada):
    for status in ("todo", "in_progress", "in_review", "done", "cancelled"):
        task = ada.task(status=status)
        assert task["completed_at"] == (task["created_at"] if status in ("done", "cancelled") else None)


KEPT = [
    ("title", "x", "x"),
    ("title", "x" * 200, "x" * 200),
    ("title", " \t\n" + "x" * 200 + "\u3000\n", "x" * 200),
    ("title", "e\u0301" * 200, "é" * 200),
    ("title", SPREADING * 100, "\u0915\u093c" * 100),
    ("title", "👩‍💻 <b>\"'\\ %00 ; --", "👩‍💻 <b>\"'\\ %00 ; --"),
    ("title", "🚀" * 200, "🚀" * 200),
    ("description", "", ""),
    ("description", "  \n", ""),
    ("description", "x" * 20_000, "x" * 20_000),
    ("description", "\n" + "🚀" * 20_000 + " ", "🚀" * 20_000),
    ("description", "a\r\nb\n\tc", "a\nb\n\tc"),
    ("due_date", "0001-01-01", "0001-01-01"),
    ("due_date", "9999-12-31", "9999-12-31"),
]


def test_text_is_trimmed_normalised_and_kept(ada):
    for field, sent, kept in KEPT:
        task = ada.task(**{field: sent})
        assert task[field] == kept, (field, sent[:40])
        assert ada.get(f"/tasks/{task['id']}").json[field] == kept


REFUSED = [
    ("title", None),
    ("title", ""),
    ("title", " \n\u3000"),
    ("title", "x" * 201),
    ("title", SPREADING * 101),
    ("title", "🚀" * 201),
    ("title", "a\nb"),
    ("title", "a\tb"),
    ("title", "a\x00b"),
    ("title", "a\x85b"),
    ("title", "\ud800"),
    ("title", 5),
    ("title", ["x"]),
    ("description", None),
    ("description", "x" * 20_001),
    ("description", "a\rb"),
    ("description", "a\x0bb"),
    ("description", {}),
    ("status", None),
    ("status", "Done"),
    ("status", "open"),
    ("status", 1),
    ("status", []),
    ("priority", None),
    ("priority", ""),
    ("priority", "highest"),
    ("priority", True),
    ("assigned_to_id", "me"),
    ("assigned_to_id", "none"),
    ("assigned_to_id", ""),
    ("assigned_to_id", NOBODY.upper()),
    ("assigned_to_id", NOBODY.replace("-7", "-4")),
    ("assigned_to_id", 7),
    ("due_date", ""),
    ("due_date", "2026-02-30"),
    ("due_date", "2026-1-1"),
    ("due_date", "20260101"),
    ("due_date", "2026-W01-1"),
    ("due_date", "0000-01-01"),
    ("due_date", "10000-01-01"),
    ("due_date", "2026-01-01T00:00:00Z"),
    ("due_date", "２０２６-01-01"),
    ("due_date", 20260101),
    ("start_date", "soon"),
    ("start_date", False),
    ("tag_ids", None),
    ("tag_ids", NOBODY),
    ("tag_ids", {NOBODY: True}),
    ("tag_ids", [NOBODY] * 101),
    *((name, "x") for name in ("id", "number", "ref", "completed_at", "created_at", "updated_at", "created_by", "version")),
    *((name, None) for name in ("assigned_to", "tags", "unknown", "", "a/b", "project_id")),
]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_breaks_a_rule_is_refused_with_its_pointer(ada, method):
    """One test for the whole table, which says all that is wrong at once."""
    task = ada.task()
    wrong = {}
    for field, value in REFUSED:
        body = {field: value} if method == "PATCH" else {"title": "Do it", field: value}
        path = "/tasks" if method == "POST" else f"/tasks/{task['id']}"
        answer = ada.call(method, path, data=json.dumps(body), content_type="application/json")
        got = pointers(answer) if answer.status_code == 422 else answer.status_code
        if got != {"/" + field.replace("/", "~1")}:
            wrong[field, repr(value)[:40]] = got
    assert not wrong
    assert [row["id"] for row in ada.get("/tasks").json] == [task["id"]]
    assert ada.get(f"/tasks/{task['id']}").json == task


def test_all_faults_are_told_at_once(ada):
    body = {"title": "", "status": "x", "due_date": "x", "tag_ids": [NOBODY, "x"], "number": 3}
    assert pointers(ada.post("/tasks", body)) == {"/title", "/status", "/due_date", "/tag_ids/1", "/number"}


def test_a_title_is_needed(ada):
    assert pointers(ada.post("/tasks", {})) == {"/title"}


def test_the_project_of_the_url_is_the_only_one(ada):
    project = ada.project()
    path = f"/projects/{project['id']}/tasks"
    assert pointers(ada.post(path, {"title": "x", "project_id": project["id"]})) == {"/project_id"}
    assert pointers(ada.get(path, query={"project_id": project["id"]}), "query") == {"/project_id"}


def test_a_task_starts_before_it_is_due(ada):
    ada.task(start_date="2026-05-01", due_date="2026-05-01")
    late = ada.post("/tasks", {"title": "x", "start_date": "2026-05-02", "due_date": "2026-05-01"})
    assert pointers(late) == {"/start_date"}


def test_ids_of_what_is_not_there_not_visible_or_not_of_the_project_look_alike(ada, bob, person):
    """The same answer for all three, so nobody learns what exists."""
    mine, other, hidden = ada.project(key="ONE"), ada.project(key="TWO"), bob.project()
    eve = person("eve")
    ada.add(other, eve)
    viewer_of = ada.project(key="TRI")
    cases = {
        "project_id": [NOBODY, hidden["id"]],
        "assigned_to_id": [NOBODY, bob.id, eve.id],
        "tag_ids": [[NOBODY], [bob.tag(hidden)["id"]], [ada.tag(other)["id"]], [ada.tag(mine)["id"], NOBODY]],
    }
    task = ada.task(mine)
    for field, values in cases.items():
        for send in (lambda body: ada.post("/tasks", body), lambda body: ada.patch(f"/tasks/{task['id']}", body)):
            answers = [send({"title": "x", "project_id": mine["id"], field: value}) for value in values]
            assert [pointers(answer) for answer in answers] == [{"/" + field}] * len(values)
            bodies = [{**answer.json, "request_id": None} for answer in answers]
            assert bodies == [bodies[0]] * len(values)
    assert ada.get(f"/tasks/{task['id']}").json == task
    assert ada.get(f"/projects/{viewer_of['id']}/tasks").json == []


def test_a_tag_named_twice_is_one(ada):
    project = ada.project()
    tag = ada.tag(project)
    task = ada.task(project, tag_ids=[tag["id"], tag["id"]])
    assert [found["id"] for found in task["tags"]] == [tag["id"]]
    assert ada.get(f"/tags/{tag['id']}").json["task_count"] == 1
    assert ada.get("/tasks", query={"tag_id": tag["id"]}).json == [task]


def test_a_hundred_tags_fit_on_a_task(ada):
    project = ada.project()
    tags = [ada.tag(project, f"tag {number:03}")["id"] for number in range(100)]
    assert [tag["id"] for tag in ada.task(project, tag_ids=tags)["tags"]] == tags


def test_an_archived_project_takes_no_tasks(ada):
    project = ada.project()
    ada.patch(f"/projects/{project['id']}", {"archived": True})
    problem(ada.post("/tasks", {"title": "x", "project_id": project["id"]}), 409, "project_archived")
    problem(ada.post(f"/projects/{project['id']}/tasks", {"title": "x"}), 409, "project_archived")


def test_what_was_refused_uses_up_no_number(ada, bob):
    project = ada.project()
    numbers = [ada.task(project)["number"]]
    for refused in ({"assigned_to_id": bob.id}, {"tag_ids": [NOBODY]}, {"start_date": "2026-05-02", "due_date": "2026-05-01"}):
        problem(ada.post("/tasks", {"title": "x", "project_id": project["id"], **refused}), 422)
    assert [*numbers, ada.task(project)["number"]] == [1, 2]


def test_the_number_of_a_deleted_task_is_not_given_again(ada):
    project = ada.project()
    last = [ada.task(project) for _ in range(2)][-1]
    assert ada.delete(f"/tasks/{last['id']}").status_code == 204
    assert ada.task(project)["number"] == 3


def test_the_words_of_any_description_can_be_kept(ada):
    descriptions = [
        "\ufdfa" * 20_000,  # Each becomes four words.
        " ".join(chr(0x4E00 + number) + "\u3316" * 42 for number in range(454)),  # Each becomes 255 characters of a word.
        " ".join(chr(0x20000 + number // 2000) + chr(0x20000 + number % 2000) for number in range(6_600)),
    ]
    tasks = [ada.task(description=description[:20_000], title="Haystack") for description in descriptions]
    assert ada.get("/tasks", query={"search": "hay", "sort": "created_at"}).json == tasks
