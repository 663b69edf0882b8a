"""How tasks are read."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    String,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import aliased

from ..accounts.models import User
from ..accounts.queries import brief
from ..core.database import is_on_postgresql
from ..core.reading import Filter, Listing, One, Param, Question, Shape, SortKey, first_rows
from ..core.sql import among, json_list, json_object, matches
from ..core.text import caseless, words
from ..core.types import AnyColumn, AnySelect, Id, JsonText, PrefixSearch, table_of
from ..projects.access import NO_ROLE, projects_of, role_in, role_in_id
from ..projects.models import Project
from ..tags.models import Tag, TaskTag
from .models import Task
from .schemas import TaskQuery, TaskSchema

TASK_ID = bindparam("task", type_=Id())
REF = re.compile("([A-Za-z][A-Za-z0-9]{1,9})-([0-9]{1,9})")
# Up to this many rows, taking the first of each project and then the first of these is faster than sorting all.
_LATERAL_REACH = 200

_assignee, _creator = aliased(User, name="assignee"), aliased(User, name="creator")
_tags = (
    select(json_object(id=Tag.id, name=Tag.name, color=Tag.color))
    .join(TaskTag, TaskTag.tag_id == Tag.id)
    .where(TaskTag.task_id == Task.id)
    .order_by(Tag.name, Tag.id)
    .correlate(Task)
)


def _person(user: Any) -> ColumnElement[Any]:
    return type_coerce(case((user.id.is_not(None), brief(user))), JsonText())


_columns: dict[str, AnyColumn] = {
    "id": Task.id,
    "project_id": Task.project_id,
    "number": Task.number,
    "ref": Project.key + "-" + cast(Task.number, String()),
    "title": Task.title,
    "description": Task.description,
    "status": Task.status,
    "priority": Task.priority,
    "assigned_to": _person(_assignee),
    "created_by": _person(_creator),
    "due_date": Task.due_date,
    "start_date": Task.start_date,
    "completed_at": Task.completed_at,
    "tags": json_list(_tags),
    "created_at": Task.created_at,
    "updated_at": Task.updated_at,
}
_shape = Shape(TaskSchema, _columns, Task.version)
_source = (
    table_of(Task)
    .join(Project, Project.id == Task.project_id)
    .outerjoin(_assignee, _assignee.id == Task.assigned_to_id)
    .outerjoin(_creator, _creator.id == Task.created_by_id)
)

TASK = One(_shape, _source, (Task.id == TASK_ID) & (role_in(Project.id, Project.owner_id) > NO_ROLE))

# --- lists ------------------------------------------------------------------------------------------------------------


def _has_tag(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    tagged = select(TaskTag.task_id).join(Tag, Tag.id == TaskTag.tag_id)
    return tagged.where(TaskTag.task_id == Task.id, condition).exists()


def _is_ref() -> ColumnElement[bool]:
    """The number is looked for in the projects with the key that the caller sees, which are few."""
    named = select(Project.id).where(Project.key == bindparam("ref_key", type_=String()), Project.id.in_(projects_of()))
    return and_(Task.number == bindparam("ref_number", type_=Integer()), among(Task.project_id, named))


def _overdue(value: Param) -> ColumnElement[bool]:
    return and_(Task.due_date < value.value(Task.due_date.type), Task.completed_at.is_(None))


def _matches(value: Param) -> ColumnElement[bool]:
    return matches(Task.words, Task.id, value.value(PrefixSearch()))


_filters: dict[str, Filter] = {
    "status": lambda value: value.equals(Task.status),
    "priority": lambda value: value.equals(Task.priority),
    "assigned_to": lambda value: value.equals(Task.assigned_to_id),
    "unassigned": lambda _: Task.assigned_to_id.is_(None),
    "assigned_to_or_none": lambda value: or_(Task.assigned_to_id.is_(None), value.equals(Task.assigned_to_id)),
    "created_by": lambda value: value.equals(Task.created_by_id),
    "project_id": lambda value: value.equals(Task.project_id),
    "tag": lambda value: _has_tag(value.equals(Tag.name_key)),
    "tag_id": lambda value: exists().where(TaskTag.task_id == Task.id, value.equals(TaskTag.tag_id)),
    "due_before": lambda value: Task.due_date < value.value(Task.due_date.type),
    "due_after": lambda value: Task.due_date > value.value(Task.due_date.type),
    "overdue": _overdue,
    "not_overdue": lambda value: func.coalesce(not_(_overdue(value)), true()),
    "updated_since": lambda value: Task.updated_at >= value.value(Task.updated_at.type),
    "search": _matches,
    "search_or_ref": lambda value: or_(_matches(value), _is_ref()),
}
_sorts: dict[str, AnyColumn] = {
    "created_at": Task.created_at,
    "updated_at": Task.updated_at,
    "due_date": Task.due_date,
    "priority": Task.priority,
    "status": Task.status,
    "title": Task.title,
    "number": Task.number,
}


class TaskListing(Listing):
    """Pages of tasks, by whichever of four statements suits the question.

    project: of one project; its role is checked once and not for each task.
    lateral: the first rows of each project by its index, then the first of those (PostgreSQL, near pages).
    search: by the index of words alone (PostgreSQL).
    array: of all projects that the caller sees.
    """

    def prepare(self, filters: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Puts ids for `me`, days for `overdue`, and words or a ref for `search`."""
        prepared = dict(filters)
        me = values["me"]
        if "created_by" in prepared:
            prepared["created_by"] = _ids(prepared["created_by"], me)
        if "assigned_to" in prepared:
            ids = _ids([value for value in prepared.pop("assigned_to") if value != "none"], me)
            is_none = "none" in filters["assigned_to"]
            name = ("assigned_to_or_none" if ids else "unassigned") if is_none else "assigned_to"
            prepared[name] = ids or True
        if "tag" in prepared:
            prepared["tag"] = list(dict.fromkeys(caseless(name) for name in prepared["tag"]))
        if "overdue" in prepared:
            prepared["overdue" if prepared.pop("overdue") else "not_overdue"] = values["today"]
        ref = REF.fullmatch(prepared.get("search", ""))
        if "search" in prepared:
            prepared["search_or_ref" if ref else "search"] = tuple(words(prepared.pop("search")))
        return prepared, {"ref_key": ref[1].upper(), "ref_number": int(ref[2])} if ref else {}

    def plan(self, question: Question) -> str:
        """Which statement suits the question."""
        if len(question.filters.get("project_id", ())) == 1:
            return "project"
        if not is_on_postgresql():
            return "array"
        if "search" in question.filters:
            return "search"
        return "lateral" if question.page * question.size <= _LATERAL_REACH else "array"

    def build(self, params: tuple[Param, ...], sort: tuple[SortKey, ...], plan: str) -> AnySelect:
        """The statement for a form of question."""
        conditions = and_(true(), *(self.filters[param.name](param) for param in params))
        where = and_(self.visible_in(plan), conditions)
        if plan == "lateral":
            visible = projects_of().subquery("visible")
            top = select(*self.keys(sort)).where(Task.project_id == visible.c.id, conditions)
            tops = first_rows(top, sort, "reach").lateral("top")
            chosen = select(*tops.c).select_from(visible.join(tops, true()))
        else:
            chosen = select(*self.keys(sort)).where(where)
        page = first_rows(chosen, sort, "limit").offset(bindparam("offset", type_=Integer()))
        return self.assemble(where, page, sort)

    def visible_in(self, plan: str) -> ColumnElement[bool]:
        """The condition for what the caller may see."""
        if plan == "project":
            return role_in_id(bindparam("project_id", type_=Id())) > NO_ROLE
        # A word is rarer than a project: coalesce() keeps PostgreSQL from walking the projects' index as well.
        project = func.coalesce(Task.project_id, Task.project_id) if plan == "search" else Task.project_id
        return among(project, projects_of())


def _ids(values: list[str], me: str) -> list[str]:
    return list(dict.fromkeys(me if value == "me" else value for value in values))


def _listing(*, parent: ColumnElement[bool] | None) -> TaskListing:
    return TaskListing(
        _shape,
        _source,
        query=TaskQuery(),
        key=Task.id,
        visible=true(),
        sorts=_sorts,
        default_sort=(("created_at", True),),
        filters=_filters,
        parent=parent,
    )


TASKS = _listing(parent=None)
TASKS_OF_PROJECT = _listing(parent=role_in_id(bindparam("project", type_=Id())) > NO_ROLE)
