"""How an account ends, with what other features have to do with it, see `core/endings`."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import delete, not_, select

from ...core import audit, endings
from ...core.database import Overtaken, transactional
from ...core.errors import Conflict
from ...core.models import now
from ...core.results import Expected
from ...core.statement import Row, Statement
from ...core.types import table_of
from ...core.writing import write
from .. import queries, sessions
from ..models import User
from . import teams
from .login import check_password

_users = table_of(User)


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
    user = _locked(me, account.password_hash)
    if _against(user):
        # It may have waited for whoever took away what had stood against it.
        user = _locked(me, account.password_hash)
    expected.check(user.version)
    for obstacle in _against(user):
        raise Conflict(obstacle.detail, obstacle.code)
    held = endings.ids(user, [*_held(), sessions.OF_ACCOUNT])
    moment = now()
    write(_delete(), None, me=me, now=moment, moment=moment, **held)
    sessions.note_ended(me, held[sessions.OF_ACCOUNT.name])
    audit.record("account_deleted", user_id=me)


def delete_unconfirmed(user_id: str) -> None:
    """Deletes an account that was never used, and is locked: nothing can stand against it."""
    _delete_unjudged().rows(me=user_id, moment=now())


def _locked(me: str, password_hash: str) -> Row:
    """An account with what it is judged by, and what hangs on it, locked.

    Raises:
        Overtaken: it is disabled, or has another password.
    """
    row = _lock().first(me=me, judged_hash=password_hash, now=now())
    if row is None:
        raise Overtaken
    return row


def _against(user: Row) -> list[endings.Obstacle]:
    return [obstacle for obstacle in _obstacles() if getattr(user, obstacle.code)]


def _endings() -> Sequence[endings.Ending]:
    """Everyone locks teams before projects, and both before the users in them."""
    return [teams.ENDING, *endings.of_account]


def _held() -> list[endings.Held]:
    return [each.held for each in _endings() if each.held]


def _obstacles() -> list[endings.Obstacle]:
    return [each.obstacle for each in _endings() if each.obstacle]


@cache
def _lock() -> Statement:
    """Locks what hangs on an account and then itself, so that from here on nothing new may refer to it.

    That would be lost without a change that anyone sees.
    """
    ids, are_held = endings.one_by_one(_held())
    judged = [obstacle.condition.label(obstacle.code) for obstacle in _obstacles()]
    user = select(User.version, *ids, sessions.OF_ACCOUNT.listed, *judged).where(queries.UNCHANGED, are_held)
    return Statement(user.with_for_update(of=User))


@cache
def _delete() -> Statement:
    """Writes everything, if what was locked is all, and nothing stands against it now."""
    are_all = [held.are_all for held in (*_held(), sessions.OF_ACCOUNT)]
    is_free = [not_(obstacle.condition) for obstacle in _obstacles()]
    account = delete(_users).where(_users.c.id == queries.ME, *are_all, *is_free).returning(_users.c.id)
    return Statement(account, along=_writes(), is_long=True)


@cache
def _delete_unjudged() -> Statement:
    return Statement(delete(_users).where(_users.c.id == queries.ME), along=_writes())


def _writes() -> list[endings.Write]:
    return [write for each in _endings() for write in each.writes]
