"""`flask export` and `flask import json`: what goes into another instance is the same there."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from tasktracker.accounts.models import Team, User
from tasktracker.core.models import now
from tasktracker.core.types import table_of
from tasktracker.extensions import db
from tasktracker.moving import exporting
from tasktracker.moving.schemas import ProjectLine, TagLine, TaskLine, TeamLine
from tasktracker.projects.models import Project
from tasktracker.tags.models import Tag
from tasktracker.tasks.models import Task

from ..cli.apps import all_rows, every, flask
from ..live import ROOT
from ..people import NOBODY, PASSWORD, Person, lock_out, new_person, new_team
from ..racing import waiting
from .conftest import clear
from .files import exported, imported, let_in, lines, objects, refused

NASTY = [
    "=1+1", "-2", "+3", "@now", "'quoted'", 'double "quotes"', "a,b;c", "back\\slash \\; \\n", "{}[]<script>",
    "\u202eright to left", "e\u0301 and \u212b", "\ufeffmark", "\u2028line\u2029paragraph", "👩\u200d👩\u200d👧", "\\N", "NULL",
    "%s %(x)s", "İstanbul ẞ ﬁ", "\U0010ffff",
]  # fmt: skip
FIRST = 'the first line\n\n\tindented, with "quotes"; and a\\backslash\n=SUM(A1)'
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(lambda text: text.strip())


def world(app: Flask) -> Person:
    """Somebody who owns projects in which there is something of everything."""
    ada, bob, eve, gone = (new_person(app, name) for name in ("ada", "bob", "eve", "gone"))
    web, old = ada.project(name="Web=", description=FIRST), ada.project(name="Old", color="#1d4ed8")
    ada.add(web, bob, "admin")
    ada.add(web, eve, "viewer")
    ada.add(web, gone)
    ada.add_team(web, new_team(app, ada, bob, name="Team, with ;"), "member")
    tags = [ada.tag(web, name)["id"] for name in ("a;b", "c\\d", "=e", "Straße")]
    for number, text in enumerate(NASTY):
        ada.task(web, title=text, description=f"{text}\n{text}", tag_ids=tags[: number % 5], priority="high")
    bob.task(web, assigned_to_id=eve.id, due_date="2026-12-24", start_date="2026-12-01", status="done")
    gone.task(web, title="Nobody has made it")
    assert gone.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    moved = ada.task(web, title="It moves", assigned_to_id=bob.id, tag_ids=tags[:1])
    assert ada.patch(f"/tasks/{moved['id']}", {"project_id": old["id"]}).status_code == 200
    last = ada.task(web, title="The last number is not given again")
    assert ada.delete(f"/tasks/{last['id']}").status_code == 204
    assert ada.patch(f"/projects/{old['id']}", {"archived": True}).status_code == 200
    ada.task(title="In the inbox")
    lock_out(app, eve)
    return ada


def seen(person: Person) -> dict[str, list[dict]]:
    """All that somebody sees of what they own."""
    lists = {path: every(person, path) for path in ("/tasks", "/tags", "/teams", "/users")}
    projects = every(person, "/projects") + every(person, "/projects", archived="true")
    rooms = {
        f"{p['id']}{room}": every(person, f"/projects/{p['id']}{room}") for p in projects for room in ("/members", "/teams")
    }
    return {**lists, **rooms, "/projects": projects}


def test_all_that_a_user_owns_is_the_same_elsewhere(app, elsewhere, tmp_path):
    ada = world(app)
    data = exported(app, tmp_path, "--user", ada.username)
    said = imported(elsewhere, tmp_path, "json", data, "--create-people")
    assert said.startswith("Made 3 projects, 23 tasks, 4 tags, 1 team, 3 accounts.\n")
    assert exported(elsewhere, tmp_path, "--user", ada.username) == data
    before, there = seen(ada), let_in(elsewhere, ada.username)
    assert seen(there) == before
    assert [task["title"] for task in every(there, "/tasks", search="moves")] == ["It moves"]
    assert [project["name"] for project in every(there, "/projects", search="web")] == ["Web="]
    assert [tag["name"] for tag in every(there, "/tags", search="stras")] == ["Straße"]
    web = next(project for project in there.get("/projects").json if project["name"] == "Web=")
    assert there.task(web)["number"] == max(object_.get("last_number", 0) for object_ in objects(data)) + 1


# What follows from other columns, or stands under another name; of accounts only what others see moves, and the address.
FOLLOWS = {"words", "name_key", "project_id", "assigned_to_id", "created_by_id", "owner_id", "task_count"}


@pytest.mark.parametrize(("model", "line"), [(Task, TaskLine), (Tag, TagLine), (Project, ProjectLine), (Team, TeamLine)])
def test_no_column_is_forgotten(model, line):
    assert set(model.__table__.columns.keys()) - FOLLOWS - set(line().fields) == set()


def test_a_file_of_format_1_is_taken_in_for_good(elsewhere, tmp_path):
    """It was written once by the first version that had the format, and is never written anew."""
    data = (Path(__file__).parent / "format-1.ndjson").read_bytes()
    stored = objects(data)
    said = imported(elsewhere, tmp_path, "json", data, "--create-people")
    assert said.startswith("Made 5 projects, 25 tasks, 4 tags, 1 team, 3 accounts.\n")
    owner = next(line["username"] for line in stored if line["kind"] == "person" and line["username"].startswith("ada"))
    again = objects(exported(elsewhere, tmp_path, "--user", owner))
    assert len(again) == len(stored)
    for before, line in zip(stored, again, strict=True):
        assert {name: line[name] for name in before} == before


def test_a_project_is_the_same_elsewhere(app, elsewhere, tmp_path):
    ada = world(app)
    data = exported(app, tmp_path, "--project", "web", "--owner", ada.username)
    imported(elsewhere, tmp_path, "json", data, "--create-people")
    assert exported(elsewhere, tmp_path, "--project", "WEB", "--owner", ada.username) == data
    assert [one["key"] for one in objects(data) if one["kind"] == "project"] == ["WEB"]
    there = let_in(elsewhere, ada.username)
    assert [project["key"] for project in there.get("/projects", query={"sort": "name"}).json] == ["INBOX", "WEB"]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=4))
def test_any_text_is_the_same_elsewhere(app, elsewhere, tmp_path, texts):
    clear(elsewhere)
    ada = new_person(app, "ada")
    assert ada.patch("/users/me", {"display_name": texts[0][0]}).status_code == 200
    project = ada.project(name=texts[0][0], description=texts[0][1])
    for title, description, tag in texts:
        made = ada.post("/tags", {"project_id": project["id"], "name": tag})
        ada.task(project, title=title, description=description, tag_ids=[made.json["id"]] if made.status_code == 201 else [])
    data = exported(app, tmp_path, "--user", ada.username)
    imported(elsewhere, tmp_path, "json", data, "--create-people")
    assert exported(elsewhere, tmp_path, "--user", ada.username) == data
    table = exported(app, tmp_path, "--project", project["key"], "--owner", ada.username, "--format", "csv")
    again = ada.project(name="Again", key="AGAIN")
    imported(app, tmp_path, "csv", table, "--project", again["key"], "--owner", ada.username)
    assert exported(app, tmp_path, "--project", "AGAIN", "--owner", ada.username, "--format", "csv") == table


def test_what_is_here_already_is_left_as_it_is(app, elsewhere, tmp_path):
    ada = world(app)
    data = exported(app, tmp_path, "--user", ada.username)
    imported(elsewhere, tmp_path, "json", data, "--create-people")
    before = all_rows(elsewhere)
    said = imported(elsewhere, tmp_path, "json", data)
    assert said.startswith("Made 0 projects, 0 tasks, 0 tags, 0 teams, 0 accounts.\nLeft alone: 3 projects here already, with")
    assert all_rows(elsewhere) == before


def test_nobody_logs_in_to_an_account_that_an_import_made(app, elsewhere, tmp_path):
    ada = world(app)
    said = imported(elsewhere, tmp_path, "json", exported(app, tmp_path, "--user", ada.username), "--create-people")
    assert "flask users enable" in said
    for password in ("correct horse battery staple", "", "!"):
        credentials = {"username": ada.username, "password": password or "x"}
        assert elsewhere.test_client().post("/api/v1/auth/login", json=credentials).status_code == 401
    assert flask(elsewhere, "users", "send-reset", ada.username).exit_code == 1
    assert flask(elsewhere, "users", "enable", ada.username).exit_code == 0
    assert flask(elsewhere, "users", "send-reset", ada.username).exit_code == 0


def test_people_are_known_by_their_addresses(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    ada.task(ada.project(), assigned_to_id=ada.id)
    data = exported(app, tmp_path, "--user", ada.username)
    told = refused(elsewhere, tmp_path, "json", data)
    assert told[0] == "Nothing was imported; there is 1 fault."
    assert told[1].startswith(f"  line 2: email: Nobody here has the address of {ada.username};")
    here = new_person(elsewhere, "other")
    document = objects(data)
    document[1]["email"] = here.email.upper()
    imported(elsewhere, tmp_path, "json", lines(*document))
    (task,) = here.get("/tasks").json
    assert task["assigned_to"]["id"] == task["created_by"]["id"] == here.id
    # An inbox that nobody has used makes way for the one that comes; the people who are there keep all the rest.
    assert here.inbox()["id"] == next(one["id"] for one in document if one.get("is_inbox"))
    document[1] |= {"id": NOBODY, "email": "somebody@example.org", "username": here.username}
    told = refused(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    assert told[1] == f"  line 2: username: {here.username} is somebody here who has another address."


def test_whoever_has_not_confirmed_an_address_gets_nothing_of_its_owners(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    ada.task(title="Secret")
    document = objects(exported(app, tmp_path, "--user", ada.username))
    mallory = new_person(elsewhere, "mallory", verified=False)
    document[1]["email"] = mallory.email
    told = refused(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    assert told[1:] == [f"  line 2: email: {mallory.username} has this address here, and has to confirm it first."]
    lock_out(elsewhere, mallory, "unconfirmed")  # As one who has registered under the owner's name and waits.
    document[1]["username"] = mallory.username
    for line in document[2:]:
        line |= {name: mallory.username for name in ("owner", "created_by") if name in line}
    assert refused(elsewhere, tmp_path, "json", lines(*document), "--create-people") == told
    document[1]["username"] = "ada"
    for line in document[2:]:
        line |= {name: "ada" for name in ("owner", "created_by") if name in line}
    imported(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    assert [task["title"] for task in every(let_in(elsewhere, "ada"), "/tasks")] == ["Secret"]


def test_projects_go_beside_those_that_are_there(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    ada.task(title="Far")
    ada.project(name="Website", key="WEB")
    document = objects(exported(app, tmp_path, "--user", ada.username))
    here = new_person(elsewhere, "ada")
    document[1]["email"] = here.email
    here.task(title="Near")
    here.project(name="Website", key="WEB")
    assert "Given another key: 2 projects" in imported(elsewhere, tmp_path, "json", lines(*document))
    found = {(project["key"], project["is_inbox"], project["task_count"]) for project in here.get("/projects").json}
    assert found == {("INBOX", True, 1), ("INBO", False, 1), ("WEB", False, 0), ("WEBS", False, 0)}


HEAD = {"kind": "export", "format": 1}
FAULTS = {
    "another format": (0, {"format": 2}, "line 1: format: This version of TaskTracker reads format 1."),
    "unknown kind": (1, {"kind": "comment"}, "line 2: kind: Not one of: person, team, project, tag, task, external_id, end."),
    "unknown field": (-2, {"sticker": 1}, "line 5: sticker: Unknown field."),
    "bad value": (-2, {"title": "\u0000"}, "line 5: title: Control characters"),
    "bad type": (-2, {"number": "1"}, "line 5: number: Not a whole number."),
    "no such person": (-2, {"assigned_to": "nobody"}, "line 5: No line before this one says who nobody is."),
    "no such tag": (-2, {"tags": ["none"]}, "line 5: tags: Not all of these are tags of lines before."),
    "no such project": (-2, {"project": "NONE"}, "line 5: project: No line before this one is the project NONE."),
    "dates": (-2, {"due_date": "2026-01-01", "start_date": "2026-01-02"}, "line 5: start_date: start_date is after due_date."),
    "open and completed": (-2, {"completed_at": "2026-01-01T00:00:00Z"}, "line 5: completed_at: Stands with the status done"),
    "done and not completed": (-2, {"status": "done"}, "line 5: completed_at: Stands with the status done"),
    "a number to come": (-2, {"number": 7}, "line 5: number: Above the last_number of the project."),
    "an inbox in the archive": (2, {"is_inbox": True, "archived_at": "2026-01-01T00:00:00Z"}, "line 3: Its id is"),
    "an unknown team": (2, {"teams": [{"team": NOBODY, "role": "member"}]}, "line 3: teams: No line before this one is"),
    "a number that ends all counting": (2, {"last_number": 2_000_000_001}, "line 3: last_number: Must be"),
    "another count of lines": (-1, {"lines": 6}, "line 6: lines: 6 were written before this one, and 5 are here."),
    "no end": (-1, {"kind": "task"}, "line 6: The export is cut off after this line"),
    "no role": (2, {"members": [{"user": "ada", "role": "owner"}]}, "line 3: members.0.role: Not one of:"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_line_and_nothing_is_written(app, elsewhere, tmp_path, name):
    ada = new_person(app, "ada")
    project = ada.project()
    ada.task(project, tag_ids=[ada.tag(project)["id"]])
    document = objects(exported(app, tmp_path, "--project", project["key"], "--owner", ada.username))
    place, change, message = FAULTS[name]
    document[place] |= change
    before = all_rows(elsewhere)
    assert any(
        line.startswith(f"  {message}") for line in refused(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    )
    assert all_rows(elsewhere) == before


def test_the_line_is_found_that_the_database_refuses(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    project = ada.project()
    for _ in range(3):
        ada.task(project)
    document = objects(exported(app, tmp_path, "--project", project["key"], "--owner", ada.username))
    document[5] |= {"number": 2}
    told = refused(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    assert told[1:] == ["  line 6: Its id, number or external_id belongs to another task."]


def test_what_a_task_was_called_where_it_came_from_is_the_same_elsewhere(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    table, into = b"external_id,title\na,Moves\nb,Stays\n", ("--project", "WEB", "--owner", ada.username)
    ada.project(key="WEB")
    imported(app, tmp_path, "csv", table, *into)
    moved = next(task for task in every(ada, "/tasks") if task["title"] == "Moves")
    assert ada.patch(f"/tasks/{moved['id']}", {"project_id": ada.project(key="TO")["id"]}).status_code == 200
    data = exported(app, tmp_path, "--user", ada.username)
    said = imported(elsewhere, tmp_path, "json", data, "--create-people")
    assert exported(elsewhere, tmp_path, "--user", ada.username) == data
    assert "Left alone: 1 task in another project by now." in imported(elsewhere, tmp_path, "csv", table, *into), said
    document = objects(data)
    document[-2] |= {"task": NOBODY}
    clear(elsewhere)
    told = refused(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    assert told[1:] == [f"  line {len(document) - 1}: task: No line before this one is this task."]


def test_whoever_cannot_see_the_project_is_taken_off_its_tasks(app, elsewhere, tmp_path):
    ada, bob = new_person(app, "ada"), new_person(app, "bob")
    project = ada.project()
    ada.add(project, bob)
    ada.task(project, assigned_to_id=bob.id)
    document = objects(exported(app, tmp_path, "--project", project["key"], "--owner", ada.username))
    document[3] |= {"members": []}
    said = imported(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    assert "Assigned to nobody: 1 task of people who cannot see the project here." in said
    [task] = every(let_in(elsewhere, ada.username), "/tasks")
    assert task["assigned_to"] is None


def test_a_line_of_many_members_is_taken_in_and_one_without_end_is_not(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    data = exported(app, tmp_path, "--user", ada.username)
    long = data.replace(b'"members":[', b'"members":[' + b" " * 2_000_000)
    assert len(long) > 2_000_000
    told = refused(elsewhere, tmp_path, "json", data + b" " * 34_000_000, "--create-people")
    assert told[1:] == ["  line 5: Longer than 32 MiB."]
    assert imported(elsewhere, tmp_path, "json", long, "--create-people").startswith("Made 1 project,")
    assert exported(elsewhere, tmp_path, "--user", ada.username) == data


def test_of_two_imports_at_once_the_later_finds_what_the_first_made(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    data = exported(app, tmp_path, "--user", ada.username)
    person = objects(data)[1]
    row = {**person, "email_key": person["email"], "password_hash": "x", "is_admin": False, "words": "", "version": 1}
    del row["kind"]
    moment = now()
    row |= {"created_at": moment, "updated_at": moment, "activated_at": moment, "disabled_at": moment}
    with elsewhere.app_context(), db.engine.connect() as connection:
        connection.execute(insert(table_of(User)), [row])
        said = waiting(connection, lambda: imported(elsewhere, tmp_path, "json", data, "--create-people"))
    assert said.startswith("Made 1 project, 0 tasks, 0 tags, 0 teams, 0 accounts.")


def test_faults_are_told_in_the_order_of_their_lines(app, elsewhere, tmp_path):
    ada = new_person(app, "ada")
    project = ada.project()
    for _ in range(24):
        ada.task(project)
    document = objects(exported(app, tmp_path, "--project", project["key"], "--owner", ada.username))
    document[4] |= {"number": 1}  # Noted by the database, when the lines below have been looked at.
    for line in document[5:-1]:
        line["sticker"] = 1
    told = refused(elsewhere, tmp_path, "json", lines(*document), "--create-people")
    assert [line.split(":")[0] for line in told[1:-1]] == [f"  line {number}" for number in range(5, 25)]


def test_an_export_replaces_the_file_that_a_link_leads_to_and_no_device(app, tmp_path):
    ada = new_person(app, "ada")
    (tmp_path / "file").write_text("before")
    (tmp_path / "link").symlink_to("file")
    assert flask(app, "export", "--user", ada.username, "--output", str(tmp_path / "link")).exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert objects((tmp_path / "file").read_bytes())[-1]["kind"] == "end"
    os.mkfifo(tmp_path / "fifo")
    result = flask(app, "export", "--user", ada.username, "--output", str(tmp_path / "fifo"))
    assert (result.exit_code, (tmp_path / "fifo").is_fifo()) == (1, True)
    assert "is no regular file" in result.stderr


def test_an_export_replaces_nothing_that_the_command_speaks_to(environment, app, tmp_path):
    ada = new_person(app, "ada")
    kept = tmp_path / "kept"
    for name in ("/dev/stdout", str(kept), "-"):
        kept.write_text("Kept.\n")
        with kept.open("a") as stdout:
            words = [Path(sys.executable).with_name("flask"), "--app", "wsgi", "export", "--user", ada.username]
            settings = {"PATH": os.environ["PATH"], **environment}
            done = subprocess.run(
                [*words, "--output", name], cwd=ROOT, env=settings, stdout=stdout, stderr=subprocess.PIPE, check=False
            )
        assert (done.returncode, kept.read_text()) == (1, "Kept.\n")
        assert b"is what this command speaks to" in done.stderr


@pytest.mark.parametrize("cut", [1, 2, 10])
def test_a_file_that_was_cut_off_is_refused(app, elsewhere, tmp_path, cut):
    ada = world(app)
    data = b"".join(exported(app, tmp_path, "--user", ada.username).splitlines(keepends=True)[:-cut])
    [told] = refused(elsewhere, tmp_path, "json", data, "--create-people")[1:]
    assert told.endswith("The export is cut off after this line: the line of the kind end is missing.")
    assert all(not found for name, found in all_rows(elsewhere).items() if name != "alembic_version")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"{}\n", b'{"kind": "task"}\n', b"[]\n", b"{\n"])
def test_what_is_no_export_is_refused(elsewhere, tmp_path, data):
    assert any(re.match("  line 1: (Not|A JSON array)", line) for line in refused(elsewhere, tmp_path, "json", data))


def test_a_dry_run_writes_nothing(app, elsewhere, tmp_path):
    ada = world(app)
    data = exported(app, tmp_path, "--user", ada.username)
    before = all_rows(elsewhere)
    said = imported(elsewhere, tmp_path, "json", data, "--create-people", "--dry-run")
    assert said.startswith("Nothing was written; this is what would be done.\nMade 3 projects, 23 tasks,")
    assert all_rows(elsewhere) == before


def test_an_export_is_of_one_moment_and_keeps_nobody_from_writing(app):
    ada = new_person(app, "ada")
    project = ada.project()
    for _ in range(3):
        ada.task(project)
    with app.app_context(), exporting.snapshot() as connection:
        export = exporting.lines(connection, Project.owner_id == ada.id, User.id == ada.id)
        head = next(export) + next(export)  # With the second line, which is a person, the reading has begun.
        ada.task(project, title="Later")
        ada.tag(project, "later")
        ada.project(name="Later")
        data = head + b"".join(export)
    assert b"ater" not in data
    assert sum(one["kind"] == "task" for one in objects(data)) == 3


def test_an_export_is_whole_and_for_its_owners_eyes(app, tmp_path):
    ada = new_person(app, "ada")
    file = tmp_path / "kept"
    file.write_text("what was there")
    for words in (("--user", "nobody-at-all"), ("--project", "NONE", "--owner", ada.username), ("--user", "\udcff")):
        result = flask(app, "export", *words, "--output", str(file))
        assert (result.exit_code, file.read_text()) == (1, "what was there")
    assert flask(app, "export", "--user", ada.username, "--output", str(tmp_path / "no" / "file")).exit_code == 1
    assert flask(app, "export", "--user", ada.username, "--output", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--project WEB",
        "--owner ada",
        "--user a --project W --owner b",
        "--user a --format csv",
        "--user a --for-spreadsheets",
    ],
)
def test_options_that_do_not_go_together_are_refused(app, tmp_path, options):
    assert flask(app, "export", *options.split(), "--output", str(tmp_path / "file")).exit_code == 2
    assert list(tmp_path.iterdir()) == []
