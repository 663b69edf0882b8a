"""What happens with projects: made, changed, shared, deleted.

A change locks the project, judges with what it then reads, and writes: two statements and a commit, and one more where what
is answered follows from more than the row that was written.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, exists, insert, or_, select

from ..accounts.models import TeamMember, User
from ..core import endings, events
from ..core.database import transactional
from ..core.errors import Conflict, Forbidden, Invalid, Unauthenticated
from ..core.models import now
from ..core.results import Expected, Resource
from ..core.sql import among
from ..core.statement import Row, Statement
from ..core.text import spaced_words
from ..core.types import Choice, table_of
from ..core.writing import Changing, Making, differing, put, unchanged, write
from . import access, queries
from .access import ME, MY_ROLE, NO_ROLE, OTHER_ID, PROJECT_ID, TEAM_ID, TEAM_THERE, USER_STANDS, USER_THERE
from .keys import keys_for
from .models import Project, ProjectMember, ProjectTeam, Role

_projects, _members, _teams = table_of(Project), table_of(ProjectMember), table_of(ProjectTeam)
_NEW_ROLE = bindparam("new_role", type_=Choice(Role))
_unchanged, _user_unchanged = unchanged(MY_ROLE), unchanged({**MY_ROLE, **USER_THERE})
_team_unchanged = unchanged({**MY_ROLE, **TEAM_THERE})
_membership = (_members.c.project_id == PROJECT_ID, _members.c.user_id == OTHER_ID)
_HOLD_ME = Statement(select(User.id).where(User.id == ME).with_for_update(key_share=True))
_KEYS = Statement(select(Project.key).where(Project.owner_id == ME))
_PROJECTS = Making(queries.SHAPE, _projects)
_CHANGES = Changing(queries.SHAPE, _projects, _unchanged)
_CHANGES_OF_OWNER = Changing(queries.SHAPE, _projects, _user_unchanged)
_SWAP_OWNERS = Statement(
    insert(_members).values(project_id=PROJECT_ID, user_id=ME, role=Role.admin.name),
    along=[delete(_members).where(*_membership)],
)
_DELETE = Statement(delete(_projects).where(_projects.c.id == PROJECT_ID, _unchanged).returning(_projects.c.id), is_long=True)
_PUT_MEMBER = Statement(
    put(
        _members, {"project_id": PROJECT_ID, "user_id": OTHER_ID, "role": _NEW_ROLE}, unchanged({**MY_ROLE, **USER_STANDS})
    ).returning(_members.c.role)
)
_DELETE_MEMBER = Statement(delete(_members).where(*_membership, _user_unchanged).returning(_members.c.role))
_PUT_TEAM = Statement(
    put(_teams, {"project_id": PROJECT_ID, "team_id": TEAM_ID, "role": _NEW_ROLE}, _team_unchanged),
    returning=select(*queries.TEAM_SHAPE.returned).select_from(_teams),
)
_DELETE_TEAM = Statement(
    delete(_teams)
    .where(_teams.c.project_id == PROJECT_ID, _teams.c.team_id == TEAM_ID, _team_unchanged)
    .returning(_teams.c.role)
)
_is_own = _projects.c.owner_id == ME
_is_member = exists().where(ProjectMember.project_id == _projects.c.id, ProjectMember.user_id != ME)
_is_in_team = exists().where(
    ProjectTeam.project_id == _projects.c.id, TeamMember.team_id == ProjectTeam.team_id, TeamMember.user_id != ME
)
endings.of_account.append(
    endings.Ending(
        writes=[delete(_projects).where(_is_own)],
        held=endings.Held("projects", _projects.c.id, among(_projects.c.id, access.projects_of()), key_share=True),
        obstacle=endings.Obstacle(
            "owner_required",
            "Others belong to projects that you own; hand these over or delete them first.",
            select(_projects.c.id).where(_is_own, or_(_is_member, _is_in_team)).exists(),
        ),
    )
)
_of_team = among(_projects.c.id, select(ProjectTeam.project_id).where(ProjectTeam.team_id == TEAM_ID))
endings.of_team.append(endings.Held("projects", _projects.c.id, _of_team, key_share=True))
_NAMED = ("name", "key", "description")  # What a project is found by.
_FIXED = "Your inbox is yours alone: it cannot be shared, archived, deleted or handed over."


def words_of(name: str, key: str, description: str) -> str:
    """The words that a project is found by."""
    return spaced_words(name, key, description)


@events.user_created.connect
def make_inbox(_: object, *, user_id: str) -> None:
    """Gives a new user their inbox, in the transaction that makes the account."""
    _make(user_id, {"key": "INBOX", "name": "Inbox", "is_inbox": True})


def _make(me: str, fields: Mapping[str, Any]) -> Resource:
    texts = {"description": "", **fields}
    words = words_of(texts["name"], texts["key"], texts["description"])
    return _PROJECTS.make(None, {**texts, "owner_id": me, "words": words}, me=me)


@transactional
def create_project(me: str, fields: Mapping[str, Any]) -> Resource:
    """A new project, which belongs to its maker.

    Raises:
        Unauthenticated: the maker's account was deleted meanwhile.
        Conflict: `key_taken`.
    """
    # Of two projects that one user makes at once, the second waits here and then sees the first one's key.
    if _HOLD_ME.first(me=me) is None:
        raise Unauthenticated
    if "key" in fields:
        return _make(me, fields)
    used = {row.key for row in _KEYS.rows(me=me)}
    return _make(me, {**fields, "key": next(key for key in keys_for(fields["name"]) if key not in used)})


@transactional
def update_project(me: str, project_id: str, changes: Mapping[str, Any], expected: Expected) -> Resource:
    """Changes a project; `archived` and `owner_id` are for its owner.

    A change that changes nothing gives the project as it is.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Invalid: the new owner does not belong to the project.
        Conflict: `project_archived`, `inbox_fixed` or `key_taken`.
    """
    values = dict(changes)
    if "owner_id" in values:
        project, role = access.lock_for_user(me, project_id, values["owner_id"], to="update")
    else:
        project, role = access.lock(me, project_id, to="update")
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
    values = differing(project, values)
    if not values:
        return queries.PROJECT.get(me=me, project=project_id)
    values["words"] = words_of(**{name: values.get(name, getattr(project, name)) for name in _NAMED})
    if "owner_id" in values:
        return _hand_over(me, project, values)
    return _CHANGES.change(project, values, me=me, project=project_id)


def _check_shareable(project: Row) -> None:
    if project.is_inbox:
        raise Conflict(_FIXED, "inbox_fixed")


def _hand_over(me: str, project: Row, values: Mapping[str, Any]) -> Resource:
    """Makes the old owner an admin; the new one needs no membership any more."""
    _check_shareable(project)
    if project.other_role == NO_ROLE or not project.can_log_in:
        raise Invalid.field("/owner_id", "Not a member of this project.")
    people = {"me": me, "project": project.id, "other": values["owner_id"]}
    changed = _CHANGES_OF_OWNER.change(project, values, **people)
    _SWAP_OWNERS.rows(**people)
    return Resource({**changed.body, "role": Role.admin.name}, changed.version)


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
    write(_DELETE, project, me=me, project=project_id)


# --- members ----------------------------------------------------------------------------------------------------------


def _check_may_set(caller: Role, target: int) -> None:
    """An admin is changed by the owner alone, the owner by no one."""
    if caller < Role.admin or target >= caller:
        raise Forbidden


@transactional
def put_member(me: str, project_id: str, user_id: str, role: str, expected: Expected) -> Resource:
    """Gives a user a role of their own in a project.

    Raises:
        NotFound: the project or the user does not exist, or may not be seen.
        Forbidden: the caller's role is not above the user's.
        Conflict: `project_archived`, `inbox_fixed` or `owner_required`.
    """
    project, caller = access.lock_for_user(me, project_id, user_id, to="manage_members")
    exists = access.check_user(project)
    if user_id != me:
        _check_may_set(caller, project.other_role)
    expected.check(None, exists=exists)
    _check_shareable(project)
    access.check_open(project.archived_at)
    if user_id == me:
        _check_not_owner(caller)
    write(_PUT_MEMBER, project, me=me, project=project_id, other=user_id, new_role=role)
    return queries.MEMBER.get(me=me, project=project_id, user=user_id)


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
    project, caller = access.lock_for_user(me, project_id, user_id, to="leave" if user_id == me else "manage_members")
    access.check_member(project)
    if user_id == me:
        _check_not_owner(caller)
    else:
        _check_may_set(caller, project.other_role)
    expected.check(None)
    access.check_open(project.archived_at)
    write(_DELETE_MEMBER, project, me=me, project=project_id, other=user_id)
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
    project, caller = access.lock_for_team(me, project_id, team_id, to="manage_members")
    expected.check(None, exists=access.check_own_team(project))
    _check_shareable(project)
    access.check_open(project.archived_at)
    _check_may_set(caller, project.team_role)
    return queries.TEAM_SHAPE.resource(write(_PUT_TEAM, project, me=me, project=project_id, team=team_id, new_role=role))


@transactional
def delete_team(me: str, project_id: str, team_id: str, expected: Expected) -> None:
    """Takes a team out of a project.

    Raises:
        NotFound: the project does not exist, may not be seen, or the team is not in it.
        Forbidden: the caller's role is too low, or the team is an admin and the caller not the owner.
        Conflict: `project_archived`.
    """
    project, caller = access.lock_for_team(me, project_id, team_id, to="manage_members")
    access.check_team(project)
    expected.check(None)
    _check_may_set(caller, project.team_role)
    access.check_open(project.archived_at)
    write(_DELETE_TEAM, project, me=me, project=project_id, team=team_id)
    events.sight_lost.send(project_ids=[project_id])
