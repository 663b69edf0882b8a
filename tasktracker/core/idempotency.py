"""`Idempotency-Key`: a POST that may be sent again without being done again.

The answer is kept in the transaction of what it answers: either both are there or neither, whatever breaks between the
write and the client. Only a success is kept. What was refused did nothing, and is judged anew.
"""

import hmac
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from flask import Response, current_app, g, request
from sqlalchemy import Index, Row, SmallInteger, String, Text, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from . import events, jobs
from .database import Overtaken, is_on_postgresql, session, transactional
from .errors import Conflict, Invalid
from .json import to_sorted_bytes
from .models import Base, now
from .parsing import read_body
from .reading import Statement
from .types import Id, UtcDateTime

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
LONGEST = 255
LIFETIME = timedelta(hours=24)
PATTERN = rf"[\x21-\x7e]{{1,{LONGEST}}}"
IN_USE, REUSED = "idempotency_key_in_use", "idempotency_key_reused"
_KEPT_HEADERS = ("Location", "ETag", "Cache-Control")
# Rows of a transaction, so that none takes long or holds many locks.
_BATCH = 1_000


class KeptAnswer(Base):
    """What was answered to a request with a key."""

    __tablename__ = "kept_answers"
    __table_args__ = (Index("ix_kept_answers_created_at", "created_at"),)

    # No foreign key: core knows no users. `_forget` deletes what belongs to an account that ends.
    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(LONGEST), primary_key=True)
    # Route and body, so that a key cannot be used for something else.
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


_MINE = (KeptAnswer.user_id == bindparam("user", type_=Id()), KeptAnswer.key == bindparam("key"))
_FIND = Statement(select(KeptAnswer.__table__).where(*_MINE, KeptAnswer.created_at > bindparam("since", type_=UtcDateTime())))
_LOCK = select(func.pg_try_advisory_xact_lock(bindparam("lock")))


def sent_key() -> str | None:
    """The key of this request, if it has one.

    Raises:
        Invalid: it is empty, too long, or holds anything but visible ASCII.
    """
    key = request.headers.get(HEADER)
    if key is not None and not re.fullmatch(PATTERN, key):
        raise Invalid.field(f"/{HEADER}", f"Not 1 to {LONGEST} visible ASCII characters.", "headers")
    return key


@transactional
def once(key: str, view: Callable[[], Response], *, find: Callable[[], object], judges_secret: bool) -> Response:
    """The answer of a view, which is called only if no request with this key has succeeded within 24 hours.

    Two that begin at once are told apart by the database: PostgreSQL lets one of them hold the key, SQLite lets one of
    them write first, and the other begins anew.

    Args:
        key: as it was sent; each user has keys of their own.
        view: does what the request asks for, with its use case in this transaction.
        find: refuses callers who may no longer see what the path names; asked where a kept answer is given.
        judges_secret: whether attempts are counted, because the body holds a password. Then another body is judged as
            ever before it is refused, or keys would be a way to try passwords without end.

    Raises:
        Conflict: `idempotency_key_in_use`, a request with the key is still being done.
        Invalid: `idempotency_key_reused`, it was used for another route or body.
    """
    user_id, fingerprint = g.caller.user_id, _fingerprint()
    _take(user_id, key)
    kept = _FIND.first(user=user_id, key=key, since=now() - LIFETIME)
    if kept is None:
        response = view()
        _keep(user_id, key, fingerprint, response)
        return response
    if not hmac.compare_digest(kept.fingerprint, fingerprint):
        if judges_secret:
            view()  # What it does is rolled back with the refusal.
        raise Invalid(f"This {HEADER} was used for another request. Make a new one for each thing to be done.", REUSED)
    find()
    return _again(kept)


def _fingerprint() -> str:
    """What was asked for. The key to it keeps a password in the body from being guessed by who reads the table."""
    asked = f"{request.method} {request.path.rstrip('/')}\n".encode() + to_sorted_bytes(read_body(request))
    return hmac.digest(current_app.config["SECRET_KEY"].encode(), b"idempotency " + asked, "sha256").hex()


def _take(user_id: str, key: str) -> None:
    """Holds a key of PostgreSQL's until the transaction ends."""
    if not is_on_postgresql():
        return
    lock = int.from_bytes(sha256(f"{user_id} {key}".encode()).digest()[:8], signed=True)
    if not session().execute(_LOCK, {"lock": lock}).scalar_one():
        raise Conflict(f"A request with this {HEADER} is still being done.", IN_USE, retry_after=1)


def _keep(user_id: str, key: str, fingerprint: str, response: Response) -> None:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    values = {
        "fingerprint": fingerprint,
        "status": response.status_code,
        "headers": json.dumps(headers),
        "body": response.get_data(as_text=True),
        "created_at": now(),
    }
    insert = postgresql.insert if is_on_postgresql() else sqlite.insert
    keep = insert(KeptAnswer).values(user_id=user_id, key=key, **values)
    # In the place of one whose time is over, and of no other.
    is_over = KeptAnswer.created_at <= now() - LIFETIME
    keep = keep.on_conflict_do_update(index_elements=["user_id", "key"], set_=values, where=is_over)
    if session().execute(keep.returning(KeptAnswer.key)).first() is None:
        raise Overtaken


def _again(kept: Row[tuple[object, ...]]) -> Response:
    response = Response(kept.body, kept.status, mimetype="application/json", headers=json.loads(kept.headers))
    response.headers[REPLAYED] = "true"
    return response


@events.user_deleting.connect
def _forget(_: object, *, user_id: str) -> None:
    session().execute(delete(KeptAnswer).where(KeptAnswer.user_id == user_id))


@jobs.handler("prune_kept_answers", every=timedelta(hours=1))
def prune(_: jobs.Taken) -> None:
    """Deletes the answers whose time is over."""
    while _prune_some() == _BATCH:
        pass


@transactional
def _prune_some() -> int:
    answers = KeptAnswer.__table__
    some = select(answers.c.user_id, answers.c.key).where(answers.c.created_at <= now() - LIFETIME).limit(_BATCH)
    condition = tuple_(answers.c.user_id, answers.c.key).in_(some)
    return len(session().execute(delete(KeptAnswer).where(condition).returning(KeptAnswer.key)).all())
