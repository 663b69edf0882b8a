"""Taking tasks from elsewhere over into a project.

A line is the task that has its `external_id`; without one, the task that has its `number`; else it is a new one. So the same
file can be imported twice: the second time changes what differs, and makes nothing again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Integer, String, Text, and_, bindparam, delete, select, type_coerce

from ..accounts.access import CAN_LOG_IN
from ..accounts.models import User
from ..core import audit
from ..core.database import lift_limits, session
from ..core.errors import NotFound
from ..core.models import new_id, now
from ..core.sql import among
from ..core.text import caseless
from ..core.types import Id, Many, table_of
from ..projects.access import NO_ROLE, PROJECT_ID, check_open, role_in
from ..projects.models import Project
from ..tags.models import Tag, TaskTag
from ..tags.services import words_of as words_of_tag
from ..tasks.models import COMPLETED, ExternalId, Task
from .faults import Faults
from .schemas import TaskRow
from .sources import Numbered
from .writing import (
    AT_ONCE,
    BY,
    CHANGED,
    Counts,
    Values,
    check_rules,
    count,
    insert_rows,
    insert_tasks,
    link_tags,
    update_tasks,
)

_HIGHEST = 999_999_999  # Of the numbers that a line may ask for, so that enough are left to be counted up to.
_ROW = TaskRow(partial=("title",))
_NEW: Values = {
    "description": "", "status": "todo", "priority": "none", "assigned_to_id": None, "due_date": None, "start_date": None,
    "completed_at": None,
}  # fmt: skip
_PERSONS = {"assigned_to", "created_by"}
_LOCK = (
    select(Project.id, Project.owner_id, Project.archived_at, Project.last_number)
    .join(User, User.id == Project.owner_id)
    .where(User.username == bindparam("owner", type_=String()), Project.key == bindparam("key", type_=String()))
    .with_for_update(of=Project, key_share=True)
)
_columns = (Task.id, Task.project_id, Task.number, *(table_of(Task).c[name] for name in CHANGED))
_its_name = and_(ExternalId.task_id == Task.id, ExternalId.project_id == PROJECT_ID)
# Locked, so that what is compared with a line is what is changed, whoever changes it meanwhile.
_BY_NAME = (
    select(*_columns, ExternalId.external_id)
    .join(ExternalId, _its_name)
    .where(among(ExternalId.external_id, bindparam("names", type_=Many(Text()))))
    .order_by(Task.id)
    .with_for_update(of=Task, key_share=True)
)
_BY_NUMBER = (
    select(*_columns, ExternalId.external_id)
    .outerjoin(ExternalId, _its_name)
    .where(Task.project_id == PROJECT_ID, among(Task.number, bindparam("numbers", type_=Many(Integer()))))
    .order_by(Task.id)
    .with_for_update(of=Task, key_share=True)
)
_TASKS = bindparam("tasks", type_=Many(Id()))
_LINKS = select(TaskTag.task_id, TaskTag.tag_id).where(among(TaskTag.task_id, _TASKS))
_UNLINK = delete(table_of(TaskTag)).where(among(TaskTag.task_id, _TASKS))
_PEOPLE = (
    select(User.username, User.id, and_(CAN_LOG_IN, role_in(Project.id, Project.owner_id, User.id) > NO_ROLE).label("sees"))
    .join(Project, Project.id == PROJECT_ID)
    .where(among(type_coerce(User.username, Text()), bindparam("names", type_=Many(Text()))))
)


class Numbers:
    """Which numbers have occurred: a bit for each, in pages that are made when they are needed."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}

    def add(self, number: int) -> bool:
        """Notes a number; false if it has occurred before."""
        page, bit = number >> 10, 1 << (number & 1023)
        before = self._pages.get(page, 0)
        self._pages[page] = before | bit
        return not before & bit


def import_tasks(lines: Iterator[Numbered], faults: Faults, *, owner: str, key: str) -> Counts:
    """Takes tasks over, within the open transaction, in which the project is locked.

    Args:
        lines: the lines with their numbers.
        faults: takes up what is wrong with them.
        owner: the username of the project's owner.
        key: the project's key.

    Returns:
        How much was made, changed and left.

    Raises:
        NotFound: there is no such project.
        Conflict: `project_archived`.
        BrokenFile: the file cannot be read any further.
    """
    connection = session().connection()
    lift_limits(connection)
    asked = {"owner": owner.lower(), "key": key.upper()}
    project = connection.execute(_LOCK, asked).first() if f"{owner}{key}".isascii() else None
    if project is None:
        raise NotFound(f"There is no project {key} of a user {owner}.")
    check_open(project.archived_at)
    importing = _Importing(connection, faults, project)
    while portion := list(islice(lines, AT_ONCE)):
        importing.take(portion)
    counts = importing.counts
    count(connection, project.id, counts["made"], importing.last_number)
    audit.record("tasks_imported", project_id=project.id, by=BY, made=str(counts["made"]))
    return counts


class _Importing:
    """Tasks on their way into a project.

    Args:
        connection: within the transaction.
        faults: takes up what is wrong with the lines.
        project: the project, locked.
    """

    def __init__(self, connection: Connection, faults: Faults, project: Any) -> None:
        self.counts = Counter[str]()
        self.last_number: int = project.last_number
        self._connection = connection
        self._faults = faults
        self._project = project
        self._moment = now()
        self._seen = Numbers()
        self._people: Mapping[str, Any] = {}
        tags = connection.execute(select(Tag.name_key, Tag.id).where(Tag.project_id == project.id))
        self._tags: dict[str, str] = {row.name_key: row.id for row in tags}

    def take(self, portion: Sequence[Numbered]) -> None:
        """Takes so many lines over as are looked at together."""
        loaded = [(line, self._faults.load(_ROW, line, given)) for line, given in portion]
        rows = [(line, row) for line, row in loaded if row is not None]
        self._people = self._look_up_people(row for _, row in rows)
        here = _Here(self._connection, self._project.id, [row for _, row in rows])
        made: list[Values] = []
        changed: list[Values] = []
        for line, row in rows:
            before = self._faults.count
            task = here.find(line, row, self._faults)
            if task is not None and task["project_id"] != self._project.id:
                self.counts["elsewhere"] += 1
                continue
            values = self._values(line, row, task)
            if self._faults.count > before:
                continue
            if not self._seen.add(values["number"]):
                self._faults.add(line, "A line before this one is the same task, or was given its number.")
            elif task is None:
                here.add(values)
                made.append(values)
            elif any(task[name] != values[name] for name in (*CHANGED, "tag_ids")):
                changed.append({**values, "updated_at": self._moment})
            else:
                self.counts["left"] += 1
        self._write(made, changed)

    def _write(self, made: Sequence[Values], changed: Sequence[Values]) -> None:
        insert_tasks(self._connection, made)
        update_tasks(self._connection, changed)
        self._connection.execute(_UNLINK, {"tasks": [task["id"] for task in changed]})
        link_tags(self._connection, changed)
        self.counts["made"] += len(made)
        self.counts["changed"] += len(changed)

    # --- what a line says -------------------------------------------------------------------------------------------------

    def _values(self, line: int, row: Values, task: Values | None) -> Values:
        """What a task is to be: what the line says, and for the rest what it is."""
        values = {**(task or self._new()), **{name: row[name] for name in row.keys() - {"assigned_to", "created_by", "tags"}}}
        values |= {f"{name}_id": self._person(line, name, row[name], task) for name in _PERSONS & row.keys()}
        if "tags" in row:
            values["tag_ids"] = frozenset(map(self._tag, row["tags"]))
        if values["status"] not in COMPLETED and not row.get("completed_at"):
            values["completed_at"] = None
        elif values["completed_at"] is None:
            values["completed_at"] = (task or {}).get("completed_at") or self._moment
        if "title" not in values:
            self._faults.add(line, "title: A new task needs one.")
        check_rules(line, values, self._faults)
        if task is None:
            values["number"] = self._number(line, row.get("number"))
        return values

    def _new(self) -> Values:
        """What a task is of which a line says nothing."""
        made = {"created_at": self._moment, "updated_at": self._moment, "created_by_id": self._project.owner_id}
        ids = {"id": new_id(), "project_id": self._project.id, "external_id": None, "tag_ids": frozenset[str]()}
        return {**_NEW, **made, **ids, "version": 1}

    def _number(self, line: int, number: int | None) -> int:
        """The number of a new task: that of the line if there is one, which no task may have had before."""
        if number and number > _HIGHEST:
            self._faults.add(line, f"number: A new task takes none above {_HIGHEST:,}.")
        number = number or self.last_number + 1
        if number <= self._project.last_number:
            self._faults.add(line, f"number: {number} was given to a task that is there no more.")
        self.last_number = max(self.last_number, number)
        return number

    def _look_up_people(self, rows: Iterable[Values]) -> dict[str, Any]:
        names = {row[name] for row in rows for name in _PERSONS if row.get(name)}
        asked = {"project": self._project.id, "names": sorted(names)}
        return {person.username: person for person in self._connection.execute(_PEOPLE, asked)} if names else {}

    def _person(self, line: int, name: str, username: str | None, task: Values | None) -> str | None:
        if username is None:
            return None
        person = self._people.get(username)
        if person is None:
            self._faults.add(line, f"{name}: There is no user {username}.")
        elif name == "assigned_to" and not person.sees and (task or {}).get("assigned_to_id") != person.id:
            self._faults.add(line, f"{name}: {username} cannot see the project, or is disabled.")
        return person and person.id

    def _tag(self, name: str) -> str:
        """The id of a tag of the project, which is made where there is none."""
        name_key = caseless(name)
        if name_key not in self._tags:
            self._tags[name_key] = new_id()
            record = {"id": self._tags[name_key], "created_at": self._moment, "updated_at": self._moment, "version": 1}
            row = {**record, "project_id": self._project.id, "name": name, "name_key": name_key, "words": words_of_tag(name)}
            insert_rows(self._connection, table_of(Tag), [row])
            self.counts["tags"] += 1
        return self._tags[name_key]


class _Here:
    """The tasks that are here already, of those that some lines may be.

    Args:
        connection: within the transaction.
        project_id: the project.
        rows: what the lines say.
    """

    def __init__(self, connection: Connection, project_id: str, rows: Sequence[Values]) -> None:
        names = [row["external_id"] for row in rows if row.get("external_id")]
        numbers = [row["number"] for row in rows if row.get("number")]
        by_name = connection.execute(_BY_NAME, {"project": project_id, "names": names}).mappings().all() if names else []
        asked = {"project": project_id, "numbers": numbers}
        by_number = connection.execute(_BY_NUMBER, asked).mappings().all() if numbers else []
        found = {row["id"]: {**row, "tag_ids": set[str]()} for row in (*by_name, *by_number)}
        for task_id, tag_id in connection.execute(_LINKS, {"tasks": list(found)}):
            found[task_id]["tag_ids"].add(tag_id)
        self._project_id = project_id
        self._by_name: dict[str, Values] = {row["external_id"]: found[row["id"]] for row in by_name}
        self._by_number: dict[int, Values] = {row["number"]: found[row["id"]] for row in by_number}

    def add(self, task: Values) -> None:
        """Notes a task that is being made."""
        self._by_number[task["number"]] = task
        if task["external_id"] is not None:
            self._by_name[task["external_id"]] = task

    def find(self, line: int, row: Values, faults: Faults) -> Values | None:
        """The task that a line is, if it is here; notes where its `number` is that of another one."""
        name, number = row.get("external_id"), row.get("number")
        task = self._by_number.get(number or 0) if name is None else self._by_name.get(name)
        if name is None:
            row.pop("external_id", None)  # What is empty takes nothing away.
        elif number and task is None and number in self._by_number:
            faults.add(line, f"number: {number} is a task with another external_id, or with none.")
        elif number and task is not None and task["project_id"] == self._project_id and number != task["number"]:
            faults.add(line, f"number: The task with this external_id has the number {task['number']}.")
        return task
