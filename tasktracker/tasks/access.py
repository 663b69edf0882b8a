"""Who may do what with a task: the roles of its project decide."""

from typing import Any

from sqlalchemy import Row, bindparam, select

from ..core.database import session
from ..core.errors import NotFound
from ..core.reading import Statement
from ..core.types import Id
from ..projects import access as projects
from ..projects.access import NO_ROLE, role_in
from ..projects.models import Project, Role
from .models import Task

_found = (
    select(Task.created_by_id, role_in(Project.id, Project.owner_id).label("role"))
    .join(Project, Project.id == Task.project_id)
    .where(Task.id == bindparam("task", type_=Id()))
)
_FIND = Statement(_found)
_LOCK = _found.add_columns(
    Task.project_id,
    Task.version,
    Task.title,
    Task.description,
    Task.status,
    Task.priority,
    Task.assigned_to_id,
    Task.due_date,
    Task.start_date,
    Project.archived_at,
).with_for_update(of=Task)


def _check(user_id: str, row: Row[Any] | None, to: str) -> None:
    role = None if row is None or row.role == NO_ROLE else Role(row.role)
    if row is not None and to == "delete_task":
        to = "delete_own_task" if row.created_by_id == user_id else "delete_any_task"
    projects.check(role, to)


def find(user_id: str, task_id: str, *, to: str = "read") -> None:
    """Checks what a user may do with a task.

    Raises:
        NotFound: the task does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    _check(user_id, _FIND.first(me=user_id, task=task_id), to)


def lock(user_id: str, task_id: str, *, to: str) -> Row[Any]:
    """The task, locked against other changes, with its project's `archived_at`.

    Raises:
        NotFound: the task does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    row = session().connection().execute(_LOCK, {"me": user_id, "task": task_id}).one_or_none()
    _check(user_id, row, to)
    if row is None:
        raise NotFound
    return row
