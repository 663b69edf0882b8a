"""What every table of a resource has: an id, its times and its version."""

from datetime import UTC, datetime

import uuid_utils
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from ..extensions import Base
from .types import Id, UtcDateTime


def new_id() -> str:
    """A UUID version 7 (RFC 9562): ids of later rows sort after those of earlier ones."""
    return str(uuid_utils.uuid7())


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


def _created_at(context: DefaultExecutionContext) -> datetime:
    return context.get_current_parameters()["created_at"]


class Record(Base):
    """A resource with a life of its own."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_created_at)
    # Counts the changes of the resource's own fields and links; the first part of its ETag.
    version: Mapped[int] = mapped_column(default=1)

    def change(self, **values: object) -> bool:
        """Sets what differs and counts it as one change; false if nothing differs.

        The row must be locked, so that no other writer can come between.
        """
        changed = {name: value for name, value in values.items() if getattr(self, name) != value}
        for name, value in changed.items():
            setattr(self, name, value)
        if changed:
            self.version += 1
            self.updated_at = now()
        return bool(changed)
