"""The routes of one's own profile."""

from typing import Any

from flask import Response

from ...core.http import answer, no_content
from ...core.results import Expected
from ...core.schemas import example_of
from .. import limits, queries
from ..schemas import AccountDeletion, MeChange, MeSchema
from ..services import deletion, users
from ..tokens import caller, me
from .blueprint import blueprint


@blueprint.route("/users/me")
@blueprint.response(200, MeSchema())
def get_me() -> Response:
    """Get my profile

    With my address, and the teams that I belong to.
    """
    return answer(queries.PROFILE.get(me=me()))


@blueprint.route("/users/me", method="PATCH", conditional=True, conflicts=["username_taken"])
# Another name would lock whoever tries it out of what they log in with.
@blueprint.arguments(MeChange(), example=example_of(MeChange(exclude=("username",))))
@blueprint.response(200, MeSchema())
def update_me(changes: dict[str, Any], expected: Expected) -> Response:
    """Change my profile

    Only the fields that are sent are changed.
    """
    return answer(users.update_profile(me(), changes, expected))


@blueprint.route(
    "/users/me",
    method="DELETE",
    conditional=True,
    limited=True,
    forbids=["password_wrong"],
    conflicts=["owner_required", "last_admin"],
)
@blueprint.arguments(AccountDeletion())
@blueprint.response(204)
def delete_me(body: dict[str, Any], expected: Expected) -> Response:
    """Delete my account

    With my projects that nobody else belongs to; what I wrote elsewhere stays. Not while I own projects that others belong
    to, or am the only admin of a team with others in it.
    """
    limits.PASSWORD.count(caller().session_id)
    deletion.delete_account(me(), body["password"], expected)
    return no_content()
