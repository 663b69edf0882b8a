"""`flask import csv` and `flask import json` into a project: what is made, changed and left, and what is wrong where."""

import csv
import io
import os
import threading
import tracemalloc

import pytest

from tasktracker.cli import moving
from tasktracker.core.database import Overtaken
from tasktracker.extensions import db
from tasktracker.moving.faults import BrokenFile, Faults
from tasktracker.moving.sources import COLUMNS, csv_rows, json_lines, json_tasks

from ..cli.apps import all_rows, every, flask
from ..people import Person, lock_out
from ..racing import waiting
from .files import exported, imported, lines, refused
from .test_exports import FIRST, NASTY

TABLE = """external_id,title,description,status,priority,assigned_to,due_date,start_date,tags,created_at
a,First,"Two
lines",done,high,{me},2026-12-24,2026-12-01,red;green,2025-01-01T10:00:00+01:00
b,Second,,,,,,,RED,
c,Third,,in_progress,,,,,a\\;b,
"""


def rows(*values: dict) -> bytes:
    """A table of these rows, with a column for each name in any of them."""
    names = list(dict.fromkeys(name for row in values for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(values)
    return text.getvalue().encode()


@pytest.fixture
def project(ada):
    return ada.project(name="Website", key="WEB")


@pytest.fixture
def into(ada: Person, project: dict) -> tuple[str, ...]:
    return "--project", "web", "--owner", ada.username


def tasks(person, **query):
    return {task["title"]: task for task in every(person, "/tasks", **query)}


def statistics(connection):
    """What the database knows of the table of tasks; SQLite has a table for that when it has looked for the first time."""
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql("SELECT reltuples FROM pg_class WHERE relname = 'tasks'").scalar_one()
    has_looked = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'").scalar_one()
    return connection.exec_driver_sql("SELECT * FROM sqlite_stat1").all() if has_looked else None


def test_postgresql_knows_afterwards_how_much_there_is(app, ada, project, into, tmp_path):
    """Plans that were made for few tasks took a second each for the many that an import brought."""
    with app.app_context(), db.engine.connect() as connection:
        before = statistics(connection)
    imported(app, tmp_path, "csv", rows(*({"external_id": str(one), "title": "x"} for one in range(50))), *into)
    with app.app_context(), db.engine.connect() as connection:
        # SQLite takes each table for a large one; told how many there are now, it would not look again when there are more.
        there = connection.exec_driver_sql("SELECT count(*) FROM tasks").scalar_one()
        assert statistics(connection) == (there if connection.dialect.name == "postgresql" else before)


def test_a_table_becomes_tasks(app, ada, project, into, tmp_path):
    said = imported(app, tmp_path, "csv", TABLE.format(me=ada.username).encode(), *into)
    assert said == "Made 3 tasks and 3 tags, changed 0 tasks, and left 0 as they were.\n"
    found = tasks(ada)
    first = found["First"]
    assert first["description"] == "Two\nlines"
    assert (first["status"], first["priority"], first["due_date"]) == ("done", "high", "2026-12-24")
    assert first["assigned_to"]["id"] == first["created_by"]["id"] == ada.id
    assert first["created_at"] == "2025-01-01T09:00:00Z"
    assert first["completed_at"] == first["updated_at"] == found["Second"]["created_at"]
    assert [tag["name"] for tag in first["tags"]] == ["green", "red"]
    assert [tag["name"] for tag in found["Second"]["tags"]] == ["red"]
    assert [tag["name"] for tag in found["Third"]["tags"]] == ["a;b"]
    assert [found[title]["number"] for title in ("First", "Second", "Third")] == [1, 2, 3]
    assert list(tasks(ada, search="lin")) == ["First"]
    assert ada.get(f"/projects/{project['id']}").json["task_count"] == 3
    assert ada.task(project)["number"] == 4


def test_the_second_time_changes_what_differs(app, ada, into, tmp_path):
    table = TABLE.format(me=ada.username)
    imported(app, tmp_path, "csv", table.encode(), *into)
    before = tasks(ada)
    assert imported(app, tmp_path, "csv", table.encode(), *into).startswith(
        "Made 0 tasks and 0 tags, changed 0 tasks, and left 3"
    )
    assert tasks(ada) == before
    table = table.replace("Second,,,", "Zweite,,done,").replace("RED", "blue")
    said = imported(app, tmp_path, "csv", table.encode(), *into)
    assert said == "Made 0 tasks and 1 tag, changed 1 task, and left 2 as they were.\n"
    after = tasks(ada)
    assert after.pop("Zweite").items() >= {"number": 2, "status": "done", "id": before["Second"]["id"]}.items()
    assert after == {title: task for title, task in before.items() if title != "Second"}
    assert list(tasks(ada, search="zwei")) == ["Zweite"]
    assert tasks(ada, search="second") == {}
    assert [tag["name"] for tag in tasks(ada)["Zweite"]["tags"]] == ["blue"]


def test_columns_that_are_not_there_stay_as_they_are(app, ada, into, tmp_path):
    imported(app, tmp_path, "csv", TABLE.format(me=ada.username).encode(), *into)
    before = tasks(ada)["First"]
    said = imported(app, tmp_path, "csv", rows({"external_id": "a", "priority": "low"}), *into)
    assert said.startswith("Made 0 tasks and 0 tags, changed 1 task,")
    after = tasks(ada)["First"]
    assert after["updated_at"] > before["updated_at"]
    assert {**after, "priority": "high", "updated_at": before["updated_at"]} == before


@pytest.mark.parametrize("name", ["external_id", "number"])
def test_what_somebody_changes_meanwhile_stands(app, ada, into, tmp_path, name):
    imported(app, tmp_path, "csv", rows({"external_id": "a", "title": "A"}, {"external_id": "b", "title": "B"}), *into)
    found = tasks(ada)["A"]
    table = rows({name: "a" if name == "external_id" else "1", "status": "in_review"})
    with app.app_context(), db.engine.connect() as connection:
        change = f"UPDATE tasks SET description = 'Theirs' WHERE id = '{found['id']}'"
        said = waiting(connection, lambda: imported(app, tmp_path, "csv", table, *into), change)
    assert said.startswith("Made 0 tasks and 0 tags, changed 1 task,")
    after = tasks(ada)["A"]
    assert (after["description"], after["status"]) == ("Theirs", "in_review")


def test_an_exported_table_gives_the_same_table_elsewhere_and_changes_nothing_here(ada, bob, project, into, tmp_path):
    ada.add(project, bob)
    tags = [ada.tag(project, name)["id"] for name in ("a;b", "c\\d", "\\;", "=e")]
    for number, text in enumerate(NASTY):
        ada.task(project, title=text, description=f"{FIRST}{text}", tag_ids=tags[: number % 5], assigned_to_id=bob.id)
    done = bob.task(project, status="done", due_date="2026-12-24", start_date="2026-12-01")
    gap = ada.task(project)
    bob.task(project, title="After a gap")
    assert ada.delete(f"/tasks/{gap['id']}").status_code == 204
    table = exported(ada.app, tmp_path, *into, "--format", "csv")
    before = all_rows(ada.app)
    assert "left 21 as they were" in imported(ada.app, tmp_path, "csv", table, *into)
    assert all_rows(ada.app) == before
    again = ada.project(key="AGAIN")
    ada.add(again, bob)
    there = ("--project", "AGAIN", "--owner", ada.username)
    assert imported(ada.app, tmp_path, "csv", table, *there).startswith("Made 21 tasks and 4 tags")
    assert exported(ada.app, tmp_path, *there, "--format", "csv") == table
    assert any(row["completed_at"] == done["completed_at"] for row in csv.DictReader(io.StringIO(table.decode(), newline="")))


def test_whoever_has_lost_sight_stays_where_they_are_and_nobody_else_is_assigned(ada, bob, project, into, tmp_path):
    ada.add(project, bob)
    ada.task(project, assigned_to_id=bob.id)
    lock_out(ada.app, bob)
    table = exported(ada.app, tmp_path, *into, "--format", "csv")
    assert "left 1 as they were" in imported(ada.app, tmp_path, "csv", table, *into)
    told = refused(ada.app, tmp_path, "csv", rows({"title": "New", "assigned_to": bob.username}), *into)
    assert told[1] == f"  line 2: assigned_to: {bob.username} cannot see the project, or is disabled."


FAULTS = {
    "no title": ({"title": ""}, "title: Length must be between 1 and 200."),
    "a long title": ({"title": "x" * 201}, "title: Length must be between 1 and 200."),
    "an unknown status": ({"status": "open"}, "status: Not one of: todo, in_progress, in_review, done, cancelled."),
    "no date": ({"due_date": "24.12.2026"}, "due_date: Not a date such as 2026-12-24."),
    "no time": ({"created_at": "2026-12-24"}, "created_at: Not a time with its offset, such as 2026-12-24T18:00:00Z."),
    "no number": ({"number": "seven"}, "number: Not a whole number."),
    "a number below 1": ({"number": "-1"}, "number: Must be greater than or equal to 1."),
    "a large number": ({"number": "1000000000"}, "number: A new task takes none above 999,999,999."),
    "a number of 33 bits": ({"number": "4294967296"}, "number: Not within 32 bits."),
    "no such user": ({"assigned_to": "nobody.at.all"}, "assigned_to: There is no user nobody.at.all."),
    "no such maker": ({"created_by": "nobody.at.all"}, "created_by: There is no user nobody.at.all."),
    "dates": ({"start_date": "2026-12-25", "due_date": "2026-12-24"}, "start_date: start_date is after due_date."),
    "open and completed": ({"completed_at": "2026-12-24T00:00:00Z"}, "completed_at: Stands with the status done"),
    "a control character": ({"description": "a\x00b"}, "description: Control characters"),
    "a long tag": ({"tags": "x" * 51}, "tags.0: Length must be between 1 and 50."),
    "a long external_id": ({"external_id": "x" * 256}, "external_id: Length must be between 1 and 255."),
    "the same line": ({"external_id": "first"}, "A line before this one is the same task, or was given its number."),
    "the same number": ({"number": "2"}, "A line before this one is the same task, or was given its number."),
    "another number": ({"external_id": "here", "number": "9"}, "number: The task with this external_id has the number 1."),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_line_and_nothing_is_written(app, project, into, tmp_path, name):
    imported(app, tmp_path, "csv", rows({"external_id": "here", "title": "Here"}), *into)
    fault, message = FAULTS[name]
    before = all_rows(app)
    table = rows({"external_id": "first", "title": "Good", "description": "of two\nlines"}, {"title": "Other", **fault})
    told = refused(app, tmp_path, "csv", table, *into)
    assert told[0] == "Nothing was imported; there is 1 fault."
    assert told[1].startswith(f"  line 4: {message}"), told
    assert all_rows(app) == before


def test_a_number_is_not_taken_from_another_task(app, into, tmp_path):
    imported(app, tmp_path, "csv", rows({"external_id": "here", "title": "Here"}), *into)
    told = refused(app, tmp_path, "csv", rows({"external_id": "new", "number": 1, "title": "New"}), *into)
    assert told[1] == "  line 2: number: 1 is a task with another external_id, or with none."


def test_a_number_is_never_given_again(app, ada, project, into, tmp_path):
    ada.task(project)
    assert ada.delete(f"/tasks/{ada.task(project)['id']}").status_code == 204
    told = refused(app, tmp_path, "csv", rows({"number": 2, "title": "Back"}), *into)
    assert told[1:] == ["  line 2: number: 2 was given to a task that is there no more."]


def test_after_the_highest_number_more_can_be_made(app, ada, project, into, tmp_path):
    imported(app, tmp_path, "csv", rows({"number": 999_999_999, "title": "High"}), *into)
    assert ada.task(project)["number"] == 1_000_000_000
    table = exported(app, tmp_path, *into, "--format", "csv")
    assert "left 2 as they were" in imported(app, tmp_path, "csv", table, *into)
    data = exported(app, tmp_path, *into)
    assert ada.delete(f"/projects/{project['id']}").status_code == 204
    imported(app, tmp_path, "json", data)
    assert exported(app, tmp_path, *into) == data
    assert ada.task(project)["number"] == 1_000_000_001


def test_a_new_task_needs_a_title(app, into, tmp_path):
    told = refused(app, tmp_path, "csv", rows({"external_id": "a", "priority": "low"}), *into)
    assert told[1:] == ["  line 2: title: A new task needs one."]


def test_the_first_faults_are_told_and_all_are_counted(app, into, tmp_path):
    table = rows(*({"title": "Good" if number % 3 else ""} for number in range(1500)))
    told = refused(app, tmp_path, "csv", table, *into)
    assert told[0] == "Nothing was imported; there are 500 faults."
    assert [line.split(":")[0] for line in told[1:-1]] == [f"  line {2 + 3 * number}" for number in range(20)]
    assert told[-1] == "  and 480 more"


def test_the_same_task_is_found_however_far_apart_its_lines_are(app, into, tmp_path):
    table = rows(*({"external_id": f"x{number % 1100}", "title": f"Task {number}"} for number in range(1101)))
    told = refused(app, tmp_path, "csv", table, *into)
    assert told[1:] == ["  line 1102: A line before this one is the same task, or was given its number."]


BROKEN = {
    "not UTF-8": (b"title\nOne\nTw\xf6\n", "line 3: Not UTF-8: byte 3 of the line is 0xf6."),
    "UTF-16": ("title\nOne\n".encode("utf-16"), "line 1: Not UTF-8: byte 1 of the line is 0xff."),
    "an open quote": (b'title\nOne\n"Two\nThree\n', "line 3: Not CSV: unexpected end of data."),
    "a quote within": (b'title,tags\n"One"x,a\n', "line 2: Not CSV: ',' expected after '\"'."),
    "unknown columns": (b"title,Labels,sticker\n", "line 1: Unknown columns: labels, sticker. There are: number, title,"),
    "a column without a name": (b"title,,tags\n", "line 1: Unknown columns: one without a name. There are:"),
    "a column twice": (b"title,Title\n", "line 1: These columns stand there twice: title."),
    "lines of old": (b"title\rOne\r", "line 1: Not CSV: a line ends in CR alone, and not in LF or CRLF."),
    "a large field": (b'title\n"' + b"x" * 1_000_000 + b"\n" + b"x" * 100_000, "line 2: Not CSV: field larger than"),
    "nothing": (b"", "line 1: The first line has to name the columns."),
    "few cells": (b"title,tags\nOne\n", "line 2: 1 cells where there are 2 columns."),
    "many cells": (b"title,tags\nOne,a,b\n", "line 2: 3 cells where there are 2 columns."),
    "no end of a line": (b"title\n" + b"x" * 1_100_000, "line 2: Longer than 1 MiB."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_told_with_the_line(app, into, tmp_path, name):
    data, message = BROKEN[name]
    told = refused(app, tmp_path, "csv", data, *into)
    assert told[1].startswith(f"  {message}"), told


@pytest.mark.parametrize(
    "data",
    [
        "\ufefftitle,description,tags\r\nGrüße,a\r\n\r\n".encode(),
        "title;description;tags\nGrüße;a;\n".encode(),
        "Title\tDescription\tTags\nGrüße\ta\t".encode(),
        '"title","description","tags"\r\n"  Grüße ",a,""\r\n'.encode(),
    ],
)
def test_tables_of_many_programs_are_read(app, ada, into, tmp_path, data):
    data = data.replace(b"a\r\n\r\n", b"a,\r\n\r\n")
    assert imported(app, tmp_path, "csv", data, *into).startswith("Made 1 task and 0 tags")
    assert tasks(ada)["Grüße"]["description"] == "a"


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(app, ada, into, tmp_path):
    before = all_rows(app)
    said = imported(app, tmp_path, "csv", TABLE.format(me=ada.username).encode(), *into, "--dry-run")
    assert said == (
        "Nothing was written; this is what would be done.\nMade 3 tasks and 3 tags, changed 0 tasks, and left 0 as they were.\n"
    )
    assert all_rows(app) == before


def test_lines_of_json_become_tasks(app, ada, project, into, tmp_path):
    data = lines({"external_id": "1", "title": "One", "tags": ["a;b"], "assigned_to": None}, {"title": "Two", "status": "done"})
    assert imported(app, tmp_path, "json", data, *into).startswith("Made 2 tasks and 1 tag,")
    assert imported(app, tmp_path, "json", data.splitlines()[0] + b"\n\n", *into).endswith("and left 1 as they were.\n")
    assert [tag["name"] for tag in tasks(ada)["One"]["tags"]] == ["a;b"]
    assert tasks(ada)["Two"]["completed_at"]
    array = refused(app, tmp_path, "json", b' [\n {"title": "One"}\n]\n', *into)
    assert array[1:] == ["  line 1: A JSON array. Put each object on a line of its own, as `jq -c '.[]'` does."]
    bad = b'{"title": "One", "title": "Two"}\n[]\n{\n{"title": 1, "labels": []}\n'
    told = [line.strip().split(": ")[0:2] for line in refused(app, tmp_path, "json", bad, *into)[1:]]
    assert told == [["line 1", told[0][1]], ["line 2", "Not a JSON object."], ["line 3", told[2][1]],
                    ["line 4", "title"], ["line 4", "labels"]]  # fmt: skip


def test_a_pipe_is_read_to_its_end_before_anything_is_done(app, ada, into, tmp_path, monkeypatch):
    """What has to be done anew is done with all of it."""
    tries, find = [], moving.import_tasks

    def overtaken(lines, faults, **options):
        tries.append(find(lines, faults, **options))
        if len(tries) < 2:
            raise Overtaken
        return tries[-1]

    monkeypatch.setattr(moving, "import_tasks", overtaken)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(lines({"title": "One"}, {"title": "Two"})))
    writer.start()
    result = flask(app, "import", "json", str(tmp_path / "pipe"), *into)
    writer.join()
    assert (result.exit_code, result.stdout.split(" and")[0], len(tries)) == (0, "Made 2 tasks", 2)
    assert set(tasks(ada)) == {"One", "Two"}


def test_null_is_an_empty_cell(app, ada, into, tmp_path):
    imported(app, tmp_path, "csv", TABLE.format(me=ada.username).encode(), *into)
    empty = {name: None for name in COLUMNS if name not in ("external_id", "title")}
    data = lines({"external_id": "a", "title": "First", **empty})
    assert "changed 1 task," in imported(app, tmp_path, "json", data, *into)
    first = tasks(ada)["First"]
    assert (first["description"], first["status"], first["priority"], first["tags"]) == ("", "todo", "none", [])
    assert (first["number"], first["created_at"]) == (1, "2025-01-01T09:00:00Z")
    told = refused(app, tmp_path, "json", lines({"title": None, "sticker": None}), *into)
    assert told[1:] == ["  line 1: title: Length must be between 1 and 200.", "  line 1: sticker: Unknown field."]


def test_a_project_must_be_there_and_open(app, ada, project, into, tmp_path):
    assert refused(app, tmp_path, "csv", b"title\n", "--project", "NONE", "--owner", ada.username) == [
        f"There is no project NONE of a user {ada.username}."
    ]
    assert ada.patch(f"/projects/{project['id']}", {"archived": True}).status_code == 200
    assert "archived" in refused(app, tmp_path, "csv", b"title\nOne\n", *into)[0]


def test_a_task_that_moved_on_is_left_alone_and_a_deleted_one_made_again(app, ada, project, into, tmp_path):
    imported(app, tmp_path, "csv", rows({"external_id": "a", "title": "A"}, {"external_id": "b", "title": "B"}), *into)
    found, target = tasks(ada), ada.project(key="TO")
    assert ada.patch(f"/tasks/{found['A']['id']}", {"project_id": target["id"]}).status_code == 200
    assert ada.delete(f"/tasks/{found['B']['id']}").status_code == 204
    said = imported(app, tmp_path, "csv", rows({"external_id": "a", "title": "C"}, {"external_id": "b", "title": "D"}), *into)
    assert said.startswith("Made 1 task and")
    assert "Left alone: 1 task in another project by now." in said
    assert set(tasks(ada)) == {"A", "D"}


def test_a_table_whose_tasks_have_numbers_is_imported_again_after_one_has_moved(app, ada, into, tmp_path):
    imported(app, tmp_path, "csv", rows({"external_id": "a", "title": "A"}, {"external_id": "b", "title": "B"}), *into)
    table = exported(app, tmp_path, *into, "--format", "csv")
    target = ada.project(key="TO")
    ada.task(target)  # So that the number there is not the one that it had here.
    moved = ada.patch(f"/tasks/{tasks(ada)['A']['id']}", {"project_id": target["id"]})
    assert (moved.status_code, moved.json["number"]) == (200, 2)
    said = imported(app, tmp_path, "csv", table, *into)
    assert said.startswith("Made 0 tasks and 0 tags, changed 0 tasks, and left 1 as they were.")
    assert "Left alone: 1 task in another project by now." in said


def test_spreadsheets_see_no_formulas(app, ada, project, into, tmp_path):
    for title in ("=1+1", "+1", "-1", "@a", "a=1"):
        ada.task(project, title=title, description="=2")
    table = exported(app, tmp_path, *into, "--format", "csv", "--for-spreadsheets").decode()
    found = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["title"] for row in found] == ["'=1+1", "'+1", "'-1", "'@a", "a=1"]
    assert {row["description"] for row in found} == {"'=2"}
    assert list(found[0]) == list(COLUMNS)


class Endless(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, head: bytes, line: bytes, count: int) -> None:
        self._lines = iter([head, *[line] * count])

    def readline(self, _size: int = -1, /) -> bytes:
        return next(self._lines, b"")


@pytest.mark.parametrize("read", [csv_rows, json_tasks])
def test_memory_does_not_grow_with_the_file(read):
    head, line = (
        (b"title,description\n", b"Title," + b"x" * 500 + b"\n") if read is csv_rows else (b"{}\n", b'{"title": "One"}\n')
    )
    tracemalloc.start()
    try:
        count = sum(1 for _ in read(Endless(head, line, 20_000), Faults(), lambda _: None))
        assert count >= 20_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_what_cannot_be_read_ends_the_reading():
    with pytest.raises(BrokenFile, match="Not UTF-8"):
        list(json_lines(io.BytesIO(b'{}\n"\xff"\n'), Faults(), lambda _: None))
