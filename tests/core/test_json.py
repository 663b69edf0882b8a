"""The reader of JSON against Python's own: it reads the same, or refuses."""

import json
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasktracker.core.errors import Malformed
from tasktracker.core.json import DEEPEST, read, to_bytes

from .strategies import quick

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=40)
# Pieces of which JSON is made, put together at random: mostly broken, and closer to the edge than random bytes.
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"',
    '"a"',
    "\\",
    "\\u",
    "d800",
    "0",
    "-",
    "1e",
    "999",
    ".",
    "null",
    "NaN",
    " ",
    "é",
    "\0",
]


def depth(value):
    """How many objects and lists stand around the innermost value."""
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0)


@quick
@given(VALUES.filter(lambda value: depth(value) <= DEEPEST), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_what_json_reads_within_the_limits_is_read_equally(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    found = read(text.encode(errors="surrogatepass"))
    assert found == json.loads(text)
    assert json.dumps(found) == json.dumps(json.loads(text))  # 1, 1.0 and True are equal in Python and not in JSON.


@quick
@given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=30).map(lambda pieces: "".join(pieces).encode()))
def test_whatever_else_is_refused_and_breaks_nothing(data):
    try:
        found = read(data)
    except Malformed:
        return
    assert found == json.loads(data)


@quick
@given(st.integers())
def test_an_integer_is_read_if_it_has_64_bits(number):
    digits = str(number).encode()
    if -(2**63) <= number < 2**63:
        assert read(digits) == number
    else:
        with pytest.raises(Malformed):
            read(digits)


@quick
@given(st.integers(1, 4), st.integers(-5000, 5000))
def test_an_exponent_gives_a_number_or_a_refusal(digit, exponent):
    expected = float(f"{digit}e{exponent}")
    if math.isinf(expected):
        with pytest.raises(Malformed):
            read(f"{digit}e{exponent}".encode())
    else:
        assert read(f"{digit}e{exponent}".encode()) == expected


@quick
@given(st.integers(1, 60), st.sampled_from([("[", "]"), ('{"a":', "}"), ('[1,{"b":2,"a":', "}]")]))
def test_nesting_is_counted_in_objects_and_lists_alike(times, brackets):
    text = brackets[0] * times + "[]" + brackets[1] * times
    if depth(json.loads(text)) <= DEEPEST:
        assert read(text.encode()) == json.loads(text)
    else:
        with pytest.raises(Malformed):
            read(text.encode())


@quick
@given(VALUES, st.text(), VALUES)
def test_a_key_given_twice_is_refused_at_any_depth(first, key, second):
    twice = f"{{{json.dumps(key)}: {json.dumps(first)}, {json.dumps(key)}: {json.dumps(second)}}}"
    for text in (twice, f"[{twice}]", f'{{"a": [{{"b": {twice}}}]}}'):
        with pytest.raises(Malformed):
            read(text.encode())


@quick
@given(VALUES.filter(lambda value: depth(value) <= DEEPEST))
def test_what_is_written_is_read_again(value):
    assert read(to_bytes(value)) == value
    assert orjson.loads(to_bytes(value)) == value
