"""Passwords and addresses: changed by who knows the password, reset by who can read the address."""

from sqlalchemy import update

from ...core.database import session, transactional
from ...core.errors import Invalid, Unauthenticated
from ...core.text import fold
from .. import mailed_tokens, mails, sessions
from ..models import Purpose, User
from ..password_rules import WeakPasswordError
from ..password_rules import check_password as check_rules
from ..passwords import hash_password
from .login import check_password, password_wrong


def check_new_password(password: str, *, pointer: str, min_length: int, username: str, email: str) -> None:
    """Refuses a password that breaks the rules.

    Raises:
        Invalid: with the rule that it breaks, at this pointer.
    """
    try:
        check_rules(password, min_length=min_length, username=username, email=email)
    except WeakPasswordError as error:
        raise Invalid.field(pointer, str(error)) from error


def change_password(me: str, session_id: str, current: str, new: str, *, min_length: int) -> None:
    """Gives a user another password and ends their other sessions.

    Raises:
        Forbidden: `password_wrong`.
        Invalid: the new password breaks a rule.
        Unavailable: the blocklist does not answer.
    """
    user = check_password(me, current)
    check_new_password(new, pointer="/new_password", min_length=min_length, username=user.username, email=user.email)
    _store_password(me, session_id, user.password_hash, hash_password(new))


@transactional
def _store_password(me: str, session_id: str, old_hash: str, new_hash: str) -> None:
    # Of two changes at once, the second finds another password than the one that was judged.
    changed = update(User).where(User.id == me, User.password_hash == old_hash).values(password_hash=new_hash)
    row = session().execute(changed.returning(User.email)).one_or_none()
    if row is None:
        raise password_wrong()
    mailed_tokens.drop(me, Purpose.reset_password)
    mails.enqueue(mails.PASSWORD_CHANGED, to=row.email)
    sessions.end_all(me, but=session_id)


@transactional
def forgot_password(email: str) -> None:
    """Has a link sent to the address, if it is that of an account that is enabled.

    Whether it is, is found out by the job that writes the mail: the request does the same for every address.
    """
    mails.enqueue(mails.RESET, key=f"reset:{fold(email)}", email_key=fold(email))


@transactional
def reset_password(token: str, password: str, *, min_length: int, address: str | None) -> None:
    """Gives the user of a mailed token another password and ends all their sessions; enables nobody.

    Args:
        token: as it was mailed.
        password: the new one.
        min_length: characters that it needs.
        address: where the request comes from; the user is known there from now on.

    Raises:
        Invalid: `token_invalid`, or the password breaks a rule; the token then stays good.
        Unavailable: the blocklist does not answer.
    """
    row = mailed_tokens.use(token, Purpose.reset_password, address=sessions.ip_of(address))
    user = session().get_one(User, row.user_id, with_for_update={"key_share": True}, populate_existing=True)
    if user.email_key != fold(row.email):
        raise mailed_tokens.refusal()
    check_new_password(password, pointer="/password", min_length=min_length, username=user.username, email=user.email)
    user.password_hash = hash_password(password)
    session().flush()
    mails.enqueue(mails.PASSWORD_CHANGED, to=user.email)
    sessions.end_all(user.id)


def change_address(me: str, session_id: str, email: str, password: str) -> None:
    """Has a link sent to a new address; the change is made when it is used.

    Raises:
        Forbidden: `password_wrong`.
        Invalid: it is their address already.
    """
    check_password(me, password)
    _ask_new_address(me, session_id, email)


@transactional
def _ask_new_address(me: str, session_id: str, email: str) -> None:
    user = session().get(User, me, with_for_update={"key_share": True}, populate_existing=True)
    if user is None:
        raise Unauthenticated
    if user.email == email:
        raise Invalid.field("/email", "This is your address already.")
    mailed_tokens.drop(me, Purpose.change_address)
    mails.enqueue(mails.NEW_ADDRESS, key=f"address:{me}", user_id=me, session_id=session_id, email=email)
    mails.enqueue(mails.ADDRESS_CHANGING, to=user.email)
