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
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import orjson
import redis
from sqlalchemy import ColumnElement, Insert, String, Table, and_, bindparam, func, insert, or_, select, update

from ..core import audit, endings, store
from ..core.database import Overtaken, on_rollback, session, transactional
from ..core.errors import NotFound, Unavailable
from ..core.limits import network_of
from ..core.models import new_id, now
from ..core.statement import Row, Statement
from ..core.types import AnyColumn, Id, UtcDateTime, table_of
from . import queries
from .models import RefreshToken, Session, User

ACCESS_LIFETIME = timedelta(minutes=15)
IDLE_LIFETIME = timedelta(days=14)
WHOLE_LIFETIME = timedelta(days=60)
LEEWAY = timedelta(seconds=30)  # By how much the clocks of two servers may differ.
# A second use of a refresh token within this time is a lost answer or a second tab, later it is theft (RFC 9700, 4.14).
GRACE = timedelta(seconds=10)
# How long a worker may not notice that another Redis, one that missed the end of a session, has taken over.
_LIVE_SECONDS = 5
_BLOCKED = ACCESS_LIFETIME + 2 * LEEWAY
_BATCH = 1_000  # Sessions of a transaction, so that none takes long.
_UNKNOWN = "A part of the service has not said whether this was done. Try again soon."
_sessions, _tokens = table_of(Session), table_of(RefreshToken)
_ID, _USER, _REFRESH = (bindparam(name, type_=Id()) for name in ("id", "user", "refresh"))
_NOW, _ENDS, _ADDRESS = bindparam("now", type_=UtcDateTime()), _sessions.c.expires_at, bindparam("address", type_=String())
_NEW, _NEW_ENDS = bindparam("new_refresh", type_=Id()), bindparam("new_refresh_ends", type_=UtcDateTime())
_is_live = and_(Session.revoked_at.is_(None), Session.expires_at > _NOW)
_LIVE = Statement(select(Session.id).where(Session.id == _ID, _is_live))
_MINE = Statement(_LIVE.statement.where(Session.user_id == _USER))
# Of an account that ends: which are to be put on the blocklist. They begin while their user is held.
OF_ACCOUNT = endings.Held("sessions", _sessions.c.id, and_(Session.user_id == queries.ME, _is_live))
_END = Statement(
    update(_sessions).where(Session.user_id == _USER, Session.id == _ID, _is_live).values(revoked_at=_NOW).returning(Session.id)
)
_END_OTHERS = Statement(
    update(_sessions)
    .where(Session.user_id == _USER, Session.id.is_distinct_from(_ID), _is_live)
    .values(revoked_at=_NOW)
    .returning(Session.id)
)
# Whatever the clock says, which may have been set back.
_some = select(Session.id).where(Session.revoked_at.is_(None)).limit(_BATCH)
_END_SOME = Statement(
    update(_sessions).where(Session.revoked_at.is_(None), Session.id.in_(_some)).values(revoked_at=_NOW).returning(Session.id)
)


def _insert_if(table: Table, condition: ColumnElement[bool], **values: AnyColumn) -> Insert:
    """Makes a row where a condition holds."""
    return insert(table).from_select(list(values), select(*values.values()).where(condition))


_begun = {
    "id": _ID,
    "user_id": User.id,
    "created_at": _NOW,
    "last_used_at": _NOW,
    "expires_at": bindparam("ends", type_=UtcDateTime()),
    "ip_address": _ADDRESS,
    "user_agent": bindparam("user_agent", type_=String()),
}
_new_token = {"id": _NEW, "session_id": _ID, "expires_at": _NEW_ENDS}
_START = Statement(
    queries.PROFILE_RETURNED.where(queries.UNCHANGED).with_for_update(key_share=True),
    along=[_insert_if(_sessions, queries.UNCHANGED, **_begun), _insert_if(_tokens, queries.UNCHANGED, **_new_token)],
)
# A session is prolonged by one request at a time; each sees what the one before it has made of the token.
_LOCK = Statement(
    queries.PROFILE_RETURNED.add_columns(_ENDS.label("ends"))
    .join(_sessions, Session.user_id == User.id)
    .where(Session.id == _ID, _is_live, User.disabled_at.is_(None))
    .with_for_update(key_share=True, of=_sessions)
)
_is_good = and_(
    RefreshToken.id == _REFRESH,
    RefreshToken.session_id == _ID,
    RefreshToken.expires_at > bindparam("expired", type_=UtcDateTime()),
    or_(RefreshToken.used_at.is_(None), RefreshToken.used_at > bindparam("grace", type_=UtcDateTime())),
)
_ROTATE = Statement(
    update(_tokens).where(_is_good).values(used_at=func.coalesce(RefreshToken.used_at, _NOW)).returning(_tokens.c.id),
    along=[
        update(_sessions).where(Session.id == _ID).values(last_used_at=_NOW),
        _insert_if(_tokens, _is_good, **_new_token),
    ],
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Granted:
    """What a pair of tokens is made from.

    Args:
        user: whose session it is, as they see themselves.
        session_id: the session.
        refresh_id: the id of the new refresh token.
        refresh_lifetime: how long that one lives.
    """

    user: dict[str, Any]
    session_id: str
    refresh_id: str
    refresh_lifetime: timedelta


def start(user_id: str, password_hash: str, address: str | None, user_agent: str | None) -> Granted:
    """A new session of a user who has just proved who they are, within the open transaction.

    Args:
        user_id: who.
        password_hash: what their password was compared with.
        address: where the request comes from.
        user_agent: what sends it.

    Raises:
        Overtaken: the account is disabled, or has another hash; also where a login has hashed the same password anew.
    """
    moment, session_id, refresh_id = now(), new_id(), new_id()
    row = _START.first(
        me=user_id,
        judged_hash=password_hash,
        id=session_id,
        now=moment,
        ends=moment + WHOLE_LIFETIME,
        address=ip_of(address),
        user_agent=(user_agent or "")[:400] or None,
        new_refresh=refresh_id,
        new_refresh_ends=moment + IDLE_LIFETIME,
    )
    if row is None:
        raise Overtaken
    return Granted(queries.PROFILE_SHAPE.body(row), session_id, refresh_id, IDLE_LIFETIME)


def ip_of(text: str | None) -> str | None:
    """An IP address; nothing where a proxy says something else."""
    try:
        return str(ip_address((text or "").partition("%")[0]))  # Without the zone of an IPv6 address.
    except ValueError:
        return None


@transactional
def rotate(session_id: str, refresh_id: str) -> Granted | None:
    """Uses a refresh token up and gives another; none if it is not good any more.

    A token that was used longer ago than the grace ends its session: someone else has it.
    """
    moment, new_refresh = now(), new_id()
    row = _LOCK.first(id=session_id, now=moment)
    if row is None:
        return None
    user = queries.PROFILE_SHAPE.body(row)
    lifetime = min(IDLE_LIFETIME, row.ends - moment)
    used = _ROTATE.first(
        id=session_id,
        refresh=refresh_id,
        now=moment,
        expired=moment - LEEWAY,
        grace=moment - GRACE,
        new_refresh=new_refresh,
        new_refresh_ends=moment + lifetime,
    )
    if used is None:
        if _end(_END, user["id"], session_id):
            audit.record("refresh_token_reused", user_id=user["id"], session_id=session_id)
        return None
    return Granted(user, session_id, new_refresh, lifetime)


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
    if not _end(_END, user_id, session_id):
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
    _end(_END_OTHERS, user_id, but)


def end_some() -> int:
    """Ends some sessions, whose ever they are, within the open transaction; 0 when none is left.

    Raises:
        Unavailable: the blocklist does not answer.
    """
    rows = _END_SOME.rows(now=now())
    _block([row.id for row in rows])
    return len(rows)


def _end(which: Statement, user_id: str, session_id: str | None) -> bool:
    session_ids = [row.id for row in which.rows(user=user_id, id=session_id, now=now())]
    note_ended(user_id, session_ids)
    return bool(session_ids)


def note_ended(user_id: str, session_ids: Sequence[str]) -> None:
    """Puts sessions on the blocklist that the open transaction has ended.

    Raises:
        Unavailable: the blocklist does not answer.
    """
    _block(session_ids)
    for session_id in session_ids:
        audit.record("session_ended", user_id=user_id, session_id=session_id)


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


def knows(account: Row, address: str | None) -> bool:
    """Whether a user has been at an address, or in its network: they logged in from there, or used a mailed token.

    Args:
        account: a row of `queries.ACCOUNT`.
        address: where a request comes from.
    """
    places = [*orjson.loads(account.logged_in_from), *orjson.loads(account.used_tokens_from)]
    return network_of(address) in {network_of(place["address"]) for place in places}


def is_live(session_id: str) -> bool:
    """Whether a session has neither ended nor expired."""
    blocklist = store.client()
    if blocklist is None:
        return _is_live_in_table(session_id)
    try:
        state = blocklist.look_up(_key(session_id))
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


def _is_live_in_table(session_id: str) -> bool:
    return _LIVE.first(id=session_id, now=now()) is not None


def _key(session_id: str) -> str:
    return f"tasktracker:session:{session_id}"
