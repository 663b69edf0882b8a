"""How tasks are made. Making one counts its project's number up, which judges and locks at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Text, and_, bindparam, insert, select, update

from ...core.database import Overtaken, transactional
from ...core.errors import NotFound
from ...core.models import now
from ...core.results import Resource
from ...core.sql import among
from ...core.statement import Statement
from ...core.text import spaced_words
from ...core.types import Id, UtcDateTime, table_of
from ...core.writing import Making
from ...projects import access as projects
from ...projects.access import ME, NEEDED, PROJECT_ID, role_in, role_in_id
from ...projects.models import Project
from ...tags.models import Tag, TaskTag
from .. import queries
from ..models import COMPLETED, Task, TaskWords
from .rules import TASK_ID, WANTED, bad_assignee, bad_tags, can_be_assigned, check_dates

_tasks, _projects, _task_tags, _task_words = table_of(Task), table_of(Project), table_of(TaskTag), table_of(TaskWords)
_count_up = (
    update(_projects)
    .values(last_number=_projects.c.last_number + 1, task_count=_projects.c.task_count + 1)
    .returning(_projects.c.id, _projects.c.last_number)
)
_COUNT_UP = Statement(
    _count_up.where(_projects.c.id == PROJECT_ID, _projects.c.archived_at.is_(None)).where(
        role_in(_projects.c.id, _projects.c.owner_id) >= NEEDED["create_task"].value
    )
)
# An inbox is its owner's, and always open.
_COUNT_UP_INBOX = Statement(_count_up.where(_projects.c.owner_id == ME, _projects.c.is_inbox))

# Once the project is held, the caller's role is looked up again: it may have been taken away meanwhile.
_MAY_MAKE = role_in_id(PROJECT_ID) >= NEEDED["create_task"].value
_new_words = {
    "task_id": bindparam("id", type_=Id()),
    "project_id": bindparam("project_id", type_=Id()),
    "created_at": bindparam("created_at", type_=UtcDateTime()),
    "words": bindparam("words", type_=Text()),
}
_ADD_WORDS = (insert(_task_words).from_select([*_new_words], select(*_new_words.values())),)
_TASKS = Making(queries.SHAPE, _tasks, _MAY_MAKE, along=_ADD_WORDS)
_ASSIGNED_TASKS = Making(queries.SHAPE, _tasks, and_(_MAY_MAKE, can_be_assigned(PROJECT_ID)), along=_ADD_WORDS)
_chosen = select(TASK_ID, Tag.id).where(Tag.project_id == PROJECT_ID, among(Tag.id, WANTED))
_ADD_TAGS = Statement(insert(_task_tags).from_select(["task_id", "tag_id"], _chosen), returning=queries.TAG_RETURNED)


@transactional
def create_task(me: str, project_id: str | None, fields: Mapping[str, Any]) -> Resource:
    """A new task in a project, or in the caller's inbox.

    Raises:
        NotFound, Forbidden: see `projects.access`.
        Invalid: the assignee cannot see the project, a tag is not of it, or the dates are in the wrong order.
        Conflict: `project_archived`.
    """
    values = {name: value for name, value in fields.items() if name != "tag_ids"}
    check_dates(values.get("start_date"), values.get("due_date"), values)
    project_id, number = _take_number(me, project_id)
    moment = now()
    values |= {"project_id": project_id, "number": number, "created_by_id": me, "created_at": moment, "updated_at": moment}
    values["completed_at"] = moment if values.get("status") in COMPLETED else None
    words = spaced_words(values["title"], values.get("description", ""))
    assignee = values.get("assigned_to_id")
    making = _TASKS if assignee is None else _ASSIGNED_TASKS
    try:
        task = making.make(None, values, me=me, project=project_id, assignee=assignee, words=words)
    except Overtaken as error:
        projects.find(me, project_id, to="create_task")
        raise bad_assignee() from error
    if tag_ids := fields.get("tag_ids"):
        task.body["tags"] = _add_tags(task.body["id"], project_id, tag_ids)
    return task


def _add_tags(task_id: str, project_id: str, tag_ids: Sequence[str]) -> list[Any]:
    """Gives a task tags of its project; as they are answered.

    Raises:
        Invalid: not all are of the project.
    """
    wanted = list(dict.fromkeys(tag_ids))
    rows = _ADD_TAGS.rows(task=task_id, project=project_id, tags=wanted)
    if len(rows) < len(wanted):
        raise bad_tags()
    return [row.tag for row in sorted(rows, key=lambda row: (row.name, row.tag_id))]


def words_row(task: Mapping[str, Any]) -> dict[str, Any]:
    """The row of `task_words` that belongs to a row of `tasks`, for whoever writes many of them."""
    words = spaced_words(task["title"], task["description"])
    return {"task_id": task["id"], "project_id": task["project_id"], "created_at": task["created_at"], "words": words}


def _take_number(me: str, project_id: str | None) -> tuple[str, int]:
    """A project, or the caller's inbox, which is locked from here on, with the number of its next task.

    Raises:
        NotFound, Forbidden, Conflict: the caller may not make a task there, or was deleted meanwhile.
    """
    row = _COUNT_UP.first(me=me, project=project_id) if project_id else _COUNT_UP_INBOX.first(me=me)
    if row is None:
        if project_id is None:
            raise NotFound
        project, _ = projects.lock(me, project_id, to="create_task")
        projects.check_open(project.archived_at)
        raise Overtaken
    return row.id, row.last_number
