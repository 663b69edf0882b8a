"""Where a token may stand: in the header `Authorization`, after the one scheme, alone."""

import pytest

from ..people import NOBODY
from .tokens import is_refused

GUARDED = ["GET /users/me", "PATCH /users/me", "POST /auth/logout", "GET /tasks", "POST /tasks", "GET /projects",
           "POST /projects", "GET /tags", "POST /tags", "GET /tasks/x", f"GET /tasks/{NOBODY}", f"PATCH /tasks/{NOBODY}",
           f"DELETE /tasks/{NOBODY}", f"GET /projects/{NOBODY}/members", f"PUT /projects/{NOBODY}/teams/{NOBODY}",
           "GET /tasks?page=x&page=y"]  # fmt: skip


def test_the_scheme_is_read_in_any_case_of_letters(app, ada):
    for header in ("Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer   {}", "Bearer {}  "):
        headers = {"Authorization": header.format(ada.access_token)}
        assert app.test_client().get("/api/v1/users/me", headers=headers).json["id"] == ada.id, header


NO_LOGIN = [
    "", " ", ",", "   ,  ,", "Bearer", "Bearer ", "Bearer,", "Bearer, {}", "Bearer {}, Bearer {}", "Bearer {} {}", "Bearer {},",
    ", Bearer {}", "Basic eDp5, Bearer {}", "Bearer {}, Basic eDp5", "Basic {}", "Token {}", "JWT {}", "{}", "Bearer{}",
    "Bearer:{}", "Bearer={}", "Bearer\t{}", 'Bearer "{}"', "Bearer '{}'", "Bearer <{}>", "Bearer Bearer {}", "XBearer {}",
    "Bearer token={}", 'Digest username="x"', "Bearer é", "Bearer {}é", "Bearer null", "Bearer undefined", "Bearer ..",
    "Bearer a.b.c", "Bearer ===", "Bearer {}x", "Bearer x{}", "Negotiate", "Bearer " + "a" * 8000, "Bearer " + "." * 8000,
]  # fmt: skip


def test_another_header_is_no_login(app, ada):
    for header in NO_LOGIN:
        sent = header.replace("{}", ada.access_token)
        is_refused(app.test_client().get("/api/v1/users/me", headers={"Authorization": sent}))


def test_a_token_stands_nowhere_else(app, ada):
    client, token = app.test_client(), ada.access_token
    for name in ("access_token", "token", "jwt", "bearer_token", "Authorization"):
        is_refused(client.get("/api/v1/users/me", query_string={name: token}))
        is_refused(client.post("/api/v1/tasks", json={"title": "a", name: token}))
        is_refused(client.post("/api/v1/tasks", data={"title": "a", name: token}))
    for name in ("access_token_cookie", "access_token", "session", "Authorization"):
        is_refused(client.get("/api/v1/users/me", headers={"Cookie": f"{name}={token}"}))
        is_refused(client.get("/api/v1/users/me", headers={"Cookie": f"{name}=Bearer {token}"}))
    for name in ("X-Authorization", "Proxy-Authorization", "X-Access-Token", "X-Auth-Token"):
        is_refused(client.get("/api/v1/users/me", headers={name: f"Bearer {token}"}))


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}], ids=["none", "bad"])
def test_without_a_login_every_guarded_route_is_refused_before_all_else(app, headers):
    for route in GUARDED:
        method, path = route.split()
        for kwargs in (
            {},
            {"json": {"nope": 1}},
            {"data": b"{", "content_type": "application/json"},
            {"data": b"x", "content_type": "x/y"},
        ):
            is_refused(app.test_client().open(f"/api/v1{path}", method=method, headers=headers, **kwargs))


def test_head_needs_a_login_as_get_does(app):
    answer = app.test_client().head("/api/v1/tasks")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
