"""Projects and their members."""

from datetime import datetime
from enum import IntEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import taken
from ..core.models import Base, Record
from ..core.types import Choice, Id, UtcDateTime, sortable


class Role(IntEnum):
    """What someone may do in a project; each role may do all that those before it may."""

    viewer = 0
    member = 1
    admin = 2
    owner = 3


class Project(Record):
    """A project; its tasks and tags belong to it alone."""

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint(
            "owner_id", "key", name=taken("uq_projects_owner_id_key", "key_taken", "The owner has a project with this key.")
        ),
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("length(key) BETWEEN 2 AND 10", name="key_length"),
        CheckConstraint("length(description) <= 5000", name="description_length"),
        CheckConstraint("length(color) = 7", name="color_length"),
        CheckConstraint("NOT is_inbox OR archived_at IS NULL", name="inbox_is_open"),
        # One inbox for each user, and the way to find it.
        Index("uq_projects_inbox", "owner_id", unique=True, postgresql_where=text("is_inbox"), sqlite_where=text("is_inbox")),
    )

    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    key: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(sortable(100))
    description: Mapped[str] = mapped_column(String(5000), default="")
    color: Mapped[str] = mapped_column(String(7), default="#6b7280")
    is_inbox: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The number of the newest task; counting up locks the row, so no number is given twice.
    last_number: Mapped[int] = mapped_column(default=0)
    # How many tasks there are, so that nobody who asks for all of theirs has them counted.
    task_count: Mapped[int] = mapped_column(default=0, server_default="0")
    # The words of name, key and description, each with a space before it, for searching by their beginnings.
    words: Mapped[str] = mapped_column(Text, default="")


class ProjectMember(Base):
    """That a user belongs to a project, besides its owner."""

    __tablename__ = "project_members"
    __table_args__ = (
        CheckConstraint("role BETWEEN 0 AND 2", name="role_known"),
        Index(None, "user_id", "project_id", "role"),
    )

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(Choice(Role))


class ProjectTeam(Base):
    """That a team belongs to a project, with all its users."""

    __tablename__ = "project_teams"
    __table_args__ = (
        CheckConstraint("role BETWEEN 0 AND 2", name="role_known"),
        Index(None, "team_id", "project_id", "role"),
    )

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    team_id: Mapped[str] = mapped_column(Id, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(Choice(Role))
