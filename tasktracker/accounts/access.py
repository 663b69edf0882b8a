"""Who may do what in a team.

As in a project, the role is looked up in the database at each request and never kept.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, SmallInteger, and_, bindparam, func, select, type_coerce

from ..core import endings
from ..core.errors import Forbidden, NotFound
from ..core.statement import Row, Statement
from ..core.types import AnyColumn, Id, table_of
from ..core.writing import labelled
from .models import Team, TeamMember, TeamRole, User

# The least role for each thing that can be done with a team.
NEEDED: dict[str, TeamRole] = {
    "read": TeamRole.member,
    "leave": TeamRole.member,
    "update": TeamRole.admin,
    "manage_members": TeamRole.admin,
    "delete": TeamRole.admin,
}
# The caller, somebody else and a team, as values of statements.
ME, OTHER_ID, TEAM_ID = (bindparam(name, type_=Id()) for name in ("me", "other", "team"))
NO_ROLE = -1
# Whoever cannot log in, for now or yet, is added to nothing.
CAN_LOG_IN = and_(User.disabled_at.is_(None), User.activated_at.is_not(None))


def role_in_team(team: AnyColumn) -> ColumnElement[str]:
    """The role of the caller in a team; null for none."""
    return select(TeamMember.role).where(TeamMember.team_id == team, TeamMember.user_id == ME).scalar_subquery()


_ROLE = Statement(select(role_in_team(TEAM_ID).label("role")))


def find(user_id: str, team_id: str, *, to: str = "read") -> TeamRole:
    """The role of a user in a team, if it is enough.

    Raises:
        NotFound: the team does not exist, or the user does not belong to it.
        Forbidden: the role is too low.
    """
    row = _ROLE.first(me=user_id, team=team_id)
    if row is None or row.role is None:
        raise NotFound
    role = TeamRole[row.role]
    if role < NEEDED[to]:
        raise Forbidden
    return role


_member, _admin = table_of(TeamMember).alias(), table_of(TeamMember).alias()


def _role_of(user: AnyColumn) -> ColumnElement[int]:
    """The role of a user in the team as a number; -1 for none."""
    role = select(type_coerce(_member.c.role, SmallInteger())).where(_member.c.team_id == TEAM_ID, _member.c.user_id == user)
    return func.coalesce(role.scalar_subquery(), NO_ROLE)


def other_admin(team: AnyColumn, user: AnyColumn) -> ColumnElement[bool]:
    """Whether a team has an admin who can log in, whatever becomes of this user."""
    admins = select(_admin.c.user_id).join(User, User.id == _admin.c.user_id).where(CAN_LOG_IN)
    others = (_admin.c.team_id == team, _admin.c.user_id != user, _admin.c.role == TeamRole.admin.name)
    return admins.where(*others).correlate_except(_admin, User).exists()


# What a change in a team is judged by, beside the team itself: of the caller, and of another user.
MY_ROLE: Mapping[str, ColumnElement[Any]] = {"my_role": _role_of(ME)}
OTHER_ROLE: Mapping[str, ColumnElement[Any]] = {"other_role": _role_of(OTHER_ID)}
USER_THERE: Mapping[str, ColumnElement[Any]] = {
    "is_member": _role_of(OTHER_ID) > NO_ROLE,
    "can_log_in": select(User.id).where(User.id == OTHER_ID, CAN_LOG_IN).exists(),
    "has_other_admin": other_admin(TEAM_ID, OTHER_ID),
}
_FIND_USER = Statement(select(*labelled(USER_THERE)))
_seen = select(table_of(Team), *labelled(MY_ROLE)).where(Team.id == TEAM_ID, MY_ROLE["my_role"] > NO_ROLE)
_LOCK = Statement(_seen.with_for_update(of=Team))
_LOCK_FOR_USER = Statement(_seen.add_columns(*labelled({**USER_THERE, **OTHER_ROLE})).with_for_update(of=Team))


def check_user(there: Row) -> bool:
    """Whom a role can be given to: whoever can log in, or belongs to the team already. Gives whether they have one.

    Raises:
        NotFound: there is no such user.
    """
    if not there.can_log_in and not there.is_member:
        raise NotFound
    return there.is_member


def check_member(there: Row) -> None:
    """Who belongs to a team.

    Raises:
        NotFound: the user does not.
    """
    if not there.is_member:
        raise NotFound


def find_user(user_id: str, team_id: str, other_id: str, *, to: str) -> None:
    """A user to whom a role in a team can be given; raises what `find` and `check_user` do."""
    find(user_id, team_id, to=to)
    check_user(_FIND_USER.rows(team=team_id, other=other_id)[0])


def find_member(user_id: str, team_id: str, other_id: str, *, to: str) -> None:
    """A member of a team, which everyone may leave; raises what `find` and `check_member` do."""
    find(user_id, team_id, to="leave" if other_id == user_id else to)
    check_member(_FIND_USER.rows(team=team_id, other=other_id)[0])


def lock(user_id: str, team_id: str, *, to: str) -> Row:
    """The team, locked against other changes of it and of who belongs to it.

    The role is looked up before the lock, so that nobody waits for what they may not see. Whatever is written looks it up
    again: while we waited, it may have been taken away.

    Raises:
        NotFound: the team does not exist, or the user does not belong to it.
        Forbidden: the role is too low.
    """
    return _check(_LOCK.first(me=user_id, team=team_id), to)


def lock_for_user(user_id: str, team_id: str, other_id: str, *, to: str) -> Row:
    """The same with what is judged of another user, see `USER_THERE` and `OTHER_ROLE`."""
    return _check(_LOCK_FOR_USER.first(me=user_id, team=team_id, other=other_id), to)


@cache
def _lock_leaving() -> Statement:
    team = endings.before(_seen.add_columns(*labelled({**USER_THERE, **OTHER_ROLE})).with_for_update(of=Team), "held_team")
    may = team.c.my_role >= bindparam("needed", type_=SmallInteger())
    return Statement(select(team, *(held.ids(may) for held in endings.of_team)))


def lock_leaving(user_id: str, team_id: str, other_id: str, *, to: str) -> Row:
    """The same where somebody is about to belong to the team no more, with what they may lose sight of, which is locked too.

    What is written must see to it that this is all, see `endings.Held`.
    """
    values = {"me": user_id, "team": team_id, "other": other_id, "needed": NEEDED[to].value}
    return _check(_lock_leaving().first(**values), to)


def _check(row: Row | None, to: str) -> Row:
    if row is None:
        raise NotFound
    if row.my_role < NEEDED[to]:
        raise Forbidden
    return row
