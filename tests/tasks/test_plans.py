"""How the database finds the tasks of a page: by indexes alone, in the projects that the caller sees, few rows for each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Connection, text

from config import load
from tasktracker import create_app
from tasktracker.core.models import new_id
from tasktracker.core.statement import Statement
from tasktracker.extensions import db
from tasktracker.tasks import access
from tasktracker.tasks.queries import TASKS
from tasktracker.tasks.schemas import TaskQuery
from tasktracker.tasks.services import changing, deleting, following, making

from .. import servers
from ..conftest import BACKENDS, SECRETS
from .world import SORTS

PROJECTS, TASKS_OF_EACH = 400, 500
PAGE = 20
ME, MANY, OTHER, NOBODY = (new_id() for _ in range(4))
SEEN = {ME: 4, MANY: 200}  # How many of the projects these callers see.
# What no index has in the order of the page: the tasks that the caller sees are looked through, in an index alone.
LOOKED_THROUGH = {"priority", "overdue=false", "status of several", "assigned_to of several"}
NEW_ID = "CAST(overlay(CAST(gen_random_uuid() AS TEXT) PLACING '7' FROM 15) AS UUID)"  # Looks like one of ours.
# One of hundreds of people: as few as the callers alone would let the planner believe that each has very many tasks.
SOMEBODY = "CAST(md5(CAST(n AS TEXT)) AS UUID)"
# All by SQL, as 200,000 creates would take half an hour.
FILL = (
    f"""INSERT INTO users (id, username, email, email_key, display_name, password_hash, timezone, is_admin, version,
        created_at, updated_at)
        SELECT id, name, name || '@example.com', name || '@example.com', name, '-', 'UTC', false, 1, now(), now()
        FROM (VALUES (uuid '{ME}', 'caller'), ('{MANY}', 'of-many'), ('{OTHER}', 'other'), ('{NOBODY}', 'nobody'))
            people (id, name)""",
    f"""INSERT INTO projects (id, owner_id, key, name, description, color, is_inbox, last_number, task_count, words,
        created_at, updated_at, version)
        SELECT {NEW_ID}, '{OTHER}', 'P' || n, 'P' || n, '', '#000000', false, {TASKS_OF_EACH}, {TASKS_OF_EACH}, '',
            now(), now(), 1
        FROM generate_series(1, {PROJECTS}) n""",
    f"""INSERT INTO project_members (project_id, user_id, role)
        SELECT id, uuid '{ME}', 1 FROM projects WHERE key IN ('P1', 'P100', 'P200', 'P300')
        UNION ALL SELECT id, '{MANY}', 1 FROM projects WHERE substr(key, 2)::int <= {SEEN[MANY]}""",
    f"""INSERT INTO tags (id, project_id, name, name_key, color, words, created_at, updated_at, version)
        SELECT {NEW_ID}, projects.id, tag, tag, '#000000', '', now(), now(), 1
        FROM projects, (VALUES ('bug'), ('new')) names (tag)""",
    f"""INSERT INTO tasks (id, project_id, number, title, description, status, priority, assigned_to_id, created_by_id,
        due_date, completed_at, created_at, updated_at, version)
        SELECT {NEW_ID}, id, n, 'Task ' || n % 97, '', n % 5, n % 4,
            CASE n % 50 WHEN 0 THEN uuid '{OTHER}' WHEN 1 THEN '{ME}' WHEN 2 THEN NULL WHEN 7 THEN '{MANY}' ELSE {SOMEBODY} END,
            CASE n % 50 WHEN 0 THEN uuid '{ME}' WHEN 7 THEN '{MANY}' ELSE {SOMEBODY} END,
            CASE WHEN n % 7 > 0 THEN date '2026-01-01' + n END, CASE WHEN n % 5 >= 3 THEN now() END,
            timestamptz '2026-01-01' + n * interval '1 day', timestamptz '2026-01-01' + n * interval '1 day', 1
        FROM generate_series(1, {TASKS_OF_EACH}) n, projects""",
    """INSERT INTO task_words (task_id, project_id, created_at, words)
        SELECT id, project_id, created_at, ' task w' || to_char(number % 50, 'FM00') FROM tasks""",
    """INSERT INTO task_tags (task_id, tag_id)
        SELECT tasks.id, tags.id FROM tasks JOIN tags USING (project_id) WHERE number % 50 IN (3, 7)""",
)


@dataclass
class Scene:
    """A database with 200,000 tasks on PostgreSQL; SQLite plans without looking at the rows, so there it is empty."""

    app: Flask
    projects: list[str]
    tag: str


@pytest.fixture(scope="module", params=BACKENDS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """400 projects, of which one caller sees 4 and another 200."""
    folder = tmp_path_factory.mktemp("plans")
    common = {"APP_ENV": "testing", "INSTANCE_PATH": str(folder), "LOG_LEVEL": "WARNING", **SECRETS}
    if request.param == "sqlite":
        yield from filled({**common, "DATABASE_URL": f"sqlite:///{folder / 'test.db'}"})
    else:
        with servers.new_database() as url:
            yield from filled({**common, "DATABASE_URL": url})


def filled(environment: Mapping[str, str]) -> Iterator[Scene]:
    application = create_app(load(environment))
    with application.app_context():
        upgrade()
        scene = Scene(application, [ME, OTHER], ME)
        if db.engine.dialect.name == "postgresql":
            with db.engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL session_replication_role = replica"))  # What refers is right.
                made_anew = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'task%' AND indexname LIKE 'ix%'"
                indexes = connection.execute(text(made_anew)).all()  # In a fifth of the time.
                for index in indexes:
                    connection.execute(text(f"DROP INDEX {index.indexname}"))
                for statement in (*FILL, *(index.indexdef for index in indexes), "ANALYZE"):
                    connection.execute(text(statement))
                mine = "SELECT id FROM projects JOIN project_members ON project_id = id WHERE user_id = :me ORDER BY key"
                scene.projects = [str(one) for one in connection.execute(text(mine), {"me": ME}).scalars()]
                tags = text("SELECT id FROM tags WHERE project_id = :project AND name = 'bug'")
                scene.tag = str(connection.execute(tags, {"project": scene.projects[0]}).scalar_one())
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(
                    text("VACUUM tasks, task_tags, task_words")
                )  # As autovacuum does; indexes alone answer only then.
        yield scene
        for engine in db.engines.values():
            engine.dispose()


def questions(scene: Scene) -> dict[str, dict[str, Any]]:
    """Every filter with one value and with several, every sort, and what is often asked together."""
    first, second = scene.projects[:2]
    single: dict[str, list[str]] = {
        "status": ["todo", "done"],
        "priority": ["high", "low"],
        "assigned_to": ["me", OTHER, "none"],
        "created_by": ["me", NOBODY],
        "project_id": [first, second],
        "tag": ["bug", "new"],
        "tag_id": [scene.tag, first],
    }
    asked: dict[str, dict[str, Any]] = {f"{name}={value}": {name: [value]} for name, some in single.items() for value in some}
    asked |= {f"{name} of several": {name: values} for name, values in single.items()}
    others = {
        "due_before": ["2026-01-20"],
        "due_after": ["2027-05-01"],
        "overdue": ["true", "false"],
        "updated_since": ["2027-05-01T00:00:00Z"],
        "search": ["w07", "task w07", "P1-77"],
    }
    asked |= {f"{name}={value}": {name: value} for name, values in others.items() for value in values}
    asked |= {f"sort={sign}{name}": {"sort": sign + name} for name in SORTS for sign in ("", "-")}
    asked |= {
        f"project, sort={sign}{name}": {"project_id": [first], "sort": sign + name} for name in SORTS for sign in ("", "-")
    }
    asked |= {
        "board": {"project_id": [first], "status": ["todo"]},
        "by priority": {"status": ["todo"], "priority": ["high"], "sort": "due_date"},
        "mine in hand": {"assigned_to": ["me"], "status": ["in_progress"], "sort": "due_date,-priority"},
        "bugs of the past": {"tag": ["bug"], "status": ["done"]},
        "found and mine": {"search": "w01", "assigned_to": ["me"]},
        "found and others'": {"search": "w07", "assigned_to": [MANY, "none"]},
        "found and made": {"search": "w00", "created_by": ["me", OTHER]},
        "bugs and mine": {"tag": ["bug"], "assigned_to": ["me"]},
        "bugs I made": {"tag_id": [scene.tag], "created_by": ["me"]},
        "late and mine": {"overdue": "true", "assigned_to": ["me", OTHER]},
        "of a week": {"due_after": "2026-02-01", "due_before": "2026-02-08", "sort": "-updated_at"},
        "last page": {"page": str(SEEN[ME] * TASKS_OF_EACH // PAGE)},
    }
    return asked


def test_every_filter_and_every_sort_is_asked(scene):
    asked = questions(scene).values()
    assert {name for one in asked for name in one} >= set(TaskQuery().fields) - {"page_size"}
    assert {one["sort"].lstrip("-") for one in asked if "sort" in one} >= set(TaskQuery().fields["sort"].allowed)


def asking(connection: Connection, me: str, asked: Mapping[str, Any]) -> tuple[Any, Any]:
    """The compiled statement for a question, and its parameters."""
    statement, parameters = TASKS.asked(TaskQuery().load(asked), {"me": me})
    parameters["day"] = date(2026, 3, 1)  # Of the tasks, few are overdue on it.
    compiled = statement.compiled(connection.dialect)
    return compiled, compiled.parameters(parameters)


def explained(connection: Connection, me: str, asked: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """How PostgreSQL runs the statement when it plans it once for all values, and how many tasks match."""
    compiled, parameters = asking(connection, me, asked)
    execute = f"EXECUTE asked {compiled.execute}"
    cursor = connection.connection.cursor()
    cursor.execute("DEALLOCATE ALL")
    cursor.execute(f"PREPARE asked {compiled.prepare}")
    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {execute}", parameters)
    plan = cursor.fetchone()[0][0]["Plan"]
    cursor.execute(execute, parameters)
    return plan, cursor.fetchone()[-2]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_read(plan: dict[str, Any]) -> int:
    """How many tasks, rows of their words and links to their tags were looked at, in the tables or in an index alone."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    reads = [node for node in nodes(plan) if node.get("Relation Name") in ("tasks", "task_tags", "task_words")]
    return sum((node["Actual Rows"] + sum(node.get(name, 0) for name in removed)) * node["Actual Loops"] for node in reads)


def test_few_rows_are_read_and_none_of_other_projects(scene):
    """Twice what matches, to be counted and to be sorted, and a page of each project; a batch of 32 where ties are sorted."""
    if db.engine.dialect.name == "sqlite":
        with db.engine.connect() as connection:
            for name, asked in questions(scene).items():
                compiled, parameters = asking(connection, ME, asked)
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled.sql}", parameters).all()
                assert [row.detail for row in rows if re.match("SCAN (tasks|task_words)\\b", row.detail)] == [], name
        return
    wrong: dict[str, Any] = {}
    matching: set[str] = set()
    with db.engine.connect() as connection:
        for name, asked in questions(scene).items():
            for me, projects in SEEN.items():
                plan, total = explained(connection, me, asked)
                bound = 2 * total + (projects + 1) * 2 * PAGE if "sort" not in name else (projects + 1) * 64
                looked_through = any(name.startswith(one) for one in LOOKED_THROUGH) or name == "last page"
                bound = 3 * projects * TASKS_OF_EACH if looked_through else bound
                read = [node for node in nodes(plan) if node.get("Relation Name") in ("tasks", "task_words")]
                scanned = [node for node in read if node["Node Type"] == "Seq Scan"]
                # The caller's day is found once. Looking through time zones for each row takes longer than to read it.
                worked_out = [node for node in read if "CASE" in str(node)]
                if total:
                    matching.add(name)
                if scanned or worked_out or rows_read(plan) > bound:
                    wrong[f"{name}, {projects} projects"] = (rows_read(plan), bound, total, worked_out)
            foreign, _ = explained(connection, NOBODY, asked)
            assert rows_read(foreign) == 0, f"{name}: somebody reads what they may not see"
    assert wrong == {}
    # What finds nothing reads nothing, and would prove nothing. Of these two, one has made no task and one is no tag.
    assert set(questions(scene)) - matching == {f"created_by={NOBODY}", f"tag_id={scene.projects[0]}"}


def test_no_statement_that_is_about_one_task_looks_at_all(scene):
    """Of those that change a task or judge a change; a select within, left to itself, would name every task there is."""
    rooms = (access, changing, deleting, following, making)
    found = {name: one for room in rooms for name, one in vars(room).items() if isinstance(one, Statement)}
    assert {"_FIND", "_LOCK_LINKED", "_DELETE"} <= set(found)
    with db.engine.connect() as connection:
        looked_at = {name: scanned(connection, one.compiled(connection.dialect)) for name, one in found.items()}
    assert {name: tables for name, tables in looked_at.items() if tables} == {}


def scanned(connection: Connection, compiled: Any) -> list[str]:
    """The tables of tasks of which the database would read every row."""
    nothing = [None] * len(compiled._values)
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled.sql}", tuple(nothing)).all()
        return [row.detail for row in rows if re.match("SCAN (tasks|task_words|task_tags)\\b", row.detail)]
    cursor = connection.connection.cursor()
    cursor.execute("DEALLOCATE ALL")
    cursor.execute(f"PREPARE asked {compiled.prepare}")
    cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE asked {compiled.execute}", nothing)
    read = [node for node in nodes(cursor.fetchone()[0][0]["Plan"]) if node["Node Type"] == "Seq Scan"]
    return [node["Relation Name"] for node in read if node["Relation Name"] in ("tasks", "task_words", "task_tags")]
