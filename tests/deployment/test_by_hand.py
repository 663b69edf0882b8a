"""What docs/deployment.md has people set and install by hand."""

import configparser
import re
import secrets
import shlex
import subprocess

import pytest

from config import load

from ..servers import free_port
from .nginx import make_certificate, nginx_program
from .written import DEPLOY, compose, moved

PLACE = "/opt/tasktracker"
UNITS = {name: DEPLOY / "systemd" / f"tasktracker-{name}.service" for name in ("migrate", "web", "worker")}


def read(file):
    """The sections of a unit."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(file.read_text())
    return unit


@pytest.fixture
def blocks(root):
    """Settings as they stand in the document, those that are left to the reader filled in."""
    found = re.findall(r"```ini\n(.*?)```", (root / "docs" / "deployment.md").read_text(), re.DOTALL)
    read = [dict(line.strip().split("=", 1) for line in block.strip().splitlines()) for block in found]
    return [{name: value or secrets.token_urlsafe(40) for name, value in each.items()} for each in read]


def test_the_settings_of_the_document_are_sound(blocks, tmp_path):
    team, by_hand, _ = blocks
    settings = load({**by_hand, "INSTANCE_PATH": str(tmp_path)})
    assert (settings.app_env, settings.trusted_proxies, settings.is_sqlite) == ("production", 1, False)
    given = compose(environ=team)["services"]["web"]["environment"]
    for name in [name for name in given if name.endswith("_FILE")]:
        (tmp_path / name).write_text("postgresql://u@h/d" if "URL" in name else secrets.token_urlsafe(40))
        given[name] = str(tmp_path / name)
    settings = load({name: str(value) for name, value in given.items()})
    assert (settings.public_url, settings.mail_server) == (team["PUBLIC_URL"], team["MAIL_SERVER"])
    assert settings.mail_password == team["MAIL_PASSWORD"]
    assert settings.trusted_hosts == ("tracker.company.test",)


def test_the_embedded_database_stands_where_the_units_let_it(blocks, tmp_path):
    _, by_hand, embedded = blocks
    del by_hand["DATABASE_URL"]
    settings = load({**by_hand, "INSTANCE_PATH": str(tmp_path)})
    assert (settings.app_env, settings.database_url) == ("production", f"sqlite:///{tmp_path}/tasktracker.db")
    for file in UNITS.values():
        service = read(file)["Service"]
        assert embedded == {"INSTANCE_PATH": f"/var/lib/{service['StateDirectory']}"}
        assert service["StateDirectoryMode"] == "0700"


def test_nginx_takes_the_site(tmp_path):
    make_certificate(tmp_path)
    places = {f"{PLACE}/deploy": str(DEPLOY), "/etc/letsencrypt/live/tracker.company.test/": f"{tmp_path}/",
              "/var/log/nginx/": f"{tmp_path}/", "[::]:": "127.0.0.2:"}  # fmt: skip
    ports = {f"listen {port}": f"listen 127.0.0.1:{free_port()}" for port in (80, 443)}
    site = moved((DEPLOY / "nginx" / "site.conf").read_text(), places | ports)
    pid = f"error_log {tmp_path}/error.log; pid {tmp_path}/pid;"
    (tmp_path / "nginx.conf").write_text(f"{pid} events {{ }} http {{ {site} }}")
    words = [nginx_program(), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_units_start_what_the_containers_start():
    services = compose()["services"]
    started = {
        "migrate": services["migrate"]["command"],
        "web": ["gunicorn", "wsgi:app"],
        "worker": services["worker"]["command"][:4],
    }
    for name, file in UNITS.items():
        unit = read(file)
        service = unit["Service"]
        waits = re.fullmatch("/bin/sh -c 'until (.*); do sleep 5; done'", service["ExecStart"])
        assert bool(waits) == (name == "migrate")
        program, *words = (waits[1] if waits else service["ExecStart"]).split()
        assert [program.removeprefix(f"{PLACE}/.venv/bin/"), *words] == started[name]
        assert service["User"] == "tasktracker"
        assert service["EnvironmentFile"] == "/etc/tasktracker/settings"
        assert (service["NoNewPrivileges"], service["ProtectSystem"], service["CapabilityBoundingSet"]) == (
            "true",
            "strict",
            "",
        )
        if name != "migrate":
            assert unit["Unit"]["Requires"] == unit["Unit"]["After"] == "tasktracker-migrate.service"
            assert service["Restart"] == "always"
        else:
            assert (service["Type"], "Restart" in service) == ("oneshot", False)


def test_the_others_wait_until_the_migrations_have_succeeded(tmp_path):
    flask = tmp_path / ".venv" / "bin" / "flask"
    flask.parent.mkdir(parents=True)
    flask.write_text('#!/bin/sh\necho "$@" >> told\ntest "$(wc -l < told)" -ge 3')
    flask.chmod(0o755)
    words = shlex.split(moved(read(UNITS["migrate"])["Service"]["ExecStart"], {PLACE: str(tmp_path), "sleep 5": "sleep 0.1"}))
    done = subprocess.run(words, cwd=tmp_path, check=False, timeout=20)
    assert done.returncode == 0
    assert (tmp_path / "told").read_text().splitlines() == ["--app wsgi db upgrade"] * 3
