"""Tasks."""

from datetime import date, datetime
from enum import IntEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..core.models import Base, Record
from ..core.sql import word_vector
from ..core.types import Choice, Id, UtcDateTime, sortable


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
        # With the id, which is all that a page in the order of numbers needs of a task that is not on it.
        UniqueConstraint("project_id", "number", postgresql_include=["id"]),
        CheckConstraint("length(title) BETWEEN 1 AND 200", name="title_length"),
        CheckConstraint("length(description) <= 20000", name="description_length"),
        CheckConstraint("status BETWEEN 0 AND 4", name="status_known"),
        CheckConstraint("priority BETWEEN 0 AND 4", name="priority_known"),
        CheckConstraint("start_date <= due_date", name="dates_in_order"),
        CheckConstraint("(completed_at IS NOT NULL) = (status >= 3)", name="completed_when_done"),
        # One project's pages: of one status, and in the order of each sort. Where the time of making stands behind the id,
        # it is there for the usual order of the page: what such an index finds is sorted without looking at the tasks.
        Index(None, "project_id", "status", "created_at", "id"),
        Index(None, "project_id", "created_at", "id"),
        Index(None, "project_id", "updated_at", "id", "created_at"),
        Index(None, "project_id", "due_date", "id", "created_at"),
        Index(None, "project_id", "priority", "id"),
        Index(None, "project_id", "status", "id"),
        Index(None, "project_id", "title", "id"),
        # What is asked by status, priority and day is counted from the index alone, as the open tasks of a project are.
        Index(None, "project_id", "status", "priority", "due_date", "id", "created_at"),
        # Of one person, but never beyond the projects that the caller sees.
        Index(None, "assigned_to_id", "project_id", "created_at", "id"),
        Index(None, "created_by_id", "project_id", "created_at", "id"),
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


# Nulls are last in both directions, so PostgreSQL cannot read the index of the one backwards for the other; SQLite can.
Index("ix_tasks_project_id_due_date_desc", Task.project_id, Task.due_date.desc().nulls_last(), Task.id.desc()).ddl_if(
    dialect="postgresql"
)


class TaskWords(Base):
    """The words that a task is found by, with what it takes to count and sort what was found.

    They stand apart from the task: whoever searches reads short rows, and a task that only changes its status leaves the
    index of words as it is.
    """

    __tablename__ = "task_words"

    # Deferred, as they are written along with the task, and on SQLite before it.
    task_id: Mapped[str] = mapped_column(
        Id, ForeignKey("tasks.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    project_id: Mapped[str] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Those of title and description, each with a space before it.
    words: Mapped[str] = mapped_column(Text)


# Of an expression: the words themselves, with their scopes, would make the rows twice as long. SQLite searches in the table
# task_words_search. A list of what is still to be put into the index would be read through for each project that is searched.
Index(
    "ix_task_words_words",
    word_vector(TaskWords.words, TaskWords.project_id),
    postgresql_using="gin",
    postgresql_with={"fastupdate": "off"},
).ddl_if(dialect="postgresql")


class ExternalId(Base):
    """What a task is called in the system that it was taken over from into a project.

    It stays with that project where the task moves on to another, so that the next import does not make it anew.
    """

    __tablename__ = "external_ids"
    __table_args__ = (UniqueConstraint("task_id", "project_id"),)

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    task_id: Mapped[str] = mapped_column(Id, ForeignKey("tasks.id", ondelete="CASCADE"))
