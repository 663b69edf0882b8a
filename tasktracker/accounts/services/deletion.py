"""How an account ends."""

from sqlalchemy import delete

from ...core import events
from ...core.database import session, transactional
from ...core.errors import Unauthenticated
from ...core.results import Expected
from .. import sessions
from ..models import User
from .login import check_password, password_wrong


def delete_account(me: str, password: str, expected: Expected) -> None:
    """Deletes one's own account with what belongs to nobody else; what they wrote elsewhere stays.

    Raises:
        Forbidden: `password_wrong`.
        Stale: the profile has another version than expected.
        Conflict: `owner_required`: they own projects that others belong to; `last_admin`: of a team that others belong to.
        Unavailable: the blocklist does not answer.
    """
    _delete(me, check_password(me, password).password_hash, expected)


@transactional
def _delete(me: str, password_hash: str, expected: Expected) -> None:
    user = session().get(User, me, with_for_update=True, populate_existing=True)
    if user is None:
        raise Unauthenticated
    if user.password_hash != password_hash:
        raise password_wrong()
    expected.check(user.version)
    events.user_deleting.send(user_id=me)
    sessions.end_all(me)
    session().execute(delete(User).where(User.id == me))
