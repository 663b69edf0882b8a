"""The routes of teams and their members."""

from typing import Any

from flask import Response

from ...core.http import answer, answer_page, created, no_content
from ...core.results import Expected
from ...core.schemas import PageQuery
from .. import access
from .. import team_queries as queries
from ..services import teams
from ..team_schemas import TeamChange, TeamCreate, TeamMemberSchema, TeamMembershipChange, TeamSchema
from ..tokens import me
from .blueprint import blueprint

ONE = "/teams/<id:team_id>"
MEMBER = f"{ONE}/members/<id:user_id>"


@blueprint.route("/teams")
@blueprint.arguments(PageQuery(), location="query")
@blueprint.response(200, TeamSchema(many=True))
def list_teams(query: dict[str, Any]) -> Response:
    """List my teams

    By name, with my role and the number of members.
    """
    return answer_page(queries.TEAMS.page(query, me=me()), query)


@blueprint.route("/teams", method="POST")
@blueprint.arguments(TeamCreate())
@blueprint.response(201, TeamSchema())
def create_team(body: dict[str, Any]) -> Response:
    """Create a team

    Whoever makes a team is its admin.
    """
    return created(teams.create_team(me(), body), "/teams")


@blueprint.route(ONE, find=access.find)
@blueprint.response(200, TeamSchema())
def get_team(team_id: str) -> Response:
    """Get a team

    With my role in it, and how many belong to it.
    """
    return answer(queries.TEAM.get(me=me(), team=team_id))


@blueprint.route(ONE, method="PATCH", find=access.find, to="update", conditional=True)
@blueprint.arguments(TeamChange())
@blueprint.response(200, TeamSchema())
def update_team(changes: dict[str, Any], team_id: str, expected: Expected) -> Response:
    """Change a team

    Only the fields that are sent are changed; for admins.
    """
    return answer(teams.update_team(me(), team_id, changes, expected))


@blueprint.route(ONE, method="DELETE", find=access.find, to="delete", conditional=True)
@blueprint.response(204)
def delete_team(team_id: str, expected: Expected) -> Response:
    """Delete a team

    For admins. Whoever sees a project no more is taken off the tasks assigned to them there.
    """
    teams.delete_team(me(), team_id, expected)
    return no_content()


@blueprint.route(f"{ONE}/members", find=access.find)
@blueprint.arguments(PageQuery(), location="query")
@blueprint.response(200, TeamMemberSchema(many=True))
def list_team_members(query: dict[str, Any], team_id: str) -> Response:
    """List who belongs to a team

    Admins first, then by username.
    """
    return answer_page(queries.MEMBERS.page(query, me=me(), team=team_id), query)


@blueprint.route(MEMBER, method="PUT", find=access.find_user, to="manage_members", conditional=True, conflicts=["last_admin"])
@blueprint.arguments(TeamMembershipChange())
@blueprint.response(200, TeamMemberSchema())
def put_team_member(body: dict[str, Any], team_id: str, user_id: str, expected: Expected) -> Response:
    """Give a user a role in a team

    For admins. A team keeps one admin.
    """
    return answer(teams.put_member(me(), team_id, user_id, body["role"], expected))


@blueprint.route(
    MEMBER, method="DELETE", find=access.find_member, to="manage_members", conditional=True, conflicts=["last_admin"]
)
@blueprint.response(204)
def delete_team_member(team_id: str, user_id: str, expected: Expected) -> Response:
    """Take a user out of a team

    For admins; everyone may remove themselves, but for the last admin. Whoever sees a project no more is taken off the
    tasks assigned to them there.
    """
    teams.delete_member(me(), team_id, user_id, expected)
    return no_content()
