"""How projects and their members are read."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    SmallInteger,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    null,
    select,
    table,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import aliased

from ..accounts.models import Team, TeamMember
from ..accounts.queries import brief_of, username_of
from ..core.reading import Filter, Listing, One, Shape
from ..core.schemas import PageQuery
from ..core.sql import among, begins_words, json_list, json_object
from ..core.types import AnyColumn, Choice, Id, JsonText, table_of
from .access import NO_ROLE, PROJECT_ID, as_number, projects_of, role_in, role_in_id
from .models import Project, ProjectMember, ProjectTeam, Role
from .schemas import MemberSchema, ProjectQuery, ProjectSchema, ProjectTeamSchema

# The tasks live a floor above; only the name of their table is known here, to count them.
_tasks = table("tasks", column("project_id", Id()), column("status", SmallInteger()))
# Statuses from 3 on are those of completed tasks. They are counted from an index alone; a number kept in the project would
# have everyone who completes a task there wait for the others.
_open_tasks = select(func.count()).where(_tasks.c.project_id == Project.id, _tasks.c.status < literal_column("3"))
_role = role_in(Project.id, Project.owner_id)


# Each column stands alone and needs no other table beside its own, so that UPDATE and INSERT can return them too.
_columns: dict[str, AnyColumn] = {
    "id": Project.id,
    "key": Project.key,
    "name": Project.name,
    "description": Project.description,
    "color": Project.color,
    "owner": brief_of(Project.owner_id),
    "role": type_coerce(func.nullif(_role, NO_ROLE), Choice(Role)),
    "is_inbox": Project.is_inbox,
    "archived_at": Project.archived_at,
    "task_count": Project.task_count,
    "open_task_count": _open_tasks.scalar_subquery(),
    "created_at": Project.created_at,
    "updated_at": Project.updated_at,
}
SHAPE = Shape(ProjectSchema, _columns, Project.version)
PROJECT = One(SHAPE, table_of(Project), (Project.id == PROJECT_ID) & (_role > NO_ROLE))

_filters: dict[str, Filter] = {
    "search": lambda value: begins_words(Project.words, value.patterns()),
    "archived": lambda value: Project.archived_at.is_not(None) == value.value(),
    "role": lambda value: type_coerce(_role, Choice(Role)) == value.value(Choice(Role)),
    "owner": lambda value: value.equals(Project.owner_id),
}
PROJECTS = Listing(
    SHAPE,
    table_of(Project),
    query=ProjectQuery(),
    key=Project.id,
    visible=among(Project.id, projects_of()),
    sorts={"name": Project.name, "created_at": Project.created_at, "updated_at": Project.updated_at},
    default_sort=(("name", False),),
    filters=_filters,
)

# --- members ----------------------------------------------------------------------------------------------------------


def _ways(project: AnyColumn) -> FromClause:
    """Every way in which someone belongs to a project."""
    nobody, nameless = cast(null(), Id()), cast(null(), String())
    owned = select(
        Project.owner_id.label("user_id"),
        literal("owner", String()).label("kind"),
        literal(Role.owner.value, SmallInteger()).label("role"),
        nobody.label("team_id"),
        nameless.label("team_name"),
    ).where(Project.id == project)
    direct = select(ProjectMember.user_id, literal("direct", String()), as_number(ProjectMember.role), nobody, nameless).where(
        ProjectMember.project_id == project
    )
    by_team = (
        select(TeamMember.user_id, literal("team", String()), as_number(ProjectTeam.role), Team.id, Team.name)
        .select_from(ProjectTeam)
        .join(Team, Team.id == ProjectTeam.team_id)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(ProjectTeam.project_id == project)
    )
    return union_all(owned, direct, by_team).subquery("ways")


def _role_name(number: ColumnElement[Any]) -> ColumnElement[str]:
    return type_coerce(number, Choice(Role))


_sees_project = role_in_id(PROJECT_ID) > NO_ROLE
# Nobody works out who belongs to a project for whoever does not see it: then this is no project.
_seen = select(select(PROJECT_ID.label("id")).where(_sees_project).cte("seen").c.id).scalar_subquery()
_way = _ways(_seen)
_all_ways = _ways(_seen)
_belongs = (
    select(_all_ways.c.user_id, func.max(_all_ways.c.role).label("role")).group_by(_all_ways.c.user_id).subquery("belongs")
)
_way_team = case((_way.c.team_id.is_not(None), json_object(id=_way.c.team_id, name=_way.c.team_name)))
_via = (
    select(json_object(kind=_way.c.kind, role=_role_name(_way.c.role), team=type_coerce(_way_team, JsonText())))
    .where(_way.c.user_id == _belongs.c.user_id)
    .order_by(_way.c.role.desc(), _way.c.kind, _way.c.team_id)
    .correlate(_belongs)
)
_member_columns: dict[str, AnyColumn] = {
    "user": brief_of(_belongs.c.user_id),
    "role": _role_name(_belongs.c.role),
    "via": json_list(_via),
}
_member_shape = Shape(MemberSchema, _member_columns)

MEMBER = One(_member_shape, _belongs, _belongs.c.user_id == bindparam("user", type_=Id()))
MEMBERS = Listing(
    _member_shape,
    _belongs,
    query=PageQuery(),
    key=_belongs.c.user_id,
    sorts={"role": _belongs.c.role, "username": username_of(_belongs.c.user_id)},
    default_sort=(("role", True), ("username", False)),
    parent=_sees_project,
)

_team = aliased(Team)
_team_size = select(func.count()).where(TeamMember.team_id == _team.id).scalar_subquery()
_team_brief = select(json_object(id=_team.id, name=_team.name, member_count=_team_size)).where(_team.id == ProjectTeam.team_id)
_team_columns: dict[str, AnyColumn] = {
    "team": type_coerce(_team_brief.correlate(ProjectTeam).scalar_subquery(), JsonText()),
    "role": ProjectTeam.role,
}
TEAM_SHAPE = Shape(ProjectTeamSchema, _team_columns)
_in_project = and_(ProjectTeam.project_id == PROJECT_ID, Team.id == ProjectTeam.team_id)
PROJECT_TEAMS = Listing(
    TEAM_SHAPE,
    table_of(ProjectTeam).join(Team, _in_project),
    query=PageQuery(),
    key=ProjectTeam.team_id,
    visible=_in_project,
    sorts={"name": Team.name},
    default_sort=(("name", False),),
    parent=_sees_project,
)
