"""`flask doctor` finds what works, and with parts that are really broken says what is wrong and how to mend it."""

import re
import smtplib
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis
from aiosmtpd.smtp import AuthResult
from flask_migrate import upgrade
from sqlalchemy import make_url, text

from tasktracker.cli.doctor import CHECKS, Check, Fault
from tasktracker.core.errors import Unavailable
from tasktracker.core.jobs import PING, Job
from tasktracker.extensions import db

from ..breaking import configured, connected, frozen, full, hung, only_read, read_only, refused, stopped, writers_wait
from ..clock import later
from ..core.another import another
from ..core.test_mail import Rude
from ..live import working
from ..post import PostOffice, post_office
from ..proxy import proxy_to
from ..queue import empty, waiting
from ..servers import PostgreSQL, Redis, free_port, own
from .apps import flask, flask_process, new_app

NAMES = ["settings", "database", "migrations", "writing", "clock", "redis", "mail", "files", "worker"]


def lines(result):
    """What is said of each part, after the word for how it is."""
    read = [line.split(maxsplit=2) for line in result.stdout.splitlines() if line.split()[0] in ("ok", "FAULT", "-")]
    assert [name for _, name, _ in read] == NAMES
    return {name: (word, said) for word, name, said in read}


def fault(app, name):
    """What is wrong with a part."""
    (check,) = [check for check in CHECKS if check.name == name]
    with app.app_context(), pytest.raises(Fault) as caught:
        check.says(app.config["SETTINGS"])
    return str(caught.value)


def finding(app, name):
    """What was found of a part that works."""
    (check,) = [check for check in CHECKS if check.name == name]
    with app.app_context():
        return check.says(app.config["SETTINGS"])


def test_all_is_well_and_nothing_is_left_behind(environment, app, backend, office, store):
    """With a Redis that keeps what it holds, as not all do that tests are run with."""
    empty(app)
    letters = len(office.letters)
    settings = {**environment, "REDIS_URL": store.url if backend == "postgresql" else ""}
    with working(settings), another(settings) as whole:
        result = flask(whole, "doctor")
    said = lines(result)
    assert result.exit_code == 0
    assert {word for word, _ in said.values()} == {"ok"}
    assert f"127.0.0.1:{office.port} takes mails" in said["mail"][1]
    assert waiting(app, Job.kind == PING) == []
    assert len(office.letters) == letters


@pytest.fixture(scope="module")
def server():
    with own(PostgreSQL) as running:
        yield running


@pytest.fixture(scope="module")
def store():
    with own(Redis) as running:
        yield running


@pytest.fixture
def at(environments, tmp_path):
    """An application on other servers, on SQLite if they are not named, with the time-outs of production."""

    @contextmanager
    def made(**changes):
        short = dict.fromkeys([name for name in environments("sqlite") if name.startswith("DATABASE_")], "")
        base = {**environments("sqlite"), **short, "DATABASE_URL": f"sqlite:///{tmp_path / 'own.db'}"}
        with another({**base, "INSTANCE_PATH": str(tmp_path / "instance")}, **changes) as app:
            yield app

    return made


def test_everything_at_once(at, tmp_path):
    """Nothing runs, and nothing can be written."""
    port = free_port()
    nowhere = {
        "DATABASE_URL": f"postgresql://nobody:secret@127.0.0.1:{port}/x",
        "REDIS_URL": f"redis://:secret@127.0.0.1:{port}",
    }
    with at(**nowhere, MAIL_PORT=str(port)) as app:
        (tmp_path / "instance").rmdir()
        (tmp_path / "instance").write_text("")
        result = flask(app, "doctor")
    said = lines(result)
    assert result.exit_code == 1
    assert [name for name, (word, _) in said.items() if word == "FAULT"] == ["database", "redis", "mail", "files"]
    assert [name for name, (word, _) in said.items() if word == "-"] == ["migrations", "writing", "clock", "worker"]
    for name, setting in (
        ("database", "DATABASE_URL"),
        ("redis", "REDIS_URL"),
        ("mail", "MAIL_SERVER"),
        ("files", "INSTANCE_PATH"),
    ):
        assert setting in said[name][1]
    assert "secret" not in result.output


def test_faulty_settings_are_its_first_finding(environments, tmp_path):
    result = flask_process({**environments("sqlite"), "MAIL_PORT": "many"}, "--app", "wsgi", "doctor")
    assert result.returncode == 1
    assert "MAIL_PORT: 'many' is not a whole number from 1 to 65535; set one" in result.stderr


@pytest.mark.parametrize("broken", [refused, hung, stopped], ids=lambda broken: broken.__name__)
def test_a_postgresql_that_does_not_answer(at, server, broken):
    with proxy_to(server.port) as proxy:
        url = make_url(server.url).set(port=proxy.port).render_as_string()
        with at(DATABASE_URL=url) as app, broken(server, proxy):
            assert "Check that DATABASE_URL is right" in fault(app, "database")
        with at(DATABASE_URL=url) as app:
            assert finding(app, "database").startswith("PostgreSQL ")


def test_migrations_that_are_missing_older_or_newer(environment, tmp_path):
    with new_app(environment, tmp_path, migrated=False) as app:
        assert fault(app, "migrations") == "There are no tables yet. Run `flask --app wsgi db upgrade`."
    with new_app(environment, tmp_path) as app:
        assert finding(app, "migrations").startswith("The tables are those")
        for version, mend in (("0001", "Run `flask --app wsgi db upgrade`."), ("9999", "Install the release")):
            with app.app_context(), db.engine.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
            assert mend in fault(app, "migrations")


def test_a_table_that_somebody_has_removed(environment, tmp_path):
    with new_app(environment, tmp_path) as app:
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(text("DROP TABLE task_words"))
        assert fault(app, "writing") == "Tables are missing: task_words. Somebody has removed them: restore the last backup."


def test_a_postgresql_that_takes_nothing(at, server):
    with at(DATABASE_URL=server.url) as app, app.app_context():
        upgrade()
    with at(DATABASE_URL=server.url) as app:
        assert finding(app, "writing") == "A row was written, and taken back."
    with proxy_to(server.port) as proxy, only_read(server, proxy), at(DATABASE_URL=server.url) as app:
        assert "no standby" in fault(app, "writing")
    with connected(server) as cursor:
        cursor.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        cursor.execute("GRANT INSERT, UPDATE, DELETE ON jobs TO reader")
    url = make_url(server.url).set(username="reader").render_as_string()
    with at(DATABASE_URL=url) as app:
        said = fault(app, "writing")
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON " in said
    assert "tasks" in said
    assert "jobs" not in said
    with connected(server) as cursor:
        cursor.execute("REVOKE INSERT ON jobs FROM reader")
    with at(DATABASE_URL=url) as app:
        assert re.search(r"GRANT SELECT, INSERT, UPDATE, DELETE ON .*\bjobs\b.* TO the user", fault(app, "writing"))


def test_tables_that_belong_to_somebody_else(at, server):
    with at(DATABASE_URL=server.url) as app, app.app_context():
        upgrade()
    with connected(server) as cursor:
        cursor.execute("CREATE ROLE stranger LOGIN")
    with at(DATABASE_URL=make_url(server.url).set(username="stranger").render_as_string()) as app:
        told = fault(app, "migrations")
    assert told.startswith("The tables belong to postgres, and the user of DATABASE_URL may not read them. Let the role")


def test_a_file_that_is_no_database(environments, tmp_path):
    (tmp_path / "own.db").write_text("No database at all.\n" * 100)
    with new_app(environments("sqlite"), tmp_path, migrated=False) as app:
        assert fault(app, "database").startswith("The file is no SQLite database, or is damaged. Move it away")


def test_a_file_that_is_not_there_is_not_made(environments, tmp_path):
    with new_app(environments("sqlite"), tmp_path, migrated=False) as app:
        result = flask(app, "doctor")
        assert lines(result)["database"] == (
            "FAULT",
            f"There is no file {tmp_path / 'own.db'}. Check that DATABASE_URL is right, and run `flask --app wsgi db upgrade`.",
        )
        assert not (tmp_path / "own.db").exists()


def test_a_file_that_cannot_be_opened(environments, tmp_path):
    (tmp_path / "own.db").mkdir()
    with new_app(environments("sqlite"), tmp_path, migrated=False) as app:
        told = fault(app, "database")
    assert "unable to open database file. Check that DATABASE_URL is right, and that the user of this process may" in told
    assert "server" not in told


def test_a_sqlite_that_somebody_else_writes_to(environments, tmp_path):
    settings = {**environments("sqlite"), "SQLITE_BUSY_TIMEOUT": "0.1"}
    with new_app(settings, tmp_path) as app, writers_wait(f"sqlite:///{tmp_path / 'own.db'}"):
        assert "database is locked" in fault(app, "writing")


def test_clocks_that_differ(applications):
    app = applications("postgresql")
    assert finding(app, "clock") == "It is that of PostgreSQL, within 5 s."
    for seconds, way in ((60, "behind"), (-60, "ahead of")):
        with later(seconds=seconds):
            said = fault(app, "clock")
        assert f" s {way} this machine's." in said
        assert "NTP" in said


@pytest.mark.parametrize("broken", [refused, hung, frozen, stopped, full, read_only], ids=lambda broken: broken.__name__)
def test_a_redis_that_does_not_take_what_is_written(at, store, broken):
    with proxy_to(store.port) as proxy, at(REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0") as app:
        assert finding(app, "redis").endswith("keeps what is written, and evicts nothing.")
        with broken(store, proxy):
            assert "Check that REDIS_URL is right" in fault(app, "redis")


def test_a_redis_that_may_forget(at, store):
    with at(REDIS_URL=store.url) as app:
        with configured(store, "maxmemory-policy", "allkeys-lru", "noeviction"):
            assert "maxmemory-policy is allkeys-lru. Set it to noeviction" in fault(app, "redis")
        with configured(store, "appendonly", "no", "yes"):
            said = fault(app, "redis")
    assert said.startswith("It keeps nothing on its disk")
    assert said.endswith("Set appendonly to yes.")


@pytest.mark.parametrize("word", ["INFO", "CONFIG"])
def test_a_redis_that_does_not_say_how_it_is_set_up(at, store, word):
    with closing(redis.Redis.from_url(store.url)) as client:
        client.execute_command("ACL", "SETUSER", "asker", "on", ">pass", "~*", "&*", "+@all", f"-{word.lower()}")
        url = f"redis://asker:pass@127.0.0.1:{store.port}/0"
        with at(REDIS_URL=url) as app, configured(store, "appendonly", "no", "yes"):
            assert f"its user may not ask: {word}" in finding(app, "redis")
        client.execute_command("ACL", "DELUSER", "asker")


def test_a_refusal_ends_with_one_full_stop(at):
    with at() as app, app.app_context(), pytest.raises(Fault) as caught:
        Check("any", _refuse, "Mend it.").says(app.config["SETTINGS"])
    assert str(caught.value).endswith("again soon. Mend it."), str(caught.value)


def _refuse(_):
    raise Unavailable


def test_without_redis_that_is_said(at):
    with at(REDIS_URL="") as app:
        assert finding(app, "redis").startswith("It is not used")


@pytest.mark.parametrize(("at_", "do"), [("EHLO", "hang up"), ("EHLO", "wait")])
def test_a_mail_server_that_is_rude(at, at_, do):
    with post_office(Rude) as rude, at(MAIL_PORT=str(rude.port), MAIL_TIMEOUT="0.3") as app:
        assert finding(app, "mail").endswith("None was sent.")
        rude.at, rude.do = at_, do
        assert "Check MAIL_SERVER" in fault(app, "mail")


def test_a_mail_server_that_refuses_the_login_or_has_no_tls(at):
    refuse = {"auth_require_tls": False, "authenticator": lambda *_: AuthResult(success=False, handled=False)}
    with post_office(PostOffice, **refuse) as office:
        login = {"MAIL_USERNAME": "tracker", "MAIL_PASSWORD": "needle-password"}
        with at(MAIL_PORT=str(office.port), **login) as app:
            said = fault(app, "mail")
        assert "SMTPAuthenticationError: 535" in said
        assert "needle" not in said
        with at(MAIL_PORT=str(office.port), MAIL_USE_TLS="true") as app:
            assert smtplib.SMTPNotSupportedError.__name__ in fault(app, "mail")


def test_without_a_mail_server_the_folder_is_tried(at, tmp_path):
    with at(MAIL_SERVER="") as app:
        assert str(Path("instance") / "mail") in finding(app, "mail")
        (tmp_path / "instance" / "mail").rmdir()
        (tmp_path / "instance" / "mail").write_text("")
        assert "MAIL_SERVER" in fault(app, "mail")


def test_no_worker(environments, tmp_path):
    with new_app({**environments("sqlite"), "INLINE_WORKER": "true"}, tmp_path) as app:
        said = fault(app, "worker")
        assert said.startswith("No worker has done a job within 5 s.")
        assert "Start `flask --app wsgi worker`. With INLINE_WORKER" in said
        assert waiting(app) == []
