"""Who may do what in a team.

As in a project, the role is looked up in the database at each request and never kept.
"""

from sqlalchemy import ColumnElement, and_, bindparam, or_, select

from ..core.database import session
from ..core.errors import Forbidden, NotFound
from ..core.reading import Statement
from ..core.types import AnyColumn, Id
from .models import Team, TeamMember, TeamRole, User

# The least role for each thing that can be done with a team.
NEEDED: dict[str, TeamRole] = {
    "read": TeamRole.member,
    "leave": TeamRole.member,
    "update": TeamRole.admin,
    "manage_members": TeamRole.admin,
    "delete": TeamRole.admin,
}
ME = bindparam("me", type_=Id())
# Whoever cannot log in, for now or yet, is added to nothing.
CAN_LOG_IN = and_(User.disabled_at.is_(None), User.activated_at.is_not(None))


def role_in_team(team: AnyColumn) -> ColumnElement[str]:
    """The role of the caller in a team; null for none."""
    return select(TeamMember.role).where(TeamMember.team_id == team, TeamMember.user_id == ME).scalar_subquery()


_ROLE = Statement(select(role_in_team(bindparam("team", type_=Id())).label("role")))


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


def _belongs(team: AnyColumn, user: AnyColumn) -> ColumnElement[bool]:
    return select(TeamMember.role).where(TeamMember.team_id == team, TeamMember.user_id == user).exists()


_TEAM, _OTHER = bindparam("team", type_=Id()), bindparam("other", type_=Id())
# Whoever can log in, and whoever belongs to the team already.
_user_there = or_(CAN_LOG_IN, _belongs(_TEAM, User.id))
_USER_THERE = select(_belongs(_TEAM, User.id).label("is_member")).where(User.id == _OTHER, _user_there)
_FIND_USER = Statement(_USER_THERE)
_HOLD_USER = _USER_THERE.with_for_update(read=True, key_share=True, of=User)


def find_user(user_id: str, team_id: str, other_id: str, *, to: str) -> None:
    """Whom a role in a team can be given to: whoever can log in, or belongs to the team already.

    Raises:
        NotFound: the team may not be seen, or there is no such user.
        Forbidden: the caller's role is too low.
    """
    find(user_id, team_id, to=to)
    if _FIND_USER.first(team=team_id, other=other_id) is None:
        raise NotFound


def hold_user(team_id: str, other_id: str) -> bool:
    """Keeps whom a role can be given to from being deleted until the transaction ends. Gives whether they have one.

    Raises:
        NotFound: there is no such user.
    """
    row = session().execute(_HOLD_USER, {"team": team_id, "other": other_id}).one_or_none()
    if row is None:
        raise NotFound
    return row.is_member


def find_member(user_id: str, team_id: str, other_id: str, *, to: str) -> None:
    """Who belongs to a team, which everyone may leave.

    Raises:
        NotFound: the team may not be seen, or the user does not belong to it.
        Forbidden: the caller's role is too low.
    """
    find(user_id, team_id, to="leave" if other_id == user_id else to)
    if _ROLE.rows(me=other_id, team=team_id)[0].role is None:
        raise NotFound


def lock(user_id: str, team_id: str, *, to: str) -> Team:
    """The team, locked against other changes of it and of who belongs to it.

    The role is looked up before the lock, so that nobody waits for what they may not see, and again after it: while we
    waited, it may have been taken away.

    Raises:
        NotFound: the team does not exist, or the user does not belong to it.
        Forbidden: the role is too low.
    """
    find(user_id, team_id, to=to)
    team = session().get(Team, team_id, with_for_update=True, populate_existing=True)
    if team is None:
        raise NotFound
    find(user_id, team_id, to=to)
    return team


def hold(user_id: str, team_id: str) -> None:
    """Keeps a team as it is, with everyone in it, until the transaction ends; nothing if the user does not belong to it.

    For what is done with a team in a project: nobody may leave the team meanwhile, the caller least of all. Teams are
    always locked before projects.
    """
    belongs = select(TeamMember.team_id).where(TeamMember.team_id == team_id, TeamMember.user_id == user_id)
    held = select(Team.id).where(Team.id == team_id, belongs.exists())
    session().execute(held.with_for_update(read=True, key_share=True))
