"""Rows written in bulk, and what both ways of importing have in common."""

import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TypeAlias

from sqlalchemy import Connection, Table, bindparam, insert, update
from sqlalchemy.exc import IntegrityError

from ..core.database import Overtaken, analyze, is_on_postgresql, session, transactional
from ..core.errors import Unavailable
from ..core.types import Id, table_of
from ..projects.models import Project
from ..tags.models import Tag, TaskTag
from ..tasks.models import COMPLETED, ExternalId, Task, TaskWords
from ..tasks.services.making import words_row
from .faults import BrokenFile, Faults, Rejected

Values: TypeAlias = dict[str, Any]
Counts: TypeAlias = Counter[str]
BY = "command line"  # Who did it, in the log.
AT_ONCE = 500  # Lines that are in memory.
_tasks, _words, _projects = table_of(Task), table_of(TaskWords), table_of(Project)
_links, _external_ids = table_of(TaskTag), table_of(ExternalId)
CHANGED = (
    "title", "description", "status", "priority", "assigned_to_id", "created_by_id", "due_date", "start_date", "completed_at",
    "created_at",
)  # fmt: skip
_COLUMNS = (*CHANGED, "updated_at")
_NAMED_BY = {"project_id": "project_id", "external_id": "external_id", "task_id": "id"}
_change = {name: bindparam(f"new_{name}", type_=_tasks.c[name].type) for name in _COLUMNS}
_CHANGE = update(_tasks).where(_tasks.c.id == bindparam("task", type_=Id())).values(**_change, version=_tasks.c.version + 1)
_found = {name: bindparam(f"new_{name}", type_=_words.c[name].type) for name in ("words", "created_at")}
_CHANGE_WORDS = update(_words).where(_words.c.task_id == bindparam("task", type_=Id())).values(**_found)


class DryRun(Exception):
    """Takes back what was done only to see whether it could be."""


def run(work: Callable[[BinaryIO, Faults], Counts], path: Path, *, dry_run: bool) -> Counts:
    """Imports a file in one transaction, all of it or nothing.

    Args:
        work: what is done with the lines; a transaction that has to be repeated reads the file anew.
        path: the file, or a pipe, which is read to its end first.
        dry_run: whether all of it is taken back in the end.

    Raises:
        Rejected: the file has faults.
    """
    counts = Counter[str]()

    @transactional
    def done() -> None:
        faults = Faults()
        file.seek(0)
        try:
            counts.clear()
            counts.update(work(file, faults))
        except BrokenFile as broken:
            faults.add(broken.line, str(broken))
        except IntegrityError as error:
            raise Overtaken from error  # Others wrote the same since it was looked for.
        faults.check()
        if dry_run:
            raise DryRun
        if is_on_postgresql():  # SQLite takes a table for large until it has looked, and would never look again by itself.
            analyze(session().connection(), (table.name for table in (_projects, table_of(Tag), _tasks, _words, _links)))

    try:
        with _whole(path) as file, contextlib.suppress(DryRun):
            done()
    except Unavailable as error:
        raise Rejected("Nothing was imported: others write the same at this moment. Try again.") from error
    return counts


@contextlib.contextmanager
def _whole(path: Path) -> Generator[BinaryIO]:
    """A file that can be read from its beginning again, which a pipe cannot."""
    with path.open("rb") as file:
        if file.seekable():
            yield file
            return
        with TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            yield copy


def check_rules(line: int, values: Mapping[str, Any], faults: Faults) -> bool:
    """Whether what a task is to be fits together; notes what does not."""
    start, due = values["start_date"], values["due_date"]
    if start is not None and due is not None and start > due:
        faults.add(line, "start_date: start_date is after due_date.")
        return False
    if (values["completed_at"] is not None) != (values["status"] in COMPLETED):
        faults.add(line, "completed_at: Stands with the status done or cancelled, and with no other.")
        return False
    return True


def insert_rows(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Writes rows, if there are any."""
    if rows:
        connection.execute(insert(table), rows)


def insert_tasks(connection: Connection, tasks: Sequence[Values]) -> None:
    """Writes new tasks, each with `tag_ids` and `external_id` beside the columns, and what they are found by."""
    insert_rows(connection, _tasks, [{name: value for name, value in task.items() if name in _tasks.c} for task in tasks])
    insert_rows(connection, _words, [words_row(task) for task in tasks])
    link_tags(connection, tasks)
    named = [task for task in tasks if task["external_id"] is not None]
    insert_rows(connection, _external_ids, [{name: task[source] for name, source in _NAMED_BY.items()} for task in named])


def link_tags(connection: Connection, tasks: Sequence[Values]) -> None:
    """Gives tasks, which have no tags yet, their `tag_ids`."""
    insert_rows(connection, _links, [{"task_id": task["id"], "tag_id": tag} for task in tasks for tag in task["tag_ids"]])


def update_tasks(connection: Connection, tasks: Sequence[Values]) -> None:
    """Writes tasks that have changed, and what they are found by."""
    if tasks:
        connection.execute(
            _CHANGE, [{"task": task["id"], **{f"new_{name}": task[name] for name in _COLUMNS}} for task in tasks]
        )
        found = [words_row(task) for task in tasks]
        connection.execute(
            _CHANGE_WORDS, [{"task": row["task_id"], **{f"new_{name}": row[name] for name in _found}} for row in found]
        )


def count(connection: Connection, project_id: str, made: int, last_number: int) -> None:
    """Tells a project how many more tasks it has, and the number of its newest."""
    counted = update(_projects).where(_projects.c.id == project_id)
    connection.execute(counted.values(task_count=_projects.c.task_count + made, last_number=last_number))
