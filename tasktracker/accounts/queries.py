"""How users are read."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, and_, bindparam, or_, select

from ..core.reading import Listing, One, Shape, Statement
from ..core.schemas import PageQuery
from ..core.sql import json_list, json_object
from ..core.types import AnyColumn, Id, UtcDateTime, table_of
from .models import Session, Team, TeamMember, User
from .schemas import MeSchema, SessionSchema

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
ID_OF = Statement(
    select(User.id).where(or_(User.username == _name, and_(User.email_key == _name, User.activated_at.is_not(None))))
)
CREDENTIALS = Statement(
    select(User.password_hash, User.username, User.email, User.activated_at, User.disabled_at, User.email_verified_at).where(
        User.id == ME
    )
)

_TIME_ZONE = Statement(select(User.timezone).where(User.id == ME))


def today_of(user_id: str) -> date:
    """The day that it is for a user, in their time zone."""
    row = _TIME_ZONE.first(me=user_id)
    return datetime.now(ZoneInfo(row.timezone if row else "UTC")).date()


_session_columns: dict[str, AnyColumn] = {
    "id": Session.id,
    "created_at": Session.created_at,
    "last_used_at": Session.last_used_at,
    "ip_address": Session.ip_address,
    "user_agent": Session.user_agent,
    "current": Session.id == bindparam("session", type_=Id()),
}
SESSIONS = Listing(
    Shape(SessionSchema, _session_columns),
    table_of(Session),
    query=PageQuery(),
    key=Session.id,
    # What has neither ended nor expired, and can still be refreshed.
    visible=and_(
        Session.user_id == ME,
        Session.revoked_at.is_(None),
        Session.expires_at > bindparam("now", type_=UtcDateTime()),
        Session.last_used_at > bindparam("idle_since", type_=UtcDateTime()),
    ),
    sorts={"last_used_at": Session.last_used_at},
    default_sort=(("last_used_at", True),),
)
