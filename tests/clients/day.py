"""A day's work through the generated Python client: `day.py URL NAME` prints what came of it, as JSON; day.ts does the same."""

import json
import sys
from datetime import date, timedelta
from typing import TypeVar
from uuid import UUID

from task_tracker_client import AuthenticatedClient, Client
from task_tracker_client.api.accounts import create_team, list_users, log_in, log_out, put_team_member, register
from task_tracker_client.api.projects import create_project, put_project_team, update_project
from task_tracker_client.api.tags import create_tag
from task_tracker_client.api.tasks import create_task, delete_task, get_task, list_tasks, update_task
from task_tracker_client.models import (
    Login,
    Me,
    MembershipChange,
    MembershipChangeRole,
    Pagination,
    Priority,
    Problem,
    Project,
    ProjectChange,
    ProjectCreate,
    Registration,
    Status,
    Tag,
    TagCreate,
    Task,
    TaskChange,
    TaskCreate,
    Team,
    TeamCreate,
    TeamMember,
    TeamMembershipChange,
    TeamRole,
    Tokens,
    UserBrief,
)
from task_tracker_client.types import Response

PASSWORD = "correct horse battery staple"
FIRST_DAY = date(2027, 1, 1)
STATUSES = [Status.TODO, Status.IN_PROGRESS, Status.IN_REVIEW, Status.DONE, Status.CANCELLED]
PRIORITIES = [Priority.NONE, Priority.LOW, Priority.MEDIUM, Priority.HIGH]
Kind = TypeVar("Kind")


def got(kind: type[Kind], response: Response[Problem | Kind]) -> Kind:
    """The answer, which must be of this kind."""
    assert isinstance(response.parsed, kind), response.content
    return response.parsed


def refusal(response: Response[Problem] | Response[Problem | Kind]) -> list[object]:
    """What a refusal says: status, code and pointers."""
    assert isinstance(response.parsed, Problem), response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.parsed.request_id == response.headers["X-Request-ID"]
    return [int(response.status_code), response.parsed.code, [error.pointer for error in response.parsed.errors or []]]


def page(response: Response[Problem | list[Task]]) -> tuple[int, list[Task]]:
    """How many tasks there are in all, and those of this page."""
    assert isinstance(response.parsed, list), response.content
    return Pagination.from_dict(json.loads(response.headers["X-Pagination"])).total, response.parsed


def sign_up(url: str, username: str) -> AuthenticatedClient:
    """A new user who is logged in."""
    anyone = Client(base_url=url)
    registration = Registration(email=f"{username}@example.com", username=username, password=PASSWORD)
    made = register.sync_detailed(client=anyone, body=registration)
    assert isinstance(made.parsed, Me), made.content
    tokens = got(Tokens, log_in.sync_detailed(client=anyone, body=Login(username=username, password=PASSWORD)))
    return AuthenticatedClient(base_url=url, token=tokens.access_token)


def user(client: AuthenticatedClient, search: str) -> UserBrief:
    """The user of this name."""
    found = list_users.sync(client=client, search=search)
    assert isinstance(found, list)
    return found[0]


def make_team(ada: AuthenticatedClient, other: UserBrief) -> Team:
    """A team of the caller and another."""
    team = got(Team, create_team.sync_detailed(client=ada, body=TeamCreate(name="Web")))
    change = TeamMembershipChange(role=TeamRole.MEMBER)
    got(TeamMember, put_team_member.sync_detailed(team.id, other.id, client=ada, body=change))
    return team


def new_task(number: int, project: Project, tag: Tag) -> TaskCreate:
    """One of a hundred tasks."""
    return TaskCreate(
        title=f"Task {number:03}",
        project_id=project.id,
        status=STATUSES[number % 5],
        priority=PRIORITIES[number % 4],
        due_date=FIRST_DAY + timedelta(days=number),
        tag_ids=[tag.id] if number % 4 == 0 else [],
    )


def filters(ada: AuthenticatedClient, first: Task) -> dict[str, int]:
    """How many tasks each filter finds."""
    return {
        "status": page(list_tasks.sync_detailed(client=ada, status=[Status.TODO, first.status, Status.DONE]))[0],
        "priority": page(list_tasks.sync_detailed(client=ada, priority=[Priority.HIGH]))[0],
        "both": page(list_tasks.sync_detailed(client=ada, status=[Status.TODO], priority=[Priority.HIGH]))[0],
        "tag": page(list_tasks.sync_detailed(client=ada, tag=["BUG"]))[0],
        "due": page(list_tasks.sync_detailed(client=ada, due_after=FIRST_DAY, due_before=FIRST_DAY + timedelta(days=11)))[0],
        "search": page(list_tasks.sync_detailed(client=ada, search="task 04"))[0],
        "nobody's": page(list_tasks.sync_detailed(client=ada, assigned_to=["none"], project_id=[first.project_id]))[0],
    }


def changes(ada: AuthenticatedClient, task: Task, bob: UUID) -> list[object]:
    """A change, one that comes too late, and one that takes back; with what is read in between."""
    etag = get_task.sync_detailed(task.id, client=ada).headers["ETag"]
    unchanged = get_task.sync_detailed(task.id, client=ada, if_none_match=etag)
    change = TaskChange(assigned_to_id=bob, due_date=None, status=Status.DONE)
    changed = got(Task, update_task.sync_detailed(task.id, client=ada, body=change, if_match=etag))
    late = update_task.sync_detailed(task.id, client=ada, body=TaskChange(title="Late"), if_match=etag)
    freed = got(Task, update_task.sync_detailed(task.id, client=ada, body=TaskChange(assigned_to_id=None)))
    assert changed.assigned_to is not None
    assert changed.assigned_to.id == bob
    assert changed.completed_at is not None
    told = [changed.status, changed.due_date, changed.title, freed.assigned_to]
    return [int(unchanged.status_code), *told, refusal(late)]


def main(url: str, name: str) -> dict[str, object]:
    """The day."""
    ada, bob = sign_up(url, f"{name}-ada"), sign_up(url, f"{name}-bob")
    wrong = Login(username=f"{name}-ada", password="wrong")
    stranger = refusal(log_in.sync_detailed(client=Client(base_url=url), body=wrong))
    other = user(ada, f"{name}-bob")
    team = make_team(ada, other)
    project = got(Project, create_project.sync_detailed(client=ada, body=ProjectCreate(name="Website", key="WEB")))
    taken = refusal(create_project.sync_detailed(client=ada, body=ProjectCreate(name="Web", key="WEB")))
    viewer = MembershipChange(role=MembershipChangeRole.VIEWER)
    shared = put_project_team.sync_detailed(project.id, team.id, client=ada, body=viewer)
    tag = got(Tag, create_tag.sync_detailed(client=ada, body=TagCreate(name="bug", project_id=project.id)))

    tasks = [
        got(Task, create_task.sync_detailed(client=ada, body=new_task(number, project, tag), idempotency_key=f"task-{number}"))
        for number in range(100)
    ]
    again = create_task.sync_detailed(client=ada, body=new_task(0, project, tag), idempotency_key="task-0")
    found = filters(ada, tasks[1])
    pages = [
        page(list_tasks.sync_detailed(client=ada, page=number, page_size=30, sort="-priority,title")) for number in range(1, 6)
    ]
    rows = [task for _, each in pages for task in each]

    seen = got(Task, get_task.sync_detailed(tasks[7].id, client=bob))
    changed = changes(ada, tasks[0], other.id)
    refused = {
        "stranger": stranger,
        "key": taken,
        "title": refusal(create_task.sync_detailed(client=ada, body=TaskCreate(title=" "))),
        "page": refusal(list_tasks.sync_detailed(client=ada, page=0)),
        "viewer": refusal(update_task.sync_detailed(tasks[1].id, client=bob, body=TaskChange(title="Mine"))),
        "unseen": refusal(get_task.sync_detailed(project.id, client=bob)),
    }
    deleted = [delete_task.sync_detailed(tasks[99].id, client=ada) for _ in range(2)]
    refused["deleted"] = refusal(deleted[1])
    archived = got(Project, update_project.sync_detailed(project.id, client=ada, body=ProjectChange(archived=True)))
    refused["archived"] = refusal(create_task.sync_detailed(client=ada, body=new_task(0, project, tag)))
    out = log_out.sync_detailed(client=ada)
    refused["logged out"] = refusal(get_task.sync_detailed(tasks[0].id, client=ada))
    return {
        "shared": int(shared.status_code),
        "refs": [tasks[0].ref, tasks[99].ref],
        "again": [got(Task, again).id == tasks[0].id, again.headers.get("Idempotent-Replayed")],
        "found": found,
        "pages": [[total, len(each)] for total, each in pages],
        "distinct": len({task.id for task in rows}),
        "first": [rows[0].title, rows[0].priority],
        "seen": seen.title,
        "changed": changed,
        "deleted": int(deleted[0].status_code),
        "archived": archived.archived_at is not None,
        "logged out": int(out.status_code),
        "refused": refused,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201
