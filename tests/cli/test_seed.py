"""`flask seed`: what the demo user sees over the API, and that the same numbers give the same rows."""

import re
from collections import Counter
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import text

from tasktracker.cli.sample import Sample, Size
from tasktracker.extensions import db

from .. import servers
from .apps import PLAIN, all_rows, application, every, flask, new_app

TINY = ("--users", "11", "--projects", "21", "--tasks", "50", "--tags", "3")
SAID = "The user {} exists already; nothing was changed. The password was demo-password-please-change\n"


def total(person, **query):
    answer = person.get("/tasks", query={**query, "page_size": 1})
    return int(re.search(r'"total": ?(\d+)', answer.headers["X-Pagination"])[1])


def test_the_demo_user_sees_a_quarter(demo):
    assert total(demo) == 100
    projects = every(demo, "/projects")
    assert Counter(p["role"] for p in projects) == {"owner": 3, "member": 6, "admin": 2}
    assert [p["task_count"] for p in projects if p["is_inbox"]] == [0]
    assert {p["task_count"] for p in projects if not p["is_inbox"]} == {10}
    ways = Counter(
        way["kind"]
        for p in projects
        if not p["is_inbox"]
        for member in every(demo, f"/projects/{p['id']}/members")
        if member["user"]["username"] == "demo"
        for way in member["via"]
    )
    assert ways == {"owner": 2, "team": 2, "direct": 6}
    assert len(every(demo, "/tags")) == 10 * 4


def test_tasks_are_whole(demo):
    tasks = every(demo, "/tasks", sort="created_at")
    assert len(tasks) == 100
    assert [task["id"] for task in tasks] == sorted(task["id"] for task in tasks)
    for task in tasks:
        made = datetime.fromisoformat(task["created_at"])
        assert int(task["id"].replace("-", "")[:12], 16) == int(made.timestamp() * 1000)
        assert made < datetime.fromisoformat(task["updated_at"]) < datetime.now(made.tzinfo)
        assert (task["completed_at"] is None) == (task["status"] not in ("done", "cancelled"))
        assert len(task["tags"]) <= 3
        assert task["created_by"]
    for field in ("status", "priority"):
        assert len({task[field] for task in tasks}) == 5
    assert {len(task["tags"]) for task in tasks} == {0, 1, 2, 3}
    span = datetime.fromisoformat(tasks[-1]["created_at"]) - datetime.fromisoformat(tasks[0]["created_at"])
    assert span.days > 600


def test_lists_find_what_is_there(demo):
    tasks = every(demo, "/tasks")
    for task in tasks[:10]:
        word = re.findall(r"\w+", task["title"])[-1].lower()
        with_it = [t for t in tasks if re.search(rf"\b{word}", f"{t['title']} {t['description']}".lower())]
        assert total(demo, search=word) == len(with_it) > 0
        for tag in task["tags"]:
            assert total(demo, tag=tag["name"].upper()) == sum(tag["name"] in (x["name"] for x in t["tags"]) for t in tasks)
    project = next(p for p in every(demo, "/projects") if not p["is_inbox"])
    assert project["id"] in {p["id"] for p in demo.get("/projects", query={"search": project["name"].split()[0]}).json}
    tag = every(demo, f"/projects/{project['id']}/tags")[0]
    found = demo.get("/tags", query={"search": tag["name"], "project_id": project["id"]}).json
    assert [t["id"] for t in found] == [tag["id"]]
    people = every(demo, "/users")
    for person in people[:3]:
        beginnings = " ".join(word[:3] for word in person["display_name"].split())
        assert person in demo.get("/users", query={"search": beginnings}).json


def test_numbers_go_on_where_the_sample_ends(demo):
    project = next(p for p in every(demo, "/projects", role="owner") if not p["is_inbox"])
    numbers = sorted(task["number"] for task in every(demo, f"/projects/{project['id']}/tasks"))
    assert numbers == list(range(1, 11))
    task = demo.task(project)
    assert task["ref"] == f"{project['key']}-11"
    assert demo.delete(f"/tasks/{task['id']}").status_code == 204


def test_everyone_has_one_inbox_and_every_team_an_admin(seeded):
    with seeded.app_context(), db.engine.connect() as connection:
        inboxes = (
            "SELECT count(*) FROM users u WHERE 1 = (SELECT count(*) FROM projects p WHERE p.owner_id = u.id AND is_inbox)"
        )
        assert connection.scalar(text(inboxes)) == 20
        admins = (
            "SELECT count(*) FROM teams t WHERE 1 = (SELECT count(*) FROM team_members m WHERE m.team_id = t.id AND role = 1)"
        )
        assert connection.scalar(text(admins)) == connection.scalar(text("SELECT count(*) FROM teams")) == 10


def test_the_planner_knows_the_tables(seeded):
    with seeded.app_context(), db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            count = connection.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'tasks'"))
        else:
            stat = connection.scalar(text("SELECT stat FROM sqlite_stat1 WHERE tbl = 'tasks' AND idx LIKE '%created_by%'"))
            count = int(stat.split()[0])
    assert count == 400


def test_a_second_run_changes_nothing(seeded):
    before = all_rows(seeded)
    result = flask(seeded, "seed", "--users", "5", "--tasks", "7", "--rng-seed", "2")
    assert (result.exit_code, result.output) == (0, SAID.format("demo"))
    assert all_rows(seeded) == before


def test_a_second_run_tells_the_name_that_the_demo_user_has_now(environment, tmp_path):
    with new_app(environment, tmp_path) as app:
        assert flask(app, "seed", *TINY).exit_code == 0
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(text("UPDATE users SET username = 'ada.king' WHERE username = 'demo'"))
        result = flask(app, "seed", *TINY)
    assert (result.exit_code, result.output) == (0, SAID.format("ada.king"))


def test_the_others_cannot_log_in(seeded):
    with seeded.app_context(), db.engine.connect() as connection:
        names = connection.scalars(text("SELECT username FROM users WHERE username <> 'demo' ORDER BY username LIMIT 1")).all()
    for password in ("demo-password-please-change", "!", "password"):
        body = {"username": names[0], "password": password}
        assert seeded.test_client().post("/api/v1/auth/login", json=body).status_code == 401


def test_the_same_numbers_give_the_same_rows_on_both_databases(tmp_path):
    found = []
    for number, (url, options) in enumerate((("sqlite:///", ()), ("postgresql://", ()), ("sqlite:///", ("--rng-seed", "2")))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with new_app({**PLAIN, "INSTANCE_PATH": str(folder), "DATABASE_URL": url}, folder) as app:
            assert flask(app, "seed", *TINY, *options).exit_code == 0
            found.append(all_rows(app))
    first, second, other = found
    assert len(first["tasks"]) == 50
    assert first == second
    assert not set(first["users"]) & set(other["users"])
    assert not set(first["tasks"]) & set(other["tasks"])


def test_few_of_everything_do(empty: Flask):
    result = flask(empty, "seed", "--users", "2", "--projects", "1", "--tasks", "3", "--tags", "0")
    assert result.exit_code == 0, result.output
    assert {name: len(rows) for name, rows in all_rows(empty).items() if name in ("users", "projects", "tasks", "tags")} == {
        "users": 2, "projects": 3, "tasks": 3, "tags": 0,
    }  # fmt: skip


@pytest.mark.parametrize("options", [("--users", "1"), ("--projects", "0"), ("--tasks", "-1"), ("--tags", "many")])
def test_numbers_that_cannot_be_are_refused(seeded, options):
    result = flask(seeded, "seed", *options)
    assert result.exit_code == 2
    assert options[0] in result.output


def test_production_is_left_alone(empty: Flask, environment: dict[str, str]):
    mail = {"MAIL_SERVER": "mail.company.test", "MAIL_DEFAULT_SENDER": "tasks@company.test"}
    url = empty.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False)
    settings = {**environment, **mail, "APP_ENV": "production", "DATABASE_URL": url, "REDIS_URL": servers.redis_url()}
    settings["PUBLIC_URL"] = "https://tracker.company.test"
    before = all_rows(empty)
    with application(settings) as production:
        result = flask(production, "seed", *TINY)
        assert result.exit_code == 1
        assert "production" in result.stderr
        assert all_rows(empty) == before
        assert flask(production, "seed", *TINY, "--force").exit_code == 0
    assert len(all_rows(empty)["tasks"]) == 50


def test_all_or_nothing(empty: Flask):
    """Someone who has the name of one of the sample's users is in the way."""
    taken = Sample(Size(users=11), demo_hash="", others_hash="").users[-1]["username"]
    assert flask(empty, "users", "create", "--email", "a@b.de", "--username", taken, stdin="a good long word").exit_code == 0
    before = all_rows(empty)
    result = flask(empty, "seed", *TINY)
    assert result.exit_code == 1
    assert "in the way" in result.stderr
    assert all_rows(empty) == before


def test_a_database_without_tables_is_told_plainly(environment: dict[str, str], tmp_path):
    with new_app(environment, tmp_path, migrated=False) as app:
        result = flask(app, "seed")
    assert result.exit_code == 1
    assert "flask db upgrade" in result.stderr
    assert "Traceback" not in result.output
