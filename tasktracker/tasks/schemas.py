"""What goes into and comes out of the tasks' routes."""

from marshmallow import fields as ma
from marshmallow import validate
from marshmallow_sqlalchemy import auto_field

from ..accounts.schemas import UserBrief
from ..core import fields
from ..core.schemas import Answer, Input, InputMeta, PageQuery
from ..tags.schemas import TagBrief
from .models import Priority, Status, Task

SORTS = ("created_at", "updated_at", "due_date", "priority", "status", "title", "number")


class TaskSchema(Answer):
    """A task."""

    id = fields.Id()
    project_id = fields.Id()
    number = ma.Integer(metadata={"example": 42})
    ref = fields.Text(metadata={"description": "The project's key and the number.", "example": "WEB-42"})
    title = fields.Text(metadata={"example": "Write the release notes"})
    description = fields.Text(metadata={"description": "Markdown.", "example": "For **1.0**."})
    status = fields.Choice(Status)
    priority = fields.Choice(Priority)
    assigned_to = ma.Nested(UserBrief, allow_none=True)
    created_by = ma.Nested(UserBrief, allow_none=True)
    due_date = fields.Day(allow_none=True)
    start_date = fields.Day(allow_none=True, metadata={"example": "2026-12-01"})
    completed_at = fields.Moment(allow_none=True, metadata={"example": None})
    tags = ma.List(ma.Nested(TagBrief))
    created_at = fields.Moment()
    updated_at = fields.Moment()


class TaskChange(Input):
    """What can be changed of a task."""

    class Meta(InputMeta):
        model = Task

    title = auto_field(required=False, validate=validate.Length(1, 200), metadata={"example": "Write the release notes"})
    description = fields.Text(
        multiline=True, validate=validate.Length(max=20_000), metadata={"description": "Markdown.", "example": "For **1.0**."}
    )
    status = fields.Choice(Status, metadata={"example": "in_progress"})
    priority = fields.Choice(Priority, metadata={"example": "high"})
    assigned_to_id = auto_field(metadata={"description": "Someone who can see the project."})
    due_date = auto_field()
    start_date = auto_field(metadata={"description": "Not after `due_date`.", "example": "2026-12-01"})
    tag_ids = fields.ListOf(fields.Id(), metadata={"description": "Tags of the project; all that the task shall have."})
    project_id = auto_field(
        required=False,
        metadata={"description": "Moves the task: it gets a new number and keeps the tags that the target has by name."},
    )


class ProjectTaskCreate(TaskChange):
    """A new task in the project of the URL."""

    class Meta(InputMeta):
        model = Task
        exclude = ("project_id",)

    title = auto_field(required=True, validate=validate.Length(1, 200), metadata={"example": "Write the release notes"})


class TaskCreate(ProjectTaskCreate):
    """A new task."""

    class Meta(InputMeta):
        model = Task

    project_id = auto_field(required=False, metadata={"description": "My inbox if not given."})


class ProjectTaskQuery(PageQuery):
    """Which tasks of a project; different filters must all match, of the values of one any."""

    status = fields.ListOf(fields.Choice(Status), metadata={"description": "Any of these."})
    priority = fields.ListOf(fields.Choice(Priority), metadata={"description": "Any of these."})
    assigned_to = fields.ListOf(fields.IdOr("me", "none"), metadata={"description": "Users' ids, `me` or `none`."})
    created_by = fields.ListOf(fields.IdOr("me"), metadata={"description": "Users' ids or `me`."})
    tag = fields.ListOf(
        fields.Text(validate=validate.Length(1, 50), metadata={"example": "bug"}),
        metadata={"description": "Tags' names, in any case of letters."},
    )
    tag_id = fields.ListOf(fields.Id(), metadata={"description": "Tags' ids."})
    due_before = fields.Day(metadata={"description": "Due before this day."})
    due_after = fields.Day(metadata={"description": "Due after this day.", "example": "2026-12-01"})
    overdue = fields.Flag(query=True, metadata={"description": "Due before today in my time zone, and not completed."})
    updated_since = fields.Moment(metadata={"description": "Changed at this time or later."})
    search = fields.Search(metadata={"description": "Every word begins a word of title or description; or a `ref`."})
    sort = fields.Sort(*SORTS, default="-created_at", metadata={"description": "A comma list; `-` for descending; nulls last."})


class TaskQuery(ProjectTaskQuery):
    """Which tasks; different filters must all match, of the values of one any."""

    project_id = fields.ListOf(fields.Id(), metadata={"description": "Projects' ids."})
