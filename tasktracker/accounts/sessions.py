"""Sessions: what begins with a login and ends with a logout, and the refresh tokens in between.

The sessions table is the truth. The blocklist in Redis stands in front of it and holds, for each session asked for
lately, `live` (for seconds), `ending` or `revoked` (until its last access token has expired); what it does not know is asked of
the table. So a Redis that was emptied or restarted forgets nothing that matters, and without Redis the table serves.

A session ends in both, the blocklist before the commit: where it does not answer, the table is left alone and the caller is
told so; once the answer is out, no worker accepts a token of the session any more.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

import redis
from sqlalchemy import ColumnElement, bindparam, exists, func, insert, literal, or_, select, union, update

from ..core import audit, store
from ..core.database import on_rollback, session, transactional
from ..core.errors import NotFound, Unavailable
from ..core.limits import network_of
from ..core.models import new_id, now
from ..core.reading import Statement
from ..core.types import Id, UtcDateTime
from .models import MailedToken, RefreshToken, Session, User

ACCESS_LIFETIME = timedelta(minutes=15)
IDLE_LIFETIME = timedelta(days=14)
WHOLE_LIFETIME = timedelta(days=60)
LEEWAY = timedelta(seconds=30)  # By how much the clocks of two servers may differ.
# A second use of a refresh token within this time is a lost answer or a second tab, later it is theft (RFC 9700, 4.14).
GRACE = timedelta(seconds=10)
# How long a worker may not notice that another Redis, one that missed the end of a session, has taken over.
_LIVE_SECONDS = 5
_BLOCKED = ACCESS_LIFETIME + 2 * LEEWAY
_UNKNOWN = "A part of the service has not said whether this was done. Try again soon."
_LIVE = Statement(
    select(Session.id).where(
        Session.id == bindparam("id", type_=Id()),
        Session.revoked_at.is_(None),
        Session.expires_at > bindparam("now", type_=UtcDateTime()),
    )
)
_MINE = Statement(_LIVE.statement.where(Session.user_id == bindparam("user", type_=Id())))
_whose = bindparam("user", type_=Id())
_PLACES = Statement(
    select(
        union(
            select(Session.ip_address.label("address")).where(Session.user_id == _whose),
            select(MailedToken.used_from).where(MailedToken.user_id == _whose),
        )
        .subquery("places")
        .c.address
    )
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Granted:
    """What a pair of tokens is made from.

    Args:
        user_id: whose session it is.
        session_id: the session.
        refresh_id: the id of the new refresh token.
        refresh_lifetime: how long that one lives.
    """

    user_id: str
    session_id: str
    refresh_id: str
    refresh_lifetime: timedelta


def start(user_id: str, address: str | None, user_agent: str | None) -> Granted:
    """A new session of a user who has just proved who they are, within the open transaction."""
    begun = Session(
        id=new_id(),
        user_id=user_id,
        expires_at=now() + WHOLE_LIFETIME,
        ip_address=ip_of(address),
        user_agent=(user_agent or "")[:400] or None,
    )
    session().add(begun)
    session().flush()
    return _grant(user_id, begun.id, begun.expires_at)


def ip_of(text: str | None) -> str | None:
    """An IP address; nothing where a proxy says something else."""
    try:
        return str(ip_address((text or "").partition("%")[0]))  # Without the zone of an IPv6 address.
    except ValueError:
        return None


def _grant(user_id: str, session_id: str, session_ends: datetime) -> Granted:
    lifetime = min(IDLE_LIFETIME, session_ends - now())
    token_id = new_id()
    token = insert(RefreshToken).values(id=token_id, session_id=session_id, expires_at=now() + lifetime)
    session().execute(token)
    return Granted(user_id, session_id, token_id, lifetime)


@transactional
def rotate(session_id: str, refresh_id: str) -> Granted | None:
    """Uses a refresh token up and gives another; none if it is not good any more.

    A token that was used longer ago than the grace ends its session: someone else has it.
    """
    moment = now()
    touched = (
        session()
        .execute(
            update(Session)
            .where(Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > moment)
            .where(exists().where(User.id == Session.user_id, User.disabled_at.is_(None)))
            .values(last_used_at=moment)
            .returning(Session.user_id, Session.expires_at)
        )
        .one_or_none()
    )
    if touched is None:
        return None
    used = (
        session()
        .execute(
            update(RefreshToken)
            .where(
                RefreshToken.id == refresh_id, RefreshToken.session_id == session_id, RefreshToken.expires_at > moment - LEEWAY
            )
            .where(or_(RefreshToken.used_at.is_(None), RefreshToken.used_at > moment - GRACE))
            .values(used_at=func.coalesce(RefreshToken.used_at, literal(moment, UtcDateTime())))
            .returning(RefreshToken.id)
        )
        .one_or_none()
    )
    if used is None:
        if _end(Session.id == session_id):
            audit.record("refresh_token_reused", user_id=touched.user_id, session_id=session_id)
        return None
    return _grant(touched.user_id, session_id, touched.expires_at)


def find(user_id: str, session_id: str, *, to: str) -> None:  # noqa: ARG001 - whoever has a session may end it.
    """Whether a user has a session that can still be ended.

    Raises:
        NotFound: they have not.
    """
    if _MINE.first(user=user_id, id=session_id, now=now()) is None:
        raise NotFound


@transactional
def end(user_id: str, session_id: str) -> None:
    """Ends one of a user's sessions.

    Raises:
        NotFound: they have no such session.
        Unavailable: the blocklist does not answer.
    """
    if not _end(Session.user_id == user_id, Session.id == session_id):
        raise NotFound


@transactional
def end_others(user_id: str, session_id: str) -> None:
    """Ends all sessions of a user but one.

    Raises:
        Unavailable: the blocklist does not answer.
    """
    end_all(user_id, but=session_id)


def end_all(user_id: str, *, but: str | None = None) -> None:
    """Ends all sessions of a user, or all but one, within the open transaction.

    Raises:
        Unavailable: the blocklist does not answer.
    """
    _end(Session.user_id == user_id, *([Session.id != but] if but else []))


def _end(*which: ColumnElement[bool]) -> bool:
    moment = now()
    ended = update(Session).where(*which, Session.revoked_at.is_(None), Session.expires_at > moment)
    rows = session().execute(ended.values(revoked_at=moment).returning(Session.id, Session.user_id)).all()
    _block([row.id for row in rows])
    for row in rows:
        audit.record("session_ended", user_id=row.user_id, session_id=row.id)
    return bool(rows)


def _block(session_ids: Sequence[str]) -> None:
    """Puts ended sessions on the blocklist."""
    blocklist = store.client()
    if blocklist is None or not session_ids:
        return
    on_rollback(lambda: _unblock(blocklist, session_ids))
    try:
        with blocklist.pipeline(transaction=False) as pipeline:
            for session_id in session_ids:
                pipeline.set(_key(session_id), "ending", ex=_BLOCKED)
            pipeline.execute()
    except redis.RedisError as error:
        log.warning("The blocklist does not answer: %s", type(error).__name__)
        # One that hangs may do later what it was asked; whoever then asks with the session's tokens ends it, see `_finish`.
        raise Unavailable(_UNKNOWN if isinstance(error, redis.TimeoutError) else "") from error


def _finish(blocklist: redis.Redis, session_id: str) -> None:
    """Sees to it that a session is over whose end was asked for, and perhaps never committed.

    Whoever asked may have been cut off, and takes the refusal of its tokens for the end that they wanted; so they are not
    refused but told to come back, while the table cannot be asked.
    """
    if _end_for_good(session_id):
        blocklist.set(_key(session_id), "revoked", ex=_BLOCKED)


@transactional
def _end_for_good(session_id: str) -> bool:
    """False while the transaction that ends it is under way, and may yet be taken back."""
    held = select(Session.revoked_at).where(Session.id == session_id).with_for_update(skip_locked=True)
    row = session().execute(held).one_or_none()
    if row is not None and row.revoked_at is None:
        session().execute(update(Session).where(Session.id == session_id).values(revoked_at=now()))
    return row is not None


def _unblock(blocklist: redis.Redis, session_ids: Sequence[str]) -> None:
    """Has the table asked again: the sessions were not ended after all."""
    with suppress(redis.RedisError):
        blocklist.delete(*map(_key, session_ids))


def is_live(session_id: str) -> bool:
    """Whether a session has neither ended nor expired."""
    blocklist = store.client()
    if blocklist is None:
        return _is_live_in_table(session_id)
    try:
        state = blocklist.get(_key(session_id))
        if state == b"ending":
            _finish(blocklist, session_id)
        if state in (b"live", b"ending", b"revoked"):  # Whatever else stands there is not ours.
            return state == b"live"
        live = _is_live_in_table(session_id)
        if live:
            # Never over `revoked`, which a logout may have put there since the table was asked.
            blocklist.set(_key(session_id), "live", ex=_LIVE_SECONDS, nx=True)
        return live
    except redis.RedisError as error:
        log.warning("The blocklist does not answer; asking the table: %s", type(error).__name__)
        return _is_live_in_table(session_id)


def knows(user_id: str, address: str | None) -> bool:
    """Whether a user has been at an address, or in its network: they logged in from there, or used a mailed token."""
    return network_of(address) in {network_of(row.address) for row in _PLACES.rows(user=user_id) if row.address}


def is_live_now(session_id: str | None) -> bool:
    """Whether a session has neither ended nor expired, asked of the table alone."""
    return session_id is not None and _is_live_in_table(session_id)


def _is_live_in_table(session_id: str) -> bool:
    return _LIVE.first(id=session_id, now=now()) is not None


def _key(session_id: str) -> str:
    return f"tasktracker:session:{session_id}"
