"""What every answer carries, whatever its status."""

import pytest
from flask import Flask

from ..people import NOBODY, problem
from .another import another


@pytest.fixture(scope="module")
def broken(environment, app):
    """The application with a route that fails."""
    with another(environment) as application:

        @application.get("/api/v1/broken")
        def fail():
            raise RuntimeError("SELECT secret FROM /etc/passwd")

        fail.is_public = True
        yield application


@pytest.fixture(scope="module")
def without_database(environment):
    """The application, whose database does not answer."""
    with another(environment, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", REDIS_URL="") as application:
        yield application


@pytest.fixture
def answers(app, ada, bob, broken, without_database):
    """A way to get every status; each takes further headers of the request."""
    project = ada.project()
    task = ada.task(project)
    bob_project = bob.project()
    bob.add(bob_project, ada, "viewer")
    gone = ada.task()

    def on(application: Flask, method, path, **kwargs):
        return lambda headers: application.test_client().open(f"/api/v1{path}", method=method, headers=headers, **kwargs)

    def as_ada(method, path, **kwargs):
        own = kwargs.pop("headers", {})
        return lambda headers: ada.call(method, path, headers={**own, **headers}, **kwargs)

    login = {"username": ada.username, "password": "wrong"}
    return {
        200: as_ada("GET", f"/tasks/{task['id']}"),
        201: as_ada("POST", "/tasks", json={"title": "a"}),
        204: as_ada("DELETE", f"/tasks/{gone['id']}"),
        304: as_ada("GET", f"/tasks/{task['id']}", headers={"If-None-Match": "*"}),
        400: as_ada("POST", "/tasks", data="{", content_type="application/json"),
        401: on(app, "POST", "/auth/login", json=login),
        403: as_ada("PATCH", f"/projects/{bob_project['id']}", json={"name": "a"}),
        404: as_ada("GET", f"/tasks/{NOBODY}"),
        405: as_ada("PUT", "/tasks"),
        409: as_ada("POST", "/projects", json={"name": "a", "key": project["key"]}),
        412: as_ada("PATCH", f"/tasks/{task['id']}", json={"title": "b"}, headers={"If-Match": '"0-0"'}),
        413: as_ada("POST", "/tasks", data=b"a" * (2**20 + 1), content_type="application/json"),
        415: as_ada("POST", "/tasks", data=b"a", content_type="text/plain"),
        422: as_ada("POST", "/tasks", json={}),
        500: on(broken, "GET", "/broken"),
        503: on(without_database, "POST", "/auth/login", json=login),
    }


STATUSES = [200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 500, 503]
TITLES = {400: "Bad Request", 404: "Not Found", 413: "Content Too Large", 422: "Unprocessable Content"}


def test_every_answer_has_a_request_id_and_the_security_headers(answers):
    for status in STATUSES:
        answer = answers[status]({})
        headers = answer.headers
        assert answer.status_code == status, answer.text
        assert headers["X-Content-Type-Options"] == "nosniff", status
        assert headers["Referrer-Policy"] == "no-referrer", status
        assert "default-src 'none'" in headers["Content-Security-Policy"], status
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], status
        assert "Strict-Transport-Security" not in headers, status  # PUBLIC_URL is http.
        assert not [name for name, _ in headers if name.startswith("Access-Control-")], status
        assert not {"Set-Cookie", "Server", "X-Powered-By"} & set(headers.keys()), status
        for name in {name for name, _ in headers}:
            assert len(headers.getlist(name)) == 1, (status, name)


def test_a_well_formed_request_id_comes_back(answers):
    for status in STATUSES[:2] + STATUSES[4:]:
        for sent in ("a", "A-1_b.c", "x" * 128):
            if status not in (200, 400, 500, 503) and sent != "a":
                continue
            assert answers[status]({"X-Request-ID": sent}).headers["X-Request-ID"] == sent, status


@pytest.mark.parametrize("sent", [None, "", "x" * 129, "a b", "a,b", "a/b", "é", '"a"', "<a>", "a\tb", "${jndi:x}"])
def test_another_request_id_is_replaced(app, sent):
    made = [
        app.test_client().get(path, headers={} if sent is None else {"X-Request-ID": sent}).headers["X-Request-ID"]
        for path in ("/healthz", "/nope")
    ]
    assert sent not in made
    assert len({*made}) == 2
    for text in made:
        assert 1 <= len(text) <= 128
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_every_error_is_a_problem_and_tells_nothing_about_the_inside(answers):
    for status in [status for status in STATUSES if status >= 400]:
        answer = answers[status]({})
        body = problem(answer, status)
        assert body["type"] == "about:blank"
        assert body["title"] == TITLES.get(status, body["title"])
        for secret in ("Traceback", "SELECT", "secret", "/etc", "sqlalchemy", "psycopg", "sqlite", "werkzeug", "marshmallow",
                       "127.0.0.1", "site-packages"):  # fmt: skip
            assert secret.lower() not in answer.text.lower(), (status, secret)


def test_errors_carry_what_their_status_asks_for(answers):
    assert answers[401]({}).headers["WWW-Authenticate"] == "Bearer"
    assert answers[405]({}).headers["Allow"]
    assert int(answers[503]({}).headers["Retry-After"]) > 0
    assert problem(answers[500]({}), 500)["code"] == "internal_server_error"
    assert "WWW-Authenticate" not in answers[403]({}).headers


def test_answers_to_a_caller_are_private_and_the_rest_is_not_kept(app, ada, answers):
    for status in STATUSES:
        expected = "no-store" if status in (401, 500, 503) else "private, no-cache"
        if status != 405:  # Decided before anyone asks who calls.
            assert answers[status]({}).headers["Cache-Control"] == expected, status
    login = app.test_client().post("/api/v1/auth/login", json={"username": ada.username, "password": "wrong"})
    anonymous = app.test_client().get("/api/v1/tasks")
    refreshed = app.test_client().post("/api/v1/auth/refresh", json={"refresh_token": ada.refresh_token})
    assert refreshed.status_code == 200
    for answer in (login, anonymous, refreshed, app.test_client().get("/nope"), app.test_client().get("/readyz")):
        assert answer.headers["Cache-Control"] == "no-store"


def test_no_body_where_there_must_be_none(answers):
    for status in (204, 304):
        answer = answers[status]({})
        assert answer.data == b""
        assert "Content-Type" not in answer.headers
    assert answers[304]({}).headers["ETag"] == answers[200]({}).headers["ETag"]


def test_hsts_only_where_the_public_url_is_https(environment, answers):
    with another(environment, PUBLIC_URL="https://tracker.company.test") as application:
        for path in ("/healthz", "/nope", "/api/v1/tasks"):
            value = application.test_client().get(path).headers["Strict-Transport-Security"]
            assert int(value.split(";")[0].removeprefix("max-age=")) >= 31536000, path


def test_the_docs_page_may_load_its_own_files_and_nothing_else(app):
    for path in ("/api/v1/docs", "/api/v1/docs/"):
        policy = app.test_client().get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe-eval" not in policy
        assert "http" not in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
