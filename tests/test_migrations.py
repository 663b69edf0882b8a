"""Migrations: up, down and up again with rows in the tables, on both databases, and no difference to the models."""

import re
from collections.abc import Iterator

import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import check, downgrade, upgrade
from sqlalchemy import inspect, text

from config import load
from tasktracker import create_app
from tasktracker.accounts.services.users import words_of
from tasktracker.core.health import MIGRATIONS
from tasktracker.extensions import db

from . import servers
from .conftest import BACKENDS, SECRETS

ID = "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a{:02d}"
TIME = "2026-11-22T09:30:00.000000Z"
# What stands in the tables when a migration goes up or down; each adds rows to what the migration made.
ROWS = {
    "0001": [
        f"""INSERT INTO users (id, username, email, email_key, display_name, password_hash, timezone, is_admin, version,
            created_at, updated_at) VALUES ('{ID.format(1)}', 'ada', 'Ada@example.com', 'ada@example.com', 'Ada', '-', 'UTC',
            false, 1, '{TIME}', '{TIME}')""",
        f"""INSERT INTO teams (id, name, description, version, created_at, updated_at)
            VALUES ('{ID.format(2)}', 'Team', '', 1, '{TIME}', '{TIME}')""",
        f"INSERT INTO team_members (team_id, user_id, role) VALUES ('{ID.format(2)}', '{ID.format(1)}', 1)",
        f"""INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at)
            VALUES ('{ID.format(3)}', '{ID.format(1)}', '{TIME}', '{TIME}', '{TIME}')""",
        f"INSERT INTO refresh_tokens (id, session_id, expires_at) VALUES ('{ID.format(4)}', '{ID.format(3)}', '{TIME}')",
    ],
    "0002": [
        f"""INSERT INTO projects (id, owner_id, key, name, description, color, is_inbox, last_number, words, version,
            created_at, updated_at)
            VALUES ('{ID.format(5)}', '{ID.format(1)}', 'WEB', 'Web', '', '#000000', false, 1, ' web', 1,
            '{TIME}', '{TIME}')""",
        f"INSERT INTO project_members (project_id, user_id, role) VALUES ('{ID.format(5)}', '{ID.format(1)}', 2)",
        f"INSERT INTO project_teams (project_id, team_id, role) VALUES ('{ID.format(5)}', '{ID.format(2)}', 0)",
    ],
    "0003": [
        f"""INSERT INTO tags (id, project_id, name, name_key, color, words, version, created_at, updated_at)
            VALUES ('{ID.format(6)}', '{ID.format(5)}', 'Bug', 'bug', '#000000', ' bug', 1, '{TIME}', '{TIME}')""",
        f"""INSERT INTO tasks (id, project_id, number, title, description, status, priority, words, version, created_at,
            updated_at) VALUES ('{ID.format(7)}', '{ID.format(5)}', 1, 'Fix it', '', 0, 0, 'fix it', 1, '{TIME}', '{TIME}')""",
        f"INSERT INTO task_tags (task_id, tag_id) VALUES ('{ID.format(7)}', '{ID.format(6)}')",
    ],
    "0004": ["UPDATE users SET words = words || ' lovelace' WHERE words = ' ada'"],
    "0005": [
        f"""INSERT INTO jobs (id, kind, key, payload, created_at, due_at, attempts)
            VALUES ('{ID.format(8)}', 'mail', 'one', '{{}}', '{TIME}', '{TIME}', 0)""",
    ],
    "0006": [
        f"""INSERT INTO mailed_tokens (id, user_id, purpose, token_hash, email, expires_at)
            VALUES ('{ID.format(9)}', '{ID.format(1)}', 0, 'hash', 'ada@example.com', '{TIME}')""",
    ],
    "0007": [
        f"""INSERT INTO kept_answers (user_id, key, fingerprint, status, headers, body, created_at)
            VALUES ('{ID.format(1)}', 'key', 'fingerprint', 201, '{{}}', '{{}}', '{TIME}')""",
    ],
}
SCRIPTS = ScriptDirectory(str(MIGRATIONS))
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


@pytest.fixture(params=BACKENDS)
def empty(request: pytest.FixtureRequest, tmp_path) -> Iterator[Flask]:
    """An application on an empty database."""
    common = {"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path), "LOG_LEVEL": "WARNING", **SECRETS}
    if request.param == "sqlite":
        yield from in_context({**common, "DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}"})
    else:
        with servers.new_database() as url:
            yield from in_context({**common, "DATABASE_URL": url})


def in_context(environment: dict[str, str]) -> Iterator[Flask]:
    application = create_app(load(environment))
    with application.app_context():
        yield application
        for engine in db.engines.values():
            engine.dispose()


def tables() -> set[str]:
    return {name for name in inspect(db.engine).get_table_names() if not name.startswith("tasks_search")} - {"alembic_version"}


def rows() -> dict[str, int]:
    with db.engine.connect() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables()}


def add_rows(revision: str) -> None:
    with db.engine.begin() as connection:
        for statement in ROWS[revision]:
            connection.execute(text(statement))


def test_up_down_and_up_again_with_rows(empty):
    expected: list[dict[str, int]] = [{}]
    for revision in REVISIONS:
        upgrade(revision=revision)
        add_rows(revision)
        expected.append(rows())
        assert set(expected[-1].values()) == {1}, "each table has a row"
    for before in reversed(expected[:-1]):
        downgrade(revision="-1")
        assert rows() == before
    for revision in REVISIONS:
        upgrade(revision=revision)
        add_rows(revision)
    assert rows() == expected[-1]


def test_one_step_down_and_up_keeps_what_is_below(empty):
    for revision in REVISIONS:
        upgrade(revision=revision)
        before = rows()
        add_rows(revision)
        downgrade(revision="-1")
        upgrade(revision=revision)
        assert {name: count for name, count in rows().items() if before.get(name)} == {n: c for n, c in before.items() if c}
        add_rows(revision)


def test_whoever_had_an_account_keeps_it_and_whoever_never_confirmed_goes(empty):
    upgrade(revision="0005")
    for revision in ("0001", "0002", "0005"):
        add_rows(revision)
    upgrade(revision="0006")
    with db.engine.begin() as connection:
        # Another account with the same address, which waits for it to be confirmed.
        columns = "username, email, email_key, display_name, password_hash, timezone, is_admin, version, created_at, updated_at"
        waiting = f"SELECT '{ID.format(11)}', 'eve', {columns.removeprefix('username, ')} FROM users"
        connection.execute(text(f"INSERT INTO users (id, {columns}) {waiting}"))
        inbox = f"""INSERT INTO projects (id, owner_id, key, name, description, color, is_inbox, last_number, words, version,
            created_at, updated_at) SELECT '{ID.format(12)}', '{ID.format(11)}', key, name, description, color, true, 0, words,
            1, created_at, updated_at FROM projects"""
        connection.execute(text(inbox))
    downgrade(revision="0005")
    assert (rows()["users"], rows()["projects"]) == (1, 1)
    upgrade(revision="0006")
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM users WHERE activated_at = created_at")).scalar_one() == 1


def test_search_follows_the_tasks(empty):
    upgrade()
    for revision in REVISIONS:
        add_rows(revision)
    found = "SELECT id FROM tasks WHERE words @@ CAST(:sought || ':*' AS tsquery)"
    if db.engine.dialect.name == "sqlite":
        found = "SELECT id FROM tasks_search WHERE tasks_search MATCH 'words : ' || :sought || '*'"

    def finds(word: str) -> bool:
        with db.engine.connect() as connection:
            return connection.execute(text(found), {"sought": word}).first() is not None

    def do(statement: str) -> None:
        with db.engine.begin() as connection:
            connection.execute(text(statement))

    assert finds("fi")
    assert not finds("mend")
    do("UPDATE tasks SET status = 1")
    assert finds("fi")
    do("UPDATE tasks SET words = 'mend it'")
    assert finds("mend")
    assert not finds("fi")
    do("DELETE FROM projects")
    assert not finds("mend")


def test_who_was_there_before_is_found_by_the_same_words_as_who_comes_later(empty):
    names = ["Ada Lovelace", "Zoë Müller-Straße", "ÉMILE ﬁ №5", "x\u0301y 漢字", "'; --", "Ω" * 100]
    upgrade(revision="0003")
    add_rows("0001")
    with db.engine.begin() as connection:
        for number, name in enumerate(names, 50):
            other = {ID.format(1): ID.format(number), "'ada": f"'ada.{number}", "'Ada'": ":name"}
            row = ROWS["0001"][0]
            for old, new in other.items():
                row = row.replace(old, new)
            connection.execute(text(row), {"name": name})
    upgrade()
    with db.engine.connect() as connection:
        found = connection.execute(text("SELECT username, display_name, words FROM users ORDER BY id")).all()
    assert [row.display_name for row in found] == ["Ada", *names]
    assert [row.words for row in found] == [words_of(row.username, row.display_name) for row in found]
    assert found[0].words == " ada"


def test_models_and_migrations_say_the_same(empty):
    upgrade()
    check()


def test_migrations_are_numbered_worded_and_in_one_line():
    assert SCRIPTS.get_heads() == [REVISIONS[-1]]
    numbers = [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)]
    assert numbers == REVISIONS
    assert set(ROWS) == set(REVISIONS)
    for script in SCRIPTS.walk_revisions():
        assert re.fullmatch(rf"{script.revision}(_[a-z0-9]+)+\.py", script.path.rpartition("/")[2])
        assert re.match(r"[A-Z].+\.$", script.doc.splitlines()[0])
