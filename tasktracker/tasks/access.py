"""Who may do what with a task: the roles of its project decide."""

from typing import Any

from sqlalchemy import Row, bindparam, select

from ..core.database import session
from ..core.errors import NotFound
from ..core.reading import Statement
from ..core.types import Id, table_of
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
_LOCK = _found.add_columns(
    *(column for column in table_of(Task).c if column.name not in ("project_id", "created_by_id", "words")),
    Project.archived_at,
).with_for_update(of=Task)


def _check(user_id: str, row: Row[Any] | None, to: str) -> Row[Any]:
    if row is None:
        raise NotFound
    if to == "delete_task":
        to = "delete_own_task" if row.created_by_id == user_id else "delete_any_task"
    projects.check(Role(row.role), to)
    return row


def find(user_id: str, task_id: str, *, to: str = "read") -> Row[Any]:
    """The task's `project_id`, if the user may do this with it.

    Raises:
        NotFound: the task does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    return _check(user_id, _FIND.first(me=user_id, task=task_id), to)


def lock(user_id: str, task_id: str, *, to: str) -> Row[Any]:
    """The task, locked against other changes, with its project's `archived_at`.

    Raises:
        NotFound: the task does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    connection, values = session().connection(), {"me": user_id, "task": task_id}
    row = connection.execute(_LOCK, values).one_or_none()
    # Where it waited for a move, PostgreSQL held the moved task against the project it came from and found nothing.
    return _check(user_id, row or connection.execute(_LOCK, values).one_or_none(), to)
