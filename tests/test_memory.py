"""What the service takes: how much memory, of which nothing is left behind by requests, and what it loads for that."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import islice, permutations
from pathlib import Path

import pytest
from sqlalchemy import Select

import commands

from .conftest import SECRETS
from .live import ROOT, answers, start, stop, workers
from .people import PASSWORD, Person
from .remote import remote, together
from .servers import free_port, wait_for
from .tasks.world import SORTS

DRIVERS = {"psycopg2", "sqlite3"}
MIB = 2**20


def python(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs Python with these settings alone."""
    known = {"PATH": os.environ["PATH"], "APP_ENV": "testing", **SECRETS, **environment}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=known, capture_output=True, text=True, check=True)


def imported(log: str) -> set[str]:
    """The modules that `-X importtime` names."""
    return {line.rpartition("|")[2].strip() for line in log.splitlines()}


def test_help_loads_the_names_of_the_commands_and_neither_the_application_nor_a_driver():
    done = python("-X", "importtime", "-m", "flask", "--app", "wsgi", "--help")
    loaded = imported(done.stderr)
    assert {"wsgi", "commands"} < loaded
    assert not loaded & {*DRIVERS, "redis", "sqlalchemy", "tasktracker"}
    listed = done.stdout.partition("Commands:")[2]
    assert all(f"\n  {name} " in listed for name in commands.COMMANDS)


def test_help_of_a_command_needs_no_settings():
    done = python("-m", "flask", "--app", "wsgi", "users", "create", "--help", DATABASE_URL="nowhere")
    assert "--username TEXT" in done.stdout


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_help_says_of_a_command_what_the_command_says_of_itself(name):
    later = commands.Later(name, *commands.COMMANDS[name])
    assert later.get_short_help_str() == later.command().get_short_help_str()


SERVE = """
import sys
from wsgi import app
for path in ("/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/tasks"):
    print(app.test_client().get(path).status_code)
print(*sys.modules)
"""


def test_a_server_loads_nothing_that_only_commands_or_the_other_database_need(environment, app):
    *statuses, loaded = python("-c", SERVE, **environment).stdout.splitlines()
    assert statuses == ["200", "200", "200", "401"]
    names = set(loaded.split())
    assert {"tasktracker.tasks.routes", "flask_smorest"} < names
    assert not names & {"alembic", "flask_migrate", "mako", "prometheus_client"}
    assert not [name for name in names if name.startswith("tasktracker.cli")]
    assert names & DRIVERS == {"sqlite3" if app.config["SETTINGS"].is_sqlite else "psycopg2"}


FORK = """
import os
from tasktracker.core.models import new_id
new_id()
for _ in range(2):
    if not os.fork():
        print(new_id()[-17:])
        os._exit(0)
    os.wait()
"""


def test_workers_that_are_forked_make_ids_of_their_own():
    """Two processes that go on with the same random numbers would make the same ids in the same millisecond."""
    first, second = python("-u", "-c", FORK).stdout.split()
    assert first != second


def memory(pid: int) -> dict[str, float]:
    """What a process takes, in MiB: `Pss` shares out what processes have in common."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) / 1024 for name, rest in (row.split(":") for row in rows)}


def use(person: Person, rounds: int) -> None:
    """What a team does all day, in ten requests a round, and nothing else."""
    project = person.project()
    task = person.task(project)
    path = f"/tasks/{task['id']}"
    for _ in range(rounds):
        assert person.get("/tasks", query={"project_id": project["id"], "status": "todo"}).status_code == 200
        assert person.get("/tasks", query={"search": "wo", "sort": "due_date"}).status_code == 200
        assert person.get(path).status_code == 200
        for status in ("in_progress", "todo"):
            assert person.patch(path, {"status": status}).status_code == 200
        assert person.delete(f"/tasks/{person.task(project)['id']}").status_code == 204
        assert person.get(path, headers={"Authorization": ""}).status_code == 401
        assert person.post("/tasks", {"titel": "x"}).status_code == 422
        assert person.post("/auth/login", {"username": person.username, "password": PASSWORD}).status_code == 200


def test_workers_share_one_application_whose_process_connects_to_nothing(environment, app):
    port = free_port()
    service = start({**environment, "WEB_CONCURRENCY": "2"}, port)
    try:
        number, most = (1, 72) if app.config["SETTINGS"].is_sqlite else (2, 48)
        wait_for(lambda: len(workers(service.pid)) == number, "the workers")
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the service")
        # At once, so that every worker and every thread takes part.
        people = [remote(app, [f"http://127.0.0.1:{port}"]) for _ in range(8)]
        together([partial(use, person, 5) for person in people])
        # A thread, or a connection, would be in the hands of several processes after the fork.
        assert len(list(Path(f"/proc/{service.pid}/task").iterdir())) == 1
        assert len(sockets(service.pid)) == 1
        assert [taken for pid in workers(service.pid) if (taken := memory(pid)["Pss"]) > most] == []
    finally:
        stop(service)


def sockets(pid: int) -> list[str]:
    files = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    return [file for file in files if file.startswith("socket:")]


HASH = """
from pathlib import Path
from tasktracker.accounts.passwords import hash_password
def taken():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = taken()
for _ in range(3):
    hash_password("correct horse battery staple")
print(taken() - before)
"""


def test_what_a_hash_took_is_given_back():
    assert int(python("-c", HASH).stdout) < 4 * MIB


def test_requests_leave_nothing_behind(ada):
    """One object that stays for each request is seen; by hand, 200,000 requests were tried."""
    # Ten requests a round; caches come and go.
    assert least_growth(lambda: use(ada, 50), times=3) < 50 * 10 / 2


def test_what_a_question_is_built_of_is_not_kept(ada):
    """Sorts can be combined in thousands of ways; of 128, SQLAlchemy's objects took 22 MiB."""

    def kept() -> int:
        gc.collect()
        return sum(isinstance(one, Select) for one in gc.get_objects())

    before = kept()
    for names in islice(permutations(sorted(SORTS), 3), 30):
        assert ada.get("/tasks", query={"overdue": "true", "sort": ",".join(names)}).status_code == 200
    assert kept() - before < 30


def least_growth(act: Callable[[], None], *, times: int) -> int:
    """By how many objects of Python the process grows; the least of several times, because caches fill up and others work."""
    growths: list[int] = []
    for _ in range(times):
        gc.collect()
        before = sys.getallocatedblocks()
        act()
        gc.collect()
        growths.append(sys.getallocatedblocks() - before)
    return min(growths)
