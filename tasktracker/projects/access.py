"""Who may do what in a project.

The role of a user is the highest of all that apply: owner, direct member, member of a team. It is looked up in the
database at each request and never kept.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    SmallInteger,
    bindparam,
    case,
    func,
    select,
    true,
    type_coerce,
    union,
)

from ..accounts.access import CAN_LOG_IN, ME, NO_ROLE, OTHER_ID, TEAM_ID
from ..accounts.models import Team, TeamMember, User
from ..core.errors import Conflict, Forbidden, NotFound
from ..core.sql import greatest
from ..core.statement import Row, Statement
from ..core.types import AnyColumn, AnySelect, Id, table_of
from ..core.writing import labelled
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
PROJECT_ID = bindparam("project", type_=Id())
# Under names of their own, these tables are never taken for those of the statement around.
_found, _member, _team, _belongs = (table_of(model).alias() for model in (Project, ProjectMember, ProjectTeam, TeamMember))


@cache
def role_in(project: AnyColumn, owner: AnyColumn, user: AnyColumn = ME) -> ColumnElement[int]:
    """The role of a user in a project as a number; -1 for none.

    Args:
        project: the project's id.
        owner: the id of its owner.
        user: the id of the user.
    """
    # What is compared with belongs to the statement around, also where that is not the next one.
    direct = (
        select(as_number(_member.c.role))
        .where(_member.c.project_id == project, _member.c.user_id == user)
        .correlate_except(_member)
    )
    by_team = (
        select(func.max(as_number(_team.c.role)))
        .join(_belongs, _belongs.c.team_id == _team.c.team_id)
        .where(_team.c.project_id == project, _belongs.c.user_id == user)
        .correlate_except(_team, _belongs)
    )
    roles = [
        case((owner == user, Role.owner.value), else_=NO_ROLE),
        *(func.coalesce(role.scalar_subquery(), NO_ROLE) for role in (direct, by_team)),
    ]
    return type_coerce(greatest(*roles), Integer())


@cache
def role_in_id(project: AnyColumn, user: AnyColumn = ME) -> ColumnElement[int]:
    """The role of a user in the project of an id that need not exist; null if it does not."""
    return select(role_in(_found.c.id, _found.c.owner_id, user)).where(_found.c.id == project).scalar_subquery()


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


def as_number(role: AnyColumn) -> ColumnElement[int]:
    """A role as the number that it is in the table, which can be compared."""
    return type_coerce(role, SmallInteger())


_ROLE = Statement(select(role_in_id(PROJECT_ID).label("role")))


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


_own, _brought, _mine = (table_of(model).alias() for model in (ProjectMember, ProjectTeam, TeamMember))
_own_role = select(as_number(_own.c.role)).where(_own.c.project_id == PROJECT_ID, _own.c.user_id == OTHER_ID)
_team_role = select(as_number(_brought.c.role)).where(_brought.c.project_id == PROJECT_ID, _brought.c.team_id == TEAM_ID)
_is_mine = select(_mine.c.role).where(_mine.c.team_id == TEAM_ID, _mine.c.user_id == ME).exists()
# What a change in a project is judged by, beside the project itself: of the caller, of another user, of a team.
MY_ROLE: Mapping[str, ColumnElement[Any]] = {"role": role_in_id(PROJECT_ID)}
USER_THERE: Mapping[str, ColumnElement[Any]] = {
    "other_role": role_in_id(PROJECT_ID, OTHER_ID),
    "own_role": func.coalesce(_own_role.scalar_subquery(), NO_ROLE),
    "can_log_in": select(User.id).where(User.id == OTHER_ID, CAN_LOG_IN).exists(),
}
# Of that user, what a change of their role rests on: many that come at once do not have each other judged anew.
USER_STANDS: Mapping[str, ColumnElement[Any]] = {
    "can_log_in": USER_THERE["can_log_in"],
    "is_member": USER_THERE["own_role"] > NO_ROLE,
    "is_below": USER_THERE["other_role"] < MY_ROLE["role"],
}
TEAM_THERE: Mapping[str, ColumnElement[Any]] = {
    "is_mine": _is_mine,
    "team_role": func.coalesce(_team_role.scalar_subquery(), NO_ROLE),
}
_FIND_USER = Statement(select(*labelled(USER_THERE)))
_FIND_TEAM = Statement(select(*labelled(TEAM_THERE)))


def check_user(there: Row) -> bool:
    """Whom a role can be given to: whoever can log in, or belongs to the project already. Gives whether they have one.

    Raises:
        NotFound: there is no such user.
    """
    if not there.can_log_in and there.other_role == NO_ROLE:
        raise NotFound
    return there.own_role != NO_ROLE or there.other_role == Role.owner


def check_member(there: Row) -> None:
    """Who has a role of their own in a project, which they may always give up.

    Raises:
        NotFound: the user has no role of their own in it.
    """
    if there.own_role == NO_ROLE and there.other_role != Role.owner:
        raise NotFound


def check_own_team(there: Row) -> bool:
    """A team that the caller can bring into a project. Gives whether it is there.

    Raises:
        NotFound: the team may not be seen.
        Forbidden: the caller does not belong to the team, which is in the project.
    """
    is_in_project = there.team_role != NO_ROLE
    if not there.is_mine:
        raise Forbidden if is_in_project else NotFound
    return is_in_project


def check_team(there: Row) -> None:
    """A team in a project.

    Raises:
        NotFound: the team is not in it.
    """
    if there.team_role == NO_ROLE:
        raise NotFound


def find_user(user_id: str, project_id: str, other_id: str, *, to: str) -> None:
    """A user to whom a role in a project can be given; raises what `find` and `check_user` do."""
    find(user_id, project_id, to=to)
    check_user(_FIND_USER.rows(project=project_id, other=other_id)[0])


def find_member(user_id: str, project_id: str, other_id: str, *, to: str) -> None:
    """A user with a role of their own in a project; raises what `find` and `check_member` do."""
    find(user_id, project_id, to="leave" if other_id == user_id else to)
    check_member(_FIND_USER.rows(project=project_id, other=other_id)[0])


def find_own_team(user_id: str, project_id: str, team_id: str, *, to: str) -> None:
    """A team that the caller can bring into a project; raises what `find` and `check_own_team` do."""
    find(user_id, project_id, to=to)
    check_own_team(_FIND_TEAM.rows(me=user_id, project=project_id, team=team_id)[0])


def find_team(user_id: str, project_id: str, team_id: str, *, to: str) -> None:
    """A team in a project; raises what `find` and `check_team` do."""
    find(user_id, project_id, to=to)
    check_team(_FIND_TEAM.rows(me=user_id, project=project_id, team=team_id)[0])


_role = role_in(Project.id, Project.owner_id)
_seen = select(table_of(Project), _role.label("role")).where(Project.id == PROJECT_ID, _role > NO_ROLE)
_LOCK = Statement(_seen.with_for_update(key_share=True, of=Project))
_LOCK_FOR_USER = Statement(
    _seen.add_columns(*labelled({**USER_THERE, **USER_STANDS})).with_for_update(key_share=True, of=Project)
)
# A team of the caller is kept as it is, with everyone in it, while something is done with it in a project: nobody may leave
# it meanwhile, the caller least of all. It is locked first: teams are always locked before projects.
_held = select(Team.id).where(Team.id == TEAM_ID, _is_mine).with_for_update(read=True, key_share=True).subquery("held")
_LOCK_FOR_TEAM = Statement(
    _seen.add_columns(*labelled(TEAM_THERE))
    .select_from(table_of(Project).outerjoin(_held, true()))
    .with_for_update(key_share=True, of=Project)
)


def lock(user_id: str, project_id: str, *, to: str) -> tuple[Row, Role]:
    """The project, locked against other changes, and the role of the user in it.

    The role is looked up before the lock, so that nobody waits for or holds what they may not see. Whatever is written
    looks it up again: while we waited, it may have been taken away.

    Raises:
        NotFound: the project does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    return locked(_LOCK, to, me=user_id, project=project_id)


def lock_for_user(user_id: str, project_id: str, other_id: str, *, to: str) -> tuple[Row, Role]:
    """The same with what is judged of another user, see `USER_THERE`."""
    return locked(_LOCK_FOR_USER, to, me=user_id, project=project_id, other=other_id)


def lock_for_team(user_id: str, project_id: str, team_id: str, *, to: str) -> tuple[Row, Role]:
    """The same with what is judged of a team, see `TEAM_THERE`; if it is the caller's, it is held too."""
    return locked(_LOCK_FOR_TEAM, to, me=user_id, project=project_id, team=team_id)


def locked(statement: Statement, to: str, **values: str) -> tuple[Row, Role]:
    """The row that a statement locks, and the role of the user that it gives.

    Raises:
        NotFound: the user may not see it.
        Forbidden: the role is too low.
    """
    row = statement.first(**values)
    if row is None or row.role < NEEDED[to]:
        # Where it waited while the project got another owner, PostgreSQL judged that one by the members from before.
        row = statement.first(**values)
    if row is None:
        raise NotFound
    return row, check(Role(row.role), to)


def check_open(archived_at: object) -> None:
    """Refuses writes in an archived project.

    Raises:
        Conflict: `project_archived`.
    """
    if archived_at is not None:
        raise Conflict("The project is archived and read-only; un-archive it first.", "project_archived")
