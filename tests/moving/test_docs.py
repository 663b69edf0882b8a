"""docs/moving-in.md: its commands work when they are pasted, and its tables are what holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasktracker.accounts.services.users import create_user
from tasktracker.moving import schemas
from tasktracker.moving.sources import COLUMNS
from tasktracker.projects.services import create_project

from ..cli.apps import PLAIN, application
from .files import objects

FLASK = f"""#!/bin/sh
exec {Path(sys.executable).with_name("flask")} --app {Path(__file__).parents[2] / "wsgi.py"} "$@"
"""
# As jq does it with the options -c -f, by the library that jq is made of.
JQ = f"""#!{sys.executable}
import json, pathlib, sys, jq
program, file = map(pathlib.Path, sys.argv[3:])
for value in jq.compile(program.read_text()).input_text(file.read_text()):
    print(json.dumps(value))
"""


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "moving-in.md").read_text()


def test_the_commands_can_be_pasted(page, tmp_path):
    environment = {**PLAIN, "INSTANCE_PATH": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/tasks.db"}
    with application(environment, migrated=True) as app, app.app_context():
        grace = create_user(email="grace@example.org", username="grace", password="correct horse battery staple")
        create_project(grace.id, {"name": "Website", "key": "WEB"})
    for name, text in {"flask": FLASK, "jq": JQ}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    environment["PATH"] = f"{tmp_path}:/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "Nothing was written; this is what would be done.",
        "Made 2 tasks and 2 tags, changed 0 tasks, and left 0 as they were.",
        "Made 2 tasks and 2 tags, changed 0 tasks, and left 0 as they were.",
        "Made 0 tasks and 0 tags, changed 1 task, and left 0 as they were.",
        "Wrote 2 tasks into web.csv.",
        "Made 0 tasks and 0 tags, changed 0 tasks, and left 2 as they were.",
        "Made 2 tasks and 2 tags, changed 0 tasks, and left 0 as they were.",
        "Made 2 tasks and 1 tag, changed 0 tasks, and left 0 as they were.",
        "Wrote 6 tasks into grace.ndjson.",
    ]
    tasks = {one["title"]: one for one in objects((tmp_path / "grace.ndjson").read_bytes()) if one["kind"] == "task"}
    assert tasks["Choose a typeface"]["status"] == "in_progress"
    assert tasks["Choose a typeface"]["description"] == "Two, or three at most.\nNot more."
    tree, plants = tasks["Buy a tree"], tasks["Water the plants"]
    assert (tree["priority"], tree["due_date"], tree["tags"]) == ("urgent", "2026-12-24", ["shop"])
    assert (plants["priority"], plants["description"]) == ("none", "Due: every Monday")
    crash = tasks["Crash on start"]
    assert (crash["status"], crash["completed_at"], crash["tags"]) == ("done", "2026-01-06T12:30:00Z", ["bug"])
    assert crash["description"] == "It says:\n\n    no such table"
    assert tasks["Dark mode"]["external_id"] == "example/website#8"


def test_every_column_stands_in_the_table(page):
    section = page.partition("| Column |")[2].partition("\n\n")[0]
    named = [name for line in section.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(named) == sorted(COLUMNS)
    assert set(named) == set(schemas.TaskRow().fields)


def test_every_field_of_every_line_stands_in_the_table(page):
    section = page.partition("| A line |")[2].partition("\n\n")[0]
    rows = {name: text for _, name, text, _ in (line.split("|") for line in section.splitlines()[2:])}
    lines = {"person": schemas.PersonLine, "team": schemas.TeamLine, "project": schemas.ProjectLine, "tag": schemas.TagLine}
    lines |= {"external_id": schemas.ExternalIdLine, "end": schemas.EndLine}
    for kind, schema in lines.items():
        text = rows[f" `{kind}` "].replace("version and times", "version created_at updated_at")
        assert not {name for name in schema().fields if not re.search(rf"\b{name}\b", text)} - {"kind"}, kind
