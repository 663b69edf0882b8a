"""The table of words says what the tasks say, whatever has become of them."""

from typing import Any

from sqlalchemy import select

from tasktracker.core.text import spaced_words
from tasktracker.extensions import db
from tasktracker.tasks.models import Task, TaskWords

from ..cli.apps import flask, new_app


def rows(*columns: Any) -> list[tuple[Any, ...]]:
    with db.engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))


def words_and_tasks(app):
    """The rows of words, and what they should be."""
    with app.app_context():
        found = rows(TaskWords.task_id, TaskWords.project_id, TaskWords.created_at, TaskWords.words)
        tasks = rows(Task.id, Task.project_id, Task.created_at, Task.title, Task.description)
    return found, [(*task[:3], spaced_words(*task[3:])) for task in tasks]


def of(found, *ids):
    return [row for row in found if row[0] in ids]


def finds(person, word, project=None):
    where = {"project_id": project["id"]} if project else {}
    return [task["id"] for task in person.get("/tasks", query={"search": word, **where}).json]


def test_words_follow_what_becomes_of_a_task(app, ada):
    here, there = ada.project(), ada.project(name="Shop")
    stays, goes = ada.task(here, title="Paint the wall"), ada.task(here, title="!!!", description="Mow the lawn")
    path = f"/tasks/{goes['id']}"

    def check(*there_are):
        found, expected = words_and_tasks(app)
        ids = (stays["id"], goes["id"])
        assert of(found, *ids) == of(expected, *ids)
        assert {row[0] for row in of(found, *ids)} == set(there_are)

    check(stays["id"], goes["id"])
    for change in (
        {"title": "Cut the hedge"},
        {"description": ""},
        {"status": "done"},
        {"project_id": there["id"]},
        {"project_id": here["id"], "title": "Water the roses", "priority": "high"},
        {"project_id": there["id"], "description": "Ask the neighbour"},
    ):
        assert ada.patch(path, change).status_code == 200
        check(stays["id"], goes["id"])
    assert finds(ada, "rose neigh", there) == [goes["id"]]
    assert finds(ada, "rose", here) == finds(ada, "hedge") == []
    assert ada.delete(path).status_code == 204
    check(stays["id"])
    assert finds(ada, "rose") == []
    assert ada.delete(f"/projects/{here['id']}").status_code == 204
    check()
    assert finds(ada, "paint") == []


def test_a_task_that_is_refused_leaves_no_words(app, ada, bob):
    before = words_and_tasks(app)[0]
    project = ada.project()
    refused = {"title": "Do it", "project_id": project["id"], "assigned_to_id": bob.id}
    assert ada.post("/tasks", refused).status_code == 422
    assert ada.post("/tasks", {"title": "Do it", "project_id": project["id"], "tag_ids": [bob.id]}).status_code == 422
    assert words_and_tasks(app)[0] == before


def test_words_are_those_of_all_tasks(environment, tmp_path):
    with new_app(environment, tmp_path) as app:
        assert flask(app, "seed", "--users", "5", "--projects", "3", "--tasks", "40", "--tags", "2").exit_code == 0
        found, expected = words_and_tasks(app)
    assert len(found) == 40
    assert found == expected
