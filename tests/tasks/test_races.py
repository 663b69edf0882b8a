"""Many requests at once within one process; those of many are in `races`."""

from functools import partial
from typing import Any

from ..people import problem
from ..racing import at_once, statuses


def test_of_many_deletes_one_finds_the_task(ada):
    path = f"/tasks/{ada.task()['id']}"
    assert statuses(at_once([partial(ada.delete, path)] * 8)) == {204: 1, 404: 7}


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
