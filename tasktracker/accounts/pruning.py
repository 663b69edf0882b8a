"""What is deleted when its time is over: sessions, tokens, accounts that nobody confirmed, and jobs that failed for good."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Delete, delete, or_, select

from ..core import jobs
from ..core.database import session, transactional
from ..core.models import now
from .models import MailedToken, RefreshToken, Session, User
from .services.deletion import delete_unconfirmed
from .sessions import IDLE_LIFETIME, LEEWAY

UNCONFIRMED_LIFETIME = timedelta(days=7)
# Rows of a transaction, so that none takes long or holds many locks.
_BATCH = 1_000
_USERS_AT_ONCE = 100


@jobs.handler("prune_accounts", every=timedelta(hours=1))
def prune(_: jobs.Taken) -> None:
    """Deletes what is of no use any more."""
    moment = now()
    conditions: list[tuple[Any, ColumnElement[bool]]] = [
        (RefreshToken, RefreshToken.expires_at < moment - LEEWAY),
        (Session, or_(Session.expires_at < moment - LEEWAY, Session.last_used_at < moment - IDLE_LIFETIME - LEEWAY)),
        # The addresses where they were used are known for as long as a session would be.
        (MailedToken, MailedToken.expires_at < moment - IDLE_LIFETIME),
        (jobs.Job, jobs.Job.failed_at < moment - jobs.DEAD_LETTER_LIFETIME),
    ]
    for model, condition in conditions:
        _until_none_is_left(lambda model=model, condition=condition: _delete(model, condition))
    _until_none_is_left(lambda: _delete_unconfirmed(moment - UNCONFIRMED_LIFETIME))


def _until_none_is_left(delete_some: Callable[[], bool]) -> None:
    while delete_some():
        pass


@transactional
def _delete(model: Any, condition: ColumnElement[bool]) -> bool:
    some: Delete = delete(model).where(model.id.in_(select(model.id).where(condition).limit(_BATCH)))
    return len(session().execute(some.returning(model.id)).all()) == _BATCH


@transactional
def _delete_unconfirmed(before: datetime) -> bool:
    unconfirmed = select(User.id).where(User.activated_at.is_(None), User.created_at < before).limit(_USERS_AT_ONCE)
    ids = list(session().scalars(unconfirmed.with_for_update(skip_locked=True)))
    for user_id in ids:
        delete_unconfirmed(user_id)
    return len(ids) == _USERS_AT_ONCE
