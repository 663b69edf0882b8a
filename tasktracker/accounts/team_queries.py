"""How teams and their members are read."""

from sqlalchemy import bindparam, func, select

from ..core.reading import Listing, One, Shape
from ..core.schemas import PageQuery
from ..core.sql import among
from ..core.types import AnyColumn, Id, table_of
from .access import ME, TEAM_ID, role_in_team
from .models import Team, TeamMember
from .queries import brief_of, username_of
from .team_schemas import TeamMemberSchema, TeamSchema

_columns: dict[str, AnyColumn] = {
    "id": Team.id,
    "name": Team.name,
    "description": Team.description,
    "role": role_in_team(Team.id),
    "member_count": select(func.count()).where(TeamMember.team_id == Team.id).scalar_subquery(),
    "created_at": Team.created_at,
    "updated_at": Team.updated_at,
}
SHAPE = Shape(TeamSchema, _columns, Team.version)

TEAM = One(SHAPE, table_of(Team), (Team.id == TEAM_ID) & role_in_team(Team.id).is_not(None))
TEAMS = Listing(
    SHAPE,
    table_of(Team),
    query=PageQuery(),
    key=Team.id,
    visible=among(Team.id, select(TeamMember.team_id).where(TeamMember.user_id == ME)),
    sorts={"name": Team.name},
    default_sort=(("name", False),),
)

_sees_team = role_in_team(TEAM_ID).is_not(None)
# Nobody looks at the members of a team for whoever does not see it: then this is no team.
_seen = select(TEAM_ID).where(_sees_team).scalar_subquery()
_belongs = select(TeamMember.user_id, TeamMember.role).where(TeamMember.team_id == _seen).subquery("belongs")
_member_columns: dict[str, AnyColumn] = {"user": brief_of(_belongs.c.user_id), "role": _belongs.c.role}
_member_shape = Shape(TeamMemberSchema, _member_columns)

MEMBER = One(_member_shape, _belongs, _belongs.c.user_id == bindparam("user", type_=Id()))
MEMBERS = Listing(
    _member_shape,
    _belongs,
    query=PageQuery(),
    key=_belongs.c.user_id,
    sorts={"role": _belongs.c.role, "username": username_of(_belongs.c.user_id)},
    default_sort=(("role", True), ("username", False)),
    parent=_sees_team,
)
