"""What is meant to be dear: long texts for patterns, long lists, many faults, far pages. Each is answered in a moment.

The time is the processor's, so that a busy machine does not count. None of it gets as far as the database, so one of
the two is enough here.
"""

import json

import pytest

from ..people import pointers, problem
from .timing import SOON, taken

# Tracing their every line takes long, and shows nothing that other tests do not.
pytestmark = pytest.mark.no_cover

MOST = 2**20 - 1000
# Texts at which patterns that backtrack take forever: each nearly fits, again and again, and fails at its end.
NEARLY = {
    "one letter": "a" * MOST,
    "letters and an end that does not fit": "a" * MOST + "!",
    "dots": "a." * (MOST // 2) + "!",
    "dashes": "a-" * (MOST // 2) + "\x00",
    "at signs": "a@" * (MOST // 2),
    "an address without an end": "a" * 60 + "@" + "a." * (MOST // 3),
    "spaces": " " * MOST + "x",
    "spaces in the middle": "x" + " " * MOST + "x",
    "quotes": '"' * (MOST // 4),
    "brackets": "(" * MOST,
    "percent": "%_" * (MOST // 2),
    "digits": "1" * MOST,
    "a date that goes on": "2026-" * (MOST // 5),
    "ids that go on": "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57" * (MOST // 36),
    "accents": "e\u0301" * (MOST // 4),
    "ligatures that grow": "\ufdfa" * (MOST // 4),
    "accents on one letter": "a" + "\u0301\u0323" * (MOST // 5),
    "commas": "name," * (MOST // 5),
}


# Where each kind of field stands: names, addresses, passwords, tokens, keys, colors, dates, lines and several of them.
BODIES = ("log_in", "register", "reset_password", "create_project", "create_task", "put_member")


@pytest.fixture(scope="module")
def app(applications):
    return applications("sqlite")


@pytest.mark.parametrize("kind", NEARLY)
def test_no_text_of_a_body_takes_long_to_judge(stage, kind):
    """Every text field of every body at once: their patterns, trimming, folding and counting."""
    slow = {}
    for operation in map(stage.document.named, BODIES):
        fields = [name for name, schema in operation.fields.items() if "string" in str(schema.get("type"))]
        body = dict.fromkeys(fields, NEARLY[kind][: MOST // max(len(fields), 1) - 100])
        data = json.dumps(body, ensure_ascii=False).encode()[: 2**20]
        path = stage.fill(operation, user_id=stage.me.id)
        seconds, answer = taken(lambda o=operation, p=path, d=data: stage.send(o, p, data=d, content_type="application/json"))
        assert answer.status_code in (400, 422), operation
        if seconds > SOON:
            slow[str(operation)] = round(seconds, 2)
    assert not slow


@pytest.mark.parametrize("kind", NEARLY)
def test_no_text_of_a_query_or_a_header_takes_long_to_judge(stage, kind):
    text = NEARLY[kind][:20_000] + "!"
    for path in ("/tasks", "/projects", "/users"):
        for name in ("search", "sort", "tag", "due_before", "updated_since", "owner", "page"):
            if name in next(each for each in stage.document.operations if (each.method, each.path) == ("GET", path)).query:
                seconds, answer = taken(lambda p=path, n=name: stage.me.get(p, query={n: text}))
                assert answer.status_code == 422 or name == "tag", (path, name)  # It is trimmed before it is counted.
                assert seconds < SOON, (path, name)
    if text.isascii() and text.isprintable():
        headers = ("Authorization", "If-Match", "If-None-Match", "X-Request-ID", "Content-Type", "Accept", "Origin", "Cookie")
        for header in headers:
            for value in (text, f"Bearer {text}", f'"{text}"', f'W/"1-{text}",{text}'):
                request = {"json": {"nope": 1}} if header != "Content-Type" else {"data": b"{}"}
                path = f"/tasks/{stage.mine['task_id']}"
                seconds, _ = taken(lambda h=header, v=value, r=request, p=path: stage.me.call("PATCH", p, headers={h: v}, **r))
                assert seconds < SOON, header


def test_100_000_ids_are_refused_by_their_number(stage):
    for ids in (["x"] * 100_000, [stage.mine["tag_id"]] * 26_000, [None] * 100_000, [[]] * 100_000, [{}] * 100_000):
        seconds, answer = taken(lambda i=ids: stage.me.post("/tasks", {"title": "a", "tag_ids": i}))
        assert pointers(answer) == {"/tag_ids"}
        assert len(answer.json["errors"]) == 1
        assert seconds < SOON
    hundred = [stage.mine["tag_id"]] * 100
    assert (
        stage.me.post("/tasks", {"title": "a", "tag_ids": hundred, "project_id": stage.mine["project_id"]}).status_code == 201
    )
    assert pointers(stage.me.post("/tasks", {"title": "a", "tag_ids": [*hundred, hundred[0]]})) == {"/tag_ids"}


def test_of_100_000_bad_fields_50_are_named(stage):
    for operation in map(stage.document.named, ("create_task", "log_in", "log_out", "delete_task")):
        data = b"{" + b",".join(b'"%x":1' % number for number in range(100_000)) + b"}"
        assert len(data) < 2**20
        seconds, answer = taken(lambda o=operation, d=data: stage.send(o, data=d, content_type="application/json"))
        assert len(problem(answer, 422)["errors"]) == 50
        assert len(answer.data) < 20_000
        assert seconds < SOON, operation
    seconds, answer = taken(lambda: stage.me.get("/tasks?" + "&".join(f"{number:x}=" for number in range(20_000))))
    assert len(problem(answer, 422)["errors"]) == 50
    assert seconds < SOON
    seconds, answer = taken(lambda: stage.me.get("/tasks?" + "&".join("tag=a" for _ in range(20_000))))
    assert pointers(answer, "query") == {"/tag"}
    assert seconds < SOON


def test_deep_and_wide_bodies_are_refused_in_a_moment(stage):
    bodies = ("[" * 500_000, '{"a":' * 100_000, "[" * 32 + "[]," * 300_000, '{"a":[' * 80_000, "1" * MOST, "-" * MOST,
              '"\\u' * 300_000, '{"title":"' + "\\ud800" * 100_000 + '"}', "[" + "1e1," * 200_000 + "1]",
              '{"a":' + "9" * 900_000 + "}")  # fmt: skip
    for body in bodies:
        for path in ("/auth/login", "/tasks"):
            seconds, answer = taken(lambda b=body, p=path: stage.me.call("POST", p, data=b, content_type="application/json"))
            assert answer.status_code in (400, 422)
            assert seconds < SOON, body[:20]


def test_a_letter_has_30_marks_at_most(stage):
    """Sorting more takes a time that grows with the square of their number; no language has as many."""
    for marks, most in (("\u0301", 30), ("\u0301\u0323", 15), ("\u0344", 15), ("\u0f73", 15)):
        task = stage.me.post("/tasks", {"title": f"a{marks * most}b", "description": f"a{marks * most}b" * 100})
        assert task.status_code == 201, marks
        for name in ("title", "description"):
            assert f"/{name}" in pointers(stage.me.post("/tasks", {"title": "a", name: f"a{marks * (most + 1)}b"})), marks
            assert pointers(stage.me.get("/tasks", query={"search": f"a{marks * (most + 1)}"}), "query") == {"/search"}
