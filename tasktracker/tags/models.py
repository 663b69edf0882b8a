"""Tags and the tasks that have them."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import taken
from ..core.models import Base, Record
from ..core.types import Id, sortable


class Tag(Record):
    """A word that groups tasks of a project."""

    __tablename__ = "tags"
    __table_args__ = (
        UniqueConstraint(
            "project_id",
            "name_key",
            name=taken("uq_tags_project_id_name_key", "tag_name_taken", "The project has a tag with this name."),
        ),
        CheckConstraint("length(name) BETWEEN 1 AND 50", name="name_length"),
        CheckConstraint("length(color) = 7", name="color_length"),
        Index(None, "project_id", "name", "id"),
    )

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("projects.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sortable(50))
    # The name without the difference of letter case, as it must be unique and is sought.
    name_key: Mapped[str] = mapped_column(Text)
    color: Mapped[str] = mapped_column(String(7), default="#6b7280")
    words: Mapped[str] = mapped_column(Text, default="")


class TaskTag(Base):
    """That a task has a tag."""

    __tablename__ = "task_tags"
    __table_args__ = (Index(None, "tag_id", "task_id"),)

    task_id: Mapped[str] = mapped_column(Id, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[str] = mapped_column(Id, ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
