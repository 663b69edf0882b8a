"""What cannot be read, at every place of every operation: refused as the contract says, telling nothing, changing nothing."""

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from ..core.test_unreadable_bodies import MALFORMED, WRONG_TYPES
from ..people import PREFIX, pointers, problem
from .document import is_list
from .stage import harmless, places

JSON = "application/json"
# With FUZZ_CASES everything is tried everywhere; without, each operation gets its turn of the values, so that each value
# is tried somewhere.
EVERYTHING = "FUZZ_CASES" in os.environ
# A body that no operation takes: where one is sent, nothing is ever done.
REFUSED = b'{"nope": 1}'
# Values that no parameter of a query takes, but for words to search and names of tags.
NOT_UTF_8 = ("%ED%A0%80", "%C0%AF", "%FF")
HOSTILE = ("%00", "%ED%A0%80", "%C0%AF", "%FF", "1%00", "%0D%0AX-Evil:%201", "..%2F..%2Fetc%2Fpasswd", "%E2%80%AE",
           "%EF%BB%BF1", "'%20OR%20'1'='1", "1;SELECT%20pg_sleep(5)", "%25", "${jndi:ldap://x}", "{{7*7}}", "__class__", "1e9",
           "0x1", "-1", "99999999999999999999", "%EF%BC%91", "null", "undefined", "[]", "%7B%7D", "a" * 20_000, "")  # fmt: skip
# What says something else of a body than what it is.
HEADERS: dict[str, tuple[str, ...]] = {
    "Authorization": (
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic eDp5",
        "Bearer x, Bearer y",
        " , ,",
        "Bearer \xff",
        "x" * 20_000,
    ),
    "Content-Type": tuple(kind or "" for kind in WRONG_TYPES),
    "Content-Encoding": ("gzip", "br", "identity, gzip", "x" * 300),
    "Accept": ("text/html", "application/xml", "image/png;q=1", "*/*;q=0", "x", "", "a/b," * 3000),
    "Accept-Encoding": ("gzip", "*;q=0", "identity;q=0"),
    "Accept-Charset": ("utf-16", "x"),
    "If-Match": ("", "x", "W/*", '"', '"1-a', '"9-zz"', "'1'", '"99999999999999999999-a"', '"1-a",' * 3000, "\xff"),
    "If-None-Match": ("", "x", '"', "W/", '"1-a",' * 3000, "\xff"),
    "If-Modified-Since": ("yesterday", "Thu, 01 Jan 2099 00:00:00 GMT"),
    "If-Unmodified-Since": ("Thu, 01 Jan 1970 00:00:00 GMT",),
    "Range": ("bytes=0-0", "bytes=-1", "x"),
    "Expect": ("100-continue", "x"),
    "X-Request-ID": ("", "a b", "\xff", "x" * 20_000, "${jndi:x}", "../x"),
    "X-HTTP-Method-Override": ("DELETE", "GET", "TRACE"),
    "X-Method-Override": ("DELETE",),
    "X-Original-URL": ("/healthz",),
    "X-Rewrite-URL": ("/healthz",),
    "Cookie": ("access_token=x; session=x", "a" * 5000),
    "Transfer-Encoding": ("x", "identity"),
    "Upgrade": ("websocket", "h2c"),
    "Prefer": ("return=minimal",),
    "Idempotency-Key": ("", "a b", "\xff", "x" * 256),
}


T = TypeVar("T")


def turn(values: Sequence[T], place: int, number: int) -> list[T]:
    """The values whose turn it is at a place, or all of them."""
    if EVERYTHING or len(values) <= number:
        return list(values)
    return [values[(place * number + step) % len(values)] for step in range(number)]


def test_a_body_that_cannot_be_read_is_refused_by_every_operation(stage):
    before = stage.state()
    for place, operation in enumerate(stage.document.operations):
        for kind, body in turn(list(MALFORMED.items()), place, 5):
            answer = stage.send(operation, data=body, content_type=JSON)
            harmless(answer, (operation, kind))
            problem(answer, 400, "malformed_json")
    assert stage.state() == before


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp500"])
def test_a_body_in_another_encoding_is_refused(stage, encoding):
    body = '{"title": "+ADw-é"}'.encode(encoding, "replace")
    operation = stage.document.named("create_task")
    assert stage.send(operation, data=body, content_type=JSON).status_code in (400, 422)
    problem(stage.send(operation, data=body, content_type=f"{JSON}; charset={encoding}"), 415)


def test_no_header_breaks_anything_or_turns_a_refused_request_into_another(stage):
    before, asked = stage.state(), 0
    for place, operation in enumerate(stage.document.operations):
        for name, values in turn(list(HEADERS.items()), place, 10):
            for value in turn(values, place, 1):
                answer = stage.send(operation, data=REFUSED, headers={"Content-Type": JSON, name: value})
                harmless(answer, (operation, name, value[:50]))
                asked += 1
                allowed = {400, 412, 415, 422} | ({401} if name == "Authorization" else set())
                assert answer.status_code in allowed, (operation, name, value[:50], answer.text)
                if name == "Authorization" and not operation.is_public:
                    assert answer.status_code == 401, (operation, value)
                if name == "Content-Type":
                    assert answer.status_code == 415, (operation, value)
    assert asked > 400
    assert stage.state() == before


def test_what_a_client_accepts_makes_no_difference(stage):
    """There is JSON and nothing else, also where a client says that it wants none."""
    path = stage.fill(stage.document.named("get_task"))
    usual = stage.me.get(path)
    for name in ("Accept", "Accept-Encoding", "Accept-Charset", "Range", "If-Modified-Since", "Expect", "Cookie", "Upgrade"):
        for value in HEADERS[name]:
            answer = stage.me.get(path, headers={name: value})
            assert (answer.status_code, answer.data) == (200, usual.data), (name, value[:50])
            assert answer.headers["Content-Type"] == JSON


def test_no_value_of_a_query_breaks_anything(stage):
    asked = 0
    for operation in stage.document.operations:
        for name, schema in operation.query.items():
            for value in turn(HOSTILE, asked, 7):
                answer = stage.me.get(f"{stage.fill(operation)}?{name}={value}")
                harmless(answer, (operation, name, value[:50]))
                asked += 1
                if value in NOT_UTF_8:
                    assert problem(answer, 400, "malformed_query"), (operation, name, value)
                elif name in ("search", "tag"):
                    assert answer.status_code in (200, 400, 422), (operation, name, value[:50])
                else:
                    assert answer.status_code in (400, 422), (operation, name, value[:50])
            if not is_list(schema):
                twice = stage.me.get(f"{stage.fill(operation)}?{name}=1&{name}=1")
                assert pointers(twice, "query") == {f"/{name}"}, (operation, name)
    assert asked > 350


UNKNOWN = ("nope", "Page", "page[]", "access_token", "_method", "filter[id]", "__proto__", "%00", "a%5Bb%5D=1&c", "")


def test_no_unknown_parameter_is_ignored(stage):
    before = stage.state()
    for place, operation in enumerate(stage.document.operations):
        for name in turn(UNKNOWN, place, 3):
            body = {"data": REFUSED, "content_type": JSON} if operation.fields is not None else {}
            answer = stage.send(operation, f"{stage.fill(operation)}?{name}=DELETE", **body)
            assert "query" in {error["location"] for error in problem(answer, 422)["errors"]}, (operation, name)
    assert stage.state() == before


PATHS = ("..", "%2e%2e", ".%2e/x", "%2F", "%5C", "..%2F..%2Fetc%2Fpasswd", "%00", "%ED%A0%80", "%C0%AE%C0%AE", "%FF",
         "%0D%0AX:1", ";a=b", "*", "'%20OR%201=1", "1", "-1", "null", "undefined", "%E2%80%AE", "%EF%BC%91", "a" * 8000, "{}",
         "%7B%7B7*7%7D%7D")  # fmt: skip


def test_no_path_breaks_anything(stage):
    """An id is one step of a path: what is none is 404, or 405 where the path is then another one."""
    before = stage.state()
    for turns, (operation, name) in enumerate(places(stage.document.with_ids())):
        for value in turn(PATHS, turns, 6):
            answer = stage.send(operation, stage.fill(operation, **{name: value}), data=REFUSED, content_type=JSON)
            harmless(answer, (operation, name, value[:50]))
            assert answer.status_code == 404, (operation, name, value[:50])
    assert stage.state() == before


def test_no_method_is_hidden_in_a_request(stage):
    """No header, parameter or field makes another method of it; what has no route says so, with what it has."""
    path, task = f"/tasks/{stage.mine['task_id']}", stage.me.get(f"/tasks/{stage.mine['task_id']}").json
    requests: list[dict[str, Any]] = [
        *({"headers": {name: "DELETE"}} for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Method")),
        {"query": {"_method": "DELETE"}},
        {"data": "_method=DELETE", "content_type": "application/x-www-form-urlencoded"},
        {"json": {"_method": "DELETE"}},
    ]
    for request in requests:
        assert problem(stage.me.call("POST", path, **request), 405)["code"] == "method_not_allowed"
        assert stage.me.call("GET", path, **request).status_code in (200, 415, 422)
    assert stage.me.get(path).json == task


def test_reading_never_writes(stage):
    before = stage.state()
    for operation in stage.document.operations:
        for method in ("GET", "HEAD", "OPTIONS"):
            harmless(stage.app.test_client().open(PREFIX + stage.fill(operation), method=method), operation)
            harmless(stage.me.call(method, stage.fill(operation)), operation)
    assert stage.state() == before
