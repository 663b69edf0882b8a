"""Login and what follows from it."""

from typing import Any

from sqlalchemy import Row, select, update

from ...core.database import session, transactional
from ...core.errors import Forbidden, Unauthenticated
from ...core.text import fold
from .. import queries, sessions, tokens
from ..models import User
from ..passwords import hash_password, needs_rehash, verify_password


def find_account(login: str) -> Row[Any] | None:
    """The account of a username or an address, if there is one, as `log_in` takes it."""
    return queries.CREDENTIALS.first(name=fold(login))


def log_in(
    account: Row[Any] | None, password: str, *, verified_only: bool, ip_address: str | None, user_agent: str | None
) -> tuple[str, tokens.Pair]:
    """A new session for an account and its password: the user and the tokens.

    Raises:
        Unauthenticated: always with the same words and after the same time, whatever is wrong.
    """
    # The hash is computed also for nobody, so that the time tells nothing.
    matches = verify_password(account.password_hash if account else None, password)
    if account is None or not matches or not may_log_in(account, verified_only=verified_only):
        raise _wrong()
    fresh = hash_password(password) if needs_rehash(account.password_hash) else None
    return account.id, tokens.make_pair(_start_session(account, fresh, ip_address, user_agent))


def may_log_in(account: Row[Any], *, verified_only: bool) -> bool:
    """Whether an account is in a state that lets its user in."""
    is_open = account.activated_at is not None and account.disabled_at is None
    return is_open and (account.email_verified_at is not None or not verified_only)


def _wrong() -> Unauthenticated:
    return Unauthenticated("The username or the password is wrong.", "invalid_credentials")


@transactional
def _start_session(
    account: Row[Any], fresh_hash: str | None, ip_address: str | None, user_agent: str | None
) -> sessions.Granted:
    """Starts a session if the account is still as it was judged.

    Whoever disables it or changes its password ends its sessions; one that begins meanwhile would be forgotten.
    """
    same = (User.id == account.id, User.password_hash == account.password_hash, User.disabled_at.is_(None))
    if session().scalar(select(User.id).where(*same).with_for_update(key_share=True)) is None:
        raise _wrong()
    if fresh_hash:
        session().execute(update(User).where(User.id == account.id).values(password_hash=fresh_hash))
    return sessions.start(account.id, ip_address, user_agent)


def check_password(me: str, password: str) -> Row[Any]:
    """One's own account, if this is its password: `password_hash`, `username`, `email`.

    Raises:
        Forbidden: `password_wrong`.
    """
    account = queries.MY_CREDENTIALS.first(me=me)
    if account is None:
        raise Unauthenticated
    if not verify_password(account.password_hash, password):
        raise password_wrong()
    return account


def password_wrong() -> Forbidden:
    """What is answered where the current password is asked for and another is given."""
    return Forbidden("The current password is wrong.", "password_wrong")


def refresh(session_id: str, refresh_id: str) -> tuple[str, tokens.Pair]:
    """The user and another pair of tokens of the same session.

    Args:
        session_id: the session that the refresh token names.
        refresh_id: the id of the refresh token.

    Raises:
        Unauthenticated: the token is not good, or not any more.
        Unavailable: the blocklist does not answer.
    """
    granted = sessions.rotate(session_id, refresh_id)
    if granted is None:
        raise Unauthenticated
    return granted.user_id, tokens.make_pair(granted)
