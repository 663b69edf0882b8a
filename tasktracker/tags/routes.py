"""The routes of tags."""

from typing import Any

from flask import Response

from ..accounts.tokens import me
from ..core.blueprint import Blueprint
from ..core.errors import Invalid, NotFound
from ..core.http import answer, answer_page, created, no_content
from ..core.results import Expected
from ..projects import access as projects
from . import access, queries, services
from .schemas import ProjectTagCreate, ProjectTagQuery, TagChange, TagCreate, TagQuery, TagSchema

blueprint = Blueprint("tags", __name__, description="Tags, which belong to a project and are put on its tasks.")

ONE = "/tags/<id:tag_id>"
OF_PROJECT = "/projects/<id:project_id>/tags"


@blueprint.route("/tags")
@blueprint.arguments(TagQuery(), location="query")
@blueprint.response(200, TagSchema(many=True))
def list_tags(query: dict[str, Any]) -> Response:
    """List the tags of my projects

    By name, with the number of tasks that have each.
    """
    return answer_page(queries.TAGS.page(query, me=me()), query)


@blueprint.route("/tags", method="POST", forbids=["forbidden"], conflicts=["tag_name_taken", "project_archived"])
@blueprint.arguments(TagCreate())
@blueprint.response(201, TagSchema())
def create_tag(body: dict[str, Any]) -> Response:
    """Create a tag

    Its name is unique in the project, in any case of letters.
    """
    project_id = body.pop("project_id")
    try:
        return created(services.create_tag(me(), project_id, body), "/tags")
    except NotFound as error:
        raise Invalid.field("/project_id", "Not a project that you can see.") from error


@blueprint.route(OF_PROJECT, find=projects.find)
@blueprint.arguments(ProjectTagQuery(), location="query")
@blueprint.response(200, TagSchema(many=True))
def list_project_tags(query: dict[str, Any], project_id: str) -> Response:
    """List the tags of a project

    By name, with the number of tasks that have each.
    """
    return answer_page(queries.TAGS_OF_PROJECT.page(query, me=me(), project=project_id), query)


@blueprint.route(
    OF_PROJECT, method="POST", find=projects.find, to="create_tag", conflicts=["tag_name_taken", "project_archived"]
)
@blueprint.arguments(ProjectTagCreate())
@blueprint.response(201, TagSchema())
def create_project_tag(body: dict[str, Any], project_id: str) -> Response:
    """Create a tag in a project

    Its name is unique in the project, in any case of letters.
    """
    return created(services.create_tag(me(), project_id, body), "/tags")


@blueprint.route(ONE, find=access.find)
@blueprint.response(200, TagSchema())
def get_tag(tag_id: str) -> Response:
    """Get a tag

    With the number of tasks that have it.
    """
    return answer(queries.TAG.get(me=me(), tag=tag_id))


@blueprint.route(
    ONE, method="PATCH", find=access.find, to="update_tag", conditional=True, conflicts=["tag_name_taken", "project_archived"]
)
@blueprint.arguments(TagChange())
@blueprint.response(200, TagSchema())
def update_tag(changes: dict[str, Any], tag_id: str, expected: Expected) -> Response:
    """Change a tag

    Only the fields that are sent are changed.
    """
    return answer(services.update_tag(me(), tag_id, changes, expected))


@blueprint.route(ONE, method="DELETE", find=access.find, to="delete_tag", conditional=True, conflicts=["project_archived"])
@blueprint.response(204)
def delete_tag(tag_id: str, expected: Expected) -> Response:
    """Delete a tag

    It is taken off its tasks.
    """
    services.delete_tag(me(), tag_id, expected)
    return no_content()
