"""Accounts: made and changed."""

from typing import Any

from sqlalchemy import select, true

from ...core import audit, events
from ...core.database import session, transactional
from ...core.errors import NotFound
from ...core.models import now
from ...core.results import Expected, Resource
from ...core.statement import Statement
from ...core.text import fold, spaced_words
from ...core.types import table_of
from ...core.writing import Changing, differing
from .. import queries
from ..models import User
from ..passwords import hash_password

_LOCK = Statement(
    select(User.id, User.version, User.username, User.display_name, User.timezone)
    .where(User.id == queries.ME)
    .with_for_update(key_share=True)
)
_CHANGES = Changing(queries.PROFILE_SHAPE, table_of(User), true())


def words_of(username: str, display_name: str) -> str:
    """The words that a user is found by."""
    return spaced_words(username, display_name)


@transactional
def create_user(
    *, email: str, username: str, password: str, display_name: str | None = None, verified: bool = False, admin: bool = False
) -> User:
    """A new account with its inbox.

    Raises:
        Conflict: `username_taken` or `email_taken`.
    """
    return add(email=email, username=username, password=password, display_name=display_name, verified=verified, admin=admin)


def add(
    *,
    email: str,
    username: str,
    password: str,
    display_name: str | None = None,
    timezone: str = "UTC",
    verified: bool = False,
    activated: bool = True,
    admin: bool = False,
) -> User:
    """A new account with its inbox, within the open transaction.

    Args:
        email: the address, as it is written to.
        username: in lower case.
        password: in clear; it has passed the rules.
        display_name: how others see them; the username, if it is not given.
        timezone: a name of the IANA time zone database.
        verified: whether it is known that they can read the address.
        activated: whether it is an account at once, or first when the address is confirmed.
        admin: whether they run the site.
    """
    user = User(
        email=email,
        email_key=fold(email),
        email_verified_at=now() if verified else None,
        activated_at=now() if activated else None,
        username=username,
        display_name=display_name or username,
        timezone=timezone,
        password_hash=hash_password(password),
        is_admin=admin,
        words=words_of(username, display_name or username),
    )
    session().add(user)
    session().flush()
    events.user_created.send(user_id=user.id)
    audit.record("account_created", user_id=user.id)
    return user


@transactional
def update_profile(me: str, changes: dict[str, Any], expected: Expected) -> Resource:
    """Changes one's own profile; a change that changes nothing gives it as it is.

    Raises:
        Stale: it has another version than expected.
        Conflict: `username_taken`.
    """
    user = _LOCK.first(me=me)
    if user is None:
        raise NotFound
    expected.check(user.version)
    values = differing(user, changes)
    if not values:
        return queries.PROFILE.get(me=me)
    names = (values.get("username", user.username), values.get("display_name", user.display_name))
    return _CHANGES.change(user, {**values, "words": words_of(*names)})
