"""Tasks."""

from datetime import date, datetime
from enum import IntEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..core.models import Record
from ..core.types import Choice, Id, UtcDateTime, Words, sortable


class Status(IntEnum):
    """How far a task is, in the order in which tasks are sorted by it."""

    todo = 0
    in_progress = 1
    in_review = 2
    done = 3
    cancelled = 4


class Priority(IntEnum):
    """How much a task matters, in the order in which tasks are sorted by it."""

    none = 0
    low = 1
    medium = 2
    high = 3
    urgent = 4


COMPLETED = frozenset({Status.done.name, Status.cancelled.name})


class Task(Record):
    """A task of a project."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        CheckConstraint("length(title) BETWEEN 1 AND 200", name="title_length"),
        CheckConstraint("length(description) <= 20000", name="description_length"),
        CheckConstraint("status BETWEEN 0 AND 4", name="status_known"),
        CheckConstraint("priority BETWEEN 0 AND 4", name="priority_known"),
        CheckConstraint("start_date <= due_date", name="dates_in_order"),
        CheckConstraint("(completed_at IS NOT NULL) = (status >= 3)", name="completed_when_done"),
        # One project's pages: of one status, and in the order of each sort.
        Index(None, "project_id", "status", "created_at", "id"),
        Index(None, "project_id", "created_at", "id"),
        Index(None, "project_id", "updated_at", "id"),
        Index(None, "project_id", "due_date", "id"),
        Index(None, "project_id", "priority", "id"),
        Index(None, "project_id", "title", "id"),
        # The pages of all projects by status and priority, counted and sorted from the index alone.
        Index(None, "status", "priority", "project_id", "due_date", "id"),
        Index(None, "assigned_to_id", "status"),
        Index(None, "created_by_id"),
        # SQLite searches in the table tasks_search.
        Index("ix_tasks_words", "words", postgresql_using="gin").ddl_if(dialect="postgresql"),
    )

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("projects.id", ondelete="CASCADE"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(sortable(200))
    description: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(Choice(Status), default="todo")
    priority: Mapped[str] = mapped_column(Choice(Priority), default="none")
    assigned_to_id: Mapped[str | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    created_by_id: Mapped[str | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    due_date: Mapped[date | None]
    start_date: Mapped[date | None]
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    words: Mapped[str] = mapped_column(Words, default="")
