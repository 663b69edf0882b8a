"""Who may do what with a task: the roles of its project decide."""

from typing import Any

from sqlalchemy import ColumnElement, bindparam, select

from ..core.errors import NotFound
from ..core.statement import Row, Statement
from ..core.types import AnyColumn, Id, table_of
from ..projects import access as projects
from ..projects.access import NO_ROLE, role_in
from ..projects.models import Project, Role
from .models import Task

_role = role_in(Project.id, Project.owner_id)
_found = (
    select(Task.project_id, Task.created_by_id, _role.label("role"))
    .join(Project, Project.id == Task.project_id)
    .where(Task.id == bindparam("task", type_=Id()), _role > NO_ROLE)
)
_FIND = Statement(_found)
_project = table_of(Project).alias()


def may_change(project_id: AnyColumn) -> ColumnElement[bool]:
    """For a statement that changes a task of this project: the caller may, and the project is open."""
    return (
        select(_project.c.id)
        .where(_project.c.id == project_id, _project.c.archived_at.is_(None))
        .where(role_in(_project.c.id, _project.c.owner_id) >= projects.NEEDED["update_task"].value)
        .exists()
    )


MAY_CHANGE = may_change(Task.project_id)


def locking(*judged: ColumnElement[Any]) -> Statement:
    """Locks a task and gives it, with its project's `archived_at` and what else it is judged by."""
    its_own = [column for column in table_of(Task).c if column.name not in ("project_id", "created_by_id")]
    return Statement(_found.add_columns(*its_own, Project.archived_at, *judged).with_for_update(of=Task))


_LOCK = locking()


def _check(user_id: str, row: Row | None, to: str) -> Row:
    if row is None:
        raise NotFound
    if to == "delete_task":
        to = "delete_own_task" if row.created_by_id == user_id else "delete_any_task"
    projects.check(Role(row.role), to)
    return row


def find(user_id: str, task_id: str, *, to: str = "read") -> Row:
    """The task's `project_id`, if the user may do this with it.

    Raises:
        NotFound: the task does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    return _check(user_id, _FIND.first(me=user_id, task=task_id), to)


def lock(user_id: str, task_id: str, *, to: str, how: Statement = _LOCK, **judged: Any) -> Row:
    """The task, locked against other changes, with its project's `archived_at`.

    Args:
        user_id: who wants to.
        task_id: the task.
        to: what they want.
        how: what else is given, see `locking`.
        judged: the values that this needs.

    Raises:
        NotFound: the task does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    values = {"me": user_id, "task": task_id, **judged}
    # Where it waited for a move, PostgreSQL held the moved task against the project it came from and found nothing.
    return _check(user_id, how.first(**values) or how.first(**values), to)
