"""What happens with tasks: made, changed, moved, deleted.

A change locks the task, judges with what it then reads, writes and reads the answer: three statements and a commit for
most. Making a task counts its project's number up, which judges and locks at once.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import aliased

from ..accounts.access import CAN_LOG_IN
from ..accounts.models import User
from ..core import events
from ..core.database import Overtaken, session, transactional
from ..core.errors import Invalid, NotFound
from ..core.models import new_id, now
from ..core.reading import Statement
from ..core.results import Expected, Resource
from ..core.sql import among
from ..core.types import Id, Many, joined_words, table_of
from ..projects import access as projects
from ..projects.access import NEEDED, NO_ROLE, role_in, role_in_id
from ..projects.models import Project
from ..tags.models import Tag, TaskTag
from . import access, queries
from .models import COMPLETED, Task

_tasks, _projects, _task_tags = table_of(Task), table_of(Project), table_of(TaskTag)
_PROJECT_ID, _ASSIGNEE = bindparam("project", type_=Id()), bindparam("assignee", type_=Id())
_INBOX = Statement(select(Project.id).where(Project.owner_id == bindparam("me", type_=Id()), Project.is_inbox))
_UPDATE = update(_tasks).where(_tasks.c.id == bindparam("task", type_=Id())).values(version=_tasks.c.version + 1)
_COUNT_UP = (
    update(_projects)
    .where(_projects.c.id == _PROJECT_ID, _projects.c.archived_at.is_(None))
    .where(role_in(_projects.c.id, _projects.c.owner_id) >= NEEDED["create_task"].value)
    .values(last_number=_projects.c.last_number + 1)
    .returning(_projects.c.last_number)
)
_HOLD = (
    select(_projects.c.id)
    .where(among(_projects.c.id, bindparam("projects", type_=Many(Id()))))
    .where(role_in(_projects.c.id, _projects.c.owner_id) > NO_ROLE)
    .order_by(_projects.c.id)
    .with_for_update(key_share=True)
)
_LINKS = Statement(
    select(
        role_in_id(_PROJECT_ID, _ASSIGNEE).label("role"),
        select(User.id).where(User.id == _ASSIGNEE, CAN_LOG_IN).exists().label("can_log_in"),
        select(func.count())
        .select_from(Tag)
        .where(Tag.project_id == _PROJECT_ID, among(Tag.id, bindparam("tags", type_=Many(Id()))))
        .scalar_subquery()
        .label("tags"),
    )
)
# What is judged by the members or the tags of a project, which must not change until it is written.
_LINKED = {"assigned_to_id", "tag_ids", "project_id"}

# --- making -----------------------------------------------------------------------------------------------------------


def inbox_of(me: str) -> str:
    """The id of a user's inbox.

    Raises:
        NotFound: the user was deleted meanwhile.
    """
    row = _INBOX.first(me=me)
    if row is None:
        raise NotFound
    return row.id


@transactional
def create_task(me: str, project_id: str, fields: Mapping[str, Any]) -> Resource:
    """A new task in a project.

    Raises:
        NotFound, Forbidden: see `projects.access`.
        Invalid: the assignee cannot see the project, a tag is not of it, or the dates are in the wrong order.
        Conflict: `project_archived`.
    """
    values = dict(fields)
    tag_ids = list(dict.fromkeys(values.pop("tag_ids", ())))
    _check_dates(values.get("start_date"), values.get("due_date"), values)
    number = _take_number(me, project_id)
    _check_links(project_id, values.get("assigned_to_id"), tag_ids)
    moment, task_id = now(), new_id()
    task: dict[str, Any] = {
        "description": "",
        "status": "todo",
        "priority": "none",
        **values,
        "id": task_id,
        "project_id": project_id,
        "number": number,
        "created_by_id": me,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
    }
    task["completed_at"] = moment if task["status"] in COMPLETED else None
    task["words"] = joined_words(task["title"], task["description"])
    connection = session().connection()
    connection.execute(insert(_tasks), task)
    if tag_ids:
        connection.execute(insert(_task_tags), [{"task_id": task_id, "tag_id": tag_id} for tag_id in tag_ids])
    return queries.TASK.get(me=me, task=task_id)


def _take_number(me: str, project_id: str) -> int:
    """The next number of a project, which is locked from here on.

    Raises:
        NotFound, Forbidden, Conflict: the caller may not make a task there.
    """
    number = session().connection().execute(_COUNT_UP, {"me": me, "project": project_id}).scalar_one_or_none()
    if number is None:
        project, _ = projects.lock(me, project_id, to="create_task")
        projects.check_open(project.archived_at)
        raise Overtaken
    return number


# --- changing ---------------------------------------------------------------------------------------------------------


@transactional
def update_task(me: str, task_id: str, changes: Mapping[str, Any], expected: Expected) -> Resource:
    """Changes a task; with `project_id` it moves.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Invalid: the target cannot be seen, the assignee cannot see it, a tag is not of it, or the dates are in the
            wrong order.
        Conflict: `project_archived`, of the project or of the target.
    """
    task = _lock(me, task_id, changes)
    expected.check(task.version)
    projects.check_open(task.archived_at)
    values = dict(changes)
    tag_ids = values.pop("tag_ids", None)
    target = values.get("project_id", task.project_id)
    moves = target != task.project_id
    if moves:
        values["number"] = _number_in(me, target)
    is_new = moves or values.get("assigned_to_id") != task.assigned_to_id
    _check_links(target, values.get("assigned_to_id") if is_new else None, tag_ids or ())
    if moves:
        tag_ids = _tags_of_same_name(task_id, target) if tag_ids is None else tag_ids
        if "assigned_to_id" not in values and not _sees(target, task.assigned_to_id):
            values["assigned_to_id"] = None
    _check_dates(values.get("start_date", task.start_date), values.get("due_date", task.due_date), values)
    values = {name: value for name, value in values.items() if name == "number" or getattr(task, name) != value}
    links_changed = tag_ids is not None and _set_tags(task_id, tag_ids)
    if values or links_changed:
        values |= _following(task, values)
        session().connection().execute(_UPDATE, {**values, "updated_at": now(), "task": task_id})
    return queries.TASK.get(me=me, task=task_id)


def _lock(me: str, task_id: str, changes: Mapping[str, Any]) -> Row[Any]:
    """The task, locked; before it the projects whose members and tags the change is judged by.

    Projects are always locked before what is in them, and in the order of their ids, so that no two changes wait for
    each other.
    """
    if not _LINKED & changes.keys():
        return access.lock(me, task_id, to="update_task")
    project_id = access.find(me, task_id, to="update_task").project_id
    held = [project_id, changes.get("project_id", project_id)]
    session().connection().execute(_HOLD, {"me": me, "projects": held})
    task = access.lock(me, task_id, to="update_task")
    if task.project_id != project_id:
        raise Overtaken
    return task


def _following(task: Row[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What changes because something else does."""
    following: dict[str, Any] = {}
    completes = values.get("status", task.status) in COMPLETED
    if completes != (task.status in COMPLETED):
        following["completed_at"] = now() if completes else None
    if "title" in values or "description" in values:
        text = (values.get("title", task.title), values.get("description", task.description))
        following["words"] = joined_words(*text)
    return following


def _number_in(me: str, target: str) -> int:
    """The next number in the project that a task moves to."""
    try:
        return _take_number(me, target)
    except NotFound as error:
        raise Invalid.field("/project_id", "Not a project that you can see.") from error


@transactional
def delete_task(me: str, task_id: str, expected: Expected) -> None:
    """Deletes a task.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Conflict: `project_archived`.
    """
    task = access.lock(me, task_id, to="delete_task")
    expected.check(task.version)
    projects.check_open(task.archived_at)
    session().execute(delete(_tasks).where(_tasks.c.id == task_id))


# --- rules ------------------------------------------------------------------------------------------------------------


def _check_dates(start: date | None, due: date | None, sent: Mapping[str, Any]) -> None:
    if start is not None and due is not None and start > due:
        at = "/start_date" if "start_date" in sent else "/due_date"
        raise Invalid.field(at, "start_date is after due_date.")


def _sees(project_id: str, user_id: str | None) -> bool:
    return user_id is None or projects.role_of(user_id, project_id) is not None


def _check_links(project_id: str, assignee: str | None, tag_ids: Sequence[str]) -> None:
    """An assignee must see the project and be able to log in, and a tag belong to it."""
    if assignee is None and not tag_ids:
        return
    wanted = list(dict.fromkeys(tag_ids))
    found = _LINKS.rows(project=project_id, assignee=assignee, tags=wanted)[0]
    if assignee is not None and (found.role == NO_ROLE or not found.can_log_in):
        raise Invalid.field("/assigned_to_id", "Not a user who can see the project.")
    if found.tags < len(wanted):
        raise Invalid.field("/tag_ids", "Not all of these are tags of the project.")


def _tags_of_same_name(task_id: str, target: str) -> list[str]:
    there = aliased(Tag)
    same = (
        select(there.id)
        .join(Tag, Tag.name_key == there.name_key)
        .join(TaskTag, TaskTag.tag_id == Tag.id)
        .where(TaskTag.task_id == task_id, there.project_id == target)
    )
    return list(session().scalars(same))


def _set_tags(task_id: str, tag_ids: Sequence[str]) -> bool:
    """Gives a task these tags and no others; false if it has them already."""
    has = set(session().scalars(select(TaskTag.tag_id).where(TaskTag.task_id == task_id)))
    wanted = set(tag_ids)
    if gone := has - wanted:
        session().execute(delete(TaskTag).where(TaskTag.task_id == task_id, TaskTag.tag_id.in_(gone)))
    if new := wanted - has:
        session().execute(insert(TaskTag), [{"task_id": task_id, "tag_id": tag_id} for tag_id in sorted(new)])
    return has != wanted


# --- what happens elsewhere -------------------------------------------------------------------------------------------


@events.sight_lost.connect
def take_off_tasks(_: object, *, project_ids: Sequence[str]) -> None:
    """Takes whoever cannot see a project any more off the tasks assigned to them there."""
    lost = role_in_id(_tasks.c.project_id, _tasks.c.assigned_to_id) == NO_ROLE
    where = (among(_tasks.c.project_id, bindparam("projects", type_=Many(Id()))), _tasks.c.assigned_to_id.is_not(None), lost)
    taken_off = update(_tasks).where(*where).values(assigned_to_id=None, version=_tasks.c.version + 1)
    session().connection().execute(taken_off.values(updated_at=now()), {"projects": list(project_ids)})


@events.tag_deleting.connect
def count_lost_tag(_: object, *, tag_id: str) -> None:
    """A task that loses a tag has changed."""
    tagged = select(TaskTag.task_id).where(TaskTag.tag_id == tag_id)
    changed = update(_tasks).where(_tasks.c.id.in_(tagged)).values(version=_tasks.c.version + 1, updated_at=now())
    session().execute(changed)
