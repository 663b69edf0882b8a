"""A machine on which all services run."""

import shutil
import subprocess
from types import SimpleNamespace

import psycopg2
import pytest

from .. import live, servers
from ..post import post_office
from ..servers import free_port, wait_for
from .asking import post
from .machine import ComposedRedis, Machine
from .nginx import Nginx
from .written import DEPLOY


def set_up(server, password):
    """PostgreSQL as its image sets it up: a role that owns, and nobody else comes in without a password."""
    connection = psycopg2.connect(server.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE tasktracker LOGIN SUPERUSER PASSWORD %s", (password,))
        cursor.execute("CREATE DATABASE tasktracker OWNER tasktracker")
        access = server.folder / "data" / "pg_hba.conf"
        access.write_text("host all tasktracker,tasktracker_service all scram-sha-256\n" + access.read_text())
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()


def psql(url, file):
    program = shutil.which("psql") or str(servers.postgresql_programs() / "psql")
    words = [program, "--no-psqlrc", "--set=ON_ERROR_STOP=1", url, "--file", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="package")
def machine(tmp_path_factory):
    """All services but the proxy, started in the order of the compose file."""
    folder, port = tmp_path_factory.mktemp("machine"), free_port()
    with servers.own(servers.PostgreSQL) as postgres, servers.own(ComposedRedis) as redis, post_office() as office:
        places = {
            "redis:6379": f"127.0.0.1:{redis.port}",
            "0.0.0.0:8000": f"127.0.0.1:{port}",
            "127.0.0.1:8000": f"127.0.0.1:{port}",
        }
        machine = Machine(folder, places)
        for name in ("migrate", "web", "worker"):  # Nobody resolves these names here.
            machine.services[name]["environment"] |= {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": office.port}
        for _ in range(2):  # The second time changes nothing, or nobody could log in below.
            made = machine.run("secrets")
            assert made.returncode == 0, made.stderr
        for file in (folder / "secrets").glob("*/database_url"):
            file.chmod(0o644)
            file.write_text(file.read_text().replace("@postgres:5432", f"@127.0.0.1:{postgres.port}"))
        set_up(postgres, (folder / "secrets" / "owner" / "postgres_password").read_text())
        (folder / "roles.sql").write_text(machine.here((DEPLOY / "postgres" / "roles.sql").read_text()))
        owner = (folder / "secrets" / "owner" / "database_url").read_text()
        psql(owner, folder / "roles.sql")
        migrated = machine.run("migrate")
        assert migrated.returncode == 0, migrated.stderr
        before = sorted(map(str, (folder / "app").rglob("*")))
        with (folder / "log").open("wb") as log:
            web, worker = machine.start("web", log), machine.start("worker", log)
            try:
                wait_for(lambda: live.answers(f"http://127.0.0.1:{port}/readyz"), "web")
                yield SimpleNamespace(machine=machine, port=port, folder=folder, redis=redis,
                                      office=office, postgres=postgres, before=before, log=folder / "log")  # fmt: skip
            finally:
                live.stop(web)
                live.stop(worker)
        assert (web.returncode, worker.returncode) == (0, 0)


@pytest.fixture(scope="package")
def account(machine):
    """Someone who has signed up and confirmed the address, by what web, worker, PostgreSQL and Redis do together."""
    account = {"username": "ada", "password": "correct horse battery staple"}
    assert post(machine.port, "/api/v1/auth/register", {"email": "ada@example.com", **account}).status == 202
    wait_for(lambda: machine.office.to("ada@example.com"), "the mail")
    (letter,) = machine.office.to("ada@example.com")
    assert letter.link.startswith(f"http://127.0.0.1:{machine.port}/"), "PUBLIC_URL, which has another port here"
    assert post(machine.port, "/api/v1/auth/verify-email", {"token": letter.token}).status == 204
    return account


@pytest.fixture(scope="package")
def proxy(machine):
    """nginx in front of them."""
    nginx = Nginx(f"http://127.0.0.1:{machine.port}")
    yield nginx
    nginx.remove()
