"""Passwords and addresses: changed by who knows the password, reset by who can read the address."""

from collections.abc import Callable

from ...core import audit
from ...core.database import session, transactional
from ...core.errors import Invalid
from ...core.text import fold
from .. import mailed_tokens, mails, sessions
from ..models import Purpose, User
from ..password_rules import WeakPasswordError
from ..password_rules import check_password as check_rules
from ..passwords import hash_password
from .login import check_password, hold


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
    new_hash = hash_password(new)
    user = hold(me, account)
    user.password_hash = new_hash
    _password_changed(user, but=session_id)
    audit.record("password_changed", user_id=me)


def _password_changed(user: User, *, but: str | None = None) -> None:
    """What follows from another password: whatever was begun with the old one, or without one, is over."""
    mailed_tokens.drop(user.id, Purpose.reset_password, Purpose.change_address)
    mails.enqueue(mails.PASSWORD_CHANGED, key=f"password changed:{user.id}", to=user.email)
    sessions.end_all(user.id, but=but)


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
    row = mailed_tokens.use(token, Purpose.reset_password, address=sessions.ip_of(address))
    user = session().get_one(User, row.user_id, with_for_update={"key_share": True}, populate_existing=True)
    if user.email_key != fold(row.email):
        raise mailed_tokens.refusal()
    check_new_password(password, pointer="/password", min_length=min_length, username=user.username, email=user.email)
    user.password_hash = new_hash
    _password_changed(user)
    audit.record("password_reset", user_id=user.id)
    return user.username, user.email_key


@transactional
def change_address(me: str, session_id: str, email: str, password: str, *, count: Callable[[], None]) -> None:
    """Has a link sent to a new address; the change is made when it is used. `count` is called once the password is right.

    Raises:
        Forbidden: `password_wrong`.
        Invalid: it is their address already.
    """
    account = check_password(me, password)
    count()
    user = hold(me, account)
    if user.email == email:
        raise Invalid.field("/email", "This is your address already.")
    mailed_tokens.drop(me, Purpose.change_address)
    mails.enqueue(mails.NEW_ADDRESS, key=f"address:{me}", user_id=me, session_id=session_id, email=email)
    mails.enqueue(mails.ADDRESS_CHANGING, key=f"address changing:{me}", to=user.email)
    audit.record("address_change_asked_for", user_id=me)
