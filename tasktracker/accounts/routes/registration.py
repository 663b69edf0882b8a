"""The routes of registration and of the proof of who can read an address."""

from typing import Any

from flask import Response, current_app, request

from config import Settings

from ...core.http import accepted, created, no_content
from ...core.schemas import AcceptedSchema
from ...core.text import fold
from .. import limits
from ..schemas import AddressSchema, MeSchema, Registration, TokenSchema
from ..services import credentials, registration
from .blueprint import blueprint

_REGISTERED = "A mail is on its way to this address. Follow the link in it to finish."
_RESENT = "If this address waits to be confirmed, another mail is on its way to it."


def _check_open() -> None:
    registration.check_open(current_app.config["SETTINGS"].registration)


@blueprint.route(
    "/auth/register",
    method="POST",
    public=True,
    first=_check_open,
    limited=True,
    forbids=["registration_closed"],
    accepts=AcceptedSchema(),
    conflicts=["username_taken", "email_taken"],
)
@blueprint.arguments(Registration())
@blueprint.response(201, MeSchema())
def register(body: dict[str, Any]) -> Response:
    """Make an account

    201 with the account where addresses need not be confirmed. Where they must be, always 202, and a mail to the address:
    with a link, or saying that the address has an account already. Where registration is closed: 403.
    """
    settings: Settings = current_app.config["SETTINGS"]
    limits.REGISTER.count(fold(body["email"]))
    if settings.require_email_verification:
        limits.WELCOME.count(fold(body["email"]))
    who = {"username": body["username"], "email": body["email"]}
    credentials.check_new_password(body["password"], pointer="/password", min_length=settings.password_min_length, **who)
    account = registration.register(body, must_verify=settings.require_email_verification)
    return created(account, "/users") if account else accepted(_REGISTERED)


@blueprint.route("/auth/verify-email", method="POST", public=True, limited=True)
@blueprint.arguments(TokenSchema())
@blueprint.response(204)
def verify_email(body: dict[str, Any]) -> Response:
    """Confirm an address

    With the token from a mail: that of a new account, or a changed one. It works once, within 24 hours.
    """
    limits.TOKEN.count(body["token"])
    registration.verify_address(body["token"], request.remote_addr)
    return no_content()


@blueprint.route("/auth/resend-verification", method="POST", public=True, limited=True)
@blueprint.arguments(AddressSchema())
@blueprint.response(202, AcceptedSchema())
def resend_verification(body: dict[str, Any]) -> Response:
    """Send the mail that confirms an address again

    The answer is the same for every address.
    """
    limits.RESEND.count(fold(body["email"]))
    registration.resend_verification(body["email"])
    return accepted(_RESENT)
