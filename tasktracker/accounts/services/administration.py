"""What those who run the site do with accounts, from the command line."""

from typing import Any

from sqlalchemy import select

from ...core import audit
from ...core.database import session, transactional
from ...core.errors import Conflict, NotFound, Unavailable
from ...core.models import now
from .. import mailed_tokens, mails, sessions
from ..models import User

_BY = "command line"


@transactional
def disable(username: str) -> bool:
    """Keeps a user out and ends all their sessions at once; false if they were kept out already.

    Raises:
        NotFound: there is no such user.
        Unavailable: the blocklist does not answer.
    """
    user = _locked(username)
    sessions.end_all(user.id)
    return user.disabled_at is None and _changed(user, "user_disabled", disabled_at=now())


@transactional
def enable(username: str) -> tuple[bool, bool]:
    """Lets a user in again.

    Returns:
        Whether they were kept out, and whether their account waits for its address to be confirmed.

    Raises:
        NotFound: there is no such user.
    """
    user = _locked(username)
    return _changed(user, "user_enabled", disabled_at=None), user.activated_at is None


@transactional
def promote(username: str) -> bool:
    """Makes a user one of those who run the site; false if they are already.

    Raises:
        NotFound: there is no such user.
        Conflict: their account waits for its address to be confirmed, so that anyone may have made it.
    """
    user = _locked(username)
    if user.activated_at is None:
        raise Conflict("This account waits for its address to be confirmed.")
    return _changed(user, "user_promoted", is_admin=True)


@transactional
def send_reset(username: str) -> bool:
    """Has a link to choose a new password sent to a user; false if they are disabled, or have no confirmed account yet.

    Raises:
        NotFound: there is no such user.
    """
    user = _locked(username)
    if user.disabled_at is not None or user.activated_at is None:
        return False
    mails.enqueue(mails.RESET, key=f"reset:{user.email_key}", email_key=user.email_key)
    audit.record("reset_sent", user_id=user.id, by=_BY)
    return True


def end_all_sessions() -> int:
    """Ends every session, and every mailed token that was not used; how many sessions there were.

    A backup that was restored has brought those back that ended after it was made.

    Raises:
        Unavailable: Redis or the database does not answer; some may have ended.
    """
    _end_mailed_tokens()
    ended = 0
    try:
        while some := _end_some_sessions():
            ended += some
    except Unavailable as error:
        raise Unavailable("Redis or the database does not answer: perhaps not all have ended. Run this again.") from error
    return ended


@transactional
def _end_mailed_tokens() -> None:
    mailed_tokens.end_all()


@transactional
def _end_some_sessions() -> int:
    ended = sessions.end_some()
    if not ended:
        audit.record("all_sessions_ended", by=_BY)
    return ended


def _changed(user: User, happened: str, **fields: Any) -> bool:
    done = user.change(**fields)
    if done:
        audit.record(happened, user_id=user.id, by=_BY)
    return done


def _locked(username: str) -> User:
    found = select(User).where(User.username == username.lower()).with_for_update(key_share=True)
    # A terminal may give what is no text, which no database takes; a username is ASCII.
    user = session().scalar(found.execution_options(populate_existing=True)) if username.isascii() else None
    if user is None:
        raise NotFound("There is no user of this name.")
    return user
