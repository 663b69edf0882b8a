"""How tasks are read."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    SmallInteger,
    String,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
    type_coerce,
)

from ..accounts.queries import TODAY, brief_of, days
from ..core.database import is_on_postgresql
from ..core.reading import Filter, Listing, One, Param, Shape, SortKey, first_rows
from ..core.sql import among, json_list, json_object, matches
from ..core.text import caseless, words
from ..core.types import AnyColumn, AnySelect, Id, JsonText, PrefixSearch, table_of
from ..projects.access import NO_ROLE, PROJECT_ID, projects_of, role_in, role_in_id
from ..projects.models import Project
from ..tags.models import Tag, TaskTag
from .models import Status, Task, TaskWords
from .schemas import TaskQuery, TaskSchema

TASK_ID = bindparam("task", type_=Id())
# The projects in which tasks are sought; each statement says at its beginning which these are.
_VISIBLE = table("visible", column("id", Id()))
REF = re.compile("([A-Za-z][A-Za-z0-9]{1,9})-([0-9]{1,9})")


def brief_tag(tag: Any) -> ColumnElement[Any]:
    """A tag as its tasks show it, as JSON."""
    return json_object(id=tag.id, name=tag.name, color=tag.color)


_tags = (
    select(brief_tag(Tag))
    .join(TaskTag, TaskTag.tag_id == Tag.id)
    .where(TaskTag.task_id == Task.id)
    .order_by(Tag.name, Tag.id)
    .correlate(Task)
)


TAGS = json_list(_tags)
_key = select(Project.key).where(Project.id == Task.project_id).correlate(Task).scalar_subquery()
# Each column stands alone and needs no other table beside its own, so that UPDATE and INSERT can return them too.
_columns: dict[str, AnyColumn] = {
    "id": Task.id,
    "project_id": Task.project_id,
    "number": Task.number,
    "ref": _key + "-" + cast(Task.number, String()),
    "title": Task.title,
    "description": Task.description,
    "status": Task.status,
    "priority": Task.priority,
    "assigned_to": brief_of(Task.assigned_to_id),
    "created_by": brief_of(Task.created_by_id),
    "due_date": Task.due_date,
    "start_date": Task.start_date,
    "completed_at": Task.completed_at,
    "tags": TAGS,
    "created_at": Task.created_at,
    "updated_at": Task.updated_at,
}
SHAPE = Shape(TaskSchema, _columns, Task.version)
# What is given of a task that was just written, and of a tag that was just given to one.
RETURNED = select(*SHAPE.returned).select_from(table_of(Task))
_its_tag = select(brief_tag(Tag)).where(Tag.id == TaskTag.tag_id).correlate(TaskTag).scalar_subquery()
_its_name = select(Tag.name).where(Tag.id == TaskTag.tag_id).correlate(TaskTag).scalar_subquery()
TAG_RETURNED = select(TaskTag.tag_id, _its_name.label("name"), type_coerce(_its_tag, JsonText()).label("tag"))
TASK = One(SHAPE, table_of(Task), (Task.id == TASK_ID) & (role_in_id(Task.project_id) > NO_ROLE))

# --- lists ------------------------------------------------------------------------------------------------------------


def _tagged(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A tag belongs to one project, so those of the project say which tasks have it."""
    tagged = select(TaskTag.task_id).join(Tag, Tag.id == TaskTag.tag_id).where(Tag.project_id == _VISIBLE.c.id, condition)
    return among(Task.id, tagged.correlate(_VISIBLE))


def _is_ref() -> ColumnElement[bool]:
    key = bindparam("ref_key", type_=String())
    named = select(Project.id).where(Project.id == _VISIBLE.c.id, Project.key == key).correlate(_VISIBLE)
    return and_(Task.number == bindparam("ref_number", type_=Integer()), among(Task.project_id, named))


def _overdue() -> ColumnElement[bool]:
    # Of the status and not of `completed_at`, which no index has.
    return and_(
        Task.due_date < TODAY,
        type_coerce(Task.status, SmallInteger()) < literal_column(str(Status.done.value)),
    )


def _found(value: Param, *keys: AnyColumn) -> AnySelect:
    """What is asked of the words of a project that match."""
    # With coalesce() PostgreSQL begins at the words, and not at all that the project has.
    within = func.coalesce(TaskWords.project_id, TaskWords.project_id) == _VISIBLE.c.id
    searched = value.value(PrefixSearch())
    matching = matches(TaskWords.words, TaskWords.task_id, TaskWords.project_id, searched, _VISIBLE.c.id)
    return select(*keys).where(within, matching)


def _matches(value: Param) -> ColumnElement[bool]:
    return among(Task.id, _found(value, TaskWords.task_id).correlate(_VISIBLE))


_filters: dict[str, Filter] = {
    "status": lambda value: value.equals(Task.status),
    "priority": lambda value: value.equals(Task.priority),
    "assigned_to": lambda value: value.equals(Task.assigned_to_id),
    "unassigned": lambda _: Task.assigned_to_id.is_(None),
    "assigned_to_or_none": lambda value: or_(Task.assigned_to_id.is_(None), value.equals(Task.assigned_to_id)),
    "created_by": lambda value: value.equals(Task.created_by_id),
    "project_id": lambda value: value.equals(Project.id),
    "tag": lambda value: _tagged(value.equals(Tag.name_key)),
    "tag_id": lambda value: _tagged(value.equals(Tag.id)),
    "due_before": lambda value: Task.due_date < value.value(Task.due_date.type),
    "due_after": lambda value: Task.due_date > value.value(Task.due_date.type),
    "overdue": lambda _: _overdue(),
    "not_overdue": lambda _: func.coalesce(not_(_overdue()), true()),
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


# What leaves enough tasks of a project for a page to be taken from an index in the order of the sort.
_WALKED = {"status", "priority", "not_overdue"}
# What is found otherwise than by an index that begins with the project.
_SOUGHT = {"search", "search_or_ref", "tag", "tag_id"}
# What leaves few tasks of a project too, and is found by an index that names the project after it.
_PERSONAL = {"assigned_to", "created_by"}


class TaskListing(Listing):
    """Pages of tasks, project by project of those that the caller sees: what others have is not even read.

    walked: the first rows of each project by the index in the order of the sort, then the first of those; a second
        index counts. However many tasks there are, a page costs the same.
    matched: where a filter leaves few tasks, all of these, which are found once to be counted and sorted.
    """

    def prepare(self, filters: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Puts ids for `me`, and words or a ref for `search`; `overdue` needs to know where it is which day."""
        prepared, more = dict(filters), dict[str, Any]()
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
            prepared["overdue" if prepared.pop("overdue") else "not_overdue"] = True
            more |= days()
        ref = REF.fullmatch(prepared.get("search", ""))
        if "search" in prepared:
            prepared["search_or_ref" if ref else "search"] = tuple(words(prepared.pop("search")))
        if ref:
            more |= {"ref_key": ref[1].upper(), "ref_number": int(ref[2])}
        return prepared, more

    def dialect(self) -> str:
        """Which database it is for: SQLite has no LATERAL."""
        return "postgresql" if is_on_postgresql() else "sqlite"

    def build(self, params: tuple[Param, ...], sort: tuple[SortKey, ...], dialect: str) -> AnySelect:
        """The statement for a form of question."""
        named = {param.name: param for param in params}
        project = named.pop("project_id", None)
        is_lateral = dialect == "postgresql"
        if named.keys() <= _WALKED:
            keys, conditions = select(*self.keys(sort)), self._conditions(named)
            there = among(Task.project_id, select(_VISIBLE.c.id))
            if not is_lateral and project and not project.many:
                there = project.equals(Task.project_id) & select(_VISIBLE.c.id).exists()
            total = self.total(there & conditions if named else None)
            if is_lateral:
                of_project = keys.where(Task.project_id == _VISIBLE.c.id, conditions)
                # A project's numbers differ, so that its index alone orders by them.
                is_total = any(name == "number" for name, _ in sort)
                keys = _in_each(first_rows(of_project, sort, "reach", is_total=is_total))
            else:
                keys = keys.where(there, conditions)
        else:
            within = self._matching(named, sort)
            # OFFSET 0 keeps PostgreSQL from beginning at the tasks and asking afterwards whose they are.
            within = _in_each(within.offset(literal_column("0"))) if is_lateral else within
            matched = within.cte("matched")
            total = select(func.count()).select_from(matched)
            keys = select(*matched.c)
        page = first_rows(keys, sort, "limit").offset(bindparam("offset", type_=Integer()))
        return self.assemble(total.scalar_subquery(), page, sort).add_cte(_visible(project))

    def _matching(self, named: Mapping[str, Param], sort: tuple[SortKey, ...]) -> AnySelect:
        """The keys of all tasks of a project that the filters leave."""
        if set(named) == {"search"} and {name for name, _ in sort} == {"created_at"}:  # The words alone know all of this.
            return _found(named["search"], TaskWords.task_id.label("row_key"), TaskWords.created_at)
        # With coalesce() PostgreSQL begins at the words or the tags, which leave less than an index of projects. Where a
        # person is asked for, it would hide the project from their index, and all their tasks be read for each project.
        is_sought = not _SOUGHT.isdisjoint(named) and _PERSONAL.isdisjoint(named)
        project_id = func.coalesce(Task.project_id, Task.project_id) if is_sought else Task.project_id
        return select(*self.keys(sort)).where(project_id == _VISIBLE.c.id, self._conditions(named))

    def _conditions(self, named: Mapping[str, Param]) -> ColumnElement[bool]:
        return and_(true(), *(self.filters[name](param) for name, param in named.items()))

    def total(self, where: ColumnElement[bool] | None) -> AnySelect:
        """How many tasks there are; the projects know how many they have in all."""
        if where is not None:
            return select(func.count()).select_from(Task).where(where)
        mine = among(Project.id, select(_VISIBLE.c.id))
        return select(func.coalesce(func.sum(Project.task_count), literal_column("0"))).where(mine)


def _visible(asked: Param | None) -> CTE:
    """The projects that the caller sees, or those of them that are asked for."""
    if asked is None:
        return projects_of().cte("visible")
    seen = role_in(Project.id, Project.owner_id) > NO_ROLE
    return select(Project.id).where(asked.equals(Project.id), seen).cte("visible")


def _in_each(tasks: AnySelect) -> AnySelect:
    """These tasks of each visible project."""
    of_project = tasks.correlate(_VISIBLE).lateral("of_project")
    return select(*of_project.c).select_from(_VISIBLE.join(of_project, true()))


def _ids(values: list[str], me: str) -> list[str]:
    return list(dict.fromkeys(me if value == "me" else value for value in values))


def _listing(*, parent: ColumnElement[bool] | None) -> TaskListing:
    return TaskListing(
        SHAPE,
        table_of(Task),
        query=TaskQuery(),
        key=Task.id,
        sorts=_sorts,
        default_sort=(("created_at", True),),
        filters=_filters,
        parent=parent,
    )


TASKS = _listing(parent=None)
TASKS_OF_PROJECT = _listing(parent=role_in_id(PROJECT_ID) > NO_ROLE)
