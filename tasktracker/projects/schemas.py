"""What goes into and comes out of the projects' routes."""

from typing import Any

from marshmallow import Schema, validate
from marshmallow import fields as ma
from marshmallow_sqlalchemy import auto_field

from ..accounts.schemas import UserBrief
from ..core import fields
from ..core.schemas import Answer, Input, InputMeta, PageQuery
from .models import Project, Role

COLOR = validate.Regexp(r"^#[0-9a-fA-F]{6}\Z", error="Not a color such as #1d4ed8.")
KEY = validate.Regexp(r"^[A-Z][A-Z0-9]{1,9}\Z", error="Not 2 to 10 of A-Z and 0-9 with a letter first.")


class Color(fields.Text):
    """A color, kept in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=COLOR, **fields.described(kwargs, example="#1d4ed8"))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).lower()


class ProjectSchema(Answer):
    """A project as the caller sees it."""

    id = fields.Id()
    key = fields.Text(metadata={"example": "WEB"})
    name = fields.Text(metadata={"example": "Website"})
    description = fields.Text(metadata={"example": "The public website."})
    color = fields.Text(metadata={"example": "#1d4ed8"})
    owner = ma.Nested(UserBrief)
    role = fields.Choice(Role, metadata={"description": "The caller's role.", "example": "owner"})
    is_inbox = fields.Flag()
    archived_at = fields.Moment(allow_none=True, metadata={"example": None})
    task_count = ma.Integer(metadata={"example": 12})
    open_task_count = ma.Integer(metadata={"example": 7})
    created_at = fields.Moment()
    updated_at = fields.Moment()


class ProjectCreate(Input):
    """A new project."""

    class Meta(InputMeta):
        model = Project

    name = auto_field(required=True, validate=validate.Length(1, 100), metadata={"example": "Website"})
    key = fields.Text(validate=KEY, metadata={"example": "WEB", "description": "Made from the name if not given."})
    description = fields.Text(multiline=True, validate=validate.Length(max=5000), metadata={"example": "The public website."})
    color = Color()


class ProjectChange(Input):
    """What can be changed of a project."""

    class Meta(InputMeta):
        model = Project

    name = auto_field(required=False, validate=validate.Length(1, 100), metadata={"example": "Website"})
    key = fields.Text(validate=KEY, metadata={"example": "WEB"})
    description = fields.Text(multiline=True, validate=validate.Length(max=5000), metadata={"example": "The public website."})
    color = Color()
    archived = fields.Flag(metadata={"description": "Owner only."})
    owner_id = fields.Id(metadata={"description": "Hand the project over to this member; owner only."})


class ProjectQuery(PageQuery):
    """Which projects."""

    search = fields.Search(metadata={"description": "Every word begins a word of name, key or description."})
    archived = fields.Flag(query=True, load_default=False, metadata={"description": "Archived ones instead.", "default": False})
    role = fields.Choice(Role, metadata={"description": "Where I have this role."})
    owner = fields.IdOr("me", metadata={"description": "An owner's id, or `me`."})
    sort = fields.Sort(
        "name", "created_at", "updated_at", default="name", metadata={"description": "A comma list; `-` for descending."}
    )


class PeopleQuery(PageQuery):
    """Which people."""

    search = fields.Search(
        wordless="[._-]{3,32}",  # A username may be of signs alone.
        metadata={
            "description": "Every word begins a word of username or display name; or the username of anyone, in full.",
            "example": "ada",
        },
    )


class MembershipChange(Input):
    """The role to give."""

    role = fields.Choice(Role, without=("owner",), required=True, metadata={"example": "member"})


class TeamBrief(Schema):
    """A team by name."""

    id = fields.Id(required=True)
    name = fields.Text(required=True, metadata={"example": "Platform"})


class Via(Answer):
    """One of the ways in which someone belongs to a project."""

    kind = ma.String(metadata={"enum": ["owner", "direct", "team"], "example": "direct"})
    role = fields.Choice(Role)
    team = ma.Nested(TeamBrief, allow_none=True, metadata={"example": None})


class MemberSchema(Answer):
    """A user in a project."""

    user = ma.Nested(UserBrief)
    role = fields.Choice(Role)
    via = ma.List(ma.Nested(Via))


class TeamSize(TeamBrief):
    """A team by name and size."""

    member_count = ma.Integer(required=True, metadata={"example": 5})


class ProjectTeamSchema(Answer):
    """A team in a project."""

    team = ma.Nested(TeamSize)
    role = fields.Choice(Role)
