"""How users are read."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from time import time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Date, String, Text, and_, bindparam, case, or_, select, type_coerce
from sqlalchemy.orm import aliased

from ..core.reading import Listing, One, Shape
from ..core.schemas import PageQuery
from ..core.sql import among, is_known, json_list, json_object
from ..core.statement import Statement
from ..core.types import AnyColumn, Id, JsonText, Many, UtcDateTime, table_of
from .access import ME
from .models import MailedToken, Session, Team, TeamMember, User
from .schemas import MeSchema, SessionSchema, time_zones

_QUARTER = 15 * 60


def brief(user: Any) -> ColumnElement[Any]:
    """A user as others see them, as JSON."""
    return json_object(id=user.id, username=user.username, display_name=user.display_name)


def brief_of(user_id: AnyColumn) -> ColumnElement[Any]:
    """A user by their id, as others see them, as JSON; null where there is none."""
    return type_coerce(_of(user_id, brief), JsonText())


def username_of(user_id: AnyColumn) -> ColumnElement[str]:
    """The username of a user."""
    return _of(user_id, attrgetter("username"))


def _of(user_id: AnyColumn, what: Callable[[Any], ColumnElement[Any]]) -> ColumnElement[Any]:
    # Looked up for each row: joined, users would be read as a whole where most teams are large.
    user = aliased(User)
    return select(what(user)).where(user.id == user_id).correlate_except(user).scalar_subquery()


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
    "email_verified": is_known(User.email_verified_at),
    "is_admin": User.is_admin,
    "created_at": User.created_at,
    "teams": json_list(_my_teams),
}
PROFILE_SHAPE = Shape(MeSchema, _columns, User.version)
PROFILE_RETURNED = select(*PROFILE_SHAPE.returned).select_from(table_of(User))
PROFILE = One(PROFILE_SHAPE, table_of(User), User.id == ME)


def _places(address: AnyColumn, user_id: AnyColumn) -> ColumnElement[Any]:
    """Where a user has been, as a JSON list of objects."""
    places = select(json_object(address=address)).where(user_id == User.id, address.is_not(None)).distinct().correlate(User)
    return type_coerce(json_list(places), Text())


_credentials = select(
    User.id, User.password_hash, User.username, User.email, User.activated_at, User.disabled_at, User.email_verified_at
)
CREDENTIALS = Statement(_credentials.where(User.id == ME))
# A username has no "@", so a name finds one user at most.
_name = bindparam("name", type_=String())
ACCOUNT = Statement(
    _credentials.add_columns(
        _places(Session.ip_address, Session.user_id).label("logged_in_from"),
        _places(MailedToken.used_from, MailedToken.user_id).label("used_tokens_from"),
    ).where(or_(User.username == _name, and_(User.email_key == _name, User.activated_at.is_not(None))))
)
# An account that is still as it was judged: hashing takes too long to be done under a lock. Whoever disables it or changes
# its password ends its sessions and what was asked for; what begins meanwhile would be forgotten.
UNCHANGED = and_(User.id == ME, User.password_hash == bindparam("judged_hash", type_=String()), User.disabled_at.is_(None))

# The day that it is for the caller, in their time zone; its values are `days()`. As a query of its own it is found once, and
# not for each row that is compared with it, which would look through the names of the zones each time.
TODAY: ColumnElement[date] = (
    select(
        case(
            (among(User.timezone, bindparam("zones_ahead", type_=Many(String()))), bindparam("day_after", type_=Date())),
            (among(User.timezone, bindparam("zones_behind", type_=Many(String()))), bindparam("day_before", type_=Date())),
            else_=bindparam("day", type_=Date()),
        )
    )
    .where(User.id == ME)
    .scalar_subquery()
)


def days() -> dict[str, Any]:
    """What `TODAY` is found by: the day in UTC, and in which time zones it is another one.

    So the caller's day needs no statement of its own, and a database with another edition of the time zones none of them.
    """
    return _days(int(time() // _QUARTER))


@lru_cache(maxsize=1)
def _days(quarter: int) -> dict[str, Any]:
    """Midnights are on a quarter of an hour in all time zones, so nothing changes within one. It takes 30 ms."""
    moment = datetime.fromtimestamp(quarter * _QUARTER, UTC)
    today = moment.date()
    of_zone = {name: moment.astimezone(ZoneInfo.no_cache(name)).date() for name in time_zones()}
    return {
        "day": today,
        "day_after": today + timedelta(days=1),
        "day_before": today - timedelta(days=1),
        "zones_ahead": sorted(name for name, day in of_zone.items() if day > today),
        "zones_behind": sorted(name for name, day in of_zone.items() if day < today),
    }


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
