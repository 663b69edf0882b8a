"""How tasks are changed and moved.

A status or a priority is changed by one statement that judges too; any other change locks the task, judges with what it then
reads, and writes what it answers.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Table,
    Text,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased

from ...core.database import Overtaken, UnknownOutcome, is_transient, transactional
from ...core.errors import Invalid
from ...core.models import now
from ...core.results import ANYTHING, Expected, Resource
from ...core.sql import among, json_list
from ...core.statement import Row, Statement
from ...core.text import spaced_words
from ...core.types import Id, UtcDateTime, table_of
from ...core.writing import write
from ...projects import access as projects
from ...projects.access import NEEDED, NO_ROLE, PROJECT_ID, role_in, role_in_id
from ...projects.models import Project, Role
from ...tags.models import Tag, TaskTag
from .. import access, queries
from ..models import COMPLETED, Task, TaskWords
from .rules import CHANGED, TASK_ID, WANTED, bad_assignee, bad_tags, can_be_assigned, check_dates

_tasks, _projects, _task_tags, _task_words = table_of(Task), table_of(Project), table_of(TaskTag), table_of(TaskWords)
_TARGET = bindparam("target", type_=Id())
_HOLD = Statement(
    select(_projects.c.id)
    .where(
        or_(
            _projects.c.id == select(_tasks.c.project_id).where(_tasks.c.id == TASK_ID).scalar_subquery(),
            _projects.c.id == _TARGET,
        )
    )
    .where(role_in(_projects.c.id, _projects.c.owner_id) >= NEEDED["update_task"].value)
    .order_by(_projects.c.id)
    .with_for_update(key_share=True)
)
# Where a task will be, and what its assignee, its tags and its number are judged by there.
_place = func.coalesce(_TARGET, _tasks.c.project_id)
_there = aliased(Project)
# Two selects deep, so that the task is named: left to itself, it would be all tasks there are.
_same = select(Tag.name_key).join(TaskTag, TaskTag.tag_id == Tag.id).where(TaskTag.task_id == _tasks.c.id).correlate(_tasks)
_new_tag = aliased(Tag)


def _of_place(column: Any) -> ColumnElement[Any]:
    return select(column).where(_there.id == _place).correlate(_tasks).scalar_subquery()


def _tags_of_place(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    tags = select(queries.brief_tag(_new_tag)).where(_new_tag.project_id == _place, condition)
    return type_coerce(json_list(tags.order_by(_new_tag.name, _new_tag.id).correlate(_tasks)), Text())


_LOCK_LINKED = access.locking(
    role_in_id(_place).label("place_role"),
    _of_place(_there.archived_at).label("place_archived_at"),
    _of_place(_there.last_number).label("place_last_number"),
    can_be_assigned(_place).label("assignee_is_good"),
    (role_in_id(_place, _tasks.c.assigned_to_id) > NO_ROLE).label("assignee_sees"),
    _tags_of_place(among(_new_tag.id, WANTED)).label("given_tags"),
    _tags_of_place(_new_tag.name_key.in_(_same)).label("same_tags"),
    type_coerce(queries.TAGS, Text()).label("tags"),
)
_is_new = ~select(TaskTag.tag_id).where(TaskTag.task_id == TASK_ID, TaskTag.tag_id == Tag.id).exists()
_SET_TAGS = (
    delete(_task_tags).where(_task_tags.c.task_id == TASK_ID, ~among(_task_tags.c.tag_id, WANTED)),
    insert(_task_tags).from_select(["task_id", "tag_id"], select(TASK_ID, Tag.id).where(among(Tag.id, WANTED), _is_new)),
)
_its_words = update(_task_words).where(_task_words.c.task_id == TASK_ID)
_arrives = _projects.c.id == _TARGET
_COUNT_MOVE = (
    update(_projects)
    .where(or_(_arrives, _projects.c.id == PROJECT_ID))
    .values(
        last_number=_projects.c.last_number + case((_arrives, 1), else_=0),
        task_count=_projects.c.task_count + case((_arrives, 1), else_=-1),
    )
)
# What can change without a look at what else the task has.
_PLAIN = {"status", "priority"}
# What is judged by the members or the tags of a project, which must not change until it is written.
_LINKED = {"assigned_to_id", "tag_ids", "project_id"}


def update_task(me: str, task_id: str, changes: Mapping[str, Any], expected: Expected) -> Resource:
    """Changes a task; with another `project_id` it moves.

    A change that changes nothing gives the task as it is.

    Raises:
        NotFound, Forbidden: see `access`; of a project that it is to move to, `Invalid` where it may not be seen.
        Stale: it has another version than expected.
        Invalid: see `create_task`.
        Conflict: `project_archived`, of either project.
    """
    return _change_at_once(me, task_id, changes, expected) or _change(me, task_id, changes, expected)


@transactional
def _change(me: str, task_id: str, changes: Mapping[str, Any], expected: Expected) -> Resource:
    is_linked = not _LINKED.isdisjoint(changes)
    task = _lock_linked(me, task_id, changes) if is_linked else access.lock(me, task_id, to="update_task")
    expected.check(task.version)
    projects.check_open(task.archived_at)
    values = {name: value for name, value in changes.items() if name != "tag_ids"}
    tags = _judge_links(task, values, changes.get("tag_ids")) if is_linked else None
    check_dates(values.get("start_date", task.start_date), values.get("due_date", task.due_date), values)
    differing = {name: value for name, value in values.items() if name == "number" or getattr(task, name) != value}
    if not differing and tags is None:
        return queries.TASK.get(me=me, task=task_id)
    return _write(me, task, differing, tags)


def _write(me: str, task: Row, values: dict[str, Any], tags: str | None) -> Resource:
    """Changes a task that is locked and judged, with what follows from its new values; the tags it shall have, if others."""
    moment = now()
    values |= _following(task, values, moment)
    new = {f"new_{name}": value for name, value in values.items()}
    tag_ids = [tag["id"] for tag in orjson.loads(tags or "[]")]
    new |= {"tags": tag_ids, "project": task.project_id, "target": values.get("project_id")}
    changed = _update(frozenset(values), sets_tags=tags is not None)
    resource = queries.SHAPE.resource(write(changed, None, me=me, task=task.id, moment=moment, **new))
    if tags is not None:
        # The statement that gives a task tags still sees those from before.
        resource.body["tags"] = orjson.Fragment(tags)
    return resource


@lru_cache(maxsize=64)
def _update(names: frozenset[str], *, sets_tags: bool) -> Statement:
    """Changes these columns of a task, and what goes with them, and gives it as it is answered."""
    along = [*(_SET_TAGS if sets_tags else ()), *([_COUNT_MOVE] if "project_id" in names else ())]
    if words := _new(names, _task_words):
        along.append(_its_words.values(words))
    new = {**_new(names, _tasks), **CHANGED}
    change = update(_tasks).where(_tasks.c.id == TASK_ID, access.MAY_CHANGE).values(new)
    return Statement(change, returning=queries.RETURNED, along=along)


def _new(names: frozenset[str], table: Table) -> dict[str, Any]:
    """The new values of those columns that the table has."""
    return {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in sorted(names) if name in table.c}


def _change_at_once(me: str, task_id: str, changes: Mapping[str, Any], expected: Expected) -> Resource | None:
    """Changes what can be judged and written by one statement, which saves three ways to the database and back.

    Nothing is given where that does not do: other fields are to change, or the caller may not, or somebody else holds the
    task; `_change` finds out.
    """
    if not changes or not changes.keys() <= _PLAIN or expected is not ANYTHING:
        return None
    new = {f"new_{name}": value for name, value in changes.items()}
    completes = changes.get("status") in COMPLETED
    try:
        row = _update_at_once(frozenset(changes)).first_alone(me=me, task=task_id, moment=now(), completes=completes, **new)
    except DBAPIError as error:
        if is_transient(error):
            return None
        if error.connection_invalidated:
            raise UnknownOutcome from error
        raise
    return queries.SHAPE.resource(row) if row else None


@lru_cache(maxsize=16)
def _update_at_once(names: frozenset[str]) -> Statement:
    new, moment = _new(names, _tasks), bindparam("moment", type_=UtcDateTime())
    if "status" in names:
        new["completed_at"] = case((bindparam("completes", type_=Boolean()), func.coalesce(_tasks.c.completed_at, moment)))
    # What is the same as before is written too, which costs less than to ask first, and counts as no change.
    differs = or_(*(_tasks.c[name].is_distinct_from(new[name]) for name in sorted(names)))
    new["version"] = _tasks.c.version + case((differs, 1), else_=0)
    new["updated_at"] = case((differs, moment), else_=_tasks.c.updated_at)
    # It never waits: who holds the task may change what is answered, and meanwhile the caller's rights may go. Where somebody
    # has changed it since the statement began, what is locked is another version than what is seen.
    free = aliased(Task)
    version = select(free.version).where(free.id == TASK_ID, access.may_change(free.project_id))
    is_free = _tasks.c.version == version.with_for_update(of=free, skip_locked=True, key_share=True).scalar_subquery()
    change = update(_tasks).where(_tasks.c.id == TASK_ID, is_free).values(new)
    return Statement(change, returning=queries.RETURNED)


def _lock_linked(me: str, task_id: str, changes: Mapping[str, Any]) -> Row:
    """The task, locked, with what its links are judged by; before it the projects that these belong to.

    Projects are always locked before what is in them, and in the order of their ids, so that no two changes wait for
    each other.
    """
    target, wanted = changes.get("project_id"), changes.get("tag_ids") or []
    held = {row.id for row in _HOLD.rows(me=me, task=task_id, target=target)}
    linked = {"target": target, "assignee": changes.get("assigned_to_id"), "tags": wanted}
    task = access.lock(me, task_id, to="update_task", how=_LOCK_LINKED, **linked)
    may_go_there = target is not None and (task.place_role or NO_ROLE) >= NEEDED["create_task"].value
    if task.project_id not in held or (may_go_there and target not in held):
        raise Overtaken  # It was moved, or a role given, since the projects were held.
    return task


def _judge_links(task: Row, values: dict[str, Any], tag_ids: Sequence[str] | None) -> str | None:
    """Refuses links that do not belong to where the task will be, and adds to the values what a move brings with it.

    Returns:
        The tags that the task shall have, as the JSON that is answered; none where they stay as they are.
    """
    moves = values.get("project_id", task.project_id) != task.project_id
    if moves:
        _check_target(task)
        values["number"] = task.place_last_number + 1
    assignee = values.get("assigned_to_id")
    if assignee is not None and (moves or assignee != task.assigned_to_id) and not task.assignee_is_good:
        raise bad_assignee()
    if moves and "assigned_to_id" not in values and task.assigned_to_id is not None and not task.assignee_sees:
        values["assigned_to_id"] = None
    if tag_ids is None and not moves:
        return None
    if tag_ids is not None and len(orjson.loads(task.given_tags)) < len(set(tag_ids)):
        raise bad_tags()
    tags = task.same_tags if tag_ids is None else task.given_tags
    return None if tags == task.tags else tags


def _check_target(task: Row) -> None:
    """Whether the caller may make tasks where this one is to go.

    Raises:
        Invalid, Forbidden, Conflict: they may not see it, or only see it, or it is archived.
    """
    if task.place_role is None or task.place_role == NO_ROLE:
        raise Invalid.field("/project_id", "Not a project that you can see.")
    projects.check(Role(task.place_role), "create_task")
    projects.check_open(task.place_archived_at)


def _following(task: Row, values: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    """What changes because something else does."""
    following: dict[str, Any] = {}
    completes = values.get("status", task.status) in COMPLETED
    if completes != (task.status in COMPLETED):
        following["completed_at"] = moment if completes else None
    if not {"title", "description"}.isdisjoint(values):
        following["words"] = spaced_words(*(values.get(name, getattr(task, name)) for name in ("title", "description")))
    return following
