"""What happens to tasks because something happens elsewhere."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from ...core import endings, events
from ...core.models import now
from ...core.sql import among
from ...core.statement import Statement
from ...core.types import Id, Many, table_of
from ...projects.access import ME, NO_ROLE, role_in_id
from ...projects.models import Project
from ...tags.models import TaskTag
from ..models import Task
from .rules import CHANGED

_tasks, _projects = table_of(Task), table_of(Project)
_TAKE_OFF = Statement(
    update(_tasks)
    .where(among(_tasks.c.project_id, bindparam("projects", type_=Many(Id()))), _tasks.c.assigned_to_id.is_not(None))
    .where(role_in_id(_tasks.c.project_id, _tasks.c.assigned_to_id) == NO_ROLE)
    .values(assigned_to_id=None, **CHANGED),
    is_long=True,
)
# Of someone whose account ends, in projects that stay: they see none of them any more.
_ends_with_account = select(_projects.c.id).where(_projects.c.id == _tasks.c.project_id, _projects.c.owner_id == ME).exists()
endings.of_account.append(
    endings.Ending(
        [update(_tasks).where(_tasks.c.assigned_to_id == ME, ~_ends_with_account).values(assigned_to_id=None, **CHANGED)]
    )
)
_tagged = select(TaskTag.task_id).where(TaskTag.tag_id == bindparam("tag", type_=Id()))
_LOSE_TAG = Statement(update(_tasks).where(among(_tasks.c.id, _tagged)).values(CHANGED), is_long=True)


@events.sight_lost.connect
def take_off_tasks(_: object, *, project_ids: Sequence[str]) -> None:
    """Takes whoever cannot see a project any more off the tasks assigned to them there."""
    _TAKE_OFF.rows(projects=project_ids, moment=now())


@events.tag_deleting.connect
def count_lost_tag(_: object, *, tag_id: str) -> None:
    """A task that loses a tag has changed."""
    _LOSE_TAG.rows(tag=tag_id, moment=now())
