"""Many requests at once, decided by the database."""

from functools import partial
from typing import Any

from ..people import problem
from ..racing import at_once, statuses


def test_of_20_writers_with_the_same_tag_one_wins(ada):
    path = f"/tasks/{ada.task()['id']}"
    for round_ in range(2):
        headers = {"If-Match": ada.get(path).headers["ETag"]}
        titles = [f"{round_} {number}" for number in range(20)]
        answers = at_once([partial(ada.patch, path, {"title": title}, headers=headers) for title in titles])
        assert statuses(answers) == {200: 1, 412: 19}
        won = next(answer for answer in answers if answer.status_code == 200)
        assert ada.get(path).json == won.json


def test_of_20_writers_with_the_same_body_one_wins(ada):
    path = f"/tasks/{ada.task()['id']}"
    headers = {"If-Match": ada.get(path).headers["ETag"]}
    answers = at_once([partial(ada.patch, path, {"title": "Same"}, headers=headers)] * 20)
    assert statuses(answers) == {200: 1, 412: 19}


def test_of_many_deletes_one_finds_the_task(ada):
    path = f"/tasks/{ada.task()['id']}"
    assert statuses(at_once([partial(ada.delete, path)] * 8)) == {204: 1, 404: 7}


def test_50_creates_get_50_numbers_in_a_row(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    body = {"title": "x", "project_id": project["id"]}
    answers = at_once([partial(person.post, "/tasks", body) for person in (ada, bob) * 25])
    assert statuses(answers) == {201: 50}
    assert sorted(answer.json["number"] for answer in answers) == list(range(1, 51))
    assert ada.task(project)["number"] == 51
    assert ada.get(f"/projects/{project['id']}").json["task_count"] == 51


def test_changes_of_different_fields_all_survive(ada):
    project = ada.project()
    tag = ada.tag(project)
    task = ada.task(project)
    path = f"/tasks/{task['id']}"
    changes: list[dict[str, Any]] = [
        {"title": "Other"},
        {"description": "Long"},
        {"status": "done"},
        {"priority": "high"},
        {"assigned_to_id": ada.id},
        {"due_date": "2026-05-01"},
        {"tag_ids": [tag["id"]]},
    ]
    answers = at_once([partial(ada.patch, path, change) for change in changes])
    assert statuses(answers) == {200: len(changes)}
    after = ada.get(path)
    assert after.headers["ETag"].startswith('"8-')  # Each was one change.
    shown = {name: after.json[name] for name in ("title", "description", "status", "priority", "due_date")}
    assert shown == {"title": "Other", "description": "Long", "status": "done", "priority": "high", "due_date": "2026-05-01"}
    assert (after.json["assigned_to"]["id"], len(after.json["tags"])) == (ada.id, 1)
    assert [row["id"] for row in ada.get("/tasks", query={"search": "oth lon"}).json] == [task["id"]]


def test_dates_that_clash_only_together_are_never_both_kept(ada):
    """Each change alone is fine; the second is judged against what the first left."""
    for _ in range(3):
        path = f"/tasks/{ada.task()['id']}"
        answers = at_once(
            [partial(ada.patch, path, {"start_date": "2026-05-02"}), partial(ada.patch, path, {"due_date": "2026-05-01"})]
        )
        assert statuses(answers) == {200: 1, 422: 1}


def test_a_delete_and_changes_at_once(ada):
    path = f"/tasks/{ada.task()['id']}"
    deleted, *changed = at_once([partial(ada.delete, path), *(partial(ada.patch, path, {"title": str(n)}) for n in range(5))])
    assert deleted.status_code == 204
    assert set(statuses(changed)) <= {200, 404}
    problem(ada.get(path), 404)


def test_a_change_brings_no_deleted_task_back(ada):
    path = f"/tasks/{ada.task()['id']}"
    headers = {"If-Match": ada.get(path).headers["ETag"]}
    deleted, changed = at_once(
        [partial(ada.delete, path, headers=headers), partial(ada.patch, path, {"title": "x"}, headers=headers)]
    )
    assert (deleted.status_code, changed.status_code) in ((204, 404), (412, 200))
    assert ada.get(path).status_code == (404 if deleted.status_code == 204 else 200)


def test_moves_in_opposite_directions_end(ada):
    here, there = ada.project(), ada.project()
    tasks = [(ada.task(project), target) for project, target in [(here, there), (there, here)] * 3]
    answers = at_once([partial(ada.patch, f"/tasks/{task['id']}", {"project_id": target["id"]}) for task, target in tasks])
    assert statuses(answers) == {200: 6}
    assert sorted(answer.json["number"] for answer in answers) == [4, 4, 5, 5, 6, 6]
