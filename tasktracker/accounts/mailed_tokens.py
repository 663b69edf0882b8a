"""Mailed tokens: secrets that prove who can read an address (OWASP ASVS 6.5).

One is bound to a user, a purpose and an address; it works once and for a while, and a newer one of the same purpose ends
it: the one whose id is later, in whatever order the letters are sent. The table holds only its hash.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, literal, select, update

from ..core.database import session
from ..core.errors import Invalid
from ..core.models import new_id, now
from ..core.types import UtcDateTime
from .models import MailedToken, Purpose, User

LIFETIMES = {
    Purpose.verify_address: timedelta(hours=24),
    Purpose.change_address: timedelta(hours=24),
    Purpose.reset_password: timedelta(hours=1),
}


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


def use(token: str, *purposes: Purpose, address: str | None) -> Row[str, str, str, str | None]:
    """Uses a token up, within the open transaction: if that fails later, the token is good again.

    Args:
        token: the secret.
        purposes: what it may be for.
        address: where it was used from.

    Returns:
        The token's `user_id`, `purpose`, `email` and `session_id`.

    Raises:
        Invalid: `token_invalid`, whatever is wrong with it.
    """
    # Whoever ends tokens locks their user first; the other way round the two would wait for each other.
    whose = select(MailedToken.user_id).where(MailedToken.token_hash == _hash(token)).scalar_subquery()
    session().execute(select(User.id).where(User.id == whose).with_for_update(key_share=True))
    moment = literal(now(), UtcDateTime())
    good = (MailedToken.token_hash == _hash(token), MailedToken.used_at.is_(None), MailedToken.expires_at > moment)
    used = update(MailedToken).where(*good, MailedToken.purpose.in_([purpose.name for purpose in purposes]))
    columns = (MailedToken.user_id, MailedToken.purpose, MailedToken.email, MailedToken.session_id)
    row = session().execute(used.values(used_at=moment, used_from=address).returning(*columns)).one_or_none()
    if row is None:
        raise refusal()
    return row


def refusal() -> Invalid:
    """What is answered to a token that is no good."""
    return Invalid("This link has been used, is too old or was replaced by a newer one. Ask for another mail.", "token_invalid")


def drop(user_id: str, *purposes: Purpose) -> None:
    """Ends the tokens of a user that are for these purposes, within the open transaction; also those still to be sent.

    In their place stands a newer one, which is over and which nobody knows.
    """
    for purpose in purposes:
        _put(user_id, purpose, id=new_id(), token_hash=secrets.token_hex(32), email="", expires_at=now())


def _put(user_id: str, purpose: Purpose, **values: Any) -> None:
    # Those that were used stay: they say where their user is known.
    session().execute(delete(MailedToken).where(*_siblings(user_id, purpose), MailedToken.used_at.is_(None)))
    session().execute(insert(MailedToken).values(user_id=user_id, purpose=purpose.name, **values))


def _siblings(user_id: str, purpose: Purpose) -> tuple[ColumnElement[bool], ...]:
    return MailedToken.user_id == user_id, MailedToken.purpose == purpose.name


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
