"""Login and what follows from it."""

from typing import Any

from sqlalchemy import Row

from ...core import audit
from ...core.database import Overtaken, session, transactional
from ...core.errors import Forbidden, Unauthenticated
from ...core.text import fold
from .. import queries, sessions, tokens
from ..models import User
from ..passwords import hash_password, needs_rehash, verify_password


def find_account(login: str) -> str | None:
    """The id of the account of a username or an address, if there is one."""
    found = queries.ID_OF.first(name=fold(login))
    return found.id if found else None


@transactional
def log_in(
    user_id: str, password: str, *, verified_only: bool, ip_address: str | None, user_agent: str | None
) -> dict[str, Any]:
    """A new session for an account and its password: the tokens and the user.

    Args:
        user_id: the account; an id that nobody has where none was found.
        password: in clear.
        verified_only: whether the address must be confirmed.
        ip_address: where the request comes from.
        user_agent: what sends it.

    Raises:
        Unauthenticated: always with the same words and after the same time, whatever is wrong.
    """
    account = queries.CREDENTIALS.first(me=user_id)
    # The hash is computed also for nobody, so that the time tells nothing.
    matches = verify_password(account.password_hash if account else None, password)
    if account is None or not matches or not may_log_in(account, verified_only=verified_only):
        audit.refused("login_failed", user_id=user_id if account else None, address=ip_address)
        raise Unauthenticated("The username or the password is wrong.", "invalid_credentials")
    fresh = hash_password(password) if needs_rehash(account.password_hash) else None
    user = hold(user_id, account)
    user.password_hash = fresh or user.password_hash
    granted = sessions.start(user_id, ip_address, user_agent)
    audit.record("login_succeeded", user_id=user_id, session_id=granted.session_id, address=ip_address)
    return _answer(granted)


def _answer(granted: sessions.Granted) -> dict[str, Any]:
    """Tokens with their user, read in the transaction of the session: an answer that fails leaves none behind."""
    session().flush()
    return {**tokens.make_pair(granted), "user": queries.PROFILE.get(me=granted.user_id).body}


def may_log_in(account: Row[Any], *, verified_only: bool) -> bool:
    """Whether an account is in a state that lets its user in."""
    is_open = account.activated_at is not None and account.disabled_at is None
    return is_open and (account.email_verified_at is not None or not verified_only)


def hold(user_id: str, account: Row[Any]) -> User:
    """An account, locked, that is still as it was judged before: hashing takes too long to be done under a lock.

    Whoever disables it or changes its password ends its sessions and what was asked for; what begins meanwhile would be
    forgotten.

    Raises:
        Overtaken: it is disabled, or has another password; also where a login has hashed the same one anew.
    """
    user = session().get(User, user_id, with_for_update={"key_share": True}, populate_existing=True)
    if user is None or (user.password_hash, user.disabled_at) != (account.password_hash, account.disabled_at):
        raise Overtaken
    return user


def check_password(me: str, password: str) -> Row[Any]:
    """One's own account, if this is its password; `hold` locks it.

    Raises:
        Forbidden: `password_wrong`.
    """
    account = queries.CREDENTIALS.first(me=me)
    if account is None:
        raise Unauthenticated
    if not verify_password(account.password_hash, password):
        raise password_wrong()
    return account


def password_wrong() -> Forbidden:
    """What is answered where the current password is asked for and another is given."""
    return Forbidden("The current password is wrong.", "password_wrong")


def refresh(session_id: str, refresh_id: str) -> dict[str, Any]:
    """Another pair of tokens of the same session, and the user.

    Args:
        session_id: the session that the refresh token names.
        refresh_id: the id of the refresh token.

    Raises:
        Unauthenticated: the token is not good, or not any more.
        Unavailable: the blocklist does not answer.
    """
    answer = _refreshed(session_id, refresh_id)
    if answer is None:
        raise Unauthenticated
    return answer


@transactional
def _refreshed(session_id: str, refresh_id: str) -> dict[str, Any] | None:
    # A token that is not good may end its session, which a refusal in here would take back.
    granted = sessions.rotate(session_id, refresh_id)
    return _answer(granted) if granted else None
