"""The routes of one's own profile."""

from typing import Any

from flask import Response

from ...core.http import answer
from ...core.results import Expected
from .. import queries
from ..schemas import MeChange, MeSchema
from ..services import users
from ..tokens import me
from .blueprint import blueprint


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
    return answer(users.update_profile(me(), changes, expected))
