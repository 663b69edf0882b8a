"""Taking in what another instance has exported.

Ids, numbers, versions and times stay what they were. People are accounts with the same id or the same address. What is here
already, by its id, is left as it is, so that the same file can be taken in twice.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from marshmallow import Schema
from sqlalchemy import Connection, String, bindparam, delete, or_, select
from sqlalchemy.exc import IntegrityError

from ..accounts.models import Team, TeamMember, User
from ..accounts.passwords import hash_password
from ..accounts.services.users import words_of as words_of_user
from ..core import audit, events
from ..core.database import lift_limits, session
from ..core.models import now
from ..core.sql import among
from ..core.text import caseless, fold
from ..core.types import Id, Many, table_of
from ..extensions import Base
from ..projects.access import NO_ROLE, PROJECT_ID, role_in
from ..projects.keys import keys_for
from ..projects.models import Project, ProjectMember, ProjectTeam
from ..projects.services import words_of as words_of_project
from ..tags.models import Tag
from ..tags.services import words_of as words_of_tag
from ..tasks.models import ExternalId, Task
from .faults import BrokenFile, Faults
from .schemas import EndLine, ExternalIdLine, HeadLine, PersonLine, ProjectLine, TagLine, TaskLine, TeamLine
from .sources import Told, json_lines
from .writing import AT_ONCE, BY, Counts, Values, check_rules, count, insert_rows, insert_tasks

_HEAD = HeadLine()
_ALIKE = select(User.id, User.username, User.email_key, User.activated_at, User.email_verified_at).where(
    or_(
        User.id == bindparam("id", type_=Id()),
        User.email_key == bindparam("email_key", type_=String()),
        User.username == bindparam("username", type_=String()),
    )
)
_DROP_UNUSED_INBOX = delete(table_of(Project)).where(
    Project.owner_id == bindparam("owner", type_=Id()),
    Project.is_inbox,
    Project.last_number == 0,
    ~select(Tag.id).where(Tag.project_id == Project.id).exists(),
)
_WITHOUT_INBOX = select(User.id).where(
    among(User.id, bindparam("users", type_=Many(Id()))),
    ~select(Project.id).where(Project.owner_id == User.id, Project.is_inbox).exists(),
)
_SEES = select(role_in(Project.id, Project.owner_id, bindparam("user", type_=Id())) > NO_ROLE).where(Project.id == PROJECT_ID)
_PROJECT_OF = select(Task.project_id).where(Task.id == bindparam("task", type_=Id()))


@dataclass
class _Arriving:
    """A project that is being taken in.

    Args:
        id: its id.
        last_number: the number of its newest task.
        is_written: whether it is; not where it was here already, or is at fault.
        tags: the ids of its tags by their names.
        sees: whether somebody sees it, of whom that has been asked.
        made: how many of its tasks.
    """

    id: str
    last_number: int
    is_written: bool
    tags: dict[str, str] = field(default_factory=dict[str, str])
    sees: dict[str, bool] = field(default_factory=dict[str, bool])
    made: int = 0


def restore(file: BinaryIO, faults: Faults, *, create_people: bool, told: Told) -> Counts:
    """Takes an export in, within the open transaction.

    Args:
        file: the export.
        faults: takes up what is wrong with it.
        create_people: whether whoever has no account here gets one, disabled and without a password.
        told: is told how many bytes have been read.

    Returns:
        How much was made and was here already.

    Raises:
        BrokenFile: the file cannot be read any further.
    """
    connection = session().connection()
    lift_limits(connection)
    restoring = _Restoring(connection, faults, create_people=create_people)
    lines = json_lines(file, faults, told)
    if (head := next(lines, None)) is None or head[1].get("kind") != "export":
        raise BrokenFile(1, "Not the beginning of an export. Lines that are tasks need --project and --owner.")
    faults.load(_HEAD, *head)
    line = head[0]
    for line, given in lines:
        restoring.take(line, given)
    restoring.check_end(line)
    return restoring.finish()


class _Restoring:
    """An export on its way in.

    Args:
        connection: within the transaction.
        faults: takes up what is wrong with the lines.
        create_people: whether accounts are made.
    """

    def __init__(self, connection: Connection, faults: Faults, *, create_people: bool) -> None:
        self._connection = connection
        self._faults = faults
        self._create_people = create_people
        self._counts = Counter[str]()
        self._people: dict[str, str] = {}  # Ids of accounts here, by the usernames of the file.
        self._made_people: list[str] = []
        self._teams: set[str] = set()  # Ids of those in lines before.
        self._strangers = False  # Whether somebody has no account.
        self._projects: dict[str, _Arriving] = {}
        self._pending: list[tuple[int, Values]] = []  # Tasks that are still to be written.
        self._has_ended = False
        self._moment = now()
        # Nobody knows the password; one hash serves all, since each takes its time.
        self._nobody = hash_password(secrets.token_urlsafe()) if create_people else ""
        self._kinds: dict[object, tuple[Schema, Callable[[int, Values], None]]] = {
            "person": (PersonLine(), self._person),
            "team": (TeamLine(), self._team),
            "project": (ProjectLine(), self._project),
            "tag": (TagLine(), self._tag),
            "task": (TaskLine(), self._task),
            "external_id": (ExternalIdLine(), self._external_id),
            "end": (EndLine(), self._end),
        }

    def take(self, line: int, given: Values) -> None:
        """Takes a line in."""
        kind = given.get("kind")
        schema, take = self._kinds.get(kind if isinstance(kind, str) else None, (None, None))
        if self._has_ended:
            self._faults.add(line, "After the line that ends the export.")
        elif schema is None or take is None:
            self._faults.add(line, f"kind: Not one of: {', '.join(map(str, self._kinds))}.")
        elif kind != "person" and self._strangers:
            self._faults.check()  # What follows refers to them.
        elif (values := self._faults.load(schema, line, given)) is not None:
            del values["kind"]
            take(line, values)

    def _end(self, line: int, end: Values) -> None:
        self._has_ended = True
        if end["lines"] != line - 1:
            self._faults.add(line, f"lines: {end['lines']:,} were written before this one, and {line - 1:,} are here.")

    def check_end(self, line: int) -> None:
        """Notes where the file ends before the export does.

        Args:
            line: the last one.
        """
        if not self._has_ended:
            self._faults.add(line, "The export is cut off after this line: the line of the kind end is missing.")

    def finish(self) -> Counts:
        """Writes what is left to write.

        Returns:
            How much was made and was here already.
        """
        self._flush()
        for project in self._projects.values():
            if project.is_written:
                count(self._connection, project.id, project.made, project.last_number)
                audit.record("project_imported", project_id=project.id, by=BY)
        for user_id in self._connection.scalars(_WITHOUT_INBOX, {"users": self._made_people}).all():
            events.user_created.send(user_id=user_id)
        return self._counts

    # --- people -----------------------------------------------------------------------------------------------------------

    def _person(self, line: int, person: Values) -> None:
        username, email_key = person["username"], fold(person["email"])
        found = self._connection.execute(_ALIKE, {"id": person["id"], "email_key": email_key, "username": username}).all()
        same = [one for one in found if one.id == person["id"]] or [
            one for one in found if one.email_key == email_key and one.email_verified_at is not None
        ]
        # Whoever only says that an address is theirs gets nothing of its owner's.
        unconfirmed = [
            one for one in found if one.email_key == email_key and (one.activated_at is not None or one.username == username)
        ]
        if same:
            self._people[username] = same[0].id
        elif unconfirmed:
            told = f"email: {unconfirmed[0].username} has this address here, and has to confirm it first."
            self._faults.add(line, told)
            self._strangers = True
        elif any(one.username == username for one in found):
            self._faults.add(line, f"username: {username} is somebody here who has another address.")
            self._strangers = True
        elif not self._create_people:
            self._faults.add(line, f"email: Nobody here has the address of {username}; --create-people makes accounts.")
            self._strangers = True
        else:
            self._make_person(person)
            self._people[username] = person["id"]

    def _make_person(self, person: Values) -> None:
        row = {
            **person,
            "email_key": fold(person["email"]),
            "email_verified_at": None,
            "activated_at": self._moment,
            "disabled_at": self._moment,
            "password_hash": self._nobody,
            "is_admin": False,
            "words": words_of_user(person["username"], person["display_name"]),
            "updated_at": self._moment,
            "version": 1,
        }
        insert_rows(self._connection, table_of(User), [row])
        self._made_people.append(person["id"])
        self._counts["accounts"] += 1
        audit.record("account_created", user_id=person["id"], by=BY)

    def _known(self, line: int, username: str) -> str | None:
        """The id of somebody whom a line refers to."""
        user_id = self._people.get(username)
        if user_id is None:
            self._faults.add(line, f"No line before this one says who {username} is.")
        return user_id

    def _members(self, line: int, members: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Roles by the ids of accounts."""
        roles = {self._known(line, member["user"]): member["role"] for member in members}
        return {user_id: role for user_id, role in roles.items() if user_id is not None}

    def _team(self, line: int, team: Values) -> None:
        members = self._members(line, team.pop("members"))
        self._teams.add(team["id"])
        if "admin" not in members.values():
            self._faults.add(line, "members: A team keeps one admin.")
        elif self._connection.scalar(select(Team.id).where(Team.id == team["id"])) is None:
            rows = [{"team_id": team["id"], "user_id": user_id, "role": role} for user_id, role in members.items()]
            insert_rows(self._connection, table_of(Team), [team])
            insert_rows(self._connection, table_of(TeamMember), rows)
            self._counts["teams"] += 1

    # --- projects -------------------------------------------------------------------------------------------------------

    def _project(self, line: int, project: Values) -> None:
        self._flush()
        key = project["key"]
        if key in self._projects:
            self._faults.add(line, f"key: A line before this one is the project {key}.")
            return
        owner = self._known(line, project.pop("owner"))
        is_here = self._connection.scalar(select(Project.id).where(Project.id == project["id"])) is not None
        is_written = owner is not None and not is_here
        self._projects[key] = _Arriving(project["id"], project["last_number"], is_written=is_written)
        self._counts["projects here"] += is_here
        members, teams = self._members(line, project.pop("members")), project.pop("teams")
        if unknown := [team["team"] for team in teams if team["team"] not in self._teams]:
            self._faults.add(line, f"teams: No line before this one is the team {unknown[0]}.")
        if owner is None or not is_written:
            return
        members.pop(owner, None)
        teams = [{"project_id": project["id"], "team_id": team["team"], "role": team["role"]} for team in teams]
        rows = [{"project_id": project["id"], "user_id": user_id, "role": role} for user_id, role in members.items()]
        placed = self._placed({**project, "owner_id": owner})
        its: dict[type[Base], list[Values]] = {Project: [placed], ProjectMember: rows, ProjectTeam: teams}
        self._insert(line, its, "Its id is taken, or it is an inbox in the archive.")
        self._counts["projects"] += 1

    def _placed(self, project: Values) -> Values:
        """A project beside those that its owner has: an inbox takes the place of an unused one, a key that is taken changes."""
        owner = project["owner_id"]
        if project["is_inbox"]:
            self._connection.execute(_DROP_UNUSED_INBOX, {"owner": owner})
        own = self._connection.execute(select(Project.key, Project.is_inbox).where(Project.owner_id == owner)).all()
        used = {row.key for row in own}
        if project["key"] in used:
            project["key"] = next(key for key in keys_for(project["name"]) if key not in used)
            self._counts["keys"] += 1
        if any(row.is_inbox for row in own):
            project["is_inbox"] = False
        words = words_of_project(project["name"], project["key"], project["description"])
        return {**project, "words": words, "task_count": 0}

    def _of(self, line: int, key: str) -> _Arriving | None:
        """The project that a tag or a task belongs to, if it is to be written."""
        project = self._projects.get(key)
        if project is None:
            self._faults.add(line, f"project: No line before this one is the project {key}.")
        return project if project and project.is_written else None

    def _tag(self, line: int, tag: Values) -> None:
        if (project := self._of(line, tag.pop("project"))) is None:
            return
        name_key = caseless(tag["name"])
        row = {**tag, "project_id": project.id, "name_key": name_key, "words": words_of_tag(tag["name"])}
        self._insert(line, {Tag: [row]}, "Its id or its name belongs to another tag.")
        project.tags[name_key] = tag["id"]
        self._counts["tags"] += 1

    def _insert(self, line: int, rows: Mapping[type[Base], list[Values]], fault: str) -> None:
        """Writes what a line holds; where the database refuses, this is its fault."""
        try:
            with self._connection.begin_nested():
                for model, of_model in rows.items():
                    insert_rows(self._connection, table_of(model), of_model)
        except IntegrityError:
            self._faults.add(line, fault)

    # --- tasks ----------------------------------------------------------------------------------------------------------

    def _task(self, line: int, task: Values) -> None:
        before = self._faults.count
        if (project := self._of(line, task.pop("project"))) is None:
            return
        people = {f"{name}_id": task[name] and self._known(line, task[name]) for name in ("assigned_to", "created_by")}
        tags = dict.fromkeys(project.tags.get(caseless(name)) for name in task["tags"])
        if None in tags:
            self._faults.add(line, "tags: Not all of these are tags of lines before.")
        if task["number"] > project.last_number:
            self._faults.add(line, "number: Above the last_number of the project.")
        check_rules(line, task, self._faults)
        if self._faults.count == before:
            if people["assigned_to_id"] and not self._sees(project, people["assigned_to_id"]):
                people["assigned_to_id"] = None
                self._counts["unassigned"] += 1
            self._pending.append((line, {**task, **people, "project_id": project.id, "tag_ids": tags}))
            project.made += 1
            self._counts["tasks"] += 1
        if len(self._pending) == AT_ONCE:
            self._flush()

    def _sees(self, project: _Arriving, user_id: str) -> bool:
        """Whether somebody has a role in a project, which an export that was edited may not have given them."""
        if user_id not in project.sees:
            project.sees[user_id] = bool(self._connection.scalar(_SEES, {"project": project.id, "user": user_id}))
        return project.sees[user_id]

    def _external_id(self, line: int, named: Values) -> None:
        self._flush()
        if (project := self._of(line, named["project"])) is None:
            return
        of_task = self._connection.scalar(_PROJECT_OF, {"task": named["task"]})
        if of_task in {one.id for one in self._projects.values()}:
            row = {"project_id": project.id, "external_id": named["external_id"], "task_id": named["task"]}
            self._insert(line, {ExternalId: [row]}, "Its external_id belongs to another task, or the task has another one.")
        elif all(one.is_written for one in self._projects.values()):  # Else it may be gone from a project that was here.
            self._faults.add(line, "task: No line before this one is this task.")

    def _flush(self) -> None:
        """Writes the tasks that are still to be written, and where that fails each alone, to find those at fault."""
        try:
            with self._connection.begin_nested():
                insert_tasks(self._connection, [task for _, task in self._pending])
        except IntegrityError:
            for line, task in self._pending:
                self._try_alone(line, task)
        self._pending.clear()

    def _try_alone(self, line: int, task: Values) -> None:
        try:
            with self._connection.begin_nested():
                insert_tasks(self._connection, [task])
        except IntegrityError:
            self._faults.add(line, "Its id, number or external_id belongs to another task.")
