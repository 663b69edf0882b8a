"""Passwords and addresses: changed by who knows the password, reset by who can read the address."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import String, bindparam, select, update

from ...core import audit, jobs
from ...core.database import Overtaken, transactional
from ...core.errors import Invalid
from ...core.statement import Statement
from ...core.text import fold
from ...core.types import table_of
from .. import mailed_tokens, mails, queries, sessions
from ..models import Purpose, User
from ..password_rules import WeakPasswordError
from ..password_rules import check_password as check_rules
from ..passwords import hash_password
from .login import check_password

_users = table_of(User)
# Whatever was begun with the old password, or without one, is over.
_OVER = (Purpose.reset_password, Purpose.change_address)
_password = {"password_hash": bindparam("hash", type_=String())}
_CHANGE = Statement(
    update(_users).where(queries.UNCHANGED).values(_password).returning(User.id),
    along=[*mailed_tokens.ending(*_OVER), jobs.job_insert()],
)
_RESET = mailed_tokens.using(
    [
        update(_users).where(User.id == queries.ME).values(_password),
        *mailed_tokens.ending(*_OVER, but_used=True),
        jobs.job_insert(),
    ]
)
_ASK_FOR_ADDRESS = Statement(
    select(User.id)
    .where(queries.UNCHANGED, User.email == bindparam("judged_email", type_=String()))
    .with_for_update(key_share=True),
    along=[*mailed_tokens.ending(Purpose.change_address), jobs.job_insert("link"), jobs.job_insert("notice")],
)


def check_new_password(password: str, *, pointer: str, min_length: int, username: str, email: str) -> None:
    """Refuses a password that breaks the rules.

    Raises:
        Invalid: with the rule that it breaks, at this pointer.
    """
    try:
        check_rules(password, min_length=min_length, username=username, email=email)
    except WeakPasswordError as error:
        raise Invalid.field(pointer, str(error)) from error


@transactional
def change_password(me: str, session_id: str, current: str, new: str, *, min_length: int, count: Callable[[], None]) -> None:
    """Gives a user another password and ends their other sessions; `count` is called once the password has proved right.

    Raises:
        Forbidden: `password_wrong`.
        Invalid: the new password breaks a rule.
        Unavailable: the blocklist does not answer.
    """
    account = check_password(me, current)
    count()
    check_new_password(new, pointer="/new_password", min_length=min_length, username=account.username, email=account.email)
    changed = {"hash": hash_password(new), "judged_hash": account.password_hash}
    if _CHANGE.first(**changed, **_following(me, account.email)) is None:
        raise Overtaken
    sessions.end_all(me, but=session_id)
    audit.record("password_changed", user_id=me)


def _following(me: str, email: str) -> dict[str, Any]:
    """The values for what follows from another password."""
    told = mails.values(mails.PASSWORD_CHANGED, key=f"password changed:{me}", to=email)
    return {"me": me, **mailed_tokens.ending_values(*_OVER), **told}


@transactional
def forgot_password(email: str) -> None:
    """Has a link sent to the address, if it is that of an account that is enabled.

    Whether it is, is found out by the job that writes the mail: the request does the same for every address.
    """
    mails.enqueue(mails.RESET, key=f"reset:{fold(email)}", email_key=fold(email))


@transactional
def reset_password(token: str, password: str, *, min_length: int, address: str | None) -> tuple[str, str]:
    """Gives the user of a mailed token another password and ends all their sessions; enables nobody.

    Args:
        token: as it was mailed.
        password: the new one.
        min_length: characters that it needs.
        address: where the request comes from; the user is known there from now on.

    Returns:
        The names that the account is logged in to with, as logins are counted.

    Raises:
        Invalid: `token_invalid`, or the password breaks a rule; the token then stays good.
        Unavailable: the blocklist does not answer.
    """
    # Hashing takes long, so it is done before anything is locked.
    new_hash = hash_password(password)
    row = mailed_tokens.find(token, Purpose.reset_password)
    if row.email_key != fold(row.mailed_to):
        raise mailed_tokens.refusal()
    check_new_password(password, pointer="/password", min_length=min_length, username=row.username, email=row.email)
    values = {"hash": new_hash, **_following(row.user_id, row.email)}
    mailed_tokens.use(_RESET, token, Purpose.reset_password, address=sessions.ip_of(address), **values)
    sessions.end_all(row.user_id)
    audit.record("password_reset", user_id=row.user_id)
    return row.username, row.email_key


@transactional
def change_address(me: str, session_id: str, email: str, password: str, *, count: Callable[[], None]) -> None:
    """Has a link sent to a new address; the change is made when it is used. `count` is called once the password is right.

    Raises:
        Forbidden: `password_wrong`.
        Invalid: it is their address already.
    """
    account = check_password(me, password)
    count()
    if account.email == email:
        raise Invalid.field("/email", "This is your address already.")
    over = mailed_tokens.ending_values(Purpose.change_address)
    link = {"user_id": me, "session_id": session_id, "email": email}
    values = {
        **over,
        **mails.values(mails.NEW_ADDRESS, key=f"address:{me}", name="link", **link),
        **mails.values(mails.ADDRESS_CHANGING, key=f"address changing:{me}", name="notice", to=account.email),
    }
    if _ASK_FOR_ADDRESS.first(me=me, judged_hash=account.password_hash, judged_email=account.email, **values) is None:
        raise Overtaken
    audit.record("address_change_asked_for", user_id=me)
