"""The routes of login, refresh and logout."""

from typing import Any

from flask import Response, current_app, request

from ...core.http import answer_once, no_content
from .. import queries, sessions
from ..schemas import LoginSchema, RefreshSchema, TokensSchema
from ..services import login
from ..tokens import Pair, caller
from .blueprint import blueprint


@blueprint.route("/auth/login", method="POST", public=True, refused=True)
@blueprint.arguments(LoginSchema())
@blueprint.response(200, TokensSchema())
def log_in(body: dict[str, Any]) -> Response:
    """Log in

    Takes a username, or an e-mail address, and a password. Every refusal is the same 401.
    """
    user_id, pair = login.log_in(
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
    return _tokens(*login.refresh(body["refresh_token"]))


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
