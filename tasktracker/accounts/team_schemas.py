"""What goes into and comes out of the routes of teams."""

from marshmallow import fields as ma
from marshmallow import validate
from marshmallow_sqlalchemy import auto_field

from ..core import fields
from ..core.schemas import Answer, Input, InputMeta
from .models import Team, TeamRole
from .schemas import UserBrief


class TeamSchema(Answer):
    """A team as the caller sees it."""

    id = fields.Id()
    name = fields.Text(metadata={"example": "Platform"})
    description = fields.Text(metadata={"example": "Whoever keeps the servers up."})
    role = fields.Choice(TeamRole, metadata={"description": "The caller's role.", "example": "admin"})
    member_count = ma.Integer(metadata={"example": 5})
    created_at = fields.Moment()
    updated_at = fields.Moment()


class TeamCreate(Input):
    """A new team."""

    class Meta(InputMeta):
        model = Team

    name = auto_field(required=True, validate=validate.Length(1, 100), metadata={"example": "Platform"})
    description = fields.Text(
        multiline=True, validate=validate.Length(max=5000), metadata={"example": "Whoever keeps the servers up."}
    )


class TeamChange(TeamCreate):
    """What can be changed of a team."""

    name = auto_field(required=False, validate=validate.Length(1, 100), metadata={"example": "Platform"})


class TeamMemberSchema(Answer):
    """A user in a team."""

    user = ma.Nested(UserBrief)
    role = fields.Choice(TeamRole)


class TeamMembershipChange(Input):
    """The role to give."""

    role = fields.Choice(TeamRole, required=True)
