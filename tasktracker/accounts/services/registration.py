"""Registration, and the proof of who can read an address."""

from typing import Any

from sqlalchemy.exc import IntegrityError

from ...core import audit
from ...core.database import session, transactional, violated
from ...core.errors import Forbidden
from ...core.models import now
from ...core.results import Resource
from ...core.text import fold
from .. import mailed_tokens, mails, queries, sessions
from ..models import Purpose, User
from . import users


def check_open(registration: str) -> None:
    """Refuses registration where accounts come from the command line alone.

    Raises:
        Forbidden: `registration_closed`.
    """
    if registration == "closed":
        raise Forbidden("Accounts are made by those who run this site; ask them.", "registration_closed")


@transactional
def register(fields: dict[str, Any], *, must_verify: bool) -> Resource | None:
    """A new account, as its user sees it; nothing of it where its address must be confirmed first.

    Where its address must be confirmed first, it is no account before that: whether another has the address is found out
    by the job that writes the mail, so that who registers sees and measures no difference.

    Args:
        fields: `email`, `username`, `password`, and perhaps `display_name` and `timezone`.
        must_verify: whether the address must be confirmed first.

    Raises:
        Conflict: `username_taken`, or without verification `email_taken`.
    """
    user = users.add(**fields, activated=not must_verify)
    if must_verify:
        mails.enqueue(mails.WELCOME, user_id=user.id)
        return None
    return queries.PROFILE.get(me=user.id)


@transactional
def resend_verification(email: str) -> None:
    """Has another link sent to whoever still has to confirm this address, if there is anyone."""
    mails.enqueue(mails.RESEND, key=f"verify:{fold(email)}", email_key=fold(email))


@transactional
def verify_address(token: str, address: str | None) -> None:
    """Confirms the address of a new account, or a changed one.

    Args:
        token: as it was mailed.
        address: where the request comes from.

    Raises:
        Invalid: `token_invalid`; also if another account has been confirmed with the address, or the session that asked for
            a change has ended.
        Unavailable: the blocklist does not answer.
    """
    row = mailed_tokens.use(token, Purpose.verify_address, Purpose.change_address, address=sessions.ip_of(address))
    user = session().get_one(User, row.user_id, with_for_update={"key_share": True}, populate_existing=True)
    changes = row.purpose == Purpose.change_address.name
    # A change that a thief asked for ends with the thief's session, or with the account.
    is_still_wanted = user.disabled_at is None and sessions.is_live_now(row.session_id)
    if not (is_still_wanted if changes else user.email_key == fold(row.email)):
        raise mailed_tokens.refusal()
    old = user.email
    user.change(email=row.email, email_key=fold(row.email), email_verified_at=now(), activated_at=user.activated_at or now())
    try:
        session().flush()
    except IntegrityError as error:
        if violated(error) == "uq_users_email_key":
            raise mailed_tokens.refusal() from error
        raise
    audit.record("address_changed" if changes else "address_confirmed", user_id=user.id)
    if changes:
        mailed_tokens.drop(user.id, Purpose.reset_password)
        mails.enqueue(mails.ADDRESS_CHANGED, to=old)
        sessions.end_all(user.id, but=row.session_id)
