"""Login and what follows from it."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import String, bindparam, update

from ...core import audit
from ...core.database import transactional
from ...core.errors import Forbidden, Unauthenticated
from ...core.statement import Row, Statement
from ...core.types import table_of
from .. import queries, sessions, tokens
from ..models import User
from ..passwords import hash_password, needs_rehash, verify_password

_REHASH = Statement(update(table_of(User)).where(queries.UNCHANGED).values(password_hash=bindparam("hash", type_=String())))


@transactional
def log_in(
    name: str,
    password: str,
    *,
    count: Callable[[bool], None],
    verified_only: bool,
    ip_address: str | None,
    user_agent: str | None,
) -> dict[str, Any]:
    """A new session for an account and its password: the tokens and the user.

    Args:
        name: the username or the address, folded.
        password: in clear.
        count: counts the attempt, and is told whether the account was used from where the request comes from.
        verified_only: whether the address must be confirmed.
        ip_address: where the request comes from.
        user_agent: what sends it.

    Raises:
        Unauthenticated: always with the same words and after the same time, whatever is wrong.
    """
    account = queries.ACCOUNT.first_aside(name=name)
    count(account is not None and sessions.knows(account, ip_address))
    # The hash is computed also for nobody, so that the time tells nothing.
    matches = verify_password(account.password_hash if account else None, password)
    if account is None or not matches or not may_log_in(account, verified_only=verified_only):
        audit.refused("login_failed", user_id=account.id if account else None, address=ip_address)
        raise Unauthenticated("The username or the password is wrong.", "invalid_credentials")
    password_hash = account.password_hash
    if needs_rehash(password_hash):
        password_hash = hash_password(password)
        _REHASH.rows(me=account.id, judged_hash=account.password_hash, hash=password_hash)
    granted = sessions.start(account.id, password_hash, ip_address, user_agent)
    audit.record("login_succeeded", user_id=account.id, session_id=granted.session_id, address=ip_address)
    return _answer(granted)


def _answer(granted: sessions.Granted) -> dict[str, Any]:
    return {**tokens.make_pair(granted), "user": granted.user}


def may_log_in(account: Row, *, verified_only: bool) -> bool:
    """Whether an account is in a state that lets its user in."""
    is_open = account.activated_at is not None and account.disabled_at is None
    return is_open and (account.email_verified_at is not None or not verified_only)


def check_password(me: str, password: str) -> Row:
    """One's own account, if this is its password. What is then done must see to it that it is `queries.UNCHANGED`.

    Raises:
        Unauthenticated: there is no such account any more, or it is disabled.
        Forbidden: `password_wrong`.
    """
    account = queries.CREDENTIALS.first_aside(me=me)
    if account is None or account.disabled_at is not None:
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
