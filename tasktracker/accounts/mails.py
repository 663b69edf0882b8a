"""The letters that accounts send: what each says, to whom, and when it must not be sent any more.

Each is a background job. Whether an address has an account is looked up here, when the letter is written, and not while a
request waits. Nothing that a user wrote stands in a letter, but for the username, which tells whose account is meant.
"""

import secrets
from typing import Any

from sqlalchemy import String, bindparam, select

from ..core import jobs, mail
from ..core.database import transactional
from ..core.statement import Row, Statement
from ..core.text import fold
from ..core.types import Id
from . import mailed_tokens
from .models import Purpose, User

WELCOME = "mail_welcome"
RESEND = "mail_resend_verification"
RESET = "mail_reset_password"
NEW_ADDRESS = "mail_new_address"
ADDRESS_CHANGING = "mail_address_changing"
ADDRESS_CHANGED = "mail_address_changed"
PASSWORD_CHANGED = "mail_password_changed"  # noqa: S105  # nosec B105

_email_key = bindparam("email_key", type_=String())
_active = User.activated_at.is_not(None)
_OWNER = Statement(select(User.id, User.username, User.email, User.disabled_at).where(User.email_key == _email_key, _active))
_UNVERIFIED = Statement(
    select(User.id, User.username, User.email, User.activated_at)
    .where(User.email_key == _email_key, User.email_verified_at.is_(None), User.disabled_at.is_(None))
    .order_by(User.activated_at.is_(None), User.id.desc())
    .limit(1)
)
_USER = Statement(
    select(User.id, User.username, User.email, User.email_key, User.activated_at).where(
        User.id == bindparam("user", type_=Id())
    )
)


def enqueue(kind: str, *, key: str | None = None, **payload: str) -> None:
    """Has a letter sent, within the open transaction.

    Args:
        kind: one of the letters above.
        key: a letter that waits under the same key is replaced by this one.
        payload: what it needs to be written.
    """
    jobs.enqueue(kind, _with_nonce(payload), key=key)


def values(kind: str, *, key: str | None = None, name: str = "job", **payload: str) -> dict[str, Any]:
    """The values of `jobs.job_insert` for a letter, where it is part of a statement; arguments as for `enqueue`."""
    return jobs.job_values(kind, _with_nonce(payload), key=key, name=name)


def _with_nonce(payload: dict[str, str]) -> dict[str, str]:
    return {**payload, "nonce": secrets.token_urlsafe(32)}


@jobs.handler(WELCOME)
def welcome(job: jobs.Taken) -> None:
    """To whoever registered: the link that confirms the address, or that the address has an account."""
    user = _USER.first(user=job.payload["user_id"])
    if user is None or user.activated_at is not None:
        return
    if _OWNER.first(email_key=user.email_key) is None:
        _send_verification(job, user)
    else:
        _send_has_account(job, user.email)


@jobs.handler(RESEND)
def resend_verification(job: jobs.Taken) -> None:
    """The link that confirms an address, once more; nothing where nobody has to confirm it."""
    user = _UNVERIFIED.first(email_key=job.payload["email_key"])
    if user is None or (user.activated_at is None and _OWNER.first(email_key=job.payload["email_key"]) is not None):
        return
    _send_verification(job, user)


def _send_verification(job: jobs.Taken, user: Row) -> None:
    token = mail.token_of(job.payload["nonce"])
    if _register(token, job.id, Purpose.verify_address, user_id=user.id, email=user.email):
        link, username = mail.link("verify-email", token), _shown(user.username)
        waits = user.activated_at is None  # An account that was let in without a confirmation stays without one.
        mail.send(
            user.email, "Confirm your address", "verify_address", job_id=job.id, link=link, username=username, waits=waits
        )


def _shown(username: str) -> str:
    """A username that no mail program takes for a link: anyone may have made an account with this address."""
    return username.replace(".", " [dot] ")


def _send_has_account(job: jobs.Taken, email: str) -> None:
    mail.send(email, "You have an account already", "has_account", job_id=job.id)


@jobs.handler(RESET)
def reset_password(job: jobs.Taken) -> None:
    """The link to choose a new password; nothing where the address has no account that is enabled."""
    user = _OWNER.first(email_key=job.payload["email_key"])
    if user is None or user.disabled_at is not None:
        return
    token = mail.token_of(job.payload["nonce"])
    if _register(token, job.id, Purpose.reset_password, user_id=user.id, email=user.email):
        link = mail.link("reset-password", token)
        shown = {"link": link, "username": _shown(user.username)}
        mail.send(user.email, "Choose a new password", "reset_password", job_id=job.id, **shown)


@jobs.handler(NEW_ADDRESS)
def new_address(job: jobs.Taken) -> None:
    """To a new address: the link that confirms the change, or that the address has an account."""
    user, email = _USER.first(user=job.payload["user_id"]), job.payload["email"]
    if user is None:
        return
    owner = _OWNER.first(email_key=fold(email))
    if owner is not None and owner.id != user.id:
        _send_has_account(job, email)
        return
    token, session_id = mail.token_of(job.payload["nonce"]), job.payload["session_id"]
    if _register(token, job.id, Purpose.change_address, user_id=user.id, email=email, session_id=session_id):
        mail.send(email, "Confirm your new address", "new_address", job_id=job.id, link=mail.link("verify-email", token))


_NOTICES = {
    ADDRESS_CHANGING: ("Your address is about to be changed", "address_changing"),
    ADDRESS_CHANGED: ("Your address was changed", "address_changed"),
    PASSWORD_CHANGED: ("Your password was changed", "password_changed"),
}


@jobs.handler(ADDRESS_CHANGING)
@jobs.handler(ADDRESS_CHANGED)
@jobs.handler(PASSWORD_CHANGED)
def notice(job: jobs.Taken) -> None:
    """Tells the owner of an account what happened to it (OWASP ASVS 6.3.7)."""
    subject, template = _NOTICES[job.kind]
    mail.send(job.payload["to"], subject, template, job_id=job.id)


@transactional
def _register(token: str, token_id: str, purpose: Purpose, **bound: Any) -> bool:
    return mailed_tokens.register(token, token_id, purpose, **bound)
