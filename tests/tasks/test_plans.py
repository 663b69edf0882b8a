"""The database finds the tasks of a page by an index: no shape of question reads the whole table."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tasktracker.core.database import READ
from tasktracker.extensions import db

from ..people import new_person
from .world import SORTS

# Other people's projects with many tasks, and the caller's with few, all by SQL: 6,000 creates would take a minute.
FILL = """
WITH made AS (
    INSERT INTO projects (id, owner_id, key, name, description, color, is_inbox, last_number, words,
                          created_at, updated_at, version)
    SELECT gen_random_uuid(), CAST(:other AS uuid), 'P' || n, 'P' || n, '', '#000000', false, 0, '', now(), now(), 1
    FROM generate_series(1, 60) n
    RETURNING id
)
INSERT INTO tasks (id, project_id, number, title, description, status, priority, assigned_to_id, created_by_id, due_date,
                   completed_at, words, created_at, updated_at, version)
SELECT gen_random_uuid(), p.id, 1000 + n, 'Task ' || n % 97, repeat('text ', 40), n % 5, n % 4,
       CASE WHEN n % 3 = 0 THEN CAST(:other AS uuid) END, CAST(:other AS uuid), date '2026-01-01' + n % 400,
       CASE WHEN n % 5 >= 3 THEN now() END, array_to_tsvector(ARRAY['task', 'text', 'w' || n % 500]),
       now() - n * interval '1 minute', now() - n * interval '1 minute', 1
FROM (SELECT id FROM made UNION ALL SELECT unnest(CAST(:mine AS uuid[]))) p,
     generate_series(1, CASE WHEN p.id = ANY(CAST(:mine AS uuid[])) THEN 50 ELSE 100 END) n
"""


@pytest.fixture(scope="module")
def scene(app) -> dict[str, Any]:
    """A caller who sees four projects of 64, and the ids to ask with; SQLite plans without looking at the rows."""
    me, other = new_person(app, "me"), new_person(app, "other")
    projects = [me.project(name=name) for name in ("One", "Two", "Three", "Four")]
    tag = me.tag(projects[0])
    with app.app_context():
        if db.engine.dialect.name == "postgresql":
            with db.engine.begin() as connection:
                connection.execute(text(FILL), {"other": other.id, "mine": [project["id"] for project in projects]})
                tagged = f"INSERT INTO task_tags SELECT id, '{tag['id']}' FROM tasks WHERE number % 9 = 0 AND project_id = :p"
                connection.execute(text(tagged), {"p": projects[0]["id"]})
            with db.engines[READ].connect() as connection:
                for table in ("tasks", "projects", "task_tags", "tags", "project_members"):
                    connection.execute(text(f"ANALYZE {table}"))
    return {"me": me, "other": other.id, "projects": [project["id"] for project in projects], "tag": tag["id"]}


def questions(scene: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    first, second = scene["projects"][:2]
    single = {
        "status": ["todo", "done"],
        "priority": ["high", "low"],
        "assigned_to": ["me", "none", scene["other"]],
        "created_by": ["me", scene["other"]],
        "project_id": [first, second],
        "tag": ["bug", "new"],
        "tag_id": [scene["tag"], first],
        "due_before": ["2026-02-01"],
        "due_after": ["2027-01-01"],
        "overdue": ["true", "false"],
        "updated_since": ["2026-01-01T00:00:00Z"],
        "search": ["w77", "ONE-1001"],
    }
    asked = {f"{name}={value}"[:24]: [(name, value)] for name, values in single.items() for value in values}
    for name in ("status", "priority", "assigned_to", "created_by", "project_id", "tag", "tag_id"):
        asked[f"{name} of several"] = [(name, value) for value in single[name]]
    asked |= {f"sort={sign}{name}": [("sort", sign + name)] for name in SORTS for sign in ("", "-")}
    asked["status and sort"] = [("status", "todo"), ("sort", "due_date,-priority")]
    return asked


def scans(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """How the plan of a statement reads the table of tasks, at each place where it does."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        return [row.detail for row in rows if re.match("(SCAN|SEARCH) tasks\\b", row.detail)]
    # A table that is asked all the time is in memory; the reset keeps this from the pool's next user.
    connection.exec_driver_sql("SET random_page_cost = 1.1")
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    connection.exec_driver_sql("RESET random_page_cost")

    def walk(node: dict[str, Any]) -> Iterator[str]:
        if node.get("Relation Name") == "tasks":
            yield node["Node Type"]
        for part in node.get("Plans", ()):
            yield from walk(part)

    return list(walk(plan[0]["Plan"]))


@pytest.mark.parametrize("which", ["all tasks", "all tasks, far page", "tasks of a project"])
def test_no_question_reads_all_tasks(app, scene, which):
    """The statements are those that are sent, seen on their way to the database."""
    with app.app_context():
        engine = db.engines[READ]
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    reading: dict[str, list[str]] = {}
    for name, asked in questions(scene).items():
        query, path = asked, "/tasks"
        if which == "tasks of a project":
            path = f"/projects/{scene['projects'][0]}/tasks"
            query = [pair for pair in asked if pair[0] != "project_id"]
        elif "far" in which:
            query = [*asked, ("page", "4"), ("page_size", "100")]
        sent.clear()
        event.listen(engine, "before_cursor_execute", note)
        answer = scene["me"].get(path, query=query)
        event.remove(engine, "before_cursor_execute", note)
        assert answer.status_code == 200, answer.text
        with engine.connect() as connection:
            found = scans(connection, *next(one for one in sent if "row_total" in one[0]))
        assert found, name
        if any(how.startswith(("Seq", "SCAN")) for how in found):
            reading[name] = found
    assert reading == {}
