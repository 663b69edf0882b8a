"""Bodies that can be read and break a rule are 422 with a pointer to each fault."""

import json

import pytest

from ..people import NOBODY, new_person, pointers, problem

BODIES = ["POST /auth/login", "POST /auth/refresh", "PATCH /users/me", "POST /tasks", "POST /projects", "POST /tags",
          "PATCH /tasks/{task}", "PATCH /projects/{project}", "PATCH /tags/{tag}", "POST /projects/{project}/tasks",
          "POST /projects/{project}/tags", "PUT /projects/{project}/members/{ada}"]  # fmt: skip
BODILESS = ["POST /auth/logout", "GET /users/me", "GET /tasks", "GET /projects", "GET /tasks/{task}", "DELETE /tasks/{task}",
            "DELETE /projects/{project}/members/{ada}"]  # fmt: skip


@pytest.fixture(scope="module")
def call(app):
    """Calls a route as Ada, with ids of what is hers in place of the names in braces."""
    ada = new_person(app, "ada")
    project = ada.project()
    ids = {"project": project["id"], "task": ada.task(project)["id"], "tag": ada.tag(project)["id"], "ada": ada.id}

    def to(route, **kwargs):
        method, path = route.format(**ids).split()
        return ada.call(method, path, **kwargs)

    return to


@pytest.mark.parametrize("body", ["[]", "[{}]", "null", '"text"', "1", "1.5", "true", '""'])
def test_json_that_is_no_object_is_422(call, body):
    for route in [*BODIES, *BODILESS]:
        assert pointers(call(route, data=body, content_type="application/json")) == {""}, route


@pytest.mark.parametrize("kind", [None, "application/json", "text/plain"])
def test_no_body_where_one_is_needed_is_422(call, kind):
    for route in BODIES:
        assert pointers(call(route, content_type=kind)) == {""}, route


@pytest.mark.parametrize("name", ["nope", "__proto__", "", "a/b~c", "name ", "x" * 3000])
def test_an_unknown_field_is_422_everywhere(call, name):
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    for route in [*BODIES, *BODILESS]:
        assert pointer[:500] in pointers(call(route, json={name: 1})), route


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb", "\0", "\x1b[2J", "\n"])
def test_a_field_with_an_impossible_name_is_an_unknown_field(call, name):
    for route in [*BODIES, *BODILESS]:
        answer = call(route, data=json.dumps({name: 1}), content_type="application/json")
        assert problem(answer, 422, "validation_failed")["errors"]


def test_fields_below_a_list_are_not_ignored(ada):
    answer = ada.post("/tasks", {"title": "a", "tag_ids": [{"id": NOBODY}]})
    assert pointers(answer) == {"/tag_ids/0"}


def test_an_empty_object_changes_nothing_and_is_fine(call, ada):
    for route in ["PATCH /users/me", "PATCH /tasks/{task}", "PATCH /projects/{project}", "PATCH /tags/{tag}"]:
        assert call(route, json={}).status_code == 200, route
    assert ada.post("/auth/logout", {}).status_code == 204


def test_all_faults_are_told_at_once(ada):
    answer = ada.post("/tasks", {"title": "", "status": "x", "due_date": "x", "tag_ids": [NOBODY, 1], "nope": 1})
    assert pointers(answer) == {"/title", "/status", "/due_date", "/tag_ids/1", "/nope"}


@pytest.mark.parametrize(
    "body",
    [
        {f"unknown{number}": 1 for number in range(1000)},
        {"title": "a", "tag_ids": ["x"] * 100},
        {"title": "a", "tag_ids": ["x"] * 60_000},
    ],
    ids=["unknown", "list", "long list"],
)
def test_errors_hold_50_at_most(ada, body):
    assert 1 <= len(problem(ada.post("/tasks", body), 422)["errors"]) <= 50


BAD_TEXTS = {
    "NUL": "a\0b",
    "bell": "a\x07b",
    "escape": "\x1b[31m",
    "delete": "a\x7fb",
    "C1": "a\x85b",
    "lone high surrogate": "a\ud800b",
    "lone low surrogate": "\udfff",
    "surrogates in the wrong order": "\udc00\ud800",
    "number": 1,
    "float": 1.5,
    "true": True,
    "list": ["a"],
    "object": {"a": "b"},
}
TEXTS = [
    ("POST /auth/login", "username"),
    ("POST /auth/refresh", "refresh_token"),
    ("PATCH /users/me", "display_name"),
    ("PATCH /users/me", "username"),
    ("POST /tasks", "title"),
    ("POST /tasks", "description"),
    ("POST /tasks", "status"),
    ("POST /projects", "key"),
    ("PATCH /tags/{tag}", "name"),
    ("PUT /projects/{project}/members/{ada}", "role"),
]


@pytest.mark.parametrize("value", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_what_is_no_text_is_422(call, value):
    for route, name in TEXTS:
        answer = call(route, data=json.dumps({name: value}), content_type="application/json")
        assert f"/{name}" in pointers(answer), (route, name)


@pytest.mark.parametrize("value", [None, 1, True, [], "a\0b", "\ud800"])
def test_what_is_no_password_is_422(call, value):
    body = json.dumps({"username": "ada", "password": value})
    assert pointers(call("POST /auth/login", data=body, content_type="application/json")) == {"/password"}


@pytest.mark.parametrize("value", ["a\nb", "a\tb", "a\rb"])
def test_a_title_is_one_line_and_a_description_may_have_several(ada, value):
    assert pointers(ada.post("/tasks", {"title": value})) == {"/title"}
    assert ada.task(description="a\n\tb")["description"] == "a\n\tb"


@pytest.mark.parametrize("value", [1, 0, "true", "yes", "1", "", None, [], 1.0])
def test_a_boolean_is_true_or_false_and_nothing_else(call, value):
    assert pointers(call("PATCH /projects/{project}", json={"archived": value})) == {"/archived"}


BAD_IDS = [
    NOBODY.upper(),
    "{" + NOBODY + "}",
    f"urn:uuid:{NOBODY}",
    NOBODY.replace("-", ""),
    NOBODY.replace("-7", "-4", 1),
    "00000000-0000-0000-0000-000000000000",
    NOBODY + "\n",
    f" {NOBODY}",
    NOBODY + "0" * 1000,
    "me",
    "",
    "\ud800",
    1,
    2**63 - 1,
    True,
    [NOBODY],
    {"id": NOBODY},
]


@pytest.mark.parametrize("value", BAD_IDS, ids=repr)
def test_what_is_no_id_is_422_in_a_body(call, value):
    for body, pointer in (
        ({"project_id": value}, "/project_id"),
        ({"assigned_to_id": value}, "/assigned_to_id"),
        ({"tag_ids": [NOBODY, value]}, "/tag_ids/1"),
    ):
        data = json.dumps({"title": "a", **body})
        assert pointers(call("POST /tasks", data=data, content_type="application/json")) == {pointer}


@pytest.mark.parametrize("value", ["x", {"0": "x"}, 1, True, "", {}])
def test_what_is_no_list_is_422(ada, value):
    assert pointers(ada.post("/tasks", {"title": "a", "tag_ids": value})) == {"/tag_ids"}


# U+0958 is two characters after NFC, U+FDFA is 18 after folding, U+1F600 lies outside the first plane.
@pytest.mark.parametrize("character", ["\u0958", "\ufdfa", "\U0001f600", "ß", "İ", "\u202e", "x\u2028y", "\ufffe"])
def test_every_character_counts_after_normalisation_and_fits_both_databases(ada, character):
    project = ada.project()
    for path, name, most in (("/tasks", "title", 200), ("/projects", "name", 100), ("/tags", "name", 50)):
        common = {"project_id": project["id"]} if path == "/tags" else {}
        stored = ada.post(path, {**common, name: character * 2})
        assert stored.status_code == 201, (path, stored.text)
        length = len(stored.json[name]) // 2
        assert ada.post(path, {**common, name: character * (most // length)}).status_code == 201, path
        assert pointers(ada.post(path, {**common, name: character * (most // length + 1)})) == {f"/{name}"}
