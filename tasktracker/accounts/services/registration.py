"""Registration, and the proof of who can read an address."""

from typing import Any

from sqlalchemy import String, bindparam, func, update
from sqlalchemy.exc import IntegrityError

from ...core import audit, jobs
from ...core.database import transactional, violated
from ...core.errors import Forbidden
from ...core.results import Resource
from ...core.text import fold
from ...core.types import UtcDateTime, table_of
from .. import mailed_tokens, mails, queries, sessions
from ..models import Purpose, User
from . import users

_PROOFS = (Purpose.verify_address, Purpose.change_address)
_moment = bindparam("moment", type_=UtcDateTime())
_proven = (
    update(table_of(User))
    .where(User.id == queries.ME)
    .values(
        email=bindparam("email", type_=String()),
        email_key=bindparam("email_key", type_=String()),
        email_verified_at=_moment,
        activated_at=func.coalesce(User.activated_at, _moment),
        updated_at=_moment,
        version=User.version + 1,
    )
)
_CONFIRM = mailed_tokens.using([_proven])
_CHANGE = mailed_tokens.using([_proven, *mailed_tokens.ending(Purpose.reset_password), jobs.job_insert()])


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
    row = mailed_tokens.find(token, *_PROOFS)
    changes = row.purpose == Purpose.change_address.name
    # A change ends with the account, and a proof is of the address that the account has.
    if not (row.disabled_at is None if changes else row.email_key == fold(row.mailed_to)):
        raise mailed_tokens.refusal()
    values = {"me": row.user_id, "email": row.mailed_to, "email_key": fold(row.mailed_to)}
    if changes:
        values |= {**mailed_tokens.ending_values(Purpose.reset_password), **mails.values(mails.ADDRESS_CHANGED, to=row.email)}
    try:
        mailed_tokens.use(_CHANGE if changes else _CONFIRM, token, *_PROOFS, address=sessions.ip_of(address), **values)
    except IntegrityError as error:
        if violated(error) == "uq_users_email_key":
            raise mailed_tokens.refusal() from error
        raise
    audit.record("address_changed" if changes else "address_confirmed", user_id=row.user_id)
    if changes:
        sessions.end_all(row.user_id, but=row.session_id)
