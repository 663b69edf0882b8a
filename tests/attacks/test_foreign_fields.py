"""Fields that no client may set: refused in every body, at every place of it, and nothing is changed (OWASP ASVS 15.3.3)."""

import json
import secrets

from ..people import PASSWORD, pointers
from .document import is_list, takes_id

# Beside the fields of all answers: columns of tables, links between them, and what frameworks of all kinds know.
NEVER = {
    "version", "user_id", "user", "owner_id", "created_by_id", "project_id", "team_id", "task_id", "tag_id", "is_admin",
    "admin", "role", "roles", "permissions", "scope", "password_hash", "email_key", "email_verified_at", "activated_at",
    "disabled_at", "name_key", "words", "last_number", "is_inbox", "archived_at", "completed_at", "number", "_id", "_method",
    "__class__", "__init__", "__dict__", "__proto__", "constructor", "prototype", "_schema", "_sa_instance_state", "metadata",
    "query", "me", "expected", "changes", "body", "self", "sid", "sub", "jti", "type", "token_type", "$ref", "$set",
}  # fmt: skip
VALUES = (True, None, "admin", 1, {"id": "x"}, ["x"], "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57", "2026-01-01T00:00:00Z")


def test_every_field_that_is_not_the_clients_is_refused_and_changes_nothing(stage):
    before, asked = stage.state(), 0
    shown = stage.document.shown()
    assert {"id", "created_at", "owner", "role", "number", "is_admin", "access_token", "task_count"} <= shown
    for operation in stage.document.with_body():
        body = {**stage.body(operation), **({"password": PASSWORD} if operation.name == "delete_me" else {})}
        foreign = sorted((shown | NEVER) - operation.fields.keys())
        for start in range(0, len(foreign), 40):  # An answer names 50 faults at most.
            names = foreign[start : start + 40]
            values = {name: VALUES[place % len(VALUES)] for place, name in enumerate(names)}
            assert pointers(stage.send(operation, json={**body, **values})) == {f"/{name}" for name in names}, operation
        alone = dict.fromkeys([foreign[asked % len(foreign)]], True)
        assert pointers(stage.send(operation, json={**body, **alone})) == {f"/{name}" for name in alone}, operation
        asked += len(foreign)
    assert asked > 1500
    assert stage.state() == before


def test_fields_below_a_field_are_refused_too(stage):
    """No field of a body is an object, so nothing can be hidden in one; a list holds ids and nothing else."""
    before = stage.state()
    for operation in stage.document.with_body():
        for name, schema in operation.fields.items():
            assert "object" not in str(schema.get("type")), (operation, name)
            for value in ({"id": 1, "is_admin": True}, {name: schema.get("example")}, [{"id": 1}], [[{"owner_id": 1}]]):
                answer = stage.send(operation, json={**stage.body(operation), name: value})
                at = f"/{name}/0" if is_list(schema) and isinstance(value, list) else f"/{name}"
                assert at in pointers(answer), (operation, name, value)
    assert stage.state() == before


def test_a_field_of_a_query_is_no_field_of_a_body_and_the_other_way_round(stage):
    for operation in stage.document.operations:
        known = set(operation.query) | {"nope"}
        foreign = sorted((set(operation.fields or ()) | {"id", "role", "is_admin", "user_id", "me"}) - known)
        answer = stage.send(
            operation, json=stage.body(operation), query=dict.fromkeys(foreign, "x"), headers={"If-Match": '"0-0"'}
        )
        assert pointers(answer, "query") >= {f"/{name}" for name in foreign}, operation


def test_nobody_registers_as_more_than_they_are(app, stage):
    name = f"mass-{secrets.token_hex(5)}"
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    for more in ("is_admin", "email_verified", "activated_at", "id", "teams"):
        assert pointers(app.test_client().post("/api/v1/auth/register", json={**body, more: True})) == {f"/{more}"}
    assert stage.me.get("/users", query={"search": name}).json == []
    made = app.test_client().post("/api/v1/auth/register", json=body).json
    assert (made["is_admin"], made["email_verified"]) == (False, False)


def test_every_field_of_a_body_is_refused_as_another_kind_of_value(stage):
    """Numbers as text, booleans as numbers, objects and lists as anything; with the pointer to the field."""
    before, asked = stage.state(), 0
    for operation in stage.document.with_body():
        wrong = {name: list(wrong_kinds(schema)) for name, schema in operation.fields.items()}
        for turn in range(max(map(len, wrong.values()))):  # One value of each field at once.
            body = {name: values[turn % len(values)] for name, values in wrong.items()}
            answer = stage.send(operation, data=json.dumps(body), content_type="application/json")
            found = {pointer.removesuffix("/0") for pointer in pointers(answer)}
            assert found == {f"/{name}" for name in body}, (operation, body)
            asked += len(body)
    assert asked > 600
    assert stage.state() == before


def wrong_kinds(schema):
    """Values that a field of this schema must not take."""
    kinds = schema.get("type")
    kinds = set(kinds) if isinstance(kinds, list) else {kinds}
    yield from ({}, {"a": "b"}, 0, 1, -1, 1.5, 2**63 - 1, 1e308)
    if "null" not in kinds:
        yield None
    if "boolean" in kinds:
        yield from ("true", "false", "1", "", "yes", [])
        return
    yield from (True, False)
    if "array" in kinds:
        yield from ("", "x", ["\0"], [None], [1], [True], [[]], [""])
        return
    assert "string" in kinds, schema
    yield from ([], ["a"], "a\0b", "\ud800", "\udfff\ud800")
    if schema.get("format") != "password":
        yield from ("\x1b[31m", "\x7f", "a\x85b")
    if takes_id(schema):
        yield from ("", "me", "null", "1" * 36, "0197F3A2-5C1E-7A4B-8D2F-3B6C9E1F0A57", "../x")
    if schema.get("format") == "date":
        yield from ("", "2026-02-30", "2026-13-01", "0000-01-01", "10000-01-01", "2026-1-1", "2026-12-24T00:00:00Z", "20261224",
                    "2026-W01-1", "-2026-01-01", "\uff12026-01-01", " 2026-01-01", "2026-01-01\n", "today")  # fmt: skip
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if schema.get("minLength") == 1:
        yield ""
    if "enum" in schema:
        yield from ("", schema["enum"][0].upper(), schema["enum"][0] + " ", "__class__", "owner ")
