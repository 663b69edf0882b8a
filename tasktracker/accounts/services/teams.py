"""What happens with teams: made, changed, joined, left, deleted.

A change locks the team, judges with what it then reads, and writes; see `core/writing`.
"""

from functools import cache
from typing import Any

from sqlalchemy import bindparam, delete, insert, literal, not_, select
from sqlalchemy.orm import aliased

from ...core import endings, events
from ...core.database import transactional
from ...core.errors import Conflict, Unauthenticated
from ...core.models import new_id, now
from ...core.results import Expected, Resource
from ...core.sql import among
from ...core.statement import Row, Statement
from ...core.types import Choice, table_of
from ...core.writing import Changing, differing, put, unchanged, write
from .. import access
from .. import team_queries as queries
from ..access import ME, MY_ROLE, OTHER_ID, OTHER_ROLE, TEAM_ID, USER_THERE
from ..models import Team, TeamMember, TeamRole, User

_teams, _members = table_of(Team), table_of(TeamMember)
_unchanged, _user_unchanged = unchanged(MY_ROLE), unchanged({**MY_ROLE, **USER_THERE})
_role_unchanged = unchanged({**MY_ROLE, **USER_THERE, **OTHER_ROLE})
_new = {column.name: bindparam(column.name, type_=column.type) for column in _teams.c}
_first = {"team_id": _new["id"], "user_id": User.id, "role": literal(TeamRole.admin.name, Choice(TeamRole))}
_can_log_in = (User.id == ME, access.CAN_LOG_IN)
_CREATE = Statement(
    insert(_members)
    .from_select([*_first], select(*_first.values()).where(*_can_log_in).with_for_update(read=True, key_share=True))
    .returning(_members.c.team_id),
    along=[insert(_teams).from_select([*_new], select(*_new.values()).where(select(User.id).where(*_can_log_in).exists()))],
)
_CHANGES = Changing(queries.SHAPE, _teams, _unchanged)
_membership = {"team_id": TEAM_ID, "user_id": OTHER_ID, "role": bindparam("new_role", type_=Choice(TeamRole))}
_PUT_MEMBER = Statement(put(_members, _membership, _user_unchanged).returning(_members.c.role))
_other = aliased(TeamMember)
_has_others = select(_other.user_id).where(_other.team_id == _teams.c.id, _other.user_id != ME).exists()
_is_mine = among(_teams.c.id, select(TeamMember.team_id).where(TeamMember.user_id == ME))
_is_led = among(_teams.c.id, select(TeamMember.team_id).where(TeamMember.user_id == ME, TeamMember.role == TeamRole.admin.name))
_KEEPS_ADMIN = "A team keeps an admin; make someone else one first, or delete the team."
# Of an account: a team that its only member leaves is deleted.
ENDING = endings.Ending(
    writes=[delete(_teams).where(_is_mine, not_(_has_others))],
    held=endings.Held("teams", _teams.c.id, _is_mine),
    obstacle=endings.Obstacle(
        "last_admin",
        _KEEPS_ADMIN,
        select(_teams.c.id).where(_is_led, _has_others, not_(access.other_admin(_teams.c.id, ME))).exists(),
    ),
)


@transactional
def create_team(me: str, fields: dict[str, Any]) -> Resource:
    """A new team, whose maker is its admin.

    Raises:
        Unauthenticated: the maker's account was deleted meanwhile.
    """
    team_id, moment = new_id(), now()
    values = {"description": "", **fields, "id": team_id, "created_at": moment, "updated_at": moment, "version": 1}
    if _CREATE.first(me=me, **values) is None:
        raise Unauthenticated
    return queries.TEAM.get(me=me, team=team_id)


@transactional
def update_team(me: str, team_id: str, changes: dict[str, Any], expected: Expected) -> Resource:
    """Changes a team; a change that changes nothing gives it as it is.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
    """
    team = access.lock(me, team_id, to="update")
    expected.check(team.version)
    values = differing(team, changes)
    if not values:
        return queries.TEAM.get(me=me, team=team_id)
    return _CHANGES.change(team, values, me=me, team=team_id)


@transactional
def delete_team(me: str, team_id: str, expected: Expected) -> None:
    """Deletes a team; its projects stay, and its members see them no more unless they have another way.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
    """
    team = access.lock_leaving(me, team_id, me, to="delete")
    expected.check(team.version)
    _leave(_delete(), team, me=me, team=team_id)


@transactional
def put_member(me: str, team_id: str, user_id: str, role: str, expected: Expected) -> Resource:
    """Gives a user a role in a team.

    Raises:
        NotFound: the team may not be seen, or there is no such user who can log in or belongs to it.
        Forbidden: the caller is no admin of the team.
        Conflict: `last_admin`.
    """
    team = access.lock_for_user(me, team_id, user_id, to="manage_members")
    expected.check(None, exists=access.check_user(team))
    if TeamRole[role] < TeamRole.admin:
        _check_other_admin(team)
    write(_PUT_MEMBER, team, me=me, team=team_id, other=user_id, new_role=role)
    return queries.MEMBER.get(me=me, team=team_id, user=user_id)


@transactional
def delete_member(me: str, team_id: str, user_id: str, expected: Expected) -> None:
    """Takes a user out of a team.

    Raises:
        NotFound: the team may not be seen, or the user does not belong to it.
        Forbidden: the caller is neither an admin of the team nor the user.
        Conflict: `last_admin`.
    """
    team = access.lock_leaving(me, team_id, user_id, to="leave" if user_id == me else "manage_members")
    access.check_member(team)
    expected.check(None)
    if team.other_role == TeamRole.admin:
        _check_other_admin(team)
    _leave(_delete_member(), team, me=me, team=team_id, other=user_id)


@cache
def _delete() -> Statement:
    are_all = (held.are_all for held in endings.of_team)
    return Statement(delete(_teams).where(_teams.c.id == TEAM_ID, _unchanged, *are_all).returning(_teams.c.id))


@cache
def _delete_member() -> Statement:
    are_all = (held.are_all for held in endings.of_team)
    membership = (_members.c.team_id == TEAM_ID, _members.c.user_id == OTHER_ID)
    return Statement(delete(_members).where(*membership, _role_unchanged, *are_all).returning(_members.c.role))


def _leave(statement: Statement, judged: Row, **values: str) -> None:
    """Has somebody belong to a team no more, and see what came with it no more."""
    held = endings.ids(judged, endings.of_team)
    write(statement, judged, **values, **held)
    events.sight_lost.send(project_ids=[each for ids in held.values() for each in ids])


def _check_other_admin(there: Row) -> None:
    """A team keeps an admin who can log in, whatever becomes of this user. The team must be locked."""
    if not there.has_other_admin:
        raise Conflict(_KEEPS_ADMIN, "last_admin")
