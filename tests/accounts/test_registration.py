"""POST /auth/register: open and closed, with addresses that must be confirmed and without."""

import json
import re
import secrets
from functools import partial

import pytest

from tasktracker.accounts.services.administration import disable, enable

from ..core.another import another
from ..people import NOBODY, PASSWORD, Person, pointers, problem
from ..racing import at_once, statuses
from .asking import log_in, no_such_token, post

FULL_WIDTH_E = "\uff45"


def someone(**fields):
    """What a new user sends."""
    name = f"new-{secrets.token_hex(5)}"
    return {"email": f"{name}@example.com", "username": name, "password": PASSWORD, **fields}


def register(app, body):
    return post(app, "/auth/register", **body)


def logged_in(app, body):
    """Whoever registered so, by their first login."""
    pair = log_in(app, body["username"]).json
    return Person(app, pair["user"]["id"], body["username"], body["email"], pair["access_token"], pair["refresh_token"])


def token_for(letters, body):
    """The token that was mailed last to whoever registered so."""
    return letters(body["email"])[-1].token


def verify(app, token):
    return post(app, "/auth/verify-email", token=token)


# --- where addresses need not be confirmed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({}, {"timezone": "UTC"}),
        (
            {"display_name": "  Ada Lovelace-Zoe\u0308 ", "timezone": "Europe/London"},
            {"display_name": "Ada Lovelace-Zoë", "timezone": "Europe/London"},
        ),
    ],
)
def test_a_new_account_can_be_used_at_once(app, letters, sent, kept):
    body = someone(**sent)
    answer = register(app, {**body, "username": f" {body['username'].upper()} ", "email": f" {body['email']}\n"})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/v1/users/{answer.json['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r'"1-[0-9a-f]+"', answer.headers["ETag"])
    user = answer.json
    assert user == {
        "id": user["id"],
        "email": body["email"],
        "username": body["username"],
        "display_name": body["username"],
        "email_verified": False,
        "is_admin": False,
        "created_at": user["created_at"],
        "teams": [],
        **kept,
    }
    person = logged_in(app, body)
    assert log_in(app, body["email"]).json["user"] == person.get("/users/me").json == user
    assert person.get("/users/me").headers["ETag"] == answer.headers["ETag"]
    assert (person.inbox()["role"], person.inbox()["owner"]["id"]) == ("owner", user["id"])
    assert person.task()["project_id"] == person.inbox()["id"]
    assert letters(body["email"]) == []  # Who wants the address confirmed asks for it.
    app.test_client().post("/api/v1/auth/resend-verification", json={"email": body["email"]})
    (letter,) = letters(body["email"])
    assert "without the confirmation" not in letter.text + letter.html  # The account stays without one.


def in_full_width(text):
    return text.replace("@e", f"@{FULL_WIDTH_E}")


@pytest.mark.parametrize("spell", [str, str.upper, lambda text: f"\t{text} ", in_full_width])
def test_what_is_taken_is_409_in_every_spelling_and_takes_nothing_else(app, ada, spell):
    named, addressed = someone(username=spell(ada.username).replace(FULL_WIDTH_E, "e")), someone(email=spell(ada.email))
    problem(register(app, named), 409, "username_taken")
    assert ada.email not in problem(register(app, addressed), 409, "email_taken")["detail"]
    problem(register(app, {**named, "email": addressed["email"]}), 409)
    assert register(app, {**addressed, "email": named["email"]}).status_code == 201


def test_username_and_address_are_two_things(app, ada):
    """A name that looks like the beginning of another's address, and the other way round, is free."""
    local_part = f"x{ada.id[-12:]}"
    assert register(app, someone(email=f"{ada.username}@example.org", username=local_part)).status_code == 201
    assert register(app, someone(email=f"{local_part}@example.com")).status_code == 201
    assert log_in(app, ada.username).json["user"]["id"] == ada.id


BROKEN = {
    "email": ["", "ada", "ada@", "@b.de", "a b@c.de", "a@b@c.de", "a\n@b.de", "a\0@b.de", "\ud800@b.de", "x" * 250 + "@b.de",
              "ada@b.de\r\nBcc: x@y.de", "Ada <ada@b.de>", None, 1, ["ada@b.de"], {}],
    "username": ["", "ab", "a" * 33, "a b", "a@b", "ädä", "a/b", "ad\u0430", "a\nb", "abc\u200b", "\u017fam", "a\0b",
                 "\ud800abc", None, 1, ["abc"], True],
    "password": ["", "short", "x" * 11, " " * 11, "\0" * 12, "\ud800" * 12, "x" * 1025, None, 1, ["x" * 12], {}, True],
    "display_name": ["", "  ", "x" * 101, "a\nb", "\0", "\x1b[0m", "\ud800", None, 1, [], True],
    "timezone": ["", "Mars/Base", "UTC+2", "localtime", "/etc/localtime", "Europe/Berlin\0", "x" * 5000, None, 1],
}  # fmt: skip
READ_ONLY = {
    "id": NOBODY,
    "is_admin": True,
    "email_verified": True,
    "email_verified_at": "2026-01-01T00:00:00Z",
    "activated_at": "2026-01-01T00:00:00Z",
    "disabled_at": None,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "teams": [],
    "role": "admin",
    "version": 1,
    "email_key": "a@b.de",
    "password_hash": "x",
    "verified": True,
    "admin": True,
    "__class__": "x",
    "a/b~c": 1,
}


def test_what_breaks_a_rule_is_422_and_makes_nothing(app, strict):
    client, good = app.test_client(), someone()

    def send(service, body):
        data = json.dumps(body)
        return service.test_client().post("/api/v1/auth/register", data=data, content_type="application/json")

    for field, values in BROKEN.items():
        for value in values:
            assert pointers(send(app, {**good, field: value})) == {f"/{field}"}, (field, value)
    for field, value in READ_ONLY.items():
        pointer = "/" + field.replace("~", "~0").replace("/", "~1")
        assert pointers(send(app, {**good, field: value})) == {pointer}, field
    for service in (app, strict):
        assert pointers(send(service, {})) == {"/email", "/username", "/password"}
        assert pointers(send(service, {**good, "email": "x", "username": "x", "is_admin": True})) == {
            "/email", "/username", "/is_admin",
        }  # fmt: skip
        assert pointers(send(service, {**good, "password": "short"})) == {"/password"}
    problem(client.post("/api/v1/auth/register?admin=1", json=good), 422)
    problem(client.post("/api/v1/auth/register", data=good), 415)
    assert register(app, good).status_code == 201  # Nothing of it is taken.


# --- where they must be -----------------------------------------------------------------------------------------------


def test_an_account_begins_with_the_confirmation_of_its_address(strict, app, letters):
    body = someone(display_name="Ada", timezone="Europe/London")
    answer = register(strict, body)
    assert (answer.status_code, list(answer.json)) == (202, ["message"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert not {"Location", "ETag"} & set(answer.headers.keys())
    nobody = log_in(strict, "nobody-has-this-name").json
    for name in (body["username"], body["email"]):
        for service in (strict, app):  # Also where it would not have to be confirmed.
            assert {**problem(log_in(service, name), 401), "request_id": nobody["request_id"]} == nobody
    token = token_for(letters, body)
    assert verify(strict, token).status_code == 204
    person = logged_in(strict, body)
    me = person.get("/users/me").json
    assert (me["email"], me["email_verified"], me["is_admin"]) == (body["email"], True, False)
    assert (me["display_name"], me["timezone"]) == ("Ada", "Europe/London")
    assert person.task()["project_id"] == person.inbox()["id"]
    no_such_token(verify(strict, token))
    assert len(letters(body["email"])) == 1


def test_whoever_has_the_address_is_told_and_nothing_happens_to_them(strict, letters, ada):
    body = someone(email=ada.email.upper(), password="the thief's own password")
    assert register(strict, body).data == register(strict, someone()).data
    (told,) = letters(ada.email.upper())
    assert "?token=" not in told.text
    assert body["username"] not in told.text + told.html
    assert post(strict, "/auth/resend-verification", email=ada.email).status_code == 202
    assert len(letters(ada.email) + letters(ada.email.upper())) == 1
    problem(log_in(strict, body["username"], body["password"]), 401)
    assert log_in(strict, ada.email).json["user"]["id"] == ada.id
    problem(log_in(strict, ada.email, body["password"]), 401)


def test_a_username_is_taken_from_the_registration_on(strict, app, ada):
    waiting = someone()
    assert register(strict, waiting).status_code == 202
    for service in (strict, app):
        for name in (ada.username, waiting["username"], waiting["username"].upper()):
            problem(register(service, someone(username=name)), 409, "username_taken")
            problem(register(service, someone(username=name, email=ada.email)), 409)
    problem(register(strict, someone(username=ada.username, email=ada.email)), 409, "username_taken")
    problem(ada.patch("/users/me", {"username": waiting["username"]}), 409, "username_taken")
    # The address is free until it is confirmed.
    assert register(app, someone(email=waiting["email"])).status_code == 201


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_registrations_of_an_address_the_first_confirmation_wins(strict, letters, first):
    bodies = [someone()]
    bodies.append(someone(email=bodies[0]["email"].upper()))
    for body in bodies:
        assert register(strict, body).status_code == 202
    tokens = [token_for(letters, body) for body in bodies]
    winner, loser = bodies[first], bodies[1 - first]
    assert verify(strict, tokens[first]).status_code == 204
    for _ in range(2):
        no_such_token(verify(strict, tokens[1 - first]))
    assert logged_in(strict, winner).get("/users/me").json["email"] == winner["email"]
    problem(log_in(strict, loser["username"]), 401)
    problem(register(strict, someone(username=loser["username"])), 409, "username_taken")
    assert post(strict, "/auth/resend-verification", email=loser["email"]).status_code == 202
    assert len(letters(bodies[0]["email"]) + letters(bodies[1]["email"])) == 2


def test_of_many_confirmations_at_once_one_wins(app, strict, letters):
    """Of one address with a token each, and then of one token."""
    address = someone()["email"]
    for _ in range(8):
        assert register(strict, someone(email=address)).status_code == 202
    tokens = [letter.token for letter in letters(address)]
    assert len(set(tokens)) == 8
    answers = at_once([partial(verify, app, token) for token in tokens])
    assert statuses(answers) == {204: 1, 422: 7}
    assert {answer.json["code"] for answer in answers if answer.status_code == 422} == {"token_invalid"}
    body = someone()
    register(strict, body)
    assert statuses(at_once([partial(verify, app, token_for(letters, body))] * 8)) == {204: 1, 422: 7}


def test_of_equal_registrations_at_once_one_waits_for_its_confirmation(strict, letters):
    body = someone()
    answers = at_once([partial(register, strict, body)] * 4)
    assert statuses(answers) == {202: 1, 409: 3}
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"username_taken"}
    assert verify(strict, token_for(letters, body)).status_code == 204


def test_a_confirmation_enables_nobody(strict, letters):
    body = someone()
    register(strict, body)
    with strict.app_context():
        assert disable(body["username"])
    assert post(strict, "/auth/resend-verification", email=body["email"]).status_code == 202
    (letter,) = letters(body["email"])  # That of the registration: nothing else is sent to who is kept out.
    assert verify(strict, letter.token).status_code == 204
    problem(log_in(strict, body["username"]), 401, "invalid_credentials")
    with strict.app_context():
        assert enable(body["username"])
    assert logged_in(strict, body).get("/users/me").json["email_verified"] is True


# --- closed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("must_verify", ["true", "false"])
def test_where_registration_is_closed_nobody_learns_anything(app, environment, letters, ada, must_verify):
    body = someone()
    with another(environment, REGISTRATION="closed", REQUIRE_EMAIL_VERIFICATION=must_verify) as closed:
        told = [
            register(closed, sent)
            for sent in (
                body,
                someone(username=ada.username),
                someone(email=ada.email),
                someone(password="short"),
                someone(password=ada.username),
                {},
                {**body, "unknown": 1},
            )
        ]
        seen = {(answer.status_code, json.dumps({**answer.json, "request_id": ""})) for answer in told}
        assert len(seen) == 1
        problem(told[0], 403, "registration_closed")
        assert len({tuple(name for name, _ in answer.headers.items()) for answer in told}) == 1
        assert log_in(closed, ada.username).status_code == 200
        assert post(closed, "/auth/resend-verification", email=ada.email).status_code == 202
    assert letters(body["email"]) == []
    assert register(app, body).status_code == 201  # Nothing of it was taken.
