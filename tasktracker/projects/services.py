"""What happens with projects: made, changed, shared, deleted."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, or_, select

from ..accounts import access as teams
from ..accounts.models import TeamMember, User
from ..core import events
from ..core.database import session, transactional
from ..core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from ..core.models import now
from ..core.results import Expected, Resource
from ..core.text import spaced_words
from ..core.types import Id
from . import access, queries
from .keys import keys_for
from .models import Project, ProjectMember, ProjectTeam, Role

_FIXED = "Your inbox is yours alone: it cannot be shared, archived, deleted or handed over."


def words_of(project: Project) -> str:
    """The words that a project is found by."""
    return spaced_words(project.name, project.key, project.description)


@events.user_created.connect
def make_inbox(_: object, *, user_id: str) -> None:
    """Gives a new user their inbox, in the transaction that makes the account."""
    inbox = Project(owner_id=user_id, key="INBOX", name="Inbox", is_inbox=True, description="")
    inbox.words = words_of(inbox)
    session().add(inbox)
    session().flush()


@transactional
def create_project(me: str, fields: dict[str, Any]) -> Resource:
    """A new project, which belongs to its maker.

    Raises:
        Conflict: `key_taken`.
    """
    # Of two projects that one user makes at once, the second waits here and then sees the first one's key.
    if session().scalar(select(User.id).where(User.id == me).with_for_update(key_share=True)) is None:
        raise Unauthenticated
    if "key" not in fields:
        used = set(session().scalars(select(Project.key).where(Project.owner_id == me)))
        fields = {**fields, "key": next(key for key in keys_for(fields["name"]) if key not in used)}
    project = Project(owner_id=me, **{"description": "", **fields})
    project.words = words_of(project)
    session().add(project)
    session().flush()
    return queries.PROJECT.get(me=me, project=project.id)


@transactional
def update_project(me: str, project_id: str, changes: dict[str, Any], expected: Expected) -> Resource:
    """Changes a project; `archived` and `owner_id` are for its owner.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Invalid: the new owner does not belong to the project.
        Conflict: `project_archived`, `inbox_fixed` or `key_taken`.
    """
    project, role = access.lock(me, project_id, to="update")
    values = dict(changes)
    for field, to in (("archived", "archive"), ("owner_id", "hand_over")):
        if field in values:
            access.check(role, to)
    expected.check(project.version)
    archived = values.pop("archived", project.archived_at is not None)
    if archived:
        access.check_open(project.archived_at if values else None)
        _check_shareable(project)
    if archived != (project.archived_at is not None):
        values["archived_at"] = now() if archived else None
    new_owner = values.get("owner_id", me)
    if new_owner != project.owner_id and "owner_id" in values:
        _check_shareable(project)
        _hand_over(project, new_owner)
    if project.change(**values):
        project.words = words_of(project)
    session().flush()
    return queries.PROJECT.get(me=me, project=project.id)


def _check_shareable(project: Project) -> None:
    if project.is_inbox:
        raise Conflict(_FIXED, "inbox_fixed")


def _hand_over(project: Project, new_owner: str) -> None:
    """Makes the old owner an admin; the new one needs no membership any more."""
    if access.role_of(new_owner, project.id) is None or not _is_enabled(new_owner):
        raise Invalid.field("/owner_id", "Not a member of this project.")
    _remove_member(project.id, new_owner)
    session().add(ProjectMember(project_id=project.id, user_id=project.owner_id, role=Role.admin.name))


def _remove_member(project_id: str, user_id: str) -> None:
    is_row = (ProjectMember.project_id == project_id, ProjectMember.user_id == user_id)
    session().execute(delete(ProjectMember).where(*is_row))


@transactional
def delete_project(me: str, project_id: str, expected: Expected) -> None:
    """Deletes a project with all its tasks and tags.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Conflict: `project_archived` or `inbox_fixed`.
    """
    project, _ = access.lock(me, project_id, to="delete")
    expected.check(project.version)
    _check_shareable(project)
    access.check_open(project.archived_at)
    session().execute(delete(Project).where(Project.id == project_id))


# --- members ----------------------------------------------------------------------------------------------------------


def _check_may_set(caller: Role, target: Role | None) -> None:
    """An admin is changed by the owner alone, the owner by no one."""
    if caller < Role.admin or (target is not None and target >= caller):
        raise Forbidden


@transactional
def put_member(me: str, project_id: str, user_id: str, role: str, expected: Expected) -> Resource:
    """Gives a user a role of their own in a project.

    Raises:
        NotFound: the project or the user does not exist, or may not be seen.
        Forbidden: the caller's role is not above the user's.
        Conflict: `project_archived`, `inbox_fixed` or `owner_required`.
    """
    project, caller = access.lock(me, project_id, to="manage_members")
    exists = access.find_user(me, project_id, user_id, to="manage_members")
    if user_id != me:
        _check_may_set(caller, access.role_of(user_id, project_id))
    expected.check(None, exists=exists)
    _check_shareable(project)
    access.check_open(project.archived_at)
    if user_id == me:
        _check_not_owner(caller)
    _put(ProjectMember(project_id=project_id, user_id=user_id, role=role))
    return queries.MEMBER.get(project=project_id, user=user_id)


def _put(row: ProjectMember | ProjectTeam) -> None:
    session().merge(row)
    session().flush()


def _is_enabled(user_id: str) -> bool:
    return session().scalar(select(User.id).where(User.id == user_id, teams.CAN_LOG_IN)) is not None


def _check_not_owner(role: Role) -> None:
    if role == Role.owner:
        raise Conflict("A project keeps one owner; hand it over first.", "owner_required")


@transactional
def delete_member(me: str, project_id: str, user_id: str, expected: Expected) -> None:
    """Takes a user's own role in a project away; a role that comes from a team stays.

    Raises:
        NotFound: the project does not exist, may not be seen, or the user has no role of their own in it.
        Forbidden: the caller is neither above the user nor the user.
        Conflict: `project_archived` or `owner_required`.
    """
    project, caller = access.lock(me, project_id, to="leave" if user_id == me else "manage_members")
    access.find_member(me, project_id, user_id, to="manage_members")
    if user_id == me:
        _check_not_owner(caller)
    else:
        _check_may_set(caller, access.role_of(user_id, project_id))
    expected.check(None)
    access.check_open(project.archived_at)
    _remove_member(project_id, user_id)
    events.sight_lost.send(project_ids=[project_id])


@transactional
def put_team(me: str, project_id: str, team_id: str, role: str, expected: Expected) -> Resource:
    """Gives a team, to which the caller belongs, a role in a project.

    Raises:
        NotFound: the project or the team does not exist, or may not be seen.
        Forbidden: the caller's role is too low, or the team is an admin and the caller not the owner, or it is in the
            project without the caller belonging to it.
        Conflict: `project_archived` or `inbox_fixed`.
    """
    teams.hold(me, team_id)
    project, caller = access.lock(me, project_id, to="manage_members")
    expected.check(None, exists=access.find_own_team(me, project_id, team_id, to="manage_members"))
    present = session().get(ProjectTeam, (project_id, team_id))
    _check_shareable(project)
    access.check_open(project.archived_at)
    _check_may_set(caller, Role[present.role] if present else None)
    _put(ProjectTeam(project_id=project_id, team_id=team_id, role=role))
    return queries.PROJECT_TEAM.get(project=project_id, team=team_id)


@transactional
def delete_team(me: str, project_id: str, team_id: str, expected: Expected) -> None:
    """Takes a team out of a project.

    Raises:
        NotFound: the project does not exist, may not be seen, or the team is not in it.
        Forbidden: the caller's role is too low, or the team is an admin and the caller not the owner.
        Conflict: `project_archived`.
    """
    project, caller = access.lock(me, project_id, to="manage_members")
    present = session().get(ProjectTeam, (project_id, team_id))
    if present is None:
        raise NotFound
    expected.check(None)
    _check_may_set(caller, Role[present.role])
    access.check_open(project.archived_at)
    session().delete(present)
    session().flush()
    events.sight_lost.send(project_ids=[project_id])


@events.team_left.connect
def lose_sight(_: object, *, team_id: str) -> None:
    """Whoever left a team may have lost sight of its projects, which are locked in the order of their ids."""
    let_in = select(ProjectTeam.project_id).where(ProjectTeam.team_id == team_id)
    held = select(Project.id).where(Project.id.in_(let_in)).order_by(Project.id).with_for_update(key_share=True)
    events.sight_lost.send(project_ids=session().scalars(held).all())


@events.user_locking.connect
def hold_projects_of(_: object, *, user_id: str) -> None:
    """Locks the projects of a user whose account ends, those that came with a team too."""
    theirs = Project.id.in_(access.projects_of(bindparam("user", user_id, Id())))
    session().execute(select(Project.id).where(theirs).order_by(Project.id).with_for_update(key_share=True))


@events.user_deleting.connect
def delete_projects_of(_: object, *, user_id: str) -> None:
    """Deletes the projects of a user whose account ends, and takes them out of all others.

    Raises:
        Conflict: `owner_required`: others belong to one of the projects.
    """
    joined = select(ProjectMember.project_id).where(ProjectMember.user_id == user_id)
    concerned = select(Project.id, Project.owner_id).where(or_(Project.owner_id == user_id, Project.id.in_(joined)))
    held = session().execute(concerned.order_by(Project.id).with_for_update(key_share=True)).all()
    own = [project_id for project_id, owner_id in held if owner_id == user_id]
    if own and _has_others(own, user_id):
        raise Conflict("Others belong to projects that you own; hand these over or delete them first.", "owner_required")
    session().execute(delete(ProjectMember).where(ProjectMember.user_id == user_id))
    session().execute(delete(Project).where(Project.id.in_(own)))
    events.sight_lost.send(project_ids=[project_id for project_id, owner_id in held if owner_id != user_id])


def _has_others(project_ids: Sequence[str], user_id: str) -> bool:
    """Whether anyone but this user belongs to one of the projects."""
    direct = select(ProjectMember.user_id).where(ProjectMember.project_id.in_(project_ids), ProjectMember.user_id != user_id)
    by_team = (
        select(TeamMember.user_id)
        .join(ProjectTeam, ProjectTeam.team_id == TeamMember.team_id)
        .where(ProjectTeam.project_id.in_(project_ids), TeamMember.user_id != user_id)
    )
    return session().execute(direct.union_all(by_team).limit(1)).first() is not None
