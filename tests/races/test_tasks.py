"""Tasks that many processes make, change, move and delete at once."""

from functools import partial

import pytest
from sqlalchemy import func, select

from tasktracker.core.database import session
from tasktracker.tasks.models import Task

from ..people import pointers, problem
from ..racing import statuses
from ..remote import together


def tasks_in(app, project):
    """How many the table holds, whoever may see them."""
    with app.app_context():
        return session().scalar(select(func.count()).select_from(Task).where(Task.project_id == project["id"]))


def path_of(task):
    return f"/tasks/{task['id']}"


def test_50_creates_get_50_numbers_in_a_row(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    body = {"title": "x", "project_id": project["id"]}
    answers = together([partial(person.post, "/tasks", body) for person in (ada, bob) * 25])
    assert statuses(answers) == {201: 50}
    assert sorted(answer.json["number"] for answer in answers) == list(range(1, 51))
    assert ada.task(project)["number"] == 51
    assert ada.get(f"/projects/{project['id']}").json["task_count"] == 51


@pytest.mark.parametrize("body", ["its own", "the same"])
def test_of_20_writers_with_the_same_tag_one_wins(ada, body):
    path = path_of(ada.task())
    headers = {"If-Match": ada.get(path).headers["ETag"]}
    titles = [str(number) if body == "its own" else "Same" for number in range(20)]
    answers = together([partial(ada.patch, path, {"title": title}, headers=headers) for title in titles])
    assert statuses(answers) == {200: 1, 412: 19}
    assert ada.get(path).json == next(answer.json for answer in answers if answer.status_code == 200)


def test_what_is_read_changed_and_written_back_loses_nothing(ada, bob):
    """Six count in a task's description, five times each, and begin anew at every 412."""
    project = ada.project()
    ada.add(project, bob)
    path = path_of(ada.task(project, description="0"))

    def count(person):
        for _ in range(5):
            while True:
                read = person.get(path)
                headers = {"If-Match": read.headers["ETag"]}
                answer = person.patch(path, {"description": str(int(read.json["description"]) + 1)}, headers=headers)
                if answer.status_code == 200:
                    break
                problem(answer, 412)

    together([partial(count, person) for person in (ada, bob) * 3])
    after = ada.get(path)
    assert after.json["description"] == "30"
    assert after.headers["ETag"].startswith('"31-')


def test_what_is_made_in_a_project_that_is_being_deleted_goes_with_it(services, ada, bob):
    for _ in range(3):
        project = ada.project()
        ada.add(project, bob)
        make = partial(bob.post, "/tasks", {"title": "x", "project_id": project["id"]})
        deleted, *made = together([partial(ada.delete, f"/projects/{project['id']}"), *[make] * 8])
        assert deleted.status_code == 204
        assert set(statuses(made)) <= {201, 422}, statuses(made)
        for answer in made:
            if answer.status_code == 201:
                problem(bob.get(path_of(answer.json)), 404)
            else:
                assert pointers(answer) == {"/project_id"}
        assert tasks_in(services.app, project) == 0


def test_a_project_that_is_being_archived_has_what_was_made_before(ada, bob):
    for _ in range(3):
        project = ada.project()
        ada.add(project, bob)
        path = f"/projects/{project['id']}"
        make = partial(bob.post, "/tasks", {"title": "x", "project_id": project["id"]})
        archived, *made = together([partial(ada.patch, path, {"archived": True}), *[make] * 8])
        assert archived.status_code == 200
        counts = statuses(made)
        assert set(counts) <= {201, 409}, counts
        after = ada.get(path).json
        assert after["task_count"] == counts.get(201, 0)
        assert archived.json["task_count"] == after["task_count"]  # None came after the answer.


def test_a_tag_that_is_being_deleted_stays_on_no_task(ada):
    project = ada.project()
    for _ in range(3):
        tag = ada.tag(project)
        tasks = [ada.task(project) for _ in range(6)]
        put = [partial(ada.patch, path_of(task), {"tag_ids": [tag["id"]]}) for task in tasks]
        deleted, *tagged = together([partial(ada.delete, f"/tags/{tag['id']}"), *put])
        assert deleted.status_code == 204
        for task, answer in zip(tasks, tagged, strict=True):
            after = ada.get(path_of(task))
            assert after.json["tags"] == []
            # Getting the tag was a change, and losing it another.
            assert answer.status_code in (200, 422), answer.text
            assert after.headers["ETag"].startswith('"3-' if answer.status_code == 200 else '"1-')


def test_a_task_that_is_being_deleted_is_moved_nowhere(services, ada):
    here, there = ada.project(), ada.project(name="There")
    for _ in range(5):
        task = ada.task(here)
        deleted, moved = together([partial(ada.delete, path_of(task)), partial(ada.patch, path_of(task), move_to(there))])
        assert deleted.status_code == 204
        assert moved.status_code in (200, 404), moved.text
        problem(ada.get(path_of(task)), 404)
    assert tasks_in(services.app, here) == tasks_in(services.app, there) == 0


def move_to(project):
    return {"project_id": project["id"]}


def test_a_task_that_moves_to_a_project_that_is_being_deleted_goes_with_it_or_stays(ada):
    here = ada.project()
    for _ in range(5):
        task, there = ada.task(here), ada.project(name="There")
        gone, moved = together(
            [partial(ada.delete, f"/projects/{there['id']}"), partial(ada.patch, path_of(task), move_to(there))]
        )
        assert gone.status_code == 204
        if moved.status_code == 200:
            problem(ada.get(path_of(task)), 404)
        else:
            assert pointers(moved) == {"/project_id"}
            assert ada.get(path_of(task)).json == task


def test_moves_in_opposite_directions_all_end(ada):
    here, there = ada.project(), ada.project()
    moves = [(ada.task(project), target) for project, target in [(here, there), (there, here)] * 4]
    answers = together([partial(ada.patch, path_of(task), move_to(target)) for task, target in moves])
    assert statuses(answers) == {200: 8}
    assert sorted(answer.json["number"] for answer in answers) == [5, 5, 6, 6, 7, 7, 8, 8]
