"""The routes of login and of one's own profile."""

from typing import Any

from flask import Response, current_app, request

from ..core.blueprint import Blueprint
from ..core.http import answer, answer_once, no_content
from ..core.results import Expected
from . import queries, services, sessions
from .schemas import LoginSchema, MeChange, MeSchema, RefreshSchema, TokensSchema
from .tokens import Pair, caller, me

blueprint = Blueprint("accounts", __name__, description="Login and one's own profile.")


@blueprint.route("/auth/login", method="POST", public=True, refused=True)
@blueprint.arguments(LoginSchema())
@blueprint.response(200, TokensSchema())
def log_in(body: dict[str, Any]) -> Response:
    """Log in

    Takes a username, or an e-mail address, and a password. Every refusal is the same 401.
    """
    user_id, pair = services.log_in(
        body["username"],
        body["password"],
        verified_only=current_app.config["REQUIRE_EMAIL_VERIFICATION"],
        ip_address=request.remote_addr,
        user_agent=request.headers.get("User-Agent"),
    )
    return _tokens(user_id, pair)


@blueprint.route("/auth/refresh", method="POST", public=True, refused=True)
@blueprint.arguments(RefreshSchema())
@blueprint.response(200, TokensSchema())
def refresh(body: dict[str, Any]) -> Response:
    """Get new tokens for a refresh token

    A refresh token works once. The same one again within 10 seconds gives another pair of the same session; used later,
    it ends the session and with it every token that came from it.
    """
    return _tokens(*services.refresh(body["refresh_token"]))


def _tokens(user_id: str, pair: Pair) -> Response:
    return answer_once({**pair, "user": queries.PROFILE.get(me=user_id).body})


@blueprint.route("/auth/logout", method="POST")
@blueprint.response(204)
def log_out() -> Response:
    """Log out

    Ends the session: its access tokens and its refresh token are dead at once.
    """
    sessions.end(caller().session_id)
    return no_content()


@blueprint.route("/users/me")
@blueprint.response(200, MeSchema())
def get_me() -> Response:
    """Get my profile

    With my address, and the teams that I belong to.
    """
    return answer(queries.PROFILE.get(me=me()))


@blueprint.route("/users/me", method="PATCH", conditional=True, conflicts=["username_taken"])
@blueprint.arguments(MeChange())
@blueprint.response(200, MeSchema())
def update_me(changes: dict[str, Any], expected: Expected) -> Response:
    """Change my profile

    Only the fields that are sent are changed.
    """
    return answer(services.update_profile(me(), changes, expected))
