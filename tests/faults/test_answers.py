"""What is answered while a part of the service fails."""

import secrets
import socket
import sqlite3
import time
from contextlib import closing

import pytest
from flask_migrate import upgrade
from sqlalchemy import func, make_url, select, text

from tasktracker.accounts.models import RefreshToken, Session, User
from tasktracker.core.database import session
from tasktracker.core.jobs import Job
from tasktracker.extensions import db

from ..core.another import another
from ..people import PASSWORD, new_person, problem
from ..servers import free_port


@pytest.fixture(scope="module")
def without_database(environment):
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    with another(environment, DATABASE_URL=url) as application:
        yield application


@pytest.fixture(scope="module")
def without_redis(environment, app):
    with another(environment, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as application:
        yield application


@pytest.fixture(scope="module")
def without_limits(environment, app):
    """Limits are on, and there is no Redis to count them."""
    redis_url = f"redis://127.0.0.1:{free_port()}/0"
    with another(environment, RATELIMIT_ENABLED="true", REDIS_URL=redis_url) as application:
        yield application


@pytest.fixture(scope="module")
def with_a_silent_redis(environment, app):
    """Limits are on, and Redis takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        redis_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with another(environment, RATELIMIT_ENABLED="true", REDIS_URL=redis_url) as application:
            yield application


def test_all_is_well(app):
    for path in ("/healthz", "/readyz"):
        assert app.test_client().get(path).status_code == 200


def test_without_the_database_all_that_needs_it_is_503(without_database, ada):
    client = without_database.test_client()
    token = {"Authorization": f"Bearer {ada.access_token}"}
    for answer in (
        client.post("/api/v1/auth/login", json={"username": "ada", "password": PASSWORD}),
        client.post("/api/v1/auth/refresh", json={"refresh_token": ada.refresh_token}),
        client.get("/api/v1/tasks", headers=token),
        client.post("/api/v1/tasks", json={"title": "a"}, headers=token),
        client.post("/api/v1/auth/logout", headers=token),
    ):
        problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0


def test_without_the_database_what_is_wrong_anyway_is_told_as_ever(without_database):
    client = without_database.test_client()
    problem(client.get("/api/v1/tasks"), 401)
    problem(client.post("/api/v1/auth/login", json={}), 422)
    problem(client.get("/nope"), 404)
    assert client.get("/api/v1/openapi.json").status_code == 200


def test_the_process_is_alive_and_not_ready_without_the_database(without_database):
    client = without_database.test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert {"database", "migrations"} <= words(problem(answer, 503)["detail"])
    assert "revocation" not in words(answer.json["detail"])
    assert int(answer.headers["Retry-After"]) > 0
    assert "127.0.0.1" not in answer.text


def test_who_waits_too_long_for_another_process_to_write_to_sqlite_is_told_so(environments, applications):
    applications("sqlite")  # Which migrates it.
    here = environments("sqlite")
    with (
        another(here, SQLITE_BUSY_TIMEOUT="0.3") as app,
        closing(sqlite3.connect(make_url(here["DATABASE_URL"]).database)) as other,
    ):
        ada = new_person(app)
        other.execute("BEGIN IMMEDIATE")
        answer = ada.post("/tasks", {"title": "a"})
        problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert ada.get("/tasks").json == []
        other.rollback()
        assert ada.post("/tasks", {"title": "a"}).status_code == 201


def test_not_ready_without_migrations(environment, tmp_path):
    with another(environment, DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}") as application:
        detail = problem(application.test_client().get("/readyz"), 503)["detail"]
    assert "migrations" in words(detail)
    assert "database" not in words(detail)


@pytest.mark.parametrize(("number", "status"), [("0001", 503), ("9999", 200)])
def test_ready_with_the_migrations_of_the_next_version_and_not_of_the_one_before(environment, tmp_path, number, status):
    with another(environment, DATABASE_URL=f"sqlite:///{tmp_path / 'other.db'}") as application, application.app_context():
        upgrade()
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
        assert application.test_client().get("/readyz").status_code == status


def test_without_redis_answers_stay_right_from_the_table(app, without_redis, ada):
    there, client = {"Authorization": f"Bearer {ada.access_token}"}, without_redis.test_client()
    assert client.get("/api/v1/users/me", headers=there).json["id"] == ada.id
    assert client.post("/api/v1/tasks", json={"title": "a"}, headers=there).status_code == 201
    answer = client.post("/api/v1/auth/login", json={"username": ada.username, "password": PASSWORD})
    assert answer.status_code == 200
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": answer.json["refresh_token"]}).status_code == 200
    assert ada.post("/auth/logout").status_code == 204
    problem(client.get("/api/v1/users/me", headers=there), 401, "not_authenticated")


def test_without_redis_a_logout_does_not_claim_what_it_cannot_keep(without_redis, ada):
    there, client = {"Authorization": f"Bearer {ada.access_token}"}, without_redis.test_client()
    answer = client.post("/api/v1/auth/logout", headers=there)
    problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "nothing was changed" in answer.json["detail"].lower()
    assert client.get("/api/v1/users/me", headers=there).status_code == 200


def test_the_process_is_alive_and_not_ready_without_redis(without_redis):
    client = without_redis.test_client()
    assert client.get("/healthz").status_code == 200
    named = words(problem(client.get("/readyz"), 503)["detail"])
    assert "revocation" in named
    assert not {"database", "migrations"} & named


def test_what_must_be_counted_is_not_done_while_it_cannot_be(app, without_limits, ada):
    def written():
        """Rows that a request could write, and what it could change of Ada."""
        with app.app_context():
            counts = [session().scalar(select(func.count()).select_from(model)) for model in (User, Session, RefreshToken, Job)]
            mine = select(User.password_hash, User.email, User.version).where(User.id == ada.id)
            unused = select(func.count()).select_from(RefreshToken).where(RefreshToken.used_at.is_(None))
            return counts, session().execute(mine).one(), session().scalar(unused)

    before = written()
    for path, body in bodies_of(ada).items():
        is_unavailable(without_limits, ada, path, body)
    assert written() == before


@pytest.mark.parametrize("path", ["/auth/login", "/auth/change-password"])
def test_a_redis_that_never_answers_keeps_nobody_waiting(with_a_silent_redis, ada, path):
    # The better of two, since the machine may be busy with something else.
    assert min(is_unavailable(with_a_silent_redis, ada, path, bodies_of(ada)[path]) for _ in range(2)) < 0.6


def bodies_of(person):
    """What each limited route would do, or refuse."""
    name = f"new-{secrets.token_hex(6)}"
    return {
        "/auth/login": {"username": person.username, "password": PASSWORD},
        "/auth/refresh": {"refresh_token": person.refresh_token},
        "/auth/register": {"email": f"{name}@example.com", "username": name, "password": PASSWORD},
        "/auth/verify-email": {"token": "x"},
        "/auth/resend-verification": {"email": person.email},
        "/auth/forgot-password": {"email": person.email},
        "/auth/reset-password": {"token": "x", "password": PASSWORD},
        "/auth/change-password": {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"},
        "/users/me/email": {"email": f"{name}@example.com", "password": PASSWORD},
    }


def is_unavailable(application, person, path, body):
    """The seconds that a 503 takes."""
    headers, begun = {"Authorization": f"Bearer {person.access_token}"}, time.perf_counter()
    answer = application.test_client().post(f"/api/v1{path}", json=body, headers=headers)
    took = time.perf_counter() - begun
    problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "nothing was changed" in answer.json["detail"].lower()
    return took


def test_while_limits_cannot_be_counted_all_else_goes_on(without_limits, ada):
    client, there = without_limits.test_client(), {"Authorization": f"Bearer {ada.access_token}"}
    assert client.get("/healthz").status_code == 200
    assert "revocation" in words(problem(client.get("/readyz"), 503)["detail"])
    assert client.get("/api/v1/users/me", headers=there).status_code == 200
    assert client.post("/api/v1/tasks", json={"title": "a"}, headers=there).status_code == 201
    problem(client.post("/api/v1/auth/login", json={}), 422)


def words(text):
    return set(text.lower().replace(",", " ").replace(".", " ").replace(":", " ").split())


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_statement_of_sqlite_that_takes_too_long_is_ended(environment, app, ada):
    """As PostgreSQL ends one by itself; commands take as long as they need."""
    endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000000) SELECT sum(i) FROM n")
    with another(environment, DATABASE_STATEMENT_TIMEOUT="0.1") as application:

        @application.get("/api/v1/endless")
        def run():
            session().execute(endless)

        run.is_public = True
        begun = time.perf_counter()
        problem(application.test_client().get("/api/v1/endless"), 503, "unavailable")
        assert time.perf_counter() - begun < 1.5
        there = {"Authorization": f"Bearer {ada.access_token}"}
        assert application.test_client().post("/api/v1/tasks", json={"title": "a"}, headers=there).status_code == 201
        with application.app_context():
            quick = text(str(endless).replace("30000000", "3000000"))
            assert session().execute(quick).scalar_one() > 0
