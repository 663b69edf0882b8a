"""POST /auth/login."""

import json
import secrets
from datetime import datetime

import pytest
from sqlalchemy import event

from tasktracker.accounts.services.users import create_user
from tasktracker.core.models import now
from tasktracker.extensions import db

from ..core.another import another
from ..people import NOBODY, PASSWORD, pointers, problem
from .asking import change, log_in
from .tokens import claims_of, me


def test_the_answer_holds_a_pair_of_tokens_and_the_user(app, ada):
    answer = log_in(app, ada.username)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in", "user"}
    assert (body["token_type"], body["expires_in"], body["refresh_expires_in"]) == ("Bearer", 15 * 60, 14 * 24 * 3600)
    assert me(ada, body["access_token"]).json == body["user"]
    assert body["user"]["id"] == ada.id
    assert set(body["user"]) == {"id", "email", "username", "display_name", "timezone", "email_verified", "is_admin",
                                 "created_at", "teams"}  # fmt: skip


def test_nothing_is_asked_of_the_database_after_the_commit(app, ada):
    """What fails then would be answered as if nothing had been changed, and a refresh token were used up in vain."""
    happened = []
    with app.app_context():
        engines = set(db.engines.values())
    listeners = [
        (engine, name, lambda *_, name=name: happened.append(name))
        for engine in engines
        for name in ("commit", "before_cursor_execute")
    ]
    name = f"new-{secrets.token_hex(6)}"
    requests = {
        "/auth/login": {"username": ada.username, "password": PASSWORD},
        "/auth/refresh": {"refresh_token": ada.refresh_token},
        "/auth/register": {"username": name, "email": f"{name}@example.com", "password": PASSWORD},
    }
    for listener in listeners:
        event.listen(*listener)
    try:
        for path, body in requests.items():
            happened.clear()
            assert app.test_client().post(f"/api/v1{path}", json=body).status_code in (200, 201), path
            assert happened.count("commit") == 1, path
            assert happened[-1] == "commit", path
    finally:
        for listener in listeners:
            event.remove(*listener)


def test_tokens_say_who_it_is_and_nothing_about_rights(app, ada):
    body = log_in(app, ada.username).json
    access, refreshing = claims_of(body["access_token"]), claims_of(body["refresh_token"])
    for claims in (access, refreshing):
        assert set(claims) - {"fresh"} == {"iss", "aud", "exp", "nbf", "iat", "jti", "sub", "sid", "type"}
        assert claims["sub"] == ada.id
        assert isinstance(claims["aud"], str)
    assert (access["type"], refreshing["type"]) == ("access", "refresh")
    assert access["sid"] == refreshing["sid"]
    assert access["jti"] != refreshing["jti"]
    assert access["exp"] - access["iat"] == 15 * 60
    assert abs(access["iat"] - datetime.now().astimezone().timestamp()) < 60


def test_every_login_is_a_session_of_its_own(app, ada):
    tokens = [log_in(app, ada.username).json["access_token"] for _ in range(3)]
    assert len({claims_of(token)["sid"] for token in tokens}) == 3
    assert ada.post("/auth/logout").status_code == 204
    assert all(me(ada, token).status_code == 200 for token in tokens)


def test_a_user_is_found_by_name_and_by_address_in_any_case(app, ada):
    full_width = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in ada.email)
    for name in (ada.username, ada.username.upper(), ada.username.title(), ada.email, ada.email.upper(), full_width,
                 f"  {ada.email}\n", f"\t{ada.username} "):  # fmt: skip
        assert log_in(app, name).json["user"]["id"] == ada.id, name


def test_a_password_fits_in_every_spelling_of_unicode_and_is_not_trimmed(app, ada):
    password = " Zwölf Grüße \u212b "
    with app.app_context():
        create_user(email=f"{ada.id}@a.test", username=ada.id[-12:], password=password, verified=True)
    for spelling in (password, " Zwo\u0308lf Gru\u0308ße A\u030a ", password.replace("\u212b", "Å")):
        assert log_in(app, ada.id[-12:], spelling).status_code == 200
    for wrong in (password.strip(), password[:-1], password.upper(), password.replace("ö", "o"), f"{password} "):
        problem(log_in(app, ada.id[-12:], wrong), 401)


def test_every_refusal_is_the_same(app, ada, bob, environment):
    change(app, bob.id, disabled_at=now())
    refusals = [
        log_in(app, ada.username, "wrong"),
        log_in(app, ada.email, PASSWORD + " "),
        log_in(app, ada.username, "x" * 1024),
        log_in(app, "nobody-has-this-name"),
        log_in(app, "nobody@example.com"),
        log_in(app, "not a name at all/'\"%"),
        log_in(app, NOBODY),
        log_in(app, bob.username),
        log_in(app, bob.email),
        log_in(app, bob.username, "wrong"),
    ]
    with another(environment, REQUIRE_EMAIL_VERIFICATION="true") as strict:
        change(app, ada.id, email_verified_at=None)
        refusals += [log_in(strict, ada.username), log_in(strict, ada.email), log_in(strict, ada.username, "wrong")]
        assert log_in(app, ada.username).status_code == 200  # Where an address need not be confirmed.
        change(app, ada.id, email_verified_at=now())
        assert log_in(strict, ada.username).status_code == 200
    expected = told(refusals[0])
    assert expected[1]["code"] == "invalid_credentials"
    assert dict(expected[0])["WWW-Authenticate"] == "Bearer"
    for answer in refusals:
        assert told(answer) == expected


def told(answer):
    """All that a refusal tells, apart from the request's own id."""
    headers = [(name, value) for name, value in answer.headers.items() if name != "X-Request-ID"]
    return headers, {**problem(answer, 401), "request_id": None}


def test_a_user_who_is_enabled_again_can_log_in(app, bob):
    change(app, bob.id, disabled_at=now())
    problem(log_in(app, bob.username), 401)
    change(app, bob.id, disabled_at=None)
    assert log_in(app, bob.username).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"/username", "/password"}),
        ({"username": "a"}, {"/password"}),
        ({"password": "a"}, {"/username"}),
        ({"username": "", "password": ""}, {"/username", "/password"}),
        ({"username": "  ", "password": " "}, {"/username"}),
        ({"username": None, "password": None}, {"/username", "/password"}),
        ({"username": 1, "password": 1}, {"/username", "/password"}),
        ({"username": ["a"], "password": {"a": 1}}, {"/username", "/password"}),
        ({"username": "a\0", "password": "a\0"}, {"/username", "/password"}),
        ({"username": "\ud800", "password": "\ud800"}, {"/username", "/password"}),
        ({"username": "a" * 255, "password": "a" * 1025}, {"/username", "/password"}),
        ({"username": "a", "password": "a", "email": "a", "remember": True}, {"/email", "/remember"}),
    ],
)
def test_what_is_no_login_is_422(app, body, expected):
    data = json.dumps(body)
    answer = app.test_client().post("/api/v1/auth/login", data=data, content_type="application/json")
    assert pointers(answer) == expected
    assert PASSWORD not in answer.text


def test_a_login_needs_no_token_and_minds_none(app, ada):
    for header in ("Bearer x", "Basic eDp5", f"Bearer {ada.refresh_token}", ",", ""):
        assert log_in(app, ada.username, headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("name", ["\ufdfa" * 254, "ß" * 254, "\u0958" * 127, "😀" * 254, "%" * 254, "' OR 1=1 --", "_" * 254])
def test_no_name_breaks_the_search_for_it(app, name):
    problem(log_in(app, name), 401, "invalid_credentials")
