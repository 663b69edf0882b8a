"""PostgreSQL fails, in every way it can, under a service that has connections to it."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress

import psycopg2
import pytest
from flask_migrate import upgrade
from sqlalchemy import event, make_url, text

from tasktracker.core import worker
from tasktracker.core.database import session, transactional
from tasktracker.extensions import db

from ..core.another import another
from ..people import new_person, problem
from ..proxy import Proxy, proxy_to
from ..servers import PostgreSQL, own, wait_for
from .site import Site


@pytest.fixture(scope="module")
def server():
    with own(PostgreSQL) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server):
    with proxy_to(server.port) as running:
        yield running


@pytest.fixture(scope="module")
def settings(server, proxy, environments):
    """The defaults, but for where the database is."""
    patient = dict.fromkeys([name for name in environments("sqlite") if name.startswith("DATABASE_")], "")
    url = make_url(server.url).set(port=proxy.port).render_as_string()
    return {**environments("sqlite"), **patient, "DATABASE_URL": url}


@pytest.fixture(scope="module")
def site(settings):
    with another(settings) as app:
        with app.app_context():
            upgrade()
        yield Site.of(app)


@contextmanager
def connected(server: PostgreSQL) -> Iterator[psycopg2.extensions.cursor]:
    """Past the proxy, and as somebody else."""
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


@contextmanager
def refused(server: PostgreSQL, proxy: Proxy) -> Iterator[None]:
    proxy.refuse()
    yield
    proxy.heal()


@contextmanager
def hung(server: PostgreSQL, proxy: Proxy) -> Iterator[None]:
    proxy.hang()
    yield
    proxy.heal()


@contextmanager
def frozen(server: PostgreSQL, proxy: Proxy | None) -> Iterator[None]:
    server.freeze()
    yield
    server.thaw()


@contextmanager
def stopped(server: PostgreSQL, proxy: Proxy) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def killed(server: PostgreSQL, proxy: Proxy) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def out_of_connections(server: PostgreSQL, proxy: Proxy) -> Iterator[None]:
    """Others have taken all that there are, those of the service's too when they were cut."""
    server.stop()
    server.start("-c", "max_connections=10", "-c", "superuser_reserved_connections=0")
    with ExitStack() as others:
        with suppress(psycopg2.OperationalError):
            while True:
                others.enter_context(closing(psycopg2.connect(server.url)))
        yield


@pytest.mark.parametrize(
    "fault", [refused, hung, frozen, stopped, killed, out_of_connections], ids=lambda fault: fault.__name__
)
def test_without_postgresql_all_is_503_in_time_and_well_again_at_once(site, server, proxy, fault):
    site.is_well()
    with fault(server, proxy):
        site.is_away(site.write())
        site.is_away(site.read())
        site.lacks("database", "migrations")
        problem(site.app.test_client().get("/api/v1/tasks"), 401)
    site.is_well()


@contextmanager
def read_only(server: PostgreSQL) -> Iterator[None]:
    """As a standby is, or a server that its administrator has closed for writing."""
    with connected(server) as cursor:
        cursor.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        disconnect(cursor)
        try:
            yield
        finally:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
            disconnect(cursor)


def disconnect(cursor):
    """Ends every connection but this one."""
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )


def test_postgresql_that_can_only_be_read_is_read(site, server):
    site.is_well()
    with read_only(server):
        assert site.read().status_code == 200
        site.is_away(site.write())
        site.is_away(site.ask(site.ada.post, "/auth/logout"))
        assert site.read().status_code == 200
        site.lacks("database")
    site.is_well()


@pytest.mark.parametrize("first", ["read", "write", "probe"])
def test_connections_that_a_restart_has_cut_are_seen_by_nobody(site, server, first):
    site.is_well()
    server.stop()
    server.start()
    answer = site.probe("/readyz") if first == "probe" else getattr(site, first)()
    assert answer.status_code in (200, 201), answer.text
    site.is_well()


def inbox_is_locked(cursor):
    """Takes the row that a new task needs for its number."""
    cursor.execute("BEGIN; SELECT 1 FROM projects FOR UPDATE")


def table_is_locked(cursor):
    cursor.execute("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")


@pytest.mark.parametrize("lock", [inbox_is_locked, table_is_locked], ids=lambda lock: lock.__name__)
def test_nobody_waits_for_a_lock_for_long(site, server, lock):
    with connected(server) as cursor:
        lock(cursor)
        site.is_away(site.write())
        if lock is table_is_locked:
            site.is_away(site.read())
        else:
            assert site.read().status_code == 200
        assert site.probe("/readyz").status_code == 200
        cursor.execute("ROLLBACK")
    site.is_well()


@contextmanager
def slow(server: PostgreSQL, table: str, action: str, seconds: float) -> Iterator[None]:
    """Lets every such statement take so long."""
    body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END"
    with connected(server) as cursor:
        cursor.execute(f"CREATE FUNCTION slow_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        cursor.execute(f"CREATE TRIGGER slow BEFORE {action} ON {table} FOR EACH ROW EXECUTE FUNCTION slow_{table}()")
    yield
    with connected(server) as cursor:
        cursor.execute(f"DROP FUNCTION slow_{table}() CASCADE")


def test_the_settings_are_those_of_every_connection(settings):
    limits = {"STATEMENT": "statement_timeout", "LOCK": "lock_timeout", "IDLE": "idle_in_transaction_session_timeout"}
    given = {f"DATABASE_{name}_TIMEOUT": f"{number}.5" for number, name in enumerate(limits, 1)}
    with another(settings, **given) as app, app.app_context():
        for engine in db.engines.values():
            with engine.connect() as connection:
                shown = [connection.execute(text(f"SHOW {limit}")).scalar_one() for limit in limits.values()]
            assert shown == ["1500ms", "2500ms", "3500ms"]


def test_a_slow_statement_is_ended(site, server):
    with slow(server, "tasks", "INSERT", 30):
        site.is_away(site.write())
        with connected(server) as cursor:  # PostgreSQL has ended it itself, and works on nothing for us.
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tasktracker' AND state = 'active'")
            assert cursor.fetchone() == (0,)
    site.is_well()


def test_the_waits_of_a_request_have_an_end_together(site, server):
    with slow(server, "tasks", "INSERT", 1.1), slow(server, "projects", "UPDATE", 1.1):
        site.is_away(site.write())
    site.is_well()


def test_a_transaction_that_is_killed_has_done_nothing(site, server):
    with connected(server) as other, connected(server) as cursor, ThreadPoolExecutor(1) as threads:
        table_is_locked(other)
        answer = threads.submit(site.write)

        def waiting():
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'")
            return cursor.fetchone() == (1,)

        wait_for(waiting, "the insert", 1)
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        site.is_away(answer.result(5))
        other.execute("ROLLBACK")
    lost = site.perhaps - site.done
    assert not lost & {task["title"] for task in site.read().json}
    site.is_well()


def test_a_commit_whose_answer_is_lost_is_not_said_to_have_changed_nothing(site, proxy):
    with site.app.app_context():
        engine = db.engine
    event.listen(engine, "commit", lose := lambda _: proxy.lose_answers())
    try:
        answer = site.ada.post("/tasks", {"title": (title := secrets.token_hex(8))})
    finally:
        event.remove(engine, "commit", lose)
        proxy.heal()
    site.is_away(answer)
    assert "nothing was changed" not in answer.json["detail"].lower()
    site.perhaps.add(title)
    assert title in {task["title"] for task in site.read().json}
    site.is_well()


def test_a_transaction_left_alone_is_ended_and_503(settings):
    with another(settings, DATABASE_IDLE_TIMEOUT="0.2") as app:

        @transactional
        def idle():
            session().execute(text("SELECT 1"))
            time.sleep(0.6)
            session().execute(text("SELECT 1"))

        idle.is_public = True
        app.add_url_rule("/idle", view_func=idle)
        answer = app.test_client().get("/idle")
        problem(answer, 503, "unavailable")
        with app.app_context():
            assert db.engine.pool.checkedout() == 0


PASSING = ["53000", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P03", "58000", "58030", "25006", "25P03", "08006"]
OURS = ["22012", "42703", "42883", "XX000", "P0001"]


def test_what_may_pass_is_503_and_what_is_our_own_fault_is_500(site, server):
    """Such as a full disk (53100), too little memory (53200), a shutdown (57P01) or a broken disk (58030) of its server."""
    for state in PASSING + OURS:
        body = f"BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END"
        with connected(server) as cursor:
            cursor.execute(f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
            cursor.execute("CREATE TRIGGER no BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION no()")
            if state in PASSING:
                site.is_away(site.write())
            else:
                problem(site.write(), 500, "internal_server_error")
            cursor.execute("DROP FUNCTION no() CASCADE")
    site.is_well()


def test_with_everything_hung_all_is_answered_in_time(settings, server):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        another(settings, REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0", RATELIMIT_ENABLED="true") as app,
    ):
        ada = new_person(app)
        site = Site(app, ada, ada)
        assert site.read().status_code == 200
        with frozen(server, None):
            for request in (site.write, site.read):
                site.is_away(request())
            site.lacks("database", "migrations", "revocation")


def test_who_finds_all_connections_taken_does_not_wait_for_long(site):
    with site.app.app_context():
        engines = list(db.engines.values())
    with ExitStack() as taken:
        for engine in engines:
            for _ in range(engine.pool.size()):
                taken.enter_context(engine.connect())
        for request in (site.read, site.write):
            problem(request(), 503, "unavailable")
        problem(site.probe("/readyz"), 503, "not_ready")
        assert site.probe("/healthz").status_code == 200
    site.is_well()


def test_eight_at_once_find_postgresql_hung_and_all_are_answered_in_time(site, proxy):
    site.is_well()
    proxy.hang()
    begun = threading.Barrier(8)

    def send(number):
        begun.wait(10)
        return site.write() if number % 2 else site.read()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))
    for answer in answers:
        site.is_away(answer)
    proxy.heal()
    site.is_well()


def test_the_worker_sends_its_mails_when_postgresql_is_back(site, server, proxy, office, monkeypatch):
    monkeypatch.setattr(worker, "_FAULT_SECONDS", 0.2)
    stop = threading.Event()
    thread = threading.Thread(target=worker.work, args=(site.app, stop))
    thread.start()
    for number, fault in enumerate((killed, frozen), 1):
        with fault(server, proxy):
            time.sleep(1.2)  # It looks for jobs once a second.
        assert site.ada.post("/auth/forgot-password", {"email": site.ada.email}).status_code == 202
        wait_for(lambda number=number: len(office.to(site.ada.email)) == number, "the mail", 15)
    stop.set()
    thread.join(10)
    site.is_well()
