"""The routes of login, refresh and logout, and of the sessions that come from them."""

from typing import Any

from flask import Response, current_app, request

from ...core.errors import NotFound, Unauthenticated
from ...core.http import answer_once, answer_page, no_content
from ...core.models import now
from ...core.results import Expected
from ...core.schemas import PageQuery
from ...core.text import fold
from .. import limits, queries, sessions, tokens
from ..schemas import LoginSchema, RefreshSchema, SessionSchema, TokensSchema
from ..services import login
from ..tokens import caller, me
from .blueprint import blueprint


@blueprint.route("/auth/login", method="POST", public=True, refused=True, limited=True)
@blueprint.arguments(LoginSchema())
@blueprint.response(200, TokensSchema())
def log_in(body: dict[str, Any]) -> Response:
    """Log in

    Takes a username, or an e-mail address, and a password. Every refusal is the same 401.
    """
    # A name and an address are counted apart: one count would tell that they are of one account.
    name = fold(body["username"])
    answer = login.log_in(
        name,
        body["password"],
        count=lambda known: limits.count_login(name, request.remote_addr, known=known),
        verified_only=current_app.config["REQUIRE_EMAIL_VERIFICATION"],
        ip_address=request.remote_addr,
        user_agent=request.headers.get("User-Agent"),
    )
    limits.forgive_login(name, request.remote_addr)
    return answer_once(answer)


@blueprint.route("/auth/refresh", method="POST", public=True, refused=True, limited=True)
@blueprint.arguments(RefreshSchema())
@blueprint.response(200, TokensSchema())
def refresh(body: dict[str, Any]) -> Response:
    """Get new tokens for a refresh token

    A refresh token works once. The same one again within 10 seconds gives another pair of the same session; used later,
    it ends the session and with it every token that came from it.
    """
    token = body["refresh_token"]
    try:
        session_id, refresh_id = tokens.read_refresh_token(token)
    except Unauthenticated:
        limits.REFRESH.count(token)
        raise
    limits.REFRESH.count(session_id)
    return answer_once(login.refresh(session_id, refresh_id))


@blueprint.route("/auth/logout", method="POST")
@blueprint.response(204)
def log_out() -> Response:
    """Log out

    Ends the session: its access tokens and its refresh token are dead at once.
    """
    try:
        sessions.end(me(), caller().session_id)
    except NotFound as error:  # Another request has ended it since this one was let in.
        raise Unauthenticated from error
    return no_content()


@blueprint.route("/auth/sessions")
@blueprint.arguments(PageQuery(), location="query")
@blueprint.response(200, SessionSchema(many=True))
def list_sessions(query: dict[str, Any]) -> Response:
    """List where I am logged in

    The session that was used last comes first.
    """
    moment = now()
    values = {"me": me(), "session": caller().session_id, "now": moment, "idle_since": moment - sessions.IDLE_LIFETIME}
    return answer_page(queries.SESSIONS.page(query, **values), query)


@blueprint.route("/auth/sessions", method="DELETE", conditional=True)
@blueprint.response(204)
def end_other_sessions(expected: Expected) -> Response:
    """Log out everywhere else

    Ends all my sessions but this one.
    """
    expected.check(None)
    sessions.end_others(me(), caller().session_id)
    return no_content()


@blueprint.route("/auth/sessions/<id:session_id>", method="DELETE", find=sessions.find, conditional=True)
@blueprint.response(204)
def end_session(session_id: str, expected: Expected) -> Response:
    """End one of my sessions

    Its tokens are dead at once.
    """
    expected.check(None)
    sessions.end(me(), session_id)
    return no_content()
