"""The routes of tasks."""

from typing import Any

from flask import Response

from ..accounts.tokens import me
from ..core.blueprint import Blueprint
from ..core.errors import Invalid, NotFound
from ..core.http import answer, answer_page, created, no_content
from ..core.results import Expected
from ..projects import access as projects
from . import access, queries
from .schemas import ProjectTaskCreate, ProjectTaskQuery, TaskChange, TaskCreate, TaskQuery, TaskSchema
from .services import changing, deleting, making

blueprint = Blueprint("tasks", __name__, description="Tasks.")

ONE = "/tasks/<id:task_id>"
OF_PROJECT = "/projects/<id:project_id>/tasks"


@blueprint.route("/tasks")
@blueprint.arguments(TaskQuery(), location="query")
@blueprint.response(200, TaskSchema(many=True))
def list_tasks(query: dict[str, Any]) -> Response:
    """List tasks

    Every task that I may see. Different filters must all match; of several values of one filter any may.
    """
    return answer_page(queries.TASKS.page(query, me=me()), query)


@blueprint.route("/tasks", method="POST", forbids=["forbidden"], conflicts=["project_archived"])
@blueprint.arguments(TaskCreate())
@blueprint.response(201, TaskSchema())
def create_task(body: dict[str, Any]) -> Response:
    """Create a task

    Without `project_id` it goes to my inbox.
    """
    try:
        return created(making.create_task(me(), body.pop("project_id", None), body), "/tasks")
    except NotFound as error:
        raise Invalid.field("/project_id", "Not a project that you can see.") from error


@blueprint.route(OF_PROJECT, find=projects.find)
@blueprint.arguments(ProjectTaskQuery(), location="query")
@blueprint.response(200, TaskSchema(many=True))
def list_project_tasks(query: dict[str, Any], project_id: str) -> Response:
    """List the tasks of a project

    Filters and sorts as in the list of all tasks.
    """
    asked = {**query, "project_id": [project_id]}
    return answer_page(queries.TASKS_OF_PROJECT.page(asked, project=project_id, me=me()), query)


@blueprint.route(OF_PROJECT, method="POST", find=projects.find, to="create_task", conflicts=["project_archived"])
@blueprint.arguments(ProjectTaskCreate())
@blueprint.response(201, TaskSchema())
def create_project_task(body: dict[str, Any], project_id: str) -> Response:
    """Create a task in a project

    It gets the next number of the project.
    """
    return created(making.create_task(me(), project_id, body), "/tasks")


@blueprint.route(ONE, find=access.find)
@blueprint.response(200, TaskSchema())
def get_task(task_id: str) -> Response:
    """Get a task

    With its people and tags; the ETag begins with its version.
    """
    return answer(queries.TASK.get(me=me(), task=task_id))


@blueprint.route(ONE, method="PATCH", find=access.find, to="update_task", conditional=True, conflicts=["project_archived"])
@blueprint.arguments(TaskChange())
@blueprint.response(200, TaskSchema())
def update_task(changes: dict[str, Any], task_id: str, expected: Expected) -> Response:
    """Change a task

    Only the fields that are sent are changed; `null` clears an assignee or a date. With `project_id` the task moves.
    """
    return answer(changing.update_task(me(), task_id, changes, expected))


@blueprint.route(ONE, method="DELETE", find=access.find, to="delete_task", conditional=True, conflicts=["project_archived"])
@blueprint.response(204)
def delete_task(task_id: str, expected: Expected) -> Response:
    """Delete a task

    Members delete their own, admins and the owner any.
    """
    deleting.delete_task(me(), task_id, expected)
    return no_content()
