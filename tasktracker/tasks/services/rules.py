"""What a task must fulfil, and what each change of it changes."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select

from ...accounts.access import CAN_LOG_IN
from ...accounts.models import User
from ...core.errors import Invalid
from ...core.types import AnyColumn, Id, Many, UtcDateTime, table_of
from ...projects.access import NO_ROLE, role_in_id
from ..models import Task

TASK_ID = bindparam("task", type_=Id())
WANTED = bindparam("tags", type_=Many(Id()))
_ASSIGNEE = bindparam("assignee", type_=Id())
CHANGED = {"version": table_of(Task).c.version + 1, "updated_at": bindparam("moment", type_=UtcDateTime())}


def can_be_assigned(project: AnyColumn) -> ColumnElement[bool]:
    """Whether the assignee sees a project and can log in."""
    can_log_in = select(User.id).where(User.id == _ASSIGNEE, CAN_LOG_IN).exists()
    return and_(role_in_id(project, _ASSIGNEE) > NO_ROLE, can_log_in)


def check_dates(start: date | None, due: date | None, sent: Mapping[str, Any]) -> None:
    """Refuses a start after the due date, at the field that was sent.

    Raises:
        Invalid: it is.
    """
    if start is not None and due is not None and start > due:
        at = "/start_date" if "start_date" in sent else "/due_date"
        raise Invalid.field(at, "start_date is after due_date.")


def bad_assignee() -> Invalid:
    """Says that somebody cannot be assigned."""
    return Invalid.field("/assigned_to_id", "Not a user who can see the project.")


def bad_tags() -> Invalid:
    """Says that a task cannot have these tags."""
    return Invalid.field("/tag_ids", "Not all of these are tags of the project.")
