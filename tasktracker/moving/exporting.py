"""Exports: lossless, and of one moment, whatever is written meanwhile."""

import csv
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Integer, Text, func, select, type_coerce, union
from sqlalchemy.orm import aliased

from ..accounts.models import Team, TeamMember, User
from ..core.database import aside, is_on_postgresql, lift_limits
from ..core.errors import NotFound
from ..core.json import to_bytes
from ..core.types import AnyColumn, AnySelect
from ..extensions import db
from ..projects.models import Project, ProjectMember, ProjectTeam
from ..tags.models import Tag
from ..tasks.models import ExternalId, Task
from ..tasks.queries import TAGS
from .sources import COLUMNS, joined_tags

_AT_ONCE = 1_000  # Rows that are in memory.
_FORMULA = tuple("=+-@\t\r")
_assignee, _creator, _owner, _member = (aliased(User) for _ in range(4))
_TASKS = (
    select(
        Task.id,
        Task.number,
        Task.title,
        Task.description,
        Task.status,
        Task.priority,
        _assignee.username.label("assigned_to"),
        _creator.username.label("created_by"),
        Task.due_date,
        Task.start_date,
        Task.completed_at,
        type_coerce(TAGS, Text()).label("tags"),
        ExternalId.external_id,
        Task.version,
        Task.created_at,
        Task.updated_at,
    )
    .outerjoin(_assignee, _assignee.id == Task.assigned_to_id)
    .outerjoin(_creator, _creator.id == Task.created_by_id)
    .outerjoin(ExternalId, (ExternalId.task_id == Task.id) & (ExternalId.project_id == Task.project_id))
    .order_by(Task.number)
)


@contextmanager
def snapshot() -> Generator[Connection]:
    """A connection that sees the moment of its first query, and keeps nobody from writing."""
    if is_on_postgresql():
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with db.engine.connect().execution_options(**options) as connection, connection.begin():
            lift_limits(connection)
            yield connection
        return
    with aside().connect() as connection:
        # Not by the engine for transactions, which begins each as a writer.
        connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("COMMIT")


def one_project(connection: Connection, owner: str, key: str) -> str:
    """The id of the project that a user owns under this key.

    Raises:
        NotFound: there is none.
    """
    found = select(Project.id).join(User, User.id == Project.owner_id)
    asked = found.where(User.username == owner.lower(), Project.key == key.upper())
    project = connection.scalar(asked) if f"{owner}{key}".isascii() else None
    if project is None:
        raise NotFound(f"There is no project {key} of a user {owner}.")
    return project


def one_user(connection: Connection, username: str) -> str:
    """The id of a user.

    Raises:
        NotFound: there is none of this name.
    """
    user = connection.scalar(select(User.id).where(User.username == username.lower())) if username.isascii() else None
    if user is None:
        raise NotFound(f"There is no user {username}.")
    return user


def task_count(connection: Connection, which: ColumnElement[bool]) -> int:
    """How many tasks these projects have."""
    total = select(type_coerce(func.coalesce(func.sum(Project.task_count), 0), Integer()))
    return int(connection.scalar(total.where(which)) or 0)


def lines(connection: Connection, which: ColumnElement[bool], owner: ColumnElement[bool]) -> Iterator[bytes]:
    """The lines of an export: people, teams, then project by project with its tags and tasks, and how many lines that were.

    Args:
        connection: see `snapshot`.
        which: which projects.
        owner: who is among the people in any case.
    """
    count = 0
    for line in _records(connection, which, owner):
        count += 1
        yield to_bytes(line) + b"\n"
    yield to_bytes({"kind": "end", "lines": count}) + b"\n"


def rows(connection: Connection, project_id: str, *, for_spreadsheets: bool) -> Iterator[bytes]:
    """The tasks of a project as the rows of a table, the names of the columns first.

    Args:
        connection: see `snapshot`.
        project_id: the project.
        for_spreadsheets: whether an apostrophe goes before what a spreadsheet would take for a formula.
    """
    cell = _harmless if for_spreadsheets else _cell
    yield _written(COLUMNS)
    for task in _tasks(connection, project_id):
        yield _written([cell(joined_tags(task[name]) if name == "tags" else task[name]) for name in COLUMNS])


def _records(connection: Connection, which: ColumnElement[bool], owner: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    yield {"kind": "export", "format": 1}
    for person in _stream(connection, _people(which, owner)):
        yield {"kind": "person", **person}
    teams = select(ProjectTeam.team_id).join(Project, Project.id == ProjectTeam.project_id).where(which)
    columns = (Team.id, Team.name, Team.description, Team.version, Team.created_at, Team.updated_at)
    for team in _stream(connection, select(*columns).where(Team.id.in_(teams)).order_by(Team.id)):
        yield {"kind": "team", **team, "members": _members_of(connection, TeamMember, TeamMember.team_id == team["id"])}
    for project in _stream(connection, _projects(which)):
        yield from _project(connection, project)
    for named in _stream(connection, _names_left_behind(which)):
        yield {"kind": "external_id", **named}


def _people(which: ColumnElement[bool], owner: ColumnElement[bool]) -> AnySelect:
    """Everybody to whom something in these projects refers."""
    ids = select(Project.id).where(which)
    teams = select(ProjectTeam.team_id).where(ProjectTeam.project_id.in_(ids))
    referred = union(
        select(User.id).where(owner),
        select(Project.owner_id).where(which),
        select(ProjectMember.user_id).where(ProjectMember.project_id.in_(ids)),
        select(TeamMember.user_id).where(TeamMember.team_id.in_(teams)),
        select(Task.assigned_to_id).where(Task.project_id.in_(ids)),
        select(Task.created_by_id).where(Task.project_id.in_(ids)),
    ).subquery()
    columns = (User.id, User.username, User.email, User.display_name, User.timezone, User.created_at)
    return select(*columns).where(User.id.in_(select(referred.c[0]))).order_by(User.username)


def _projects(which: ColumnElement[bool]) -> AnySelect:
    columns = (
        Project.id,
        Project.key,
        Project.name,
        Project.description,
        Project.color,
        _owner.username.label("owner"),
        Project.is_inbox,
        Project.archived_at,
        Project.last_number,
        Project.version,
        Project.created_at,
        Project.updated_at,
    )
    return select(*columns).join(_owner, _owner.id == Project.owner_id).where(which).order_by(Project.id)


def _names_left_behind(which: ColumnElement[bool]) -> AnySelect:
    """What tasks are called in projects from which they have moved to others of these."""
    columns = (Project.key.label("project"), ExternalId.task_id.label("task"), ExternalId.external_id)
    return (
        select(*columns)
        .join(Project, Project.id == ExternalId.project_id)
        .join(Task, Task.id == ExternalId.task_id)
        .where(which, Task.project_id != Project.id, Task.project_id.in_(select(Project.id).where(which).correlate(None)))
        .order_by(ExternalId.task_id, ExternalId.project_id)
    )


def _project(connection: Connection, project: dict[str, Any]) -> Iterator[dict[str, Any]]:
    its = ProjectTeam.project_id == project["id"]
    teams = connection.execute(select(ProjectTeam.team_id, ProjectTeam.role).where(its).order_by(ProjectTeam.team_id))
    members = _members_of(connection, ProjectMember, ProjectMember.project_id == project["id"])
    yield {"kind": "project", **project, "members": members, "teams": [{"team": team, "role": role} for team, role in teams]}
    columns = (Tag.id, Tag.name, Tag.color, Tag.version, Tag.created_at, Tag.updated_at)
    for tag in _stream(connection, select(*columns).where(Tag.project_id == project["id"]).order_by(Tag.name, Tag.id)):
        yield {"kind": "tag", "project": project["key"], **tag}
    for task in _tasks(connection, project["id"]):
        yield {"kind": "task", "project": project["key"], **task}


def _members_of(
    connection: Connection, table: type[TeamMember | ProjectMember], which: ColumnElement[bool]
) -> list[dict[str, Any]]:
    role: AnyColumn = table.role
    found = select(_member.username, role).join(_member, _member.id == table.user_id).where(which).order_by(_member.username)
    return [{"user": user, "role": its_role} for user, its_role in connection.execute(found)]


def _tasks(connection: Connection, project_id: str) -> Iterator[dict[str, Any]]:
    for task in _stream(connection, _TASKS.where(Task.project_id == project_id)):
        yield {**task, "tags": [tag["name"] for tag in orjson.loads(task["tags"])]}


def _stream(connection: Connection, statement: AnySelect) -> Iterator[dict[str, Any]]:
    for row in connection.execute(statement.execution_options(yield_per=_AT_ONCE)).mappings():
        yield dict(row)


# --- cells ------------------------------------------------------------------------------------------------------------


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


def _harmless(value: Any) -> str:
    cell = _cell(value)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _written(cells: Any) -> bytes:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
