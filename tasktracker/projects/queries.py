"""How projects and their members are read."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    SmallInteger,
    String,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    null,
    select,
    table,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import aliased

from ..accounts.models import Team, TeamMember, User
from ..accounts.queries import brief
from ..core.reading import Filter, Listing, One, Shape
from ..core.schemas import PageQuery
from ..core.sql import begins_words, json_list, json_object
from ..core.types import AnyColumn, Choice, Id, JsonText, table_of
from .access import NO_ROLE, projects_of, role_in, role_in_id
from .models import Project, ProjectMember, ProjectTeam, Role
from .schemas import MemberSchema, ProjectQuery, ProjectSchema, ProjectTeamSchema

PROJECT_ID = bindparam("project", type_=Id())
# The tasks live a floor above; only the name of their table is known here, to count them.
_tasks = table("tasks", column("project_id", Id()), column("completed_at"))
_owner = aliased(User, name="owner")
_role = role_in(Project.id, Project.owner_id)


def _count_tasks(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    counted = select(func.count()).select_from(_tasks).where(_tasks.c.project_id == Project.id, *conditions)
    return counted.scalar_subquery()


_columns: dict[str, AnyColumn] = {
    "id": Project.id,
    "key": Project.key,
    "name": Project.name,
    "description": Project.description,
    "color": Project.color,
    "owner": brief(_owner),
    "role": type_coerce(func.nullif(_role, NO_ROLE), Choice(Role)),
    "is_inbox": Project.is_inbox,
    "archived_at": Project.archived_at,
    "task_count": _count_tasks(),
    "open_task_count": _count_tasks(_tasks.c.completed_at.is_(None)),
    "created_at": Project.created_at,
    "updated_at": Project.updated_at,
}
_shape = Shape(ProjectSchema, _columns, Project.version)
_source = table_of(Project).join(_owner, _owner.id == Project.owner_id)

PROJECT = One(_shape, _source, (Project.id == PROJECT_ID) & (_role > NO_ROLE))

_filters: dict[str, Filter] = {
    "search": lambda value: begins_words(Project.words, value.patterns()),
    "archived": lambda value: Project.archived_at.is_not(None) == value.value(),
    "role": lambda value: type_coerce(_role, Choice(Role)) == value.value(Choice(Role)),
    "owner": lambda value: value.equals(Project.owner_id),
}
PROJECTS = Listing(
    _shape,
    _source,
    query=ProjectQuery(),
    key=Project.id,
    visible=Project.id.in_(projects_of()),
    sorts={"name": Project.name, "created_at": Project.created_at, "updated_at": Project.updated_at},
    default_sort=(("name", False),),
    filters=_filters,
)

# --- members ----------------------------------------------------------------------------------------------------------


def _ways() -> FromClause:
    """Every way in which someone belongs to the project."""
    nobody, nameless = cast(null(), Id()), cast(null(), String())
    owned = select(
        Project.owner_id.label("user_id"),
        literal("owner", String()).label("kind"),
        literal(Role.owner.value, SmallInteger()).label("role"),
        nobody.label("team_id"),
        nameless.label("team_name"),
    ).where(Project.id == PROJECT_ID)
    direct = select(ProjectMember.user_id, literal("direct", String()), _number(ProjectMember.role), nobody, nameless).where(
        ProjectMember.project_id == PROJECT_ID
    )
    by_team = (
        select(TeamMember.user_id, literal("team", String()), _number(ProjectTeam.role), Team.id, Team.name)
        .select_from(ProjectTeam)
        .join(Team, Team.id == ProjectTeam.team_id)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(ProjectTeam.project_id == PROJECT_ID)
    )
    return union_all(owned, direct, by_team).subquery("ways")


def _number(role: AnyColumn) -> ColumnElement[int]:
    return type_coerce(role, SmallInteger())


def _role_name(number: ColumnElement[Any]) -> ColumnElement[str]:
    return type_coerce(number, Choice(Role))


_way = _ways()
_all_ways = _ways()
_belongs = (
    select(_all_ways.c.user_id, func.max(_all_ways.c.role).label("role"), User.username)
    .join(User, User.id == _all_ways.c.user_id)
    .group_by(_all_ways.c.user_id, User.username)
    .subquery("belongs")
)
_team = case((_way.c.team_id.is_not(None), json_object(id=_way.c.team_id, name=_way.c.team_name)))
_via = (
    select(json_object(kind=_way.c.kind, role=_role_name(_way.c.role), team=type_coerce(_team, JsonText())))
    .where(_way.c.user_id == User.id)
    .order_by(_way.c.role.desc(), _way.c.kind, _way.c.team_id)
    .correlate(User)
)
_member_columns: dict[str, AnyColumn] = {
    "user": brief(User),
    "role": _role_name(_belongs.c.role),
    "via": json_list(_via),
}
_member_shape = Shape(MemberSchema, _member_columns)
_member_source = _belongs.join(User, User.id == _belongs.c.user_id)
_sees_project = role_in_id(PROJECT_ID) > NO_ROLE

MEMBER = One(_member_shape, _member_source, User.id == bindparam("user", type_=Id()))
MEMBERS = Listing(
    _member_shape,
    _member_source,
    query=PageQuery(),
    key=_belongs.c.user_id,
    visible=true(),
    sorts={"role": _belongs.c.role, "username": _belongs.c.username},
    default_sort=(("role", True), ("username", False)),
    parent=_sees_project,
)

_brought_in = (
    select(ProjectTeam.team_id, ProjectTeam.role, Team.name)
    .join(Team, Team.id == ProjectTeam.team_id)
    .where(ProjectTeam.project_id == PROJECT_ID)
    .subquery("brought_in")
)
_team_size = select(func.count()).where(TeamMember.team_id == _brought_in.c.team_id).scalar_subquery()
_team_columns: dict[str, AnyColumn] = {
    "team": json_object(id=_brought_in.c.team_id, name=_brought_in.c.name, member_count=_team_size),
    "role": _brought_in.c.role,
}
_team_shape = Shape(ProjectTeamSchema, _team_columns)

PROJECT_TEAM = One(_team_shape, _brought_in, _brought_in.c.team_id == bindparam("team", type_=Id()))
PROJECT_TEAMS = Listing(
    _team_shape,
    _brought_in,
    query=PageQuery(),
    key=_brought_in.c.team_id,
    visible=true(),
    sorts={"name": _brought_in.c.name},
    default_sort=(("name", False),),
    parent=_sees_project,
)
