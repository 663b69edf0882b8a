"""The settings: their defaults, and one clear line for each that is missing, malformed or weak."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import Settings, SettingsError, load, names

from .servers import free_port

GOOD_KEY, OTHER_KEY, THIRD_KEY = ("".join(f"{start + 7 * number:x}" for number in range(30)) for start in (1000, 1500, 2000))
SERVER = {
    "SECRET_KEY": GOOD_KEY,
    "JWT_SECRET_KEY": OTHER_KEY,
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "PUBLIC_URL": "https://tracker.company.test",
    "MAIL_SERVER": "mail.company.test",
    "MAIL_DEFAULT_SENDER": "tracker@company.test",
}
TIMEOUTS = {"DATABASE_CONNECT_TIMEOUT", "DATABASE_STATEMENT_TIMEOUT", "DATABASE_LOCK_TIMEOUT", "DATABASE_IDLE_TIMEOUT",
            "DATABASE_POOL_TIMEOUT", "DATABASE_REQUEST_TIMEOUT", "SQLITE_BUSY_TIMEOUT", "REDIS_TIMEOUT",
            "MAIL_TIMEOUT"}  # fmt: skip
NESTED = {"DATABASE_STATEMENT_TIMEOUT", "DATABASE_LOCK_TIMEOUT", "DATABASE_REQUEST_TIMEOUT"}
LOCAL = {"PUBLIC_URL": "http://127.0.0.1:8000", "REQUIRE_EMAIL_VERIFICATION": False, "TRUSTED_HOSTS": ()}
REMOTE = {"REQUIRE_EMAIL_VERIFICATION": True, "TRUSTED_HOSTS": ("tracker.company.test",)}
COMMON = {"REGISTRATION": "open", "PASSWORD_MIN_LENGTH": 12, "RATELIMIT_ENABLED": True, "CORS_ORIGINS": (),
          "TRUSTED_PROXIES": 0,
          "LOG_LEVEL": "INFO", "JWT_SECRET_KEY_PREVIOUS": None, "MAIL_USE_TLS": False, "MAIL_USERNAME": None,
          "MAIL_PASSWORD": None, "MAIL_USE_SSL": False, "DATABASE_CONNECT_TIMEOUT": 1, "DATABASE_STATEMENT_TIMEOUT": 1.3,
          "DATABASE_LOCK_TIMEOUT": 1.2, "DATABASE_IDLE_TIMEOUT": 5, "DATABASE_POOL_TIMEOUT": 1, "DATABASE_REQUEST_TIMEOUT": 1.5,
          "SQLITE_BUSY_TIMEOUT": 5, "REDIS_TIMEOUT": 0.25, "MAIL_TIMEOUT": 10}  # fmt: skip
DEFAULTS = {
    "development": {**LOCAL, **COMMON, "REDIS_URL": None, "MAIL_SERVER": None, "INLINE_WORKER": True, "LOG_FORMAT": "console"},
    "testing": {**LOCAL, **COMMON, "REDIS_URL": None, "MAIL_SERVER": None, "INLINE_WORKER": False, "LOG_FORMAT": "json"},
    "staging": {**REMOTE, **COMMON, "INLINE_WORKER": False, "LOG_FORMAT": "json"},
    "production": {**REMOTE, **COMMON, "INLINE_WORKER": False, "LOG_FORMAT": "json"},
}


@pytest.fixture
def read(tmp_path):
    """Reads settings that keep their files in a folder of their own."""

    def with_(app_env="development", **environ):
        needed = SERVER if app_env in ("staging", "production") else {}
        return load({"INSTANCE_PATH": str(tmp_path), "APP_ENV": app_env, **needed, **environ})

    return with_


def faults(read, *args, **environ):
    """The lines of the fault, by the setting that each names."""
    with pytest.raises(SettingsError) as caught:
        read(*args, **environ)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == list(caught.value.faults)
    for line in lines:
        assert any(hint in line for hint in ("; set ", "; make one with: ")), f"no word on how to mend it: {line}"
    return {line.split(":")[0]: line for line in lines}


@pytest.mark.parametrize("app_env", DEFAULTS)
def test_defaults(read, tmp_path, app_env):
    settings = read(app_env)
    assert {name: getattr(settings, name.lower()) for name in DEFAULTS[app_env]} == DEFAULTS[app_env]
    assert settings.app_env == app_env
    assert settings.instance_path == str(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path / 'tasktracker.db'}"
    assert settings.is_sqlite


def test_development_is_the_default_and_keeps_its_files_beside_the_code(root):
    settings = load({"SECRET_KEY": GOOD_KEY, "JWT_SECRET_KEY": OTHER_KEY})
    assert settings.app_env == "development"
    assert settings.instance_path == str(root / "instance")


def test_an_empty_setting_is_none(read):
    for name in names():
        if name not in ("APP_ENV", "INSTANCE_PATH"):
            assert read(**{name: "  "}) == read()


def test_settings_never_change(read):
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().app_env = "production"


def test_every_setting_has_its_name_and_says_what_it_means():
    assert set(names()) == {
        "APP_ENV", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "JWT_SECRET_KEY", "JWT_SECRET_KEY_PREVIOUS", "PUBLIC_URL",
        "MAIL_SERVER", "MAIL_PORT", "MAIL_USE_TLS", "MAIL_USERNAME", "MAIL_PASSWORD", "MAIL_DEFAULT_SENDER",
        "REQUIRE_EMAIL_VERIFICATION", "REGISTRATION", "PASSWORD_MIN_LENGTH", "RATELIMIT_ENABLED", "CORS_ORIGINS",
        "TRUSTED_PROXIES", "TRUSTED_HOSTS", "INLINE_WORKER", "INSTANCE_PATH", "LOG_LEVEL", "LOG_FORMAT", "MAIL_USE_SSL",
        "METRICS_TOKEN", "WORKER_METRICS_ADDRESS", *TIMEOUTS,
    }  # fmt: skip
    for field in dataclasses.fields(Settings):
        assert field.metadata["meaning"], field.name


def test_the_example_names_every_setting(root):
    example = (root / ".env.example").read_text()
    first_words = {line.split("=")[0].lstrip("#") for line in example.splitlines()}
    assert {word for word in first_words if word.isupper()} == set(names())


WEAK = {
    "short": "x1y2z3w4" * 3 + "1234567",
    "of few letters": "ab" * 40,
    "one letter": "a" * 64,
    "repeated": "abcdefgh" * 8,
    "an example": "please-change-me-please-change-me-now-0123",
    "from a tutorial": "your-secret-key-goes-here-0123456789-abcdef",
}
MALFORMED = {
    "APP_ENV": ["prod", "Production", "test", "development,testing"],
    "DATABASE_URL": ["tracker.db", "mysql://u@h/d", "sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql",
                     "postgresql:/h/d",
                     "postgresql://u@h:port/d", "postgresql://u@h:99999/d", "oracle://x", "http://x/y", "sqlite+aiosqlite:///x.db"],
    "REDIS_URL": ["127.0.0.1:6379", "http://127.0.0.1", "redis://", "redis:///0", "redis://h:port/0", "redis://h:99999/0",
                  "redis://h/main", "memory://"],
    "SECRET_KEY": list(WEAK.values()),
    "JWT_SECRET_KEY": list(WEAK.values()),
    "JWT_SECRET_KEY_PREVIOUS": list(WEAK.values()),
    "PUBLIC_URL": ["tracker.company.test", "ftp://h", "https://", "//h", "https://h?x=1", "https://h#x", "https://h/tracker", "https://h:port",
                   "https://h:99999", "javascript:alert(1)", "https://[::1"],
    "MAIL_SERVER": ["smtp://mail.company.test", "mail server", "mail.company.test:25"],
    "MAIL_PORT": ["0", "-1", "65536", "smtp", "25.0", "1e3", "0x19", "\uff12\uff15", "9" * 50],
    "MAIL_USE_TLS": ["maybe", "2", "tru", "truefalse"],
    "MAIL_DEFAULT_SENDER": ["nobody", "a b", "a@b@c", "@company.test", "x@company.test\nBcc: y@company.test"],
    "REQUIRE_EMAIL_VERIFICATION": ["maybe", "2", "-1"],
    "REGISTRATION": ["invite", "Open", "true"],
    "PASSWORD_MIN_LENGTH": ["0", "7", "129", "twelve", "-12", "12.5"],
    "RATELIMIT_ENABLED": ["maybe", "10"],
    "CORS_ORIGINS": ["*", "app.company.test", "https://app.company.test/", "https://app.company.test/x", "https://a.test, *",
                     "null", "https://*.company.test", "https://", "ftp://a.test", "https://u@a.test",
                     "https://a.test:port"],
    "TRUSTED_PROXIES": ["-1", "many", "1.5", "true", "1000"],
    "TRUSTED_HOSTS": ["https://tracker.company.test", "tracker.company.test:8000", "*", "a b", "a.test, */x"],
    "INLINE_WORKER": ["maybe", "2"],
    "LOG_LEVEL": ["LOUD", "10"],
    "LOG_FORMAT": ["xml", "JSON5"],
    "MAIL_USE_SSL": ["maybe"],
    "METRICS_TOKEN": list(WEAK.values()),
    "WORKER_METRICS_ADDRESS": ["9464", "localhost", ":9464", "127.0.0.1:", "127.0.0.1:port", "http://127.0.0.1:9464", "a b:1"],
    **{name: ["0", "0.04", "-1", "1e1", "nan", "inf", "soon", "1,5", ".5", "601"] for name in sorted(TIMEOUTS)},
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in MALFORMED.items() for value in values])
def test_a_malformed_or_weak_setting_is_one_line_that_says_how_to_mend_it(read, name, value):
    mail = {"MAIL_SERVER": "mail.company.test", "MAIL_DEFAULT_SENDER": "a@company.test"}
    assert set(faults(read, **{**mail, name: value} if name != "APP_ENV" else {"app_env": value})) == {name}


@pytest.mark.parametrize("path", ["{file}", "{file}/below", "/proc/nothing/can/be/made/here"])
def test_a_folder_that_cannot_be_used_is_a_line_too(tmp_path, path):
    file = tmp_path / "file"
    file.write_text("")
    assert set(faults(lambda **_: load({"INSTANCE_PATH": path.format(file=file)}))) == {"INSTANCE_PATH"}


def test_all_faults_are_told_at_once(read):
    told = faults(read, MAIL_PORT="x", LOG_LEVEL="x", SECRET_KEY="x", PUBLIC_URL="x", TRUSTED_HOSTS="*")
    assert set(told) == {"MAIL_PORT", "LOG_LEVEL", "SECRET_KEY", "PUBLIC_URL", "TRUSTED_HOSTS"}


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY", "JWT_SECRET_KEY_PREVIOUS", "METRICS_TOKEN"])
def test_a_fault_never_shows_a_secret(read, name):
    for value in WEAK.values():
        assert value not in "".join(faults(read, **{name: value}).values())
    secret_url = {"DATABASE_URL": "mysql://u:hunter22@h/d", "REDIS_URL": "http://u:hunter22@h/0"}
    assert "hunter22" not in "".join(faults(read, **secret_url).values())


@pytest.mark.parametrize("app_env", DEFAULTS)
def test_the_two_keys_differ(read, app_env):
    assert set(faults(read, app_env, SECRET_KEY=GOOD_KEY, JWT_SECRET_KEY=GOOD_KEY)) == {"JWT_SECRET_KEY"}


@pytest.mark.parametrize(
    ("app_env", "required"),
    [
        ("staging", {"SECRET_KEY", "JWT_SECRET_KEY", "REDIS_URL"}),
        ("production", {"SECRET_KEY", "JWT_SECRET_KEY", "REDIS_URL", "MAIL_SERVER"}),
    ],
)
def test_what_a_server_needs_is_required_there(read, app_env, required):
    assert set(faults(read, app_env, **dict.fromkeys(SERVER, ""))) == required
    for name in required:
        told = faults(read, app_env, **{name: "", **({"MAIL_DEFAULT_SENDER": ""} if name == "MAIL_SERVER" else {})})
        assert set(told) == {name}
        assert "is required" in told[name]


def test_the_workers_metrics_need_a_token_too(read):
    assert set(faults(read, WORKER_METRICS_ADDRESS="127.0.0.1:9464")) == {"METRICS_TOKEN"}
    settings = read(WORKER_METRICS_ADDRESS="127.0.0.1:9464", METRICS_TOKEN=GOOD_KEY)
    assert settings.worker_metrics_address == "127.0.0.1:9464"


def test_a_mail_server_needs_a_sender(read):
    assert set(faults(read, MAIL_SERVER="mail.company.test")) == {"MAIL_DEFAULT_SENDER"}


LOGIN = {"MAIL_USERNAME": "tracker", "MAIL_PASSWORD": "words"}


@pytest.mark.parametrize("app_env", ["staging", "production"])
def test_no_password_goes_over_the_net_in_clear(read, app_env):
    told = faults(read, app_env, **LOGIN)
    assert set(told) == {"MAIL_USERNAME"}
    assert "words" not in told["MAIL_USERNAME"]
    for safe in ({"MAIL_USE_TLS": "true"}, {"MAIL_USE_SSL": "true"}, {"MAIL_SERVER": "127.0.0.1"}, {"MAIL_SERVER": "::1"}):
        assert read(app_env, **LOGIN, **safe).mail_username == "tracker"


def test_a_request_may_wait_as_long_as_a_statement_and_a_lock(read):
    assert set(faults(read, DATABASE_STATEMENT_TIMEOUT="1.6")) == {"DATABASE_REQUEST_TIMEOUT"}
    assert set(faults(read, DATABASE_LOCK_TIMEOUT="1.6")) == {"DATABASE_REQUEST_TIMEOUT"}
    assert set(faults(read, DATABASE_REQUEST_TIMEOUT="1.2")) == {"DATABASE_REQUEST_TIMEOUT"}
    settings = read(DATABASE_STATEMENT_TIMEOUT="7.125", DATABASE_LOCK_TIMEOUT="5", DATABASE_REQUEST_TIMEOUT="8")
    assert settings.database_statement_timeout == 7.125
    assert (settings.database_lock_timeout, settings.database_request_timeout) == (5, 8)


def test_the_port_of_mail_is_that_of_its_encryption(read):
    assert [read(**tls).mail_port for tls in ({}, {"MAIL_USE_TLS": "true"}, {"MAIL_USE_SSL": "true"})] == [25, 587, 465]
    assert set(faults(read, MAIL_USE_TLS="true", MAIL_USE_SSL="true")) == {"MAIL_USE_SSL"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+psycopg2://u:p@h:5432/d"),
        ("postgresql://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("postgresql+psycopg://u@h/d?sslmode=require", "postgresql+psycopg2://u@h/d?sslmode=require"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+psycopg2:///d?host=/run/postgresql"),
        ("sqlite:////var/lib/tracker.db", "sqlite:////var/lib/tracker.db"),
        ("sqlite:///tracker.db", "sqlite:///tracker.db"),
    ],
)
def test_every_way_to_name_a_database(read, url, expected):
    settings = read(DATABASE_URL=url)
    assert settings.database_url == expected
    assert settings.is_sqlite == expected.startswith("sqlite")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REDIS_URL", "rediss://:secret@h:6380/3", "rediss://:secret@h:6380/3"),
        ("JWT_SECRET_KEY_PREVIOUS", THIRD_KEY, THIRD_KEY),
        ("PUBLIC_URL", "https://tracker.company.test/", "https://tracker.company.test"),
        ("PUBLIC_URL", "http://[::1]:8000", "http://[::1]:8000"),
        ("MAIL_PORT", "2525", 2525),
        ("MAIL_DEFAULT_SENDER", "TaskTracker <tracker@company.test>", "TaskTracker <tracker@company.test>"),
        ("MAIL_USE_TLS", "true", True),
        ("MAIL_USE_TLS", "ON", True),
        ("RATELIMIT_ENABLED", "False", False),
        ("RATELIMIT_ENABLED", "0", False),
        ("REQUIRE_EMAIL_VERIFICATION", "yes", True),
        ("REGISTRATION", "closed", "closed"),
        ("PASSWORD_MIN_LENGTH", " 16 ", 16),
        ("CORS_ORIGINS", "https://a.test, http://localhost:5173,", ("https://a.test", "http://localhost:5173")),
        ("TRUSTED_PROXIES", "2", 2),
        ("TRUSTED_HOSTS", "a.test, .b.test,192.0.2.1,[::1]", ("a.test", ".b.test", "192.0.2.1", "[::1]")),
        ("INLINE_WORKER", "off", False),
        *[(name, value, float(value)) for name in sorted(TIMEOUTS - NESTED) for value in ("0.05", "2", "7.125")],
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
        ("LOG_FORMAT", "json", "json"),
    ],
)
def test_a_setting_is_read(read, name, value, expected):
    assert getattr(read(**{name: value}), name.lower()) == expected


def test_the_host_of_the_public_url_is_trusted_on_a_server(read):
    for url, host in (("https://a.test:8443", "a.test"), ("http://[::1]:80", "[::1]"), ("http://192.0.2.1", "192.0.2.1")):
        assert read("production", PUBLIC_URL=url).trusted_hosts == (host,)


def test_development_makes_its_keys_once_and_keeps_them_to_itself(tmp_path):
    instance = tmp_path / "new" / "instance"
    first = load({"INSTANCE_PATH": str(instance)})
    assert first.secret_key != first.jwt_secret_key
    assert len(first.secret_key) >= 32
    assert load({"INSTANCE_PATH": str(instance)}) == first
    files = [path for path in instance.iterdir() if path.is_file()]
    assert sorted(path.read_text().strip() for path in files) == sorted([first.secret_key, first.jwt_secret_key])
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert load({"INSTANCE_PATH": str(tmp_path / "another")}).secret_key != first.secret_key


PRINT = (
    "import json, config; s = config.load(); print(json.dumps([s.secret_key, s.jwt_secret_key, s.registration, s.log_level]))"
)


def python(root, code, **environ):
    """A process of Python on its own, in this folder, with nothing else in its environment."""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, env={"PATH": os.environ["PATH"], **environ}, stdout=subprocess.PIPE, text=True
    )


def test_ten_processes_that_start_at_once_use_the_same_keys(root, tmp_path):
    processes = [python(root, PRINT, INSTANCE_PATH=str(tmp_path / "instance")) for _ in range(10)]
    printed = {process.communicate(timeout=60)[0] for process in processes}
    assert {process.returncode for process in processes} == {0}
    assert len(printed) == 1
    assert len(list((tmp_path / "instance").iterdir())) == 2


def test_the_environment_goes_before_the_file(root, tmp_path):
    shutil.copy(root / "config.py", tmp_path)
    (tmp_path / ".env").write_text(f"REGISTRATION=closed\nLOG_LEVEL=DEBUG\nSECRET_KEY='{GOOD_KEY}'\n# MAIL_PORT=x\n")
    process = python(tmp_path, PRINT, LOG_LEVEL="ERROR")
    secret, _, registration, level = json.loads(process.communicate(timeout=60)[0])
    assert (secret, registration, level) == (GOOD_KEY, "closed", "ERROR")


@pytest.mark.parametrize("command", [["gunicorn", "wsgi:app"], ["flask", "--app", "wsgi", "routes"]], ids=["gunicorn", "flask"])
def test_a_start_with_faults_ends_with_a_line_for_each(root, tmp_path, command):
    program = Path(sys.executable).with_name(command[0])
    environ = {"PATH": os.environ["PATH"], "APP_ENV": "production", "INSTANCE_PATH": str(tmp_path), "MAIL_PORT": "x"}
    environ |= dict.fromkeys(SERVER, "") | {"PORT": str(free_port())}
    done = subprocess.run(
        [program, *command[1:]], cwd=root, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in said
    for name in ("SECRET_KEY", "JWT_SECRET_KEY", "REDIS_URL", "MAIL_SERVER", "MAIL_PORT"):
        assert sum(line.startswith(f"{name}: ") for line in said.splitlines()) == 1, name
