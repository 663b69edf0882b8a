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
from typing import Any

from flask import Response, current_app, g, request
from sqlalchemy import BigInteger, Boolean, Index, SmallInteger, String, Text, and_, bindparam, delete, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from . import endings, jobs
from .database import Overtaken, session, transactional
from .errors import Conflict, Invalid
from .json import to_sorted_bytes
from .models import Base, now
from .parsing import read_body
from .sql import upsert
from .statement import Row, Statement
from .types import Id, UtcDateTime, table_of

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

    # No foreign key: core knows no users. What belongs to an account that ends is deleted with it, see below.
    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(LONGEST), primary_key=True)
    # Route and body, so that a key cannot be used for something else.
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


_MINE = (KeptAnswer.user_id == bindparam("user", type_=Id()), KeptAnswer.key == bindparam("key"))
_answers = table_of(KeptAnswer)
_SINCE = bindparam("since", type_=UtcDateTime())


class _take(FunctionElement[bool]):  # noqa: N801 - used like a function of SQL.
    """Takes a lock of PostgreSQL's until the transaction ends, unless another has it. Of SQLite's writers each is alone."""

    type = Boolean()
    inherit_cache = True


@compiles(_take, "postgresql")
def _(element: _take, compiler: SQLCompiler, **kw: Any) -> str:
    return f"pg_try_advisory_xact_lock({compiler.process(element.clauses, **kw)})"


@compiles(_take)
def _(*_: object, **__: object) -> str:
    return "1"


_held = select(_take(bindparam("lock", type_=BigInteger())).label("is_held")).subquery("held")
_FIND = Statement(select(_held, _answers).select_from(_held.outerjoin(_answers, and_(*_MINE, KeptAnswer.created_at > _SINCE))))
# In the place of one whose time is over, and of no other.
_kept = upsert(_answers).values({column.name: bindparam(column.name, type_=column.type) for column in _answers.c})
_KEEP = Statement(
    _kept.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={column.name: _kept.excluded[column.name] for column in _answers.c if not column.primary_key},
        where=KeptAnswer.created_at <= _SINCE,
    ).returning(_answers.c.key)
)
endings.of_account.append(endings.Ending([delete(_answers).where(KeptAnswer.user_id == bindparam("me", type_=Id()))]))


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
    kept = _find(user_id, key)
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


def _find(user_id: str, key: str) -> Row | None:
    """What is kept for a key, which is held until the transaction ends.

    An answer that is kept while this looks is not seen here, but by `_keep`.
    """
    lock = int.from_bytes(sha256(f"{user_id} {key}".encode()).digest()[:8], signed=True)
    row = _FIND.rows(lock=lock, user=user_id, key=key, since=now() - LIFETIME)[0]
    if not row.is_held:
        raise Conflict(f"A request with this {HEADER} is still being done.", IN_USE, retry_after=1)
    return row if row.key is not None else None


def _keep(user_id: str, key: str, fingerprint: str, response: Response) -> None:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    kept = _KEEP.first(
        user_id=user_id,
        key=key,
        fingerprint=fingerprint,
        status=response.status_code,
        headers=json.dumps(headers),
        body=response.get_data(as_text=True),
        created_at=now(),
        since=now() - LIFETIME,
    )
    if kept is None:
        raise Overtaken


def _again(kept: Row) -> Response:
    response = Response(kept.body, kept.status, mimetype="application/json", headers=json.loads(kept.headers))
    response.headers[REPLAYED] = "true"
    return response


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
