"""Mailed tokens: secrets that prove who can read an address (OWASP ASVS 6.5).

One is bound to a user, a purpose and an address; it works once and for a while, and a newer one of the same purpose ends
it: the one whose id is later, in whatever order the letters are sent. The table holds only its hash.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Insert,
    String,
    Update,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)

from ..core.database import session
from ..core.errors import Invalid
from ..core.models import new_id, now
from ..core.sql import among
from ..core.statement import Row, Statement
from ..core.types import Id, Many, UtcDateTime, table_of
from .models import MailedToken, Purpose, Session, User
from .queries import ME

LIFETIMES = {
    Purpose.verify_address: timedelta(hours=24),
    Purpose.change_address: timedelta(hours=24),
    Purpose.reset_password: timedelta(hours=1),
}

_mailed = table_of(MailedToken)
_MOMENT, _HASH = bindparam("moment", type_=UtcDateTime()), bindparam("token_hash", type_=String())
# A change that a thief asked for ends with the thief's session.
_session_is_live = exists().where(
    Session.id == MailedToken.session_id, Session.revoked_at.is_(None), Session.expires_at > _MOMENT
)
_IS_GOOD = and_(
    MailedToken.token_hash == _HASH,
    MailedToken.used_at.is_(None),
    MailedToken.expires_at > _MOMENT,
    among(MailedToken.purpose, bindparam("purposes", type_=Many(_mailed.c.purpose.type))),
    or_(MailedToken.session_id.is_(None), _session_is_live),
)
_FIND = Statement(
    select(
        MailedToken.purpose,
        MailedToken.email.label("mailed_to"),
        MailedToken.session_id,
        MailedToken.user_id,
        User.username,
        User.email,
        User.email_key,
        User.activated_at,
        User.disabled_at,
    )
    .join(User, User.id == MailedToken.user_id)
    .where(_IS_GOOD)
    .with_for_update(key_share=True, of=User)
)


def register(token: str, token_id: str, purpose: Purpose, *, user_id: str, email: str, session_id: str | None = None) -> bool:
    """Makes a token work from now on, within the open transaction.

    Args:
        token: the secret.
        token_id: the id of the job that mails it: the same when it is mailed again.
        purpose: what it is good for.
        user_id: whose it is.
        email: the address that it is sent to.
        session_id: the session that asked for it.

    Returns:
        False if it must not be sent any more: it was used, a newer one was made, or the user is gone.
    """
    # Of two workers that write to one user, the second sees what the first has made.
    if session().scalar(select(User.id).where(User.id == user_id).with_for_update(key_share=True)) is None:
        return False
    of_purpose = select(MailedToken.id, MailedToken.used_at).where(*_siblings(user_id, purpose))
    newest = session().execute(of_purpose.order_by(MailedToken.id.desc()).limit(1)).one_or_none()
    if newest is not None and (newest.id > token_id or (newest.id == token_id and newest.used_at is not None)):
        return False
    bound = {"email": email, "session_id": session_id, "expires_at": now() + LIFETIMES[purpose]}
    _put(user_id, purpose, id=token_id, token_hash=_hash(token), **bound)
    return True


def find(token: str, *purposes: Purpose) -> Row:
    """A good token and its user, who is locked from here on: whoever ends tokens locks their user first.

    Args:
        token: the secret.
        purposes: what it may be for.

    Returns:
        The token's `purpose`, `mailed_to` and `session_id`; of the user what is judged.

    Raises:
        Invalid: `token_invalid`, whatever is wrong with it.
    """
    row = _FIND.first(token_hash=_hash(token), purposes=_names(purposes), moment=now())
    if row is None:
        raise refusal()
    return row


def using(along: Sequence[Insert | Update | Delete]) -> Statement:
    """What uses a token up with all that follows from it, for `use`."""
    used = {"used_at": _MOMENT, "used_from": bindparam("used_from", type_=String())}
    return Statement(update(_mailed).where(_IS_GOOD).values(used).returning(_mailed.c.id), along=along)


def use(use: Statement, token: str, *purposes: Purpose, address: str | None, **values: Any) -> None:
    """Uses a token up, within the open transaction: if that fails later, the token is good again.

    Args:
        use: what `using` gave.
        token: the secret.
        purposes: what it may be for.
        address: where it was used from.
        values: what follows from it needs.

    Raises:
        Invalid: `token_invalid`: it was used or ended since it was found.
    """
    given = {"token_hash": _hash(token), "purposes": _names(purposes), "moment": now(), "used_from": address}
    if use.first(**{**values, **given}) is None:
        raise refusal()


def _names(purposes: Sequence[Purpose]) -> list[str]:
    return [purpose.name for purpose in purposes]


def refusal() -> Invalid:
    """What is answered to a token that is no good."""
    return Invalid("This link has been used, is too old or was replaced by a newer one. Ask for another mail.", "token_invalid")


def ending(*purposes: Purpose, but_used: bool = False) -> list[Insert | Delete]:
    """Writes that end the tokens of the user `me` that are for these purposes, also those still to be sent.

    In their place stands a newer one, which is over and which nobody knows: its hash is none. `ending_values` gives what
    these writes need.

    Args:
        purposes: what the tokens are for.
        but_used: whether the same statement uses one of them up.
    """
    writes: list[Insert | Delete] = []
    for purpose in purposes:
        new = bindparam(f"no_{purpose.name}", type_=Id())
        row = {
            "id": new,
            "user_id": User.id,
            "purpose": literal(purpose.name, _mailed.c.purpose.type),
            "token_hash": cast(new, String()),
            "email": literal(""),
            "expires_at": _MOMENT,
        }
        # Those that were used stay: they say where their user is known.
        unused = [*_siblings(ME, purpose), MailedToken.used_at.is_(None)]
        if but_used:
            unused.append(MailedToken.token_hash != _HASH)
        writes += [
            delete(_mailed).where(*unused),
            insert(_mailed).from_select(list(row), select(*row.values()).where(User.id == ME)),
        ]
    return writes


def ending_values(*purposes: Purpose) -> dict[str, Any]:
    """The values for `ending`."""
    return {f"no_{purpose.name}": new_id() for purpose in purposes} | {"moment": now()}


def end_all() -> None:
    """Ends every token that was not used, within the open transaction."""
    unused = update(MailedToken).where(MailedToken.used_at.is_(None), MailedToken.expires_at > now())
    session().execute(unused.values(expires_at=now()))


def _put(user_id: str, purpose: Purpose, **values: Any) -> None:
    session().execute(delete(MailedToken).where(*_siblings(user_id, purpose), MailedToken.used_at.is_(None)))
    session().execute(insert(MailedToken).values(user_id=user_id, purpose=purpose.name, **values))


def _siblings(user_id: str | BindParameter[str], purpose: Purpose) -> tuple[ColumnElement[bool], ...]:
    return MailedToken.user_id == user_id, MailedToken.purpose == purpose.name


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
