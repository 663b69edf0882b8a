"""Migrations: up, down and up again with rows in the tables, on both databases, and no difference to the models."""

import re
from collections.abc import Iterator

import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import check, downgrade, upgrade
from sqlalchemy import CheckConstraint, inspect, literal, select, text

from config import load
from tasktracker import create_app
from tasktracker.accounts.services.users import words_of
from tasktracker.core.migrations import MIGRATIONS, newest
from tasktracker.core.sql import matches
from tasktracker.core.text import spaced_words, words
from tasktracker.core.types import PrefixSearch
from tasktracker.extensions import db
from tasktracker.tasks.models import TaskWords

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
    "0008": ["UPDATE projects SET task_count = 1"],
    "0009": ["UPDATE task_words SET words = ' fix it'"],
    "0010": [
        f"""INSERT INTO external_ids (project_id, external_id, task_id)
            VALUES ('{ID.format(5)}', 'elsewhere', '{ID.format(7)}')""",
    ],
    "0011": ["UPDATE tasks SET number = 1"],
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
    found = inspect(db.engine).get_table_names()
    return {name for name in found if not name.startswith(("tasks_search", "task_words_search"))} - {"alembic_version"}


def rows() -> dict[str, int]:
    with db.engine.connect() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables()}


def add_rows(revision: str) -> None:
    with db.engine.begin() as connection:
        for statement in ROWS[revision]:
            connection.execute(text(statement))


def upgrade_with_rows() -> None:
    """Goes up to the newest, with rows of each migration on the way."""
    for revision in REVISIONS:
        upgrade(revision=revision)
        add_rows(revision)


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
    upgrade_with_rows()
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


def test_every_rule_of_the_models_is_in_the_tables(empty):
    """Autogenerate looks at no CHECK."""
    upgrade()
    with db.engine.connect() as connection:
        found = {(name, rule["name"]) for name in tables() for rule in inspect(connection).get_check_constraints(name)}
    meant = {
        (table.name, str(rule.name))
        for table in db.metadata.sorted_tables
        for rule in table.constraints
        if isinstance(rule, CheckConstraint)
    }
    assert len(meant) > 20
    assert found == meant


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
    upgrade_with_rows()

    def finds(word: str) -> bool:
        sought = literal([word], PrefixSearch())
        matching = matches(TaskWords.words, TaskWords.task_id, TaskWords.project_id, sought, TaskWords.project_id)
        with db.engine.connect() as connection:
            return connection.execute(select(TaskWords.task_id).where(matching)).first() is not None

    def do(statement: str) -> None:
        with db.engine.begin() as connection:
            connection.execute(text(statement))

    assert finds("fi")
    assert not finds("mend")
    do("UPDATE tasks SET status = 1")
    assert finds("fi")
    do("UPDATE task_words SET words = ' mend it'")
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


def test_tasks_that_were_there_before_are_counted_and_found_in_their_project(empty):
    texts = ["fix it", "", "1f0a05 a1f0a05", "ﬁx 漢字 x", "Ω" * 255]
    upgrade(revision="0007")
    for revision in ("0001", "0002", "0003"):
        add_rows(revision)
    with db.engine.begin() as connection:
        for number, given in enumerate(texts, 50):
            row = ROWS["0003"][1].replace(ID.format(7), ID.format(number)).replace(", 1, 'Fix it'", f", {number}, 'Fix it'")
            assert "'fix it'" in row
            stored = "array_to_tsvector(string_to_array(:given, ' '))" if connection.dialect.name == "postgresql" else ":given"
            connection.execute(text(row.replace("'fix it'", stored)), {"given": " ".join(words(given))})

    def stored(columns: str = "id, project_id, created_at, CAST(words AS TEXT) FROM tasks") -> list[tuple[str, ...]]:
        with db.engine.connect() as connection:
            rows = connection.execute(text(f"SELECT {columns} ORDER BY 1")).all()
        # PostgreSQL has another order of words.
        return [(*map(str, row[:-1]), *sorted(row[-1].replace("'", "").split(" "))) for row in rows[1:]]

    before = stored()
    upgrade(revision="0008")
    scoped = [
        (*row[:3], *([ID.format(5)[-6:] + word for word in words(given)] or [""]))
        for row, given in zip(before, texts, strict=True)
    ]
    assert stored() == scoped
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT task_count FROM projects")).scalar_one() == 1 + len(texts)
    upgrade(revision="0009")
    alone = stored("task_id, project_id, created_at, words FROM task_words")
    assert alone == [(*row[:3], *sorted(spaced_words(given).split(" "))) for row, given in zip(before, texts, strict=True)]
    downgrade(revision="0008")
    assert stored() == scoped
    downgrade(revision="0007")
    assert stored() == before


def test_models_and_migrations_say_the_same(empty):
    upgrade()
    check()


def test_migrations_are_numbered_worded_and_in_one_line():
    assert SCRIPTS.get_heads() == [REVISIONS[-1]] == [newest()]
    numbers = [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)]
    assert numbers == REVISIONS
    assert set(ROWS) == set(REVISIONS)
    for script in SCRIPTS.walk_revisions():
        assert re.fullmatch(rf"{script.revision}(_[a-z0-9]+)+\.py", script.path.rpartition("/")[2])
        assert re.match(r"[A-Z].+\.$", script.doc.splitlines()[0])
