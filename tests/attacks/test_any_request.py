"""Requests of any kind, put together at random from what operations take and from what nobody takes.

`make fuzz` tries many more of them, and elsewhere each time.
"""

import json
import os
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from ..people import NOBODY, PREFIX
from .document import Operation
from .stage import Stage, harmless

# Tracing their every line takes long, and shows nothing that other tests do not.
pytestmark = pytest.mark.no_cover

# On each of two databases; the other half of the cases is made by schemathesis.
CASES = int(os.environ.get("FUZZ_CASES", "400")) // 4
WORDS = st.sampled_from([
    "", "a", "1", "-1", "0", "true", "null", "me", "none", "*", "%", "_", "'", '"', "\\", "\0", "\n", "\r\n", "../..", "\u202e",
    "\ufeff", "é", "e\u0301", "İ", "\U0001f600", "\ud800", "2026-02-30", "9999-12-31", "0001-01-01T00:00:00+23:59", "1e999",
    "9" * 30, "x" * 300, "' OR 1=1 --", "{{7*7}}", "$ne", NOBODY,
])  # fmt: skip
TEXT = WORDS | st.text(st.characters(), max_size=12)
SCALAR = TEXT | st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats()
VALUE = SCALAR | st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
# What can stand in a header that a server of HTTP hands over.
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20) | st.sampled_from(
    ["*", "W/*", '"1-a"', "application/json", "text/html", "gzip", "DELETE", "100-continue", "bytes=0-1", "a" * 3000]
)
HEADERS = ["If-Match", "If-None-Match", "Accept", "Accept-Encoding", "Accept-Charset", "Content-Encoding", "Expect", "Range",
           "If-Modified-Since", "X-HTTP-Method-Override", "X-Request-ID", "X-Forwarded-For", "Forwarded", "Cookie", "Origin",
           "Content-Type", "Idempotency-Key", "Transfer-Encoding", "Prefer", "X-Original-URL", "traceparent"]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@st.composite
def bodies(draw: st.DrawFn, example: dict[str, Any]) -> bytes:
    """A body: one of another shape, a good one that was changed, or bytes."""
    kind = draw(st.sampled_from(["changed", "changed", "any", "broken", "bytes", "none"]))
    if kind == "none":
        return b""
    if kind == "bytes":
        return draw(st.binary(max_size=60))
    if kind == "any":
        return json.dumps(draw(VALUE)).encode()
    names = st.sampled_from([*example, "id", "role", "owner_id", "version", "__class__"]) | TEXT
    body = json.dumps({**example, **draw(st.dictionaries(names, VALUE, max_size=3))}, ensure_ascii=draw(st.booleans()))
    data = encoded(body)
    if kind == "broken":
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(st.binary(max_size=4)) + data[place + draw(st.integers(0, 4)) :]
    return data


@st.composite
def requests(draw: st.DrawFn, stage: Stage) -> tuple[Operation, bool, dict[str, Any]]:
    """An operation, whether its path names things of the caller's, and the request."""
    operation = draw(st.sampled_from(stage.document.operations))
    ids = dict.fromkeys(operation.ids, "")
    for name in ids:
        mine = st.just(stage.mine[name])
        others = stage.others(name)
        if operation.path.endswith("/members/{user_id}") and name == "user_id":
            others.pop("hidden")  # They would get the role, and be hidden no more.
        # `/users/me` is a route of its own, and names the caller.
        ids[name] = draw(mine | mine | st.sampled_from(sorted(others.values())) | TEXT.filter(lambda text: text != "me"))
    path = operation.path.format_map({name: quote(encoded(id_), safe="") or "%20" for name, id_ in ids.items()})
    names = st.sampled_from([*operation.query, "page"]) if operation.query else TEXT
    pairs = draw(st.lists(st.tuples(names | TEXT, TEXT), max_size=3)) if draw(st.booleans()) else []
    query = "&".join(f"{quote_plus(encoded(name))}={quote_plus(encoded(value))}" for name, value in pairs)
    headers = draw(st.dictionaries(st.sampled_from(HEADERS), HEADER, max_size=2)) if draw(st.booleans()) else {}
    method = operation.method if draw(st.integers(0, 9)) else draw(st.sampled_from(METHODS))
    request = {
        "method": method,
        "path": PREFIX + path + (f"?{query}" if query else ""),
        "data": draw(bodies(stage.body(operation) or {})),
        "headers": {"Content-Type": "application/json", **headers},
    }
    is_mine = all(id_ == stage.mine[name] for name, id_ in ids.items())
    return operation, is_mine, request


def unlike(stage: Stage, operation: Operation, request: dict[str, Any]) -> bool:
    """Whether a request is one that would end what the others need: the session, the account, the things."""
    return request["method"] == "DELETE" or operation.name in ("log_out", "change_password")


@pytest.fixture
def disposable(app):
    """A stage that may be changed."""
    return Stage(app)


def test_no_request_breaks_anything_or_reaches_what_is_anothers(disposable, record_property):
    stage = disposable
    before = theirs(stage)
    tried = 0

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize="FUZZ_CASES" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def attack(data: st.DataObject) -> None:
        nonlocal tried
        operation, is_mine, request = data.draw(requests(stage))
        if unlike(stage, operation, request):
            request["headers"]["If-Match"] = '"0-0"'  # Matches nothing, so all is judged and nothing ends.
            if operation.name in ("log_out", "change_password"):
                request["data"] = b'{"nope": 1}'
        note(str(request))
        answer = stage.me.call(request.pop("method"), request.pop("path"), **request)
        tried += 1
        harmless(answer, (str(operation), request))
        if answer.status_code == 405:
            assert answer.headers["Allow"]
        elif operation.ids and not is_mine:
            # An unreadable query string is refused before anyone asks what a path names.
            assert answer.status_code in (400, 404), (str(operation), answer.text)

    attack()
    assert theirs(stage) == before
    assert stage.me.get("/users/me").json["is_admin"] is False
    record_property("cases", tried)


def theirs(stage: Stage) -> dict[str, Any]:
    """What the other can see of theirs."""
    return {name: value for name, value in stage.state().items() if stage.other.id in name}
