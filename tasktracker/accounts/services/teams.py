"""What happens with teams: made, changed, joined, left, deleted."""

from typing import Any

from sqlalchemy import delete, select

from ...core import events
from ...core.database import session, transactional
from ...core.errors import Conflict, NotFound, Unauthenticated
from ...core.results import Expected, Resource
from .. import access
from .. import team_queries as queries
from ..models import Team, TeamMember, TeamRole, User


@transactional
def create_team(me: str, fields: dict[str, Any]) -> Resource:
    """A new team, whose maker is its admin.

    Raises:
        Unauthenticated: the maker's account was deleted meanwhile.
    """
    if not _hold_user(me):
        raise Unauthenticated
    team = Team(**{"description": "", **fields})
    session().add(team)
    session().flush()
    _put(team.id, me, TeamRole.admin.name)
    return queries.TEAM.get(me=me, team=team.id)


def _hold_user(user_id: str) -> bool:
    """Whether there is such a user who can log in; they are not deleted until the transaction ends."""
    found = select(User.id).where(User.id == user_id, access.CAN_LOG_IN)
    return session().scalar(found.with_for_update(read=True, key_share=True)) is not None


def _put(team_id: str, user_id: str, role: str) -> None:
    session().merge(TeamMember(team_id=team_id, user_id=user_id, role=role))
    session().flush()


@transactional
def update_team(me: str, team_id: str, changes: dict[str, Any], expected: Expected) -> Resource:
    """Changes a team.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
    """
    team = access.lock(me, team_id, to="update")
    expected.check(team.version)
    team.change(**changes)
    session().flush()
    return queries.TEAM.get(me=me, team=team_id)


@transactional
def delete_team(me: str, team_id: str, expected: Expected) -> None:
    """Deletes a team; its projects stay, and its members see them no more unless they have another way.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
    """
    team = access.lock(me, team_id, to="delete")
    expected.check(team.version)
    session().execute(delete(TeamMember).where(TeamMember.team_id == team_id))
    events.team_left.send(team_id=team_id)
    session().execute(delete(Team).where(Team.id == team_id))


@transactional
def put_member(me: str, team_id: str, user_id: str, role: str, expected: Expected) -> Resource:
    """Gives a user a role in a team.

    Raises:
        NotFound: the team may not be seen, or there is no such user who can log in or belongs to it.
        Forbidden: the caller is no admin of the team.
        Conflict: `last_admin`.
    """
    access.lock(me, team_id, to="manage_members")
    expected.check(None, exists=access.hold_user(team_id, user_id))
    if TeamRole[role] < TeamRole.admin:
        check_other_admin(team_id, user_id)
    _put(team_id, user_id, role)
    return queries.MEMBER.get(team=team_id, user=user_id)


@transactional
def delete_member(me: str, team_id: str, user_id: str, expected: Expected) -> None:
    """Takes a user out of a team.

    Raises:
        NotFound: the team may not be seen, or the user does not belong to it.
        Forbidden: the caller is neither an admin of the team nor the user.
        Conflict: `last_admin`.
    """
    access.lock(me, team_id, to="leave" if user_id == me else "manage_members")
    member = session().get(TeamMember, (team_id, user_id), populate_existing=True)
    if member is None:
        raise NotFound
    expected.check(None)
    if member.role == TeamRole.admin.name:
        check_other_admin(team_id, user_id)
    session().delete(member)
    session().flush()
    events.team_left.send(team_id=team_id)


def check_other_admin(team_id: str, user_id: str) -> None:
    """A team keeps an admin who can log in, whatever becomes of this user. The team must be locked.

    Raises:
        Conflict: `last_admin`.
    """
    others = (
        select(TeamMember.user_id)
        .join(User, User.id == TeamMember.user_id)
        .where(TeamMember.team_id == team_id, TeamMember.user_id != user_id, TeamMember.role == TeamRole.admin.name)
        .where(access.CAN_LOG_IN)
    )
    if session().scalar(others.limit(1)) is None:
        raise Conflict("A team keeps an admin; make someone else one first, or delete the team.", "last_admin")
