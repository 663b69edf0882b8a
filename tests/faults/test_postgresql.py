"""PostgreSQL fails, in every way it can, under a service that has connections to it."""

import os
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from flask_migrate import upgrade
from sqlalchemy import event, make_url, text

from tasktracker.core import worker
from tasktracker.core.database import session, transactional
from tasktracker.extensions import db

from ..breaking import connected, failing, frozen, hung, killed, only_read, out_of_connections, refused, slow, stopped
from ..core.another import another
from ..live import serving
from ..people import new_person, problem
from ..proxy import proxy_to
from ..remote import ask
from ..servers import PostgreSQL, Redis, own, wait_for
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
    made = {**environments("sqlite"), **patient, "DATABASE_URL": url}
    with another(made) as app, app.app_context():
        upgrade()
    return made


@pytest.fixture(scope="module")
def site(settings):
    with another(settings) as app:
        yield Site.of(app)


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
    site.is_well_again()


@contextmanager
def _cut_when_new(site, proxy):
    """Connections that are open are cut, and each new one as soon as it is there."""

    def cut(connection, _) -> None:
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

    with site.app.app_context():
        engines = list(db.engines.values())
    for engine in engines:
        event.listen(engine, "connect", cut)
    try:
        proxy.cut()
        yield
    finally:
        for engine in engines:
            event.remove(engine, "connect", cut)


def test_connections_that_die_at_once_are_503(site, proxy):
    site.is_well()
    with _cut_when_new(site, proxy):
        site.is_away(site.read())
        site.is_away(site.write())
    site.is_well_again()


def test_postgresql_that_can_only_be_read_is_read(site, server, proxy):
    site.is_well()
    with only_read(server, proxy):
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


def test_the_settings_are_those_of_every_connection(settings):
    limits = {"STATEMENT": "statement_timeout", "LOCK": "lock_timeout", "IDLE": "idle_in_transaction_session_timeout"}
    given = {f"DATABASE_{name}_TIMEOUT": f"{number}.5" for number, name in enumerate(limits, 1)}
    with another(settings, **given, DATABASE_REQUEST_TIMEOUT="3") as app, app.app_context():
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


def test_a_transaction_that_is_killed_has_done_nothing(settings, server):
    patient = dict.fromkeys(("DATABASE_STATEMENT_TIMEOUT", "DATABASE_LOCK_TIMEOUT", "DATABASE_REQUEST_TIMEOUT"), "20")
    with another(settings, **patient) as app:
        kill_a_transaction(Site.of(app), server)


def kill_a_transaction(site, server):
    with connected(server) as other, connected(server) as cursor, ThreadPoolExecutor(1) as threads:
        table_is_locked(other)
        answer = threads.submit(site.write)

        def waiting():
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^(PREPARE|EXECUTE)'"
            )
            return cursor.fetchone() == (1,)

        wait_for(waiting, "the insert")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        site.is_away(answer.result(20))
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
    site.is_well_again()
    assert title in {task["title"] for task in site.read().json}


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
        with failing(server, "tasks", state):
            if state in PASSING:
                site.is_away(site.write())
            else:
                problem(site.write(), 500, "internal_server_error")
    site.is_well()


@pytest.fixture(scope="module")
def store():
    with own(Redis) as running:
        yield running


@pytest.mark.parametrize("first", ["write", "read", "probe"])
def test_with_everything_hung_all_is_answered_in_time(settings, server, proxy, store, first):
    """The first who meets the fault is also the one who waits for Redis."""
    with (
        proxy_to(store.port) as before,
        another(settings, REDIS_URL=store.url.replace(str(store.port), str(before.port)), RATELIMIT_ENABLED="true") as app,
    ):
        site = Site.of(app)
        site.is_well()
        with frozen(server, proxy), hung(store, before):
            if first != "probe":
                site.is_away(getattr(site, first)())
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


def test_eight_at_once_find_postgresql_hung_and_all_are_answered_in_time(site, server, proxy):
    site.is_well()
    begun = threading.Barrier(8)

    def send(number):
        begun.wait(10)
        return site.write() if number % 2 else site.read()

    with hung(server, proxy), ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))
    for answer in answers:
        site.is_away(answer)
    site.is_well_again()


def test_more_clients_than_threads_are_all_answered_in_time_while_postgresql_hangs(settings, site, server, proxy):
    """Whoever stands behind others in the queue of a worker does not wait for all of their waits."""
    headers = {"Authorization": f"Bearer {site.ada.access_token}"}
    with serving({**settings, "WEB_CONCURRENCY": "2"}, "--workers", "2", "--threads", "1") as url:
        assert {ask(url, "GET", "/tasks", headers=headers).status_code for _ in range(8)} == {200}
        begun = threading.Barrier(12)

        def send(number):
            begun.wait(10)
            start = time.monotonic()
            status = ask(url, "GET", "/healthz" if number == 0 else "/tasks", headers=headers).status_code
            return status, time.monotonic() - start

        with frozen(server, proxy), ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(send, range(12)))
        assert [status for status, _ in answers] == [200] + [503] * 11
        assert max(took for _, took in answers) < 3  # 9 s, were each of them to wait.
        wait_for(lambda: ask(url, "GET", "/tasks", headers=headers).status_code == 200, "PostgreSQL", 3)


def test_an_end_of_a_session_that_may_come_yet_keeps_its_tokens_out(settings, server, proxy, store):
    """The commit is under way when the answer is 503; nobody may find the session alive until it has come."""
    settings = {**settings, "REDIS_URL": store.url}
    direct = {**settings, "DATABASE_URL": server.url}
    with another(settings) as app, another(direct) as elsewhere:
        person = new_person(app)
        with app.app_context():
            engine = db.engine
        event.listen(engine, "commit", hold := lambda _: proxy.hang())
        try:
            problem(person.post("/auth/logout"), 503, "unavailable")
        finally:
            event.remove(engine, "commit", hold)
        headers = {"Authorization": f"Bearer {person.access_token}"}
        problem(elsewhere.test_client().get("/api/v1/users/me", headers=headers), 401)
        proxy.heal()
        problem(elsewhere.test_client().get("/api/v1/users/me", headers=headers), 401)


def test_an_end_that_never_came_is_made_good_by_whoever_asks_next(settings, server, proxy, store):
    """The commit is lost; the owner, refused, takes it for done, and so it is, also when Redis has forgotten everything."""
    settings = {**settings, "REDIS_URL": store.url}
    with another(settings) as app, another({**settings, "DATABASE_URL": server.url}) as elsewhere:
        person = new_person(app)
        with app.app_context():
            engine = db.engine
        event.listen(engine, "commit", cut := lambda _: proxy.refuse())
        try:
            problem(person.post("/auth/logout"), 503, "unavailable")
        finally:
            event.remove(engine, "commit", cut)
            proxy.heal()
        headers = {"Authorization": f"Bearer {person.access_token}"}
        problem(elsewhere.test_client().post("/api/v1/auth/logout", headers=headers), 401)
        elsewhere.extensions["redis"].flushdb()
        problem(elsewhere.test_client().get("/api/v1/users/me", headers=headers), 401)
        refreshed = elsewhere.test_client().post("/api/v1/auth/refresh", json={"refresh_token": person.refresh_token})
        problem(refreshed, 401)


def test_the_worker_sends_its_mails_when_postgresql_is_back(site, server, proxy, office, monkeypatch):
    monkeypatch.setattr(worker, "_FAULT_SECONDS", 0.2)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(worker.work, site.app, stop)
        try:
            for fault in (killed, frozen):
                other = new_person(site.app)
                with fault(server, proxy):
                    before = proxy.came
                    wait_for(lambda before=before: proxy.came > before, "the worker's look for jobs")
                wait_for(lambda: site.read().status_code == 200, "PostgreSQL", 1.5)
                assert other.post("/auth/forgot-password", {"email": other.email}).status_code == 202
                wait_for(lambda other=other: len(office.to(other.email)) == 1, "the mail")
        finally:
            stop.set()
        working.result(20)
    site.is_well_again()
