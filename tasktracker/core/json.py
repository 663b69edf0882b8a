"""JSON, read strictly and written fast."""

import json
from typing import Any, NoReturn

import orjson
from flask.json.provider import JSONProvider
from typing_extensions import override

from .errors import Malformed

DEEPEST = 32
_NUMBERS = range(-(2**63), 2**63)


class StrictJSON(JSONProvider):
    """Flask's JSON provider: orjson writes; reading refuses what programs understand differently (RFC 8259, 4 to 9)."""

    @override
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return to_bytes(obj).decode()

    @override
    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return read(s.encode() if isinstance(s, str) else s)


def to_bytes(value: Any) -> bytes:
    """The value as JSON; moments end in `Z`."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def to_sorted_bytes(value: Any) -> bytes:
    """The value as JSON in ASCII, the same for objects whose keys stand in another order; takes lone surrogates too."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read(data: bytes) -> Any:
    """The value that the bytes spell.

    Raises:
        Malformed: not UTF-8, not JSON, nested deeper than 32, a key twice in an object, or a number over 64 bits.
    """
    try:
        value = _DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.", "malformed_json") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise Malformed("The body is not JSON.", "malformed_json") from error
    _check_depth(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Malformed("An object in the body has the same key twice.", "malformed_json")
    return members


def _integer(digits: str) -> int:
    # The length is looked at first: Python refuses to read thousands of digits, and reads fewer slowly.
    if len(digits) > 20 or int(digits) not in _NUMBERS:
        raise Malformed("A number in the body does not fit into 64 bits.", "malformed_json")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise Malformed("A number in the body does not fit into 64 bits.", "malformed_json")
    return number


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON.", "malformed_json")


# `json.loads` would make one for each body.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    if any(isinstance(inner, dict | list) for inner in level):
        raise _too_deep()


def _too_deep() -> Malformed:
    return Malformed(f"The body is nested deeper than {DEEPEST}.", "malformed_json")
