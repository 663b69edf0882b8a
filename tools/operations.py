"""What `make bench` asks: the six operations on tasks that are asked all the time, and the routes of what is around them."""

import re
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import Any

from tasktracker.core.http import PREFIX
from tasktracker.tasks.models import Priority, Status

TASKS = ("list", "list_all", "search", "get", "patch", "create")
# By the names that they have in the document of the API.
AROUND = (
    "get_me",
    "update_me",
    "list_sessions",
    "list_projects",
    "get_project",
    "create_project",
    "update_project",
    "list_members",
    "put_member",
    "list_tags",
    "get_tag",
    "create_tag",
    "update_tag",
    "list_teams",
    "get_team",
    "create_team",
    "update_team",
    "list_team_members",
)
STATUSES, PRIORITIES = [each.name for each in Status], [each.name for each in Priority]
Request = tuple[str, str, dict[str, Any] | None]  # Method, URL, body.
Page = Callable[..., tuple[int, list[dict[str, Any]]]]  # Asks for a page; gives the total and the items.


def requests(page: Page, me: str) -> dict[str, Iterator[Request]]:
    """The requests of each operation, without end; ids and words differ from one to the next.

    Args:
        page: asks for a page of a list by its path.
        me: the id of the caller.
    """
    projects = [project for project in page("/projects")[1] if not project["is_inbox"]]
    return {**_of_tasks(page, [project["id"] for project in projects], me), **_around(page, projects)}


def _get(*paths: str) -> Iterator[Request]:
    return cycle(("GET", PREFIX + path, None) for path in paths)


def _send(method: str, path: str, **body: str) -> Iterator[Request]:
    """The same request again and again, with another number in its texts, so that each changes something."""
    return ((method, PREFIX + path, {name: text.format(n) for name, text in body.items()}) for n in count())


def _of_tasks(page: Page, projects: list[str], me: str) -> dict[str, Iterator[Request]]:
    tags = {project: [tag["id"] for tag in page("/tags", project_id=project)[1]] for project in projects}
    total, tasks = page("/tasks")
    words = sorted({word for task in tasks for word in re.findall("[a-z]{4,}", task["title"].lower())})[:150]
    words.sort(key=lambda word: abs(page("/tasks", search=word)[0] - total / 100))

    def change(number: int) -> Request:
        turn, place = divmod(number, len(tasks))  # Each turn gives each task the next status, so that all are changes.
        return "PATCH", f"{PREFIX}/tasks/{tasks[place]['id']}", {"status": STATUSES[(turn + place) % 5]}

    def make(number: int) -> Request:
        project = projects[number % len(projects)]
        some = {"title": f"Measured task {number}", "description": "Made by the bench. " * 8, "due_date": "2027-03-14"}
        links = {"project_id": project, "assigned_to_id": me, "tag_ids": tags[project][number % 10 :][:1]}
        return "POST", f"{PREFIX}/tasks", {**some, **links, "priority": PRIORITIES[number % 5]}

    return {
        "list": _get(*(f"/tasks?project_id={project}&status={status}" for status in STATUSES for project in projects)),
        "list_all": _get(*(f"/tasks?status={one}&priority={other}&sort=due_date" for one in STATUSES for other in PRIORITIES)),
        "search": _get(*(f"/tasks?search={word}" for word in words[:20])),
        "get": _get(*(f"/tasks/{task['id']}" for task in tasks)),
        "patch": map(change, count()),
        "create": map(make, count()),
    }


def _around(page: Page, projects: list[dict[str, Any]]) -> dict[str, Iterator[Request]]:
    project_id = next(project["id"] for project in projects if project["role"] == "owner")
    mine = f"/projects/{project_id}"
    tag, team = f"/tags/{page('/tags', project_id=project_id)[1][0]['id']}", f"/teams/{page('/teams')[1][0]['id']}"
    member = next(each["user"]["id"] for each in page(f"{mine}/members")[1] if each["role"] != "owner")
    roles = cycle(("member", "viewer"))
    return {
        "get_me": _get("/users/me"),
        "update_me": _send("PATCH", "/users/me", display_name="Demo {}"),
        "list_sessions": _get("/auth/sessions"),
        "list_projects": _get("/projects"),
        "get_project": _get(*(f"/projects/{project['id']}" for project in projects)),
        "create_project": _send("POST", "/projects", name="Measured {}"),
        "update_project": _send("PATCH", mine, description="Measured {}"),
        "list_members": _get(*(f"/projects/{project['id']}/members" for project in projects)),
        "put_member": (("PUT", f"{PREFIX}{mine}/members/{member}", {"role": role}) for role in roles),
        "list_tags": _get(*(f"/tags?project_id={project['id']}" for project in projects)),
        "get_tag": _get(tag),
        "create_tag": _send("POST", "/tags", project_id=project_id, name="measured-{}"),
        "update_tag": _send("PATCH", tag, name="changed-{}"),
        "list_teams": _get("/teams"),
        "get_team": _get(team),
        "create_team": _send("POST", "/teams", name="Measured {}"),
        "update_team": _send("PATCH", team, name="Changed {}"),
        "list_team_members": _get(f"{team}/members"),
    }
