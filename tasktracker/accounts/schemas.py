"""What goes into and comes out of the accounts' routes."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from marshmallow import ValidationError, validate
from marshmallow import fields as ma

from ..core import fields
from ..core.schemas import Answer, Input, InputMeta
from .models import TeamRole, User

USERNAME = validate.Regexp(r"^[a-z0-9._-]{3,32}\Z", error="Not 3 to 32 of a-z, 0-9, '.', '_' and '-'.")


@cache
def _time_zones() -> frozenset[str]:
    # These two are no places: what they mean depends on the machine.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def check_time_zone(name: str) -> None:
    """Refuses what is not a name of the IANA time zone database."""
    if name not in _time_zones():
        raise ValidationError("Not a time zone such as Europe/Berlin.")


class Username(fields.Text):
    """A username, kept in lower case."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        return text.lower() if text.isascii() else text


class UserBrief(Answer):
    """As much of a user as others see."""

    id = fields.Id()
    username = fields.Text(metadata={"example": "ada"})
    display_name = fields.Text(metadata={"example": "Ada Lovelace"})


class MyTeam(Answer):
    """A team that I belong to."""

    id = fields.Id()
    name = fields.Text(metadata={"example": "Platform"})
    role = fields.Choice(TeamRole)


class MeSchema(Answer):
    """My own profile."""

    id = fields.Id()
    email = ma.Email(metadata={"example": "ada@example.com"})
    username = fields.Text(metadata={"example": "ada"})
    display_name = fields.Text(metadata={"example": "Ada Lovelace"})
    timezone = fields.Text(metadata={"example": "Europe/London"})
    email_verified = fields.Flag()
    is_admin = fields.Flag()
    created_at = fields.Moment()
    teams = ma.List(ma.Nested(MyTeam))


class MeChange(Input):
    """What I may change of my profile."""

    class Meta(InputMeta):
        model = User

    display_name = fields.Text(validate=validate.Length(1, 100), metadata={"example": "Ada King"})
    timezone = fields.Text(validate=check_time_zone, metadata={"example": "Europe/London", "maxLength": 64})
    username = Username(validate=USERNAME, metadata={"example": "ada.king", "pattern": "^[A-Za-z0-9._-]{3,32}$"})


class LoginSchema(Input):
    """A username or an address, and the password."""

    username = fields.Text(required=True, validate=validate.Length(1, 254), metadata={"example": "demo"})
    password = fields.Password(
        required=True,
        validate=validate.Length(1, 1024),
        metadata={"example": "demo-password-please-change", "format": "password"},
    )


class RefreshSchema(Input):
    """A refresh token."""

    refresh_token = fields.Text(required=True, validate=validate.Length(1, 4096), metadata={"example": "eyJhbGciOi..."})


class TokensSchema(Answer):
    """A pair of tokens. The access token goes into the header `Authorization: Bearer ...`."""

    access_token = ma.String(metadata={"example": "eyJhbGciOi..."})
    refresh_token = ma.String(metadata={"example": "eyJhbGciOi..."})
    token_type = ma.String(metadata={"enum": ["Bearer"], "example": "Bearer"})
    expires_in = ma.Integer(metadata={"description": "Seconds that the access token lives.", "example": 900})
    refresh_expires_in = ma.Integer(metadata={"description": "Seconds that the refresh token lives.", "example": 1209600})
    user = ma.Nested(MeSchema)
