"""docs/operation.md: its commands back a service up that is being written to, and restore it into a fresh instance."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
import time_machine
from flask import Flask
from flask_migrate import upgrade

from . import servers
from .accounts.asking import OTHER, again, forget, goes_on, is_over, no_such_token, post
from .accounts.tokens import is_refused, me, refresh
from .cli.apps import all_rows, every
from .conftest import BACKENDS, PATIENT, SECRETS
from .core.another import another
from .live import ROOT, serving
from .people import Person, new_person, new_team
from .post import PostOffice, do_jobs
from .remote import Remote, remote

NAME = "tasktracker_restored"  # As the page calls the new database.
OWNER, SERVICE = "tasktracker", "tasktracker_service"
QUIET = {"LOG_LEVEL": "WARNING", "RATELIMIT_ENABLED": "false", "INLINE_WORKER": "false"}
# What nobody writes to while the backup is made.
AT_REST = (
    "users",
    "teams",
    "team_members",
    "project_members",
    "tags",
    "task_tags",
    "sessions",
    "refresh_tokens",
    "mailed_tokens",
)


def page(*headings: str) -> list[str]:
    """The blocks of commands that stand below these headings, one within the other."""
    text = (ROOT / "docs" / "operation.md").read_text()
    for level, heading in enumerate(headings, 2):
        text = re.split(rf"^#{{2,{level}}} ", text.partition(f"\n{'#' * level} {heading}\n")[2], flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks, headings
    return blocks


def run(environment: dict[str, str], *headings: str) -> str:
    """Pastes them into a shell that has the service's settings; gives what they say."""
    return paste(environment, "\n".join(page(*headings)))


def paste(environment: dict[str, str], commands: str, folder: Path = ROOT) -> str:
    """What these commands say in a folder of the project."""
    path = f"{Path(sys.executable).parent}:{servers.postgresql_programs()}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=BACKENDS)
def places(request: pytest.FixtureRequest, tmp_path: Path, office: PostOffice) -> Iterator[tuple[str, dict, dict]]:
    """The chapter of the page, the settings of a service, and those of a fresh one that takes its place."""
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(office.port), "MAIL_DEFAULT_SENDER": "tracker@example.com"}
    common = {**QUIET, **PATIENT, **mail, "BACKUPS": str(tmp_path / "backups")}
    old, new = ({**common, "INSTANCE_PATH": str(tmp_path / name)} for name in ("old", "new"))
    if request.param == "sqlite":
        # The keys are those that are kept beside the database.
        yield "The embedded database", {**old, "APP_ENV": "development"}, {**new, "APP_ENV": "development"}
        return
    with servers.own(servers.PostgreSQL) as server:
        set_up(server)
        found_by = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": OWNER, "ADMIN": "postgres"}
        both = {"APP_ENV": "testing", "REDIS_URL": servers.redis_url(), **found_by, **SECRETS}
        url = f"postgresql://{OWNER}@127.0.0.1:{server.port}"
        yield "PostgreSQL", {**old, **both, "DATABASE_URL": f"{url}/{OWNER}"}, {**new, **both, "DATABASE_URL": f"{url}/{NAME}"}


def set_up(server: servers.PostgreSQL) -> None:
    """As docs/deployment.md does: a role that owns one database and may make none, and one that serves."""
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE ROLE {OWNER} LOGIN; CREATE ROLE {SERVICE} LOGIN")
        connection.cursor().execute(f"CREATE DATABASE {OWNER} OWNER {OWNER}")
    with closing(psycopg2.connect(server.url, user=OWNER, dbname=OWNER)) as connection, connection:
        (grant,) = re.findall(r"^ALTER DEFAULT PRIVILEGES .*;$", (ROOT / "deploy/postgres/roles.sql").read_text(), re.MULTILINE)
        connection.cursor().execute(grant)


@contextmanager
def writing(ada: Remote) -> Iterator[list[str]]:
    """Somebody makes one task after the other; gives the titles of those that were acknowledged."""
    done: list[str] = []
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count(1):
            if stop.is_set():
                return
            ada.task(title=f"task{number}")
            done.append(f"task{number}")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        servers.wait_for(lambda: len(done) > 20, "tasks")
        yield done
        written = len(done)
        servers.wait_for(lambda: len(done) > written + 20, "more tasks")
    finally:
        stop.set()
        thread.join()


def mailed(app: Flask, office: PostOffice, address: str) -> str:
    """The token of a link to choose another password."""
    assert post(app, "/auth/forgot-password", email=address).status_code == 202
    do_jobs(app)
    return office.to(address)[-1].token


def within(app: Flask, person: Person) -> Person:
    """The same user with the same tokens, before another instance."""
    return Person(app, person.id, person.username, person.email, person.access_token, person.refresh_token)


def test_a_backup_that_is_made_while_people_write_is_restored_into_a_fresh_instance(places, office):
    chapter, old, new = places
    with ExitStack() as stack:
        app = stack.enter_context(another(old))
        with app.app_context():
            upgrade()
        url = stack.enter_context(serving(old))
        ada, bob, gone = remote(app, [url], "ada"), new_person(app, "bob"), new_person(app, "gone")
        new_team(app, bob, gone)
        bob.add(bob.project(name="Shared"), gone)
        token = mailed(app, office, bob.email)
        at_rest = all_rows(app)
        with writing(ada) as done:
            before = len(done)
            run(old, chapter, "Back up")
        # What a backup does not know: a logout, a link that was used, and through it the end of another session.
        assert gone.post("/auth/logout").status_code == 204
        assert post(app, "/auth/reset-password", token=token, password=OTHER).status_code == 204
        is_over(gone)
        forget(app, gone)  # As days later.

    assert "WARNING" not in run(new, chapter, "Restore")
    with another(new) as app:
        restored = all_rows(app)
        assert {name: restored[name] for name in AT_REST} == {name: at_rest[name] for name in AT_REST}
        assert all(restored[name] for name in AT_REST if "tag" not in name)
        ada, bob, gone = (within(app, person) for person in (ada, bob, gone))
        tasks = every(ada, "/tasks", sort="created_at")
        assert before <= len(tasks) <= len(done)
        assert [task["title"] for task in tasks] == done[: len(tasks)]
        assert [task["number"] for task in tasks] == list(range(1, len(tasks) + 1))
        assert [task["title"] for task in ada.get("/tasks", query={"search": "task7"}).json][-1:] == ["task7"]
        assert refresh(gone).status_code == 200, "what has ended lives again"

        told = run({**new, "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}, "After a restore")
        assert '"event":"all_sessions_ended"' in told
        for person in (ada, bob, gone):
            is_over(person)
        no_such_token(post(app, "/auth/reset-password", token=token, password=OTHER))
        goes_on(again(ada))
        assert again(ada).task(title="next")["number"] == len(tasks) + 1
        assert app.test_client().get("/readyz").status_code == 200
    if chapter == "PostgreSQL":
        serves = {**new, "DATABASE_URL": new["DATABASE_URL"].replace(f"//{OWNER}@", f"//{SERVICE}@")}
        with another(serves) as app:
            assert again(within(app, ada)).task(title="by the role that serves")["number"] == len(tasks) + 2


def test_forward_and_back(tmp_path):
    """The version before is this one without the migrations that came after the number on the page."""
    environment = {"APP_ENV": "development", "INSTANCE_PATH": str(tmp_path), **QUIET, **SECRETS}
    before = tmp_path / "before"
    for name in ("migrations", "tasktracker"):
        shutil.copytree(ROOT / name, before / name)
    for name in ("wsgi.py", "commands.py", "config.py"):
        shutil.copy(ROOT / name, before)
    forward, back, look = page("Upgrade")
    (number,) = re.findall("downgrade ([0-9]{4})", back)
    newer = [file for file in (before / "migrations" / "versions").glob("[0-9]*.py") if file.name > f"{number}~"]
    assert len(newer) > 1
    for file in newer:
        file.unlink()

    paste(environment, forward)
    with another(environment) as app:
        assert app.test_client().get("/readyz").status_code == 200
    paste(environment, back)
    assert f"{number} (head)" in paste(environment, f"{look}flask --app wsgi db current", before)


def set_clock(**delta: float) -> time_machine.travel:
    """The clock of the server is set by so much, and runs on."""
    return time_machine.travel(datetime.now(UTC) + timedelta(**delta), tick=True)


def test_a_clock_that_goes_back_logs_people_out_until_they_log_in_again(ada):
    task, unseen = ada.task(), again(ada)
    with set_clock(minutes=-10):
        is_refused(me(unseen))
        is_refused(refresh(unseen))
        since = again(ada)
        assert since.get(f"/tasks/{task['id']}").json == task
        earlier = since.task()
        assert earlier["created_at"] < task["created_at"]
    goes_on(unseen)
    goes_on(since)
    assert [found["id"] for found in ada.get("/tasks").json] == [task["id"], earlier["id"]]


def test_a_clock_that_goes_forward_costs_a_refresh_and_one_that_is_set_right_again_a_login(ada):
    with set_clock(minutes=20):
        is_refused(me(ada))
        pair = refresh(ada).json
    is_refused(me(ada, pair["access_token"]))
    is_refused(refresh(ada, pair["refresh_token"]))
    goes_on(again(ada))
