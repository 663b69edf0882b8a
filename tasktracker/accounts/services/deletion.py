"""How an account ends."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from ...core import audit, events
from ...core.database import session, transactional
from ...core.results import Expected
from .. import sessions
from ..models import Team, TeamMember, TeamRole, User
from . import teams
from .login import check_password, hold


@transactional
def delete_account(me: str, password: str, expected: Expected) -> None:
    """Deletes one's own account with what belongs to nobody else; what they wrote elsewhere stays.

    Raises:
        Forbidden: `password_wrong`.
        Stale: the profile has another version than expected.
        Conflict: `owner_required`: they own projects that others belong to; `last_admin`: they are the only admin of a team
            that others belong to.
        Unavailable: the blocklist does not answer.
    """
    account = check_password(me, password)
    # Everyone locks teams before projects and both before the users in them. What these are is looked up again below, since
    # it may change until the user is locked.
    _hold_teams(me)
    events.user_locking.send(user_id=me)
    user = hold(me, account)
    expected.check(user.version)
    # From here on nothing new may refer to them: it would lose them without a change that anyone sees.
    session().execute(select(User.id).where(User.id == me).with_for_update())
    _leave_teams(me)
    events.user_deleting.send(user_id=me)
    sessions.end_all(me)
    session().execute(delete(User).where(User.id == me))
    audit.record("account_deleted", user_id=me)


def _hold_teams(user_id: str) -> Sequence[str]:
    """The ids of a user's teams, locked."""
    mine = select(TeamMember.team_id).where(TeamMember.user_id == user_id)
    return session().scalars(select(Team.id).where(Team.id.in_(mine)).order_by(Team.id).with_for_update()).all()


def _leave_teams(user_id: str) -> None:
    """Takes a user out of all their teams; a team of theirs alone is deleted."""
    for team_id in _hold_teams(user_id):
        members = dict(
            session().execute(select(TeamMember.user_id, TeamMember.role).where(TeamMember.team_id == team_id)).all()
        )
        role = members.pop(user_id, None)
        if members and role == TeamRole.admin.name:
            teams.check_other_admin(team_id, user_id)
        session().execute(delete(TeamMember).where(TeamMember.team_id == team_id, TeamMember.user_id == user_id))
        events.team_left.send(team_id=team_id)
        if not members:
            session().execute(delete(Team).where(Team.id == team_id))
