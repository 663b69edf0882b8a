"""The services of the compose file, run in its order by their very commands."""

import json
import os
import re
import shlex
import subprocess
import time
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from ..servers import free_port, wait_for
from .asking import post
from .machine import Machine


def secrets(machine):
    """What the service of that name has made or found."""
    done = machine.run("secrets")
    assert done.returncode == 0, done.stderr
    folder = machine.folder / "secrets"
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_every_secret_is_another_and_stays(tmp_path):
    machine = Machine(tmp_path)
    made = secrets(machine)
    assert sorted(made) == ["owner/database_url", "owner/postgres_password", "service/database_url", "service/jwt_secret_key",
                            "service/postgres_password", "service/secret_key"]  # fmt: skip
    assert len(set(made.values())) == 6
    assert all(len(value) > 40 for value in made.values())
    assert secrets(machine) == made


def in_container(root, page, program):
    """The commands with this program that a page has Docker run in a container."""
    code = "\n".join(re.findall(r"```sh\n(.*?)```", (root / "docs" / page).read_text(), re.DOTALL)).replace("\\\n", "")
    return re.findall(rf"docker compose run .*? (?:migrate|secrets) +({program} [^<>\n]*)", code)


def test_secrets_are_saved_and_put_back_and_one_key_is_made_anew(root, tmp_path):
    old, new = Machine(tmp_path / "old"), Machine(tmp_path / "new")
    made, archive = secrets(old), tmp_path / "secrets.tar"
    for name in ("owner", "service"):  # The volumes.
        (new.folder / "secrets" / name).mkdir(parents=True)
    save, put_back = in_container(root, "deployment.md", "tar")
    with archive.open("wb") as file:
        subprocess.run(shlex.split(save.replace(" / ", f" {old.folder} ")), check=True, stdout=file)
    with archive.open("rb") as file:
        subprocess.run(shlex.split(put_back.replace(" / ", f" {new.folder} ")), check=True, stdin=file)
    assert secrets(new) == made

    (take_away,) = in_container(root, "operation.md", "rm")
    subprocess.run(shlex.split(new.here(take_away)), check=True)
    changed = secrets(new)
    assert {name for name in made if changed[name] != made[name]} == {"service/jwt_secret_key"}


def test_everyone_is_well_and_nobody_wrote_into_the_code(machine):
    wait_for(lambda: machine.machine.is_healthy("worker"), "the worker's heartbeat")
    assert machine.machine.is_healthy("web")
    old = time.time() - 600
    heartbeat = machine.folder / "heartbeat"

    def is_unwell():  # The worker may set the time between the two.
        os.utime(heartbeat, (old, old))
        return not machine.machine.is_healthy("worker")

    wait_for(is_unwell, "a worker without a heartbeat")
    wait_for(lambda: heartbeat.stat().st_mtime > old, "the next heartbeat")
    assert sorted(map(str, (machine.folder / "app").rglob("*"))) == machine.before


def test_the_check_of_a_web_process_that_is_gone_fails(machine):
    elsewhere = Machine(machine.folder / "elsewhere", {"127.0.0.1:8000": f"127.0.0.1:{free_port()}"})
    assert not elsewhere.is_healthy("web")


def test_who_signs_up_gets_a_mail_and_comes_in(machine, account):
    login = post(machine.port, "/api/v1/auth/login", account)
    assert login.status == 200, login.body
    lines = [line for line in machine.log.read_text().splitlines() if line.startswith("{")]
    assert [json.loads(line)["route"] for line in lines if "/auth/register" in line] == ["/api/v1/auth/register"]


def test_who_serves_reads_and_writes_rows_and_changes_no_table(machine):
    url = (machine.folder / "secrets" / "service" / "database_url").read_text()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM alembic_version")
        for statement in ("CREATE TABLE x ()", "DROP TABLE tasks", "ALTER TABLE users ADD x int", "CREATE ROLE x"):
            connection.rollback()
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    wrong = urlsplit(url)._replace(netloc=f"tasktracker_service:wrong@127.0.0.1:{machine.postgres.port}").geturl()
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(wrong)


def test_redis_keeps_what_it_has_and_evicts_nothing(machine):
    client = redis.Redis.from_url(machine.redis.url)
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert client.config_get("maxmemory") == {"maxmemory": str(256 * 2**20)}
