"""The routes that change a password or an address."""

from typing import Any

from flask import Response, current_app, request

from ...core.http import accepted, no_content
from ...core.schemas import AcceptedSchema
from ...core.text import fold
from .. import limits
from ..schemas import AddressChange, AddressSchema, PasswordChange, PasswordReset
from ..services import credentials
from ..tokens import caller, me
from .blueprint import blueprint

_FORGOTTEN = "If this address has an account, a mail with a link is on its way to it."
_CHANGING = "A mail with a link is on its way to the new address. The change is made when the link is used."


@blueprint.route("/auth/forgot-password", method="POST", public=True, limited=True)
@blueprint.arguments(AddressSchema())
@blueprint.response(202, AcceptedSchema())
def forgot_password(body: dict[str, Any]) -> Response:
    """Ask for a link to choose a new password

    The answer is the same for every address.
    """
    limits.FORGOT.count(fold(body["email"]))
    credentials.forgot_password(body["email"])
    return accepted(_FORGOTTEN)


@blueprint.route("/auth/reset-password", method="POST", public=True, limited=True)
@blueprint.arguments(PasswordReset())
@blueprint.response(204)
def reset_password(body: dict[str, Any]) -> Response:
    """Choose a new password

    With the newest token that was mailed; it works once, within an hour. Ends all sessions.
    """
    limits.TOKEN.count(body["token"])
    names = credentials.reset_password(body["token"], body["password"], min_length=_min_length(), address=request.remote_addr)
    # Who has proved who they are need not wait for what others have tried.
    for name in names:
        limits.forgive_login(name, request.remote_addr)
    return no_content()


@blueprint.route("/auth/change-password", method="POST", forbids=["password_wrong"], limited=True)
@blueprint.arguments(PasswordChange())
@blueprint.response(204)
def change_password(body: dict[str, Any]) -> Response:
    """Change my password

    Ends my other sessions; this one goes on. A mail tells that it happened.
    """
    limits.PASSWORD.count(caller().session_id)
    current, new = body["current_password"], body["new_password"]
    credentials.change_password(
        me(), caller().session_id, current, new, min_length=_min_length(), count=lambda: limits.NOTICE.count(me())
    )
    return no_content()


def _min_length() -> int:
    return current_app.config["SETTINGS"].password_min_length


@blueprint.route("/users/me/email", method="POST", forbids=["password_wrong"], limited=True)
@blueprint.arguments(AddressChange())
@blueprint.response(202, AcceptedSchema())
def change_address(body: dict[str, Any]) -> Response:
    """Change my address

    The new address gets a link, the old one is told. The change is made when the link is used; then all my sessions but
    this one end. A newer request ends the older link.
    """
    limits.PASSWORD.count(caller().session_id)
    limits.NEW_ADDRESS.count(fold(body["email"]))
    credentials.change_address(
        me(), caller().session_id, body["email"], body["password"], count=lambda: limits.NOTICE.count(me())
    )
    return accepted(_CHANGING)
