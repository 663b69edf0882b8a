"""Two who wait for each other: PostgreSQL ends one of them, and what it wanted is done anew, three times at most."""

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

import psycopg2
import pytest
from psycopg2 import sql
from sqlalchemy import insert, make_url

from tasktracker.accounts.models import MailedToken, Purpose
from tasktracker.core.models import new_id, now

from ..people import PASSWORD, new_team, problem
from ..queue import execute
from ..remote import together
from ..servers import wait_for


@contextmanager
def connected(url):
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@pytest.fixture(scope="module")
def url(services_on, environments):
    """The database, where deadlocks are looked for after half a second and not after a whole one."""
    services_on("postgresql")
    found = environments("postgresql")["DATABASE_URL"]
    with suppress(psycopg2.errors.InsufficientPrivilege):  # Only a superuser may; for others the tests take longer.
        alter(found, "deadlock_timeout", "500ms")
    yield found
    with suppress(psycopg2.errors.InsufficientPrivilege):
        alter(found, "deadlock_timeout", "1s")


@pytest.fixture
def person(url, services_on):
    return services_on("postgresql").person


@pytest.fixture
def ada(person):
    return person("ada")


@pytest.fixture
def bob(person):
    return person("bob")


def alter(url, name, value):
    """Gives whoever connects from now on another setting, and ends all who are connected."""
    with watch(url) as cursor:
        database = sql.Identifier(str(make_url(url).database))
        cursor.execute(sql.SQL("ALTER DATABASE {} SET {} = %s").format(database, sql.Identifier(name)), [value])
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


def lock(cursor, table, row_id, strength="NO KEY UPDATE"):
    cursor.execute(sql.SQL("SELECT 1 FROM {} WHERE id = %s FOR {}").format(sql.Identifier(table), sql.SQL(strength)), [row_id])
    return cursor.fetchone() is not None


def someone_waits(watching):
    """Whether a request waits for a row that another holds."""
    watching.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    return watching.fetchone()[0] > 0


@contextmanager
def watch(url):
    with connected(url) as cursor:
        cursor.connection.autocommit = True
        yield cursor


@pytest.mark.parametrize("times", [1, 2, 3])
def test_who_is_ended_begins_anew_three_times_in_all(ada, url, times):
    """Another locks the two projects of a move in the wrong order, after the service has locked the first of them."""
    first, second = sorted((ada.project(), ada.project()), key=lambda project: project["id"])
    task = ada.task(first)
    with connected(url) as other, watch(url) as watching, ThreadPoolExecutor(1) as thread:
        with suppress(psycopg2.errors.InsufficientPrivilege):
            other.execute("SET deadlock_timeout = '10s'")  # Whoever looks is ended, and that is to be the service.
        other.connection.commit()
        lock(other, "projects", second["id"])
        moved = thread.submit(ada.patch, f"/tasks/{task['id']}", {"project_id": second["id"]})
        for _ in range(times):
            wait_for(partial(someone_waits, watching), "the move")
            other.execute("SAVEPOINT before")
            assert lock(other, "projects", first["id"])  # Only one of the two can go on, and it is this one.
            other.execute("ROLLBACK TO before")
        if times < 3:
            wait_for(partial(someone_waits, watching), "the move")
            other.connection.rollback()
        answer = moved.result(20)
    if times < 3:
        assert answer.status_code == 200, answer.text
        assert answer.json["project_id"] == second["id"]
    else:
        problem(answer, 503, "unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert ada.get(f"/tasks/{task['id']}").json == task


@pytest.fixture
def strict(url):
    """Transactions are serializable, as an operator's default may have it."""
    alter(url, "default_transaction_isolation", "serializable")
    yield
    alter(url, "default_transaction_isolation", "read committed")


def test_who_was_overtaken_in_a_serializable_transaction_begins_anew(strict, ada, url):
    project = ada.project()
    with connected(url) as other, watch(url) as watching, ThreadPoolExecutor(1) as thread:
        other.execute("UPDATE projects SET last_number = 7 WHERE id = %s", [project["id"]])
        made = thread.submit(ada.task, project)
        wait_for(partial(someone_waits, watching), "the task")
        other.connection.commit()
        assert made.result(20)["number"] == 8


def test_transactions_that_cannot_be_put_in_order_are_done_or_refused(strict, ada):
    body = {"title": "x", "project_id": ada.project()["id"]}

    def make():
        """The answer in the end, and how often it was to be asked for again."""
        refused = 0
        while (answer := ada.post("/tasks", body)).status_code != 201:
            problem(answer, 503, "unavailable")
            assert answer.headers["Retry-After"] == "1"
            refused += 1
        return answer, refused

    answers = together([make] * 16)
    assert sorted(answer.json["number"] for answer, _ in answers) == list(range(1, 17))


@pytest.mark.parametrize("table", ["teams", "projects", "projects of a team"])
def test_who_ends_their_account_waits_for_teams_and_projects_before_anyone_waits_for_them(ada, bob, url, table):
    """Everyone else locks a team or a project before the users in it."""
    row = new_team(ada.app, bob, ada)
    if table != "teams":
        project = bob.project() if table == "projects of a team" else ada.project()
        bob.add_team(project, row) if table == "projects of a team" else None
        row = project["id"]
    with connected(url) as other, watch(url) as watching, ThreadPoolExecutor(1) as thread:
        lock(other, table.split()[0], row)
        ended = thread.submit(ada.delete, "/users/me", json={"password": PASSWORD})
        wait_for(partial(someone_waits, watching), "the end of the account")
        assert lock(other, "users", ada.id, "KEY SHARE NOWAIT")  # It holds nothing that is wanted from it.
        other.connection.commit()
        assert ended.result(20).status_code == 204


def test_who_leaves_a_team_waits_for_it_before_anyone_waits_for_its_projects_and_for_these_in_order(ada, bob, url):
    """Everyone locks teams before projects, and projects in the order of their ids."""
    team = new_team(ada.app, ada, bob)
    first, second = sorted((ada.project(), ada.project()), key=lambda project: project["id"])
    for project in (second, first):
        ada.add_team(project, team)
    for table, row, free in (("teams", team, [first, second]), ("projects", first["id"], [second])):
        with connected(url) as other, watch(url) as watching, ThreadPoolExecutor(1) as thread:
            lock(other, table, row)
            left = thread.submit(bob.delete, f"/teams/{team}/members/{bob.id}")
            wait_for(partial(someone_waits, watching), "who leaves")
            for project in free:
                assert lock(other, "projects", project["id"], "NO KEY UPDATE NOWAIT")
            other.connection.commit()
            assert left.result(20).status_code == 204
        ada.add_to_team(team, bob)


def test_who_uses_a_mailed_link_waits_for_its_user_before_anyone_waits_for_the_link(ada, url):
    """Whoever changes a password or an address locks the user before the links that this ends."""
    secret, row = secrets.token_hex(16), new_id()
    what = {"user_id": ada.id, "email": ada.email, "purpose": Purpose.reset_password.name}
    token = {**what, "token_hash": hashlib.sha256(secret.encode()).hexdigest(), "expires_at": now() + timedelta(hours=1)}
    execute(ada.app, insert(MailedToken).values(id=row, **token))
    with connected(url) as other, watch(url) as watching, ThreadPoolExecutor(1) as thread:
        lock(other, "users", ada.id)
        reset = thread.submit(ada.post, "/auth/reset-password", {"token": secret, "password": f"{PASSWORD} indeed"})
        wait_for(partial(someone_waits, watching), "the reset")
        assert lock(other, "mailed_tokens", row, "UPDATE NOWAIT")
        other.connection.commit()
        assert reset.result(20).status_code == 204
