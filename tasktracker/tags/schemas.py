"""What goes into and comes out of the tags' routes."""

from marshmallow import fields as ma
from marshmallow import validate
from marshmallow_sqlalchemy import auto_field

from ..core import fields
from ..core.schemas import Answer, Input, InputMeta, PageQuery
from ..projects.schemas import Color
from .models import Tag


class TagBrief(Answer):
    """A tag as it stands on a task."""

    id = fields.Id()
    name = fields.Text(metadata={"example": "bug"})
    color = fields.Text(metadata={"example": "#dc2626"})


class TagSchema(Answer):
    """A tag."""

    id = fields.Id()
    project_id = fields.Id()
    name = fields.Text(metadata={"example": "bug"})
    color = fields.Text(metadata={"example": "#dc2626"})
    task_count = ma.Integer(metadata={"example": 3})
    created_at = fields.Moment()
    updated_at = fields.Moment()


class ProjectTagCreate(Input):
    """A new tag in the project of the URL."""

    class Meta(InputMeta):
        model = Tag

    name = auto_field(required=True, validate=validate.Length(1, 50), metadata={"example": "bug"})
    color = Color(metadata={"example": "#dc2626"})


class TagCreate(ProjectTagCreate):
    """A new tag."""

    class Meta(InputMeta):
        model = Tag

    project_id = auto_field(required=True)


class TagChange(Input):
    """What can be changed of a tag."""

    class Meta(InputMeta):
        model = Tag

    name = auto_field(required=False, validate=validate.Length(1, 50), metadata={"example": "defect"})
    color = Color(metadata={"example": "#b91c1c"})


class ProjectTagQuery(PageQuery):
    """Which tags of a project."""

    search = fields.Search(metadata={"description": "Every word begins a word of the name.", "example": "bug"})


class TagQuery(ProjectTagQuery):
    """Which tags."""

    project_id = fields.Id(metadata={"description": "Only tags of this project."})
