"""Bodies that cannot be read are refused with 400, 413 or 415, on routes with a login and without, and never break anything."""

import gzip

import pytest

from ..people import problem

MIB = 2**20
ROUTES = [
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("PATCH", "/users/me"),
    ("POST", "/tasks"),
    ("POST", "/auth/logout"),
]


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    """An object whose depth, counted with itself, is this."""
    return '{"title": ' + opening * (depth - 1) + ("1" if opening.endswith(":") else "") + closing * (depth - 1) + "}"


MALFORMED = {
    "depth 33": nested(33),
    "depth 100,000": nested(100_000),
    "depth 100,000 without an end": '{"title": ' + "[" * 100_000,
    "objects of depth 33": nested(33, '{"a":', "}"),
    "objects of depth 100,000": nested(100_000, '{"a":', "}"),
    "2**63": '{"title": 9223372036854775808}',
    "-2**63-1": '{"title": -9223372036854775809}',
    "5,000 digits": '{"title": ' + "9" * 5000 + "}",
    "5,000 digits with a sign": '{"title": -' + "9" * 5000 + "}",
    "500,000 digits": '{"title": ' + "1" * 500_000 + "}",
    "1e999": '{"title": 1e999}',
    "-1e999": '{"title": -1e999}',
    "5,000 digits and a fraction": '{"title": ' + "9" * 5000 + ".0}",
    "NaN": '{"title": NaN}',
    "Infinity": '{"title": Infinity}',
    "-Infinity": '{"title": -Infinity}',
    "a key twice": '{"title": "a", "title": "a"}',
    "a key twice, spelt in two ways": '{"title": "a", "t\\u0069tle": "b"}',
    "a key twice below": '{"x": [{"y": {"a": 1, "a": 2}}]}',
    "a raw NUL": '{"title": "a\0b"}',
    "a raw control character": '{"title": "a\x01b"}',
    "a raw newline": '{"title": "a\nb"}',
    "BOM": '\ufeff{"title": "a"}',
    "UTF-16": '{"title": "a"}'.encode("utf-16"),
    "UTF-32": '{"title": "a"}'.encode("utf-32-le"),
    "invalid UTF-8": b'{"title": "\xff"}',
    "overlong UTF-8": b'{"title": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"title": "\xed\xa0\x80"}',
    "cut UTF-8": b'{"title": "a"}\xe2\x82',
    "cut JSON": '{"title": "a"',
    "two values": '{"title": "a"} {}',
    "a comma too many": '{"title": "a",}',
    "single quotes": "{'title': 'a'}",
    "a comment": '{"title": "a"} // really',
    "leading zero": '{"title": 01}',
    "hexadecimal": '{"title": 0x1}',
    "only a space": " ",
    "form": "title=a",
}
MALFORMED = {name: body if isinstance(body, bytes) else body.encode() for name, body in MALFORMED.items()}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json_is_400(ada, body):
    for method, path in ROUTES:
        problem(ada.call(method, path, data=body, content_type="application/json"), 400, "malformed_json")


@pytest.mark.parametrize("body", [nested(32), '{"title": 9223372036854775807}', '{"title": -9223372036854775808}'])
def test_what_is_just_within_the_limits_is_read(ada, body):
    assert problem(ada.call("POST", "/tasks", data=body, content_type="application/json"), 422)["errors"]


WRONG_TYPES = [
    None,
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/vnd.api+json",
    "application/merge-patch+json",
    "application/problem+json",
    "application/jsonx",
    "application/json, text/plain",
    "application/json; charset=latin-1",
    "application/json; charset=utf-16",
    "application",
    "/",
    ";",
]


@pytest.mark.parametrize("kind", WRONG_TYPES)
def test_another_media_type_is_415(ada, kind):
    for method, path in ROUTES:
        problem(ada.call(method, path, data=b'{"title": "a"}', content_type=kind), 415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x", "identity, gzip"])
def test_a_compressed_body_is_415(ada, encoding):
    body = gzip.compress(b'{"title": "a"}')
    answer = ada.call("POST", "/tasks", data=body, content_type="application/json", headers={"Content-Encoding": encoding})
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json; indent=2",
    ],
)
def test_json_in_utf_8_is_read_however_it_is_named(ada, kind):
    answer = ada.call("POST", "/tasks", data='{"title": "Grüße"}'.encode(), content_type=kind)
    assert answer.status_code == 201
    assert answer.json["title"] == "Grüße"


@pytest.mark.parametrize("encoding", ["identity", "Identity"])
def test_a_body_that_says_it_is_not_compressed_is_read(ada, encoding):
    answer = ada.post("/tasks", {"title": "a"}, headers={"Content-Encoding": encoding})
    assert answer.status_code == 201


def test_more_than_1_mib_is_413(ada):
    body = b'{"title": "' + b"a" * (MIB + 1 - 13) + b'"}'
    assert len(body) == MIB + 1
    for method, path in ROUTES:
        problem(ada.call(method, path, data=body, content_type="application/json"), 413, "content_too_large")


def test_1_mib_is_read(ada):
    body = b'{"title": "' + b"a" * (MIB - 13) + b'"}'
    answer = ada.call("POST", "/tasks", data=body, content_type="application/json")
    assert [error["pointer"] for error in problem(answer, 422)["errors"]] == ["/title"]


@pytest.mark.parametrize("body", [b'{"title": NaN}', b"[" * 100_000, b"a" * (MIB + 1)])
def test_without_a_login_nothing_of_the_body_is_judged(app, body):
    answer = app.test_client().post("/api/v1/tasks", data=body, content_type="application/json")
    problem(answer, 401, "not_authenticated")
