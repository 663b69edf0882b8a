"""`flask check-config`: every setting is shown, no secret is, and a fault is told also where nothing can start."""

import pytest

from config import names
from tasktracker.cli.settings import without_login

from ..conftest import SECRETS
from .apps import flask, flask_process


def test_sound_settings_are_shown_without_secrets(app, environment):
    result = flask(app, "check-config")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines() if line][:-1] == names()
    assert result.stdout.splitlines()[-1] == "Every setting is sound."
    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line}
    assert lines["APP_ENV"][1] == "testing"
    assert lines["PASSWORD_MIN_LENGTH"][1:3] == ["12", "characters"]
    assert lines["TRUSTED_PROXIES"][1] == "0"
    assert lines["MAIL_USE_TLS"][1] == "false"
    assert lines["JWT_SECRET_KEY_PREVIOUS"][1] == "-"
    for name, secret in SECRETS.items():
        assert secret not in result.stdout
        assert lines[name][1] == "********"


FAULTY = {
    "APP_ENV": "production",
    "SECRET_KEY": "a-key-that-is-short",
    "DATABASE_URL": "postgresql://tasks:dont-show-me@db.company.test/tasks?password=dont-show-me",
    "REDIS_URL": "redis://:dont-show-me@cache.company.test:6379/0",
    "MAIL_PASSWORD": "dont-show-me",
    "MAIL_PORT": "many",
}


def test_faults_are_told_with_the_way_to_mend_them(tmp_path):
    result = flask_process({**FAULTY, "INSTANCE_PATH": str(tmp_path)}, "--app", "wsgi", "check-config")
    assert result.returncode == 1
    told = dict(line.split(": ", 1) for line in result.stderr.splitlines())
    assert set(told) == {"SECRET_KEY", "JWT_SECRET_KEY", "MAIL_SERVER", "MAIL_PORT"}
    assert "make one with" in told["JWT_SECRET_KEY"]
    assert [line.split()[0] for line in result.stdout.splitlines() if line][:-1] == names()
    assert "many" in result.stdout
    assert "postgresql://********@db.company.test/tasks " in result.stdout
    assert "redis://********@cache.company.test:6379/0 " in result.stdout
    for secret in ("dont-show-me", "a-key-that-is-short"):
        assert secret not in result.stdout + result.stderr


def test_other_commands_stop_with_the_faults(tmp_path):
    result = flask_process({**FAULTY, "INSTANCE_PATH": str(tmp_path)}, "users", "list")
    assert result.returncode == 1
    assert result.stderr.startswith("TaskTracker cannot start:\n")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://host/name", "postgresql://host/name"),
        ("postgresql://user@host:5432/name", "postgresql://********@host:5432/name"),
        ("postgresql://user:pa@ss@host/name", "postgresql://********@host/name"),
        ("postgresql://user:pa/ss?#@host/name", "postgresql://********@host/name"),
        ("postgresql:///name?host=/run&password=secret", "postgresql:///name"),
        ("postgresql://user:secret", "********"),
        ("user:secret@host/name", "********"),
        ("postgres//user:secret", "********"),
        ("sqlite:////srv/tasks.db", "sqlite:////srv/tasks.db"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("redis://[::1:6379/0", "********"),
    ],
)
def test_addresses_are_shown_without_login(url, shown):
    assert without_login(url) == shown
