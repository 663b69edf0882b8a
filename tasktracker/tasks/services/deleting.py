"""How a task is deleted."""

from sqlalchemy import delete, select, update

from ...core.database import Overtaken, transactional
from ...core.results import Expected
from ...core.statement import Statement
from ...core.types import table_of
from ...projects import access as projects
from ...projects.access import NEEDED, role_in
from ...projects.models import Project
from .. import access
from ..models import Task
from .rules import TASK_ID

_tasks, _projects = table_of(Task), table_of(Project)
_its_project = select(_tasks.c.project_id).where(_tasks.c.id == TASK_ID).scalar_subquery()
_COUNT_DOWN = Statement(
    update(_projects)
    .where(_projects.c.id == _its_project)
    .where(role_in(_projects.c.id, _projects.c.owner_id) >= NEEDED["delete_own_task"].value)
    .values(task_count=_projects.c.task_count - 1)
    .returning(_projects.c.id)
)
_DELETE = Statement(delete(_tasks).where(_tasks.c.id == TASK_ID))


@transactional
def delete_task(me: str, task_id: str, expected: Expected) -> None:
    """Deletes a task.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Conflict: `project_archived`.
    """
    counted = _count_down(me, task_id)
    task = access.lock(me, task_id, to="delete_task")
    if task.project_id != counted:
        raise Overtaken
    expected.check(task.version)
    projects.check_open(task.archived_at)
    _DELETE.rows(task=task_id)


def _count_down(me: str, task_id: str) -> str | None:
    """Takes a task off the count of its project, which is locked from here on; gives the project's id.

    Nobody waits there for what they may not change: then nothing is counted, and locking the task says why.
    """
    row = _COUNT_DOWN.first(me=me, task=task_id)
    return row.id if row else None
