"""The routes of projects and their members."""

from typing import Any

from flask import Response

from ..accounts.schemas import UserBrief
from ..accounts.tokens import me
from ..core.blueprint import Blueprint
from ..core.http import answer, answer_page, created, no_content
from ..core.results import Expected
from ..core.schemas import PageQuery
from . import access, people, queries, services
from .schemas import (
    MemberSchema,
    MembershipChange,
    PeopleQuery,
    ProjectChange,
    ProjectCreate,
    ProjectQuery,
    ProjectSchema,
    ProjectTeamSchema,
)

blueprint = Blueprint("projects", __name__, description="Projects and who belongs to them.")

ONE = "/projects/<id:project_id>"
MEMBER = f"{ONE}/members/<id:user_id>"
TEAM = f"{ONE}/teams/<id:team_id>"


@blueprint.route("/projects")
@blueprint.arguments(ProjectQuery(), location="query")
@blueprint.response(200, ProjectSchema(many=True))
def list_projects(query: dict[str, Any]) -> Response:
    """List my projects

    All projects in which I have a role: as owner, as member or through a team.
    """
    owner = {"owner": me()} if query.get("owner") == "me" else {}
    return answer_page(queries.PROJECTS.page({**query, **owner}, me=me()), query)


@blueprint.route("/projects", method="POST", conflicts=["key_taken"])
@blueprint.arguments(ProjectCreate())
@blueprint.response(201, ProjectSchema())
def create_project(body: dict[str, Any]) -> Response:
    """Create a project

    Whoever makes a project owns it.
    """
    return created(services.create_project(me(), body), "/projects")


@blueprint.route(ONE, find=access.find)
@blueprint.response(200, ProjectSchema())
def get_project(project_id: str) -> Response:
    """Get a project

    With my role in it, and how many tasks it has.
    """
    return answer(queries.PROJECT.get(me=me(), project=project_id))


@blueprint.route(
    ONE,
    method="PATCH",
    find=access.find,
    to="update",
    conditional=True,
    conflicts=["project_archived", "inbox_fixed", "key_taken"],
)
@blueprint.arguments(ProjectChange())
@blueprint.response(200, ProjectSchema())
def update_project(changes: dict[str, Any], project_id: str, expected: Expected) -> Response:
    """Change a project

    Only the fields that are sent are changed. `archived` and `owner_id` are for the owner; whoever gave a project away
    stays as admin. An archived project is read-only until it is un-archived.
    """
    return answer(services.update_project(me(), project_id, changes, expected))


@blueprint.route(
    ONE, method="DELETE", find=access.find, to="delete", conditional=True, conflicts=["project_archived", "inbox_fixed"]
)
@blueprint.response(204)
def delete_project(project_id: str, expected: Expected) -> Response:
    """Delete a project

    With all its tasks and tags; for the owner.
    """
    services.delete_project(me(), project_id, expected)
    return no_content()


@blueprint.route(f"{ONE}/members", find=access.find)
@blueprint.arguments(PageQuery(), location="query")
@blueprint.response(200, MemberSchema(many=True))
def list_members(query: dict[str, Any], project_id: str) -> Response:
    """List who belongs to a project

    The owner, direct members and everyone who comes with a team; `via` names all the ways, `role` is the highest.
    """
    return answer_page(queries.MEMBERS.page(query, me=me(), project=project_id), query)


@blueprint.route(
    MEMBER,
    method="PUT",
    find=access.find_user,
    to="manage_members",
    conditional=True,
    conflicts=["project_archived", "inbox_fixed", "owner_required"],
)
@blueprint.arguments(MembershipChange())
@blueprint.response(200, MemberSchema())
def put_member(body: dict[str, Any], project_id: str, user_id: str, expected: Expected) -> Response:
    """Give a user a role in a project

    For admins and the owner; an admin is changed by the owner alone.
    """
    return answer(services.put_member(me(), project_id, user_id, body["role"], expected))


@blueprint.route(
    MEMBER,
    method="DELETE",
    find=access.find_member,
    to="manage_members",
    conditional=True,
    conflicts=["project_archived", "owner_required"],
)
@blueprint.response(204)
def delete_member(project_id: str, user_id: str, expected: Expected) -> Response:
    """Take a user out of a project

    Everyone but the owner may remove themselves. A role that comes with a team stays.
    """
    services.delete_member(me(), project_id, user_id, expected)
    return no_content()


@blueprint.route(f"{ONE}/teams", find=access.find)
@blueprint.arguments(PageQuery(), location="query")
@blueprint.response(200, ProjectTeamSchema(many=True))
def list_project_teams(query: dict[str, Any], project_id: str) -> Response:
    """List the teams in a project

    All users of a team have its role.
    """
    return answer_page(queries.PROJECT_TEAMS.page(query, me=me(), project=project_id), query)


@blueprint.route(
    TEAM,
    method="PUT",
    find=access.find_own_team,
    to="manage_members",
    conditional=True,
    conflicts=["project_archived", "inbox_fixed"],
)
@blueprint.arguments(MembershipChange())
@blueprint.response(200, ProjectTeamSchema())
def put_project_team(body: dict[str, Any], project_id: str, team_id: str, expected: Expected) -> Response:
    """Give a team a role in a project

    For admins and the owner who belong to the team; all its users get the role.
    """
    return answer(services.put_team(me(), project_id, team_id, body["role"], expected))


@blueprint.route(
    TEAM, method="DELETE", find=access.find_team, to="manage_members", conditional=True, conflicts=["project_archived"]
)
@blueprint.response(204)
def delete_project_team(project_id: str, team_id: str, expected: Expected) -> Response:
    """Take a team out of a project

    Whoever sees the project no more is taken off the tasks assigned to them there.
    """
    services.delete_team(me(), project_id, team_id, expected)
    return no_content()


# --- people -----------------------------------------------------------------------------------------------------------
# They stand with the accounts in the document, and here because projects are what people know each other by.


@blueprint.route("/users")
@blueprint.doc(tags=["accounts"])
@blueprint.arguments(PeopleQuery(), location="query")
@blueprint.response(200, UserBrief(many=True))
def list_users(query: dict[str, Any]) -> Response:
    """List the people I know

    Everyone I share a team or a project with, by username; `search` also finds whoever has exactly this username.
    """
    return answer_page(people.PEOPLE.page(query, me=me()), query)


@blueprint.route("/users/<id:user_id>", find=people.find)
@blueprint.doc(tags=["accounts"])
@blueprint.response(200, UserBrief())
def get_user(user_id: str) -> Response:
    """Get a person I know

    Someone I share a team or a project with, or myself.
    """
    return answer(people.PERSON.get(me=me(), user=user_id))
