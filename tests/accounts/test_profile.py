"""GET and PATCH /users/me."""

import json
import re

import pytest

from ..people import NOBODY, new_person, new_team, pointers, problem

READ_ONLY = {
    "id": NOBODY,
    "email": "new@example.com",
    "email_verified": True,
    "is_admin": True,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "teams": [],
    "password": "correct horse battery",
    "password_hash": "x",
    "disabled_at": None,
    "version": 1,
}


def test_the_profile_has_every_field_and_no_secret(ada):
    answer = ada.get("/users/me")
    body = answer.json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body.pop("created_at"))
    assert body == {
        "id": ada.id,
        "email": ada.email,
        "username": ada.username,
        "display_name": ada.username,
        "timezone": "UTC",
        "email_verified": True,
        "is_admin": False,
        "teams": [],
    }
    assert re.fullmatch(r'"\d+-[0-9a-f]+"', answer.headers["ETag"])


def test_teams_are_listed_by_name_with_my_role(app, ada, bob):
    second = new_team(app, ada, bob, admin=bob, name="Second")
    first = new_team(app, ada, admin=ada, name="First")
    new_team(app, bob, admin=bob, name="Not mine")
    assert ada.get("/users/me").json["teams"] == [
        {"id": first, "name": "First", "role": "admin"},
        {"id": second, "name": "Second", "role": "member"},
    ]


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("display_name", "Ada Lovelace", "Ada Lovelace"),
        ("display_name", "  Ada  L. ", "Ada  L."),
        ("display_name", "x", "x"),
        ("display_name", "x" * 100, "x" * 100),
        ("display_name", "😀" * 100, "😀" * 100),
        ("display_name", "Zoe\u0308", "Zoë"),
        ("display_name", "<b>'\"&%_\\", "<b>'\"&%_\\"),
        ("timezone", "Europe/Berlin", "Europe/Berlin"),
        ("timezone", "UTC", "UTC"),
        ("timezone", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("timezone", "Pacific/Kiritimati", "Pacific/Kiritimati"),
    ],
)
def test_what_is_changed_stays_changed_and_the_rest_as_it_was(ada, field, sent, kept):
    before = ada.get("/users/me").json
    answer = ada.patch("/users/me", {field: sent})
    assert answer.status_code == 200, answer.text
    assert answer.json == {**before, field: kept}
    assert ada.get("/users/me").json == answer.json


BROKEN = {
    "display_name": ["", "  ", "x" * 101, "a\nb", "a\tb", "\0", "\x1b[0m", "\ud800", None, 1, [], True],
    "timezone": ["", "Mars/Base", "europe/berlin", "../../etc/passwd", "/etc/localtime", "UTC+2", "+02:00", "Europe/", "Europe",
                 "Europe/Berlin\0", "x" * 5000, "posixrules", None, 1],
    "username": ["", "ab", "a" * 33, "a b", "a@b", "ädä", "a/b", "ad\u0430", "a\nb", "abc\u200b", "\u017fam", "a\0b",
                 "\ud800abc", None, 1, ["abc"]],
}  # fmt: skip


@pytest.mark.parametrize("field", BROKEN)
def test_what_breaks_a_rule_is_422_and_changes_nothing(ada, field):
    before = ada.get("/users/me")
    for value in BROKEN[field]:
        body = json.dumps({("username" if field == "display_name" else "display_name"): "changed", field: value})
        answer = ada.call("PATCH", "/users/me", data=body, content_type="application/json")
        assert pointers(answer) == {f"/{field}"}, value
    assert ada.get("/users/me").headers["ETag"] == before.headers["ETag"]


@pytest.mark.parametrize("field", READ_ONLY)
def test_a_read_only_or_unknown_field_is_422(ada, field):
    before = ada.get("/users/me").json
    assert pointers(ada.patch("/users/me", {"display_name": "Changed", field: READ_ONLY[field]})) == {f"/{field}"}
    assert ada.get("/users/me").json == before


def test_a_username_is_kept_in_lower_case(ada):
    tail = ada.id[-12:]
    for sent in (f"Ada.{tail}", f" ada_{tail}-X ", "A" + tail[:2] + tail[-6:], tail.ljust(32, "z")):
        assert ada.patch("/users/me", {"username": sent}).json["username"] == sent.strip().lower()


def test_a_taken_username_is_409_in_any_case_and_changes_nothing(ada, bob):
    for name in (bob.username, bob.username.upper(), f" {bob.username.title()} "):
        problem(ada.patch("/users/me", {"username": name, "display_name": "Changed"}), 409, "username_taken")
    assert ada.get("/users/me").json["display_name"] == ada.username
    assert ada.patch("/users/me", {"username": ada.username.upper()}).status_code == 200  # One's own is not taken.


def test_a_freed_username_can_be_taken(ada, bob):
    name = ada.username
    assert ada.patch("/users/me", {"username": f"x{name}"[:32]}).status_code == 200
    assert bob.patch("/users/me", {"username": name}).json["username"] == name


def test_an_address_that_nobody_has_confirmed_is_shown_as_such_by_every_answer(app):
    someone = new_person(app, "someone", verified=False)
    before = someone.get("/users/me")
    changed = someone.patch("/users/me", {"timezone": "Europe/Berlin"})
    after = someone.get("/users/me")
    assert [answer.json["email_verified"] for answer in (before, changed, after)] == [False] * 3
    assert changed.headers["ETag"] == after.headers["ETag"]


def test_where_nothing_changes_nothing_is_written(ada):
    before = ada.get("/users/me")
    for body in ({}, {"display_name": ada.username}, {"timezone": "UTC", "username": ada.username.upper()}):
        answer = ada.patch("/users/me", body)
        assert answer.status_code == 200
        assert (answer.json, answer.headers["ETag"]) == (before.json, before.headers["ETag"])


def test_if_match_lets_only_the_newest_version_be_changed(app, ada, bob):
    old = ada.get("/users/me").headers["ETag"]
    new = ada.patch("/users/me", {"display_name": "One"}, headers={"If-Match": old}).headers["ETag"]
    assert new != old
    for tag in (old, f"W/{new}", new.strip('"'), "x", '""', f'{new}"', "", '"-"', f'"9{new[1:]}'):
        problem(ada.patch("/users/me", {"display_name": "Two"}, headers={"If-Match": tag}), 412, "precondition_failed")
    assert ada.get("/users/me").json["display_name"] == "One"
    new_team(app, ada, admin=ada)  # Another answer, and the same version.
    assert ada.get("/users/me").headers["ETag"] != new
    answer = ada.patch("/users/me", {"display_name": "Three"}, headers={"If-Match": f"{old}, {new}"})
    assert answer.json["display_name"] == "Three"
    assert ada.patch("/users/me", {"display_name": "Four"}, headers={"If-Match": "*"}).status_code == 200


def test_if_none_match_answers_304_until_something_shown_changes(app, ada):
    tag = ada.get("/users/me").headers["ETag"]
    for sent in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = ada.get("/users/me", headers={"If-None-Match": sent})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert ada.get("/users/me", headers={"If-None-Match": '"x"'}).status_code == 200
    new_team(app, ada, admin=ada)
    assert ada.get("/users/me", headers={"If-None-Match": tag}).status_code == 200


def test_the_new_name_shows_wherever_the_user_does(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    task = ada.task(project, assigned_to_id=bob.id)
    bob.patch("/users/me", {"display_name": "Bob the Builder"})
    shown = ada.get(f"/tasks/{task['id']}").json["assigned_to"]
    assert shown == {"id": bob.id, "username": bob.username, "display_name": "Bob the Builder"}


@pytest.mark.parametrize("name", ["localtime", "Factory"])
def test_a_time_zone_that_depends_on_the_machine_is_none(ada, name):
    assert pointers(ada.patch("/users/me", {"timezone": name})) == {"/timezone"}
