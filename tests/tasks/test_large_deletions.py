"""What touches as many tasks as there are is done, though it takes longer than other statements may."""

import pytest
from sqlalchemy import func, insert, select

from tasktracker.core.models import new_id, now
from tasktracker.core.types import table_of
from tasktracker.extensions import db
from tasktracker.tags.models import TaskTag
from tasktracker.tasks.models import Task

from ..core.another import another
from ..people import PASSWORD, new_person

SECONDS = 0.3
SHORT = {f"DATABASE_{name}_TIMEOUT": str(SECONDS) for name in ("STATEMENT", "LOCK", "REQUEST")}
COUNT = {"postgresql": 20_000, "sqlite": 40_000}


def fill(app, maker, assignee, tag, count):
    """Tasks in the project of a tag, made at once, all of them with it and with an assignee."""
    moment = now()
    common = {"project_id": tag["project_id"], "title": "Task", "created_by_id": maker.id, "assigned_to_id": assignee.id}
    tasks = [
        {**common, "id": new_id(), "number": number, "created_at": moment, "updated_at": moment}
        for number in range(1, count + 1)
    ]
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(insert(table_of(Task)), tasks)
        connection.execute(insert(table_of(TaskTag)), [{"task_id": task["id"], "tag_id": tag["id"]} for task in tasks])


@pytest.mark.usefixtures("app")
def test_they_take_the_time_that_they_need(environment, backend):
    with another({**environment, **SHORT}) as app:
        ada, bob = new_person(app, "ada"), new_person(app, "bob")
        projects = [ada.project(), ada.project()]
        for project in projects:
            ada.add(project, bob)
            tag = ada.tag(project)
            fill(app, ada, bob, tag, COUNT[backend])
        own = table_of(Task).c.project_id == projects[1]["id"]

        def count(*conditions):
            with app.app_context(), db.engine.connect() as connection:
                return connection.scalar(select(func.count()).select_from(Task).where(own, *conditions))

        assert ada.delete(f"/tags/{tag['id']}").status_code == 204
        assert count(Task.version == 2) == COUNT[backend]
        assert ada.delete(f"/projects/{projects[1]['id']}/members/{bob.id}").status_code == 204
        assert count(Task.version == 3, Task.assigned_to_id.is_(None)) == COUNT[backend]
        assert ada.delete(f"/projects/{projects[1]['id']}").status_code == 204
        assert count() == 0
        for person in (bob, ada):  # Bob is assigned to the tasks of the other project, and it is Ada's.
            assert person.delete("/users/me", json={"password": PASSWORD}).status_code == 204
