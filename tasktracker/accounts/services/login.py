"""Login and what follows from it."""

from typing import Any

from sqlalchemy import Row

from ...core.errors import Unauthenticated
from ...core.text import fold
from .. import queries, sessions, tokens
from ..passwords import verify_password


def log_in(
    login: str, password: str, *, verified_only: bool, ip_address: str | None, user_agent: str | None
) -> tuple[str, tokens.Pair]:
    """A new session for a username, or an address, and its password: the user and the tokens.

    Raises:
        Unauthenticated: always with the same words and after the same time, whatever is wrong.
    """
    user = queries.CREDENTIALS.first(name=fold(login))
    # The hash is computed also for nobody, so that the time tells nothing.
    matches = verify_password(user.password_hash if user else None, password)
    if user is None or not matches or not may_log_in(user, verified_only=verified_only):
        raise Unauthenticated("The username or the password is wrong.", "invalid_credentials")
    return user.id, tokens.make_pair(sessions.start(user.id, ip_address, user_agent))


def may_log_in(user: Row[Any], *, verified_only: bool) -> bool:
    """Whether an account is in a state that lets its user in."""
    return user.disabled_at is None and (user.email_verified_at is not None or not verified_only)


def refresh(refresh_token: str) -> tuple[str, tokens.Pair]:
    """The user and another pair of tokens of the same session.

    Raises:
        Unauthenticated: the token is not good, or not any more.
    """
    session_id, refresh_id = tokens.read_refresh_token(refresh_token)
    granted = sessions.rotate(session_id, refresh_id)
    if granted is None:
        sessions.block(session_id)
        raise Unauthenticated
    return granted.user_id, tokens.make_pair(granted)
