"""Who may do what in a project.

The role of a user is the highest of all that apply: owner, direct member, member of a team. It is looked up in the
database at each request and never kept.
"""

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    SmallInteger,
    bindparam,
    case,
    func,
    select,
    type_coerce,
    union,
)
from sqlalchemy.orm import aliased

from ..accounts.access import CAN_LOG_IN
from ..accounts.models import TeamMember, User
from ..core.database import session
from ..core.errors import Conflict, Forbidden, NotFound
from ..core.reading import Statement
from ..core.sql import greatest
from ..core.types import AnyColumn, AnySelect, Id
from .models import Project, ProjectMember, ProjectTeam, Role

# The least role for each thing that can be done with a project or with what is in it.
NEEDED: dict[str, Role] = {
    "read": Role.viewer,
    "leave": Role.viewer,
    "create_task": Role.member,
    "update_task": Role.member,
    "delete_own_task": Role.member,
    "delete_any_task": Role.admin,
    "create_tag": Role.member,
    "update_tag": Role.admin,
    "delete_tag": Role.admin,
    "update": Role.admin,
    "manage_members": Role.admin,
    "archive": Role.owner,
    "hand_over": Role.owner,
    "delete": Role.owner,
}
NO_ROLE = -1
ME: BindParameter[str] = bindparam("me", type_=Id())


def role_in(project: AnyColumn, owner: AnyColumn, user: AnyColumn = ME) -> ColumnElement[int]:
    """The role of a user in a project as a number; -1 for none.

    Args:
        project: the project's id.
        owner: the id of its owner.
        user: the id of the user.
    """
    # Under names of their own, these tables are never taken for those of the statement around.
    own, team, belongs = aliased(ProjectMember), aliased(ProjectTeam), aliased(TeamMember)
    # What they compare with belongs to the statement around, also where that is not the next one.
    direct = select(_number(own.role)).where(own.project_id == project, own.user_id == user).correlate_except(own)
    by_team = (
        select(func.max(_number(team.role)))
        .join(belongs, belongs.team_id == team.team_id)
        .where(team.project_id == project, belongs.user_id == user)
        .correlate_except(team, belongs)
    )
    roles = [
        case((owner == user, Role.owner.value), else_=NO_ROLE),
        *(func.coalesce(role.scalar_subquery(), NO_ROLE) for role in (direct, by_team)),
    ]
    return type_coerce(greatest(*roles), Integer())


def role_in_id(project: AnyColumn, user: AnyColumn = ME) -> ColumnElement[int]:
    """The role of a user in the project of an id that need not exist; null if it does not."""
    found = aliased(Project)
    return select(role_in(found.id, found.owner_id, user)).where(found.id == project).scalar_subquery()


def projects_of(user: AnyColumn = ME) -> AnySelect:
    """The ids of all projects in which a user has a role."""
    owned = select(Project.id.label("id")).where(Project.owner_id == user)
    direct = select(ProjectMember.project_id).where(ProjectMember.user_id == user)
    by_team = (
        select(ProjectTeam.project_id)
        .join(TeamMember, TeamMember.team_id == ProjectTeam.team_id)
        .where(TeamMember.user_id == user)
    )
    return select(union(owned, direct, by_team).subquery("visible").c.id)


def _number(role: AnyColumn) -> ColumnElement[int]:
    return type_coerce(role, SmallInteger())


_ROLE = Statement(select(role_in_id(bindparam("project", type_=Id())).label("role")))


def role_of(user_id: str, project_id: str) -> Role | None:
    """The role of a user in a project, if they have one."""
    row = _ROLE.first(me=user_id, project=project_id)
    return None if row is None or row.role is None or row.role == NO_ROLE else Role(row.role)


def check(role: Role | None, to: str) -> Role:
    """Compares a role with what is needed.

    Raises:
        NotFound: no role, so the project may not even be seen.
        Forbidden: the role is too low.
    """
    if role is None:
        raise NotFound
    if role < NEEDED[to]:
        raise Forbidden
    return role


def find(user_id: str, project_id: str, *, to: str = "read") -> Role:
    """The role of a user in a project, if it is enough.

    Raises:
        NotFound: the project does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    return check(role_of(user_id, project_id), to)


_PROJECT, _OTHER, _TEAM = (bindparam(name, type_=Id()) for name in ("project", "other", "team"))
_USER_THERE = Statement(
    select(
        role_in_id(_PROJECT, _OTHER).label("role"),
        select(User.id).where(User.id == _OTHER, CAN_LOG_IN).exists().label("can_log_in"),
        select(ProjectMember.role)
        .where(ProjectMember.project_id == _PROJECT, ProjectMember.user_id == _OTHER)
        .exists()
        .label("is_member"),
    )
)
_TEAM_THERE = Statement(
    select(
        select(TeamMember.role).where(TeamMember.team_id == _TEAM, TeamMember.user_id == ME).exists().label("is_mine"),
        select(ProjectTeam.role)
        .where(ProjectTeam.project_id == _PROJECT, ProjectTeam.team_id == _TEAM)
        .exists()
        .label("is_in_project"),
    )
)


def find_user(user_id: str, project_id: str, other_id: str, *, to: str) -> bool:
    """Whom a role can be given to: whoever can log in, or belongs to the project already. Gives whether they have one.

    Raises:
        NotFound: the project may not be seen, or there is no such user.
        Forbidden: the caller's role is too low.
    """
    find(user_id, project_id, to=to)
    other = _USER_THERE.rows(project=project_id, other=other_id)[0]
    if not other.can_log_in and other.role == NO_ROLE:
        raise NotFound
    return other.is_member or other.role == Role.owner


def find_member(user_id: str, project_id: str, other_id: str, *, to: str) -> None:
    """Who has a role of their own in a project, which they may always give up.

    Raises:
        NotFound: the project may not be seen, or the user has no role of their own in it.
        Forbidden: the caller's role is too low.
    """
    find(user_id, project_id, to="leave" if other_id == user_id else to)
    other = _USER_THERE.rows(project=project_id, other=other_id)[0]
    if not other.is_member and other.role != Role.owner:
        raise NotFound


def find_own_team(user_id: str, project_id: str, team_id: str, *, to: str) -> bool:
    """A team that the caller can bring into a project. Gives whether it is there.

    Raises:
        NotFound: the project or the team may not be seen.
        Forbidden: the caller's role is too low, or they do not belong to the team, which is in the project.
    """
    find(user_id, project_id, to=to)
    team = _TEAM_THERE.rows(me=user_id, project=project_id, team=team_id)[0]
    if not team.is_mine:
        raise Forbidden if team.is_in_project else NotFound
    return team.is_in_project


def find_team(user_id: str, project_id: str, team_id: str, *, to: str) -> None:
    """A team in a project.

    Raises:
        NotFound: the project may not be seen, or the team is not in it.
        Forbidden: the caller's role is too low.
    """
    find(user_id, project_id, to=to)
    if not _TEAM_THERE.rows(me=user_id, project=project_id, team=team_id)[0].is_in_project:
        raise NotFound


def lock(user_id: str, project_id: str, *, to: str) -> tuple[Project, Role]:
    """The project, locked against other changes, and the role of the user in it.

    The role is looked up before the lock, so that nobody waits for or holds what they may not see, and again after it:
    while we waited, it may have been taken away.

    Raises:
        NotFound: the project does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    find(user_id, project_id, to=to)
    project = session().get(Project, project_id, with_for_update={"key_share": True}, populate_existing=True)
    if project is None:
        raise NotFound
    return project, find(user_id, project_id, to=to)


def check_open(archived_at: object) -> None:
    """Refuses writes in an archived project.

    Raises:
        Conflict: `project_archived`.
    """
    if archived_at is not None:
        raise Conflict("The project is archived and read-only; un-archive it first.", "project_archived")
