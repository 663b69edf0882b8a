"""How users are read."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, bindparam, or_, select

from ..core.reading import One, Shape, Statement
from ..core.sql import json_list, json_object
from ..core.types import AnyColumn, Id, table_of
from .models import Team, TeamMember, User
from .schemas import MeSchema

ME = bindparam("me", type_=Id())


def brief(user: Any) -> ColumnElement[Any]:
    """A user as others see them, as JSON."""
    return json_object(id=user.id, username=user.username, display_name=user.display_name)


_my_teams = (
    select(json_object(id=Team.id, name=Team.name, role=TeamMember.role))
    .join(TeamMember, TeamMember.team_id == Team.id)
    .where(TeamMember.user_id == User.id)
    .order_by(Team.name, Team.id)
    .correlate(User)
)
_columns: dict[str, AnyColumn] = {
    "id": User.id,
    "email": User.email,
    "username": User.username,
    "display_name": User.display_name,
    "timezone": User.timezone,
    "email_verified": User.email_verified_at.is_not(None),
    "is_admin": User.is_admin,
    "created_at": User.created_at,
    "teams": json_list(_my_teams),
}
PROFILE = One(Shape(MeSchema, _columns, User.version), table_of(User), User.id == ME)


# A username has no "@", so a name finds one user at most.
_name = bindparam("name", type_=String())
CREDENTIALS = Statement(
    select(User.id, User.password_hash, User.disabled_at, User.email_verified_at).where(
        or_(User.username == _name, User.email_key == _name)
    )
)

_TIME_ZONE = Statement(select(User.timezone).where(User.id == ME))


def today_of(user_id: str) -> date:
    """The day that it is for a user, in their time zone."""
    row = _TIME_ZONE.first(me=user_id)
    return datetime.now(ZoneInfo(row.timezone if row else "UTC")).date()
