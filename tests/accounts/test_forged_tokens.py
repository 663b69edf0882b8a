"""Tokens that nobody was given: each is refused with the same words."""

import json
import time

import jwt
import pytest

from ..core.another import another
from ..people import NOBODY
from .tokens import KEY, claims_of, encoded, is_refused, me, refresh, signed

NOW = int(time.time())
CLAIMS = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub", "sid", "type"]
INFINITY, NAN = float("inf"), float("nan")
WRONG = {
    "iss": ["other", "", 1, None, ["tasktracker"], "TaskTracker"],
    "aud": ["other", "", 1, None, ["tasktracker"], ["tasktracker", "other"], {"tasktracker": 1}, []],
    "exp": [NOW - 40, 0, -1, "soon", None, [], {}, "", INFINITY, -INFINITY, NAN, str(NOW + 600), True],
    "nbf": [NOW + 86_400, "soon", None, [], {}, INFINITY, NAN, str(NOW), 10**20],
    "iat": [NOW + 86_400, "soon", None, [], {}, INFINITY, NAN, str(NOW), 10**20],
    "jti": [1, None, [], {}, True],
    "sub": ["", "me", "1", 1, None, [], NOBODY.upper(), "' OR 1=1 --", "\ud800", "\0", NOBODY + "\n"],
    "sid": ["", "x", 1, None, [], {}, NOBODY, NOBODY.upper(), "\0", "\ud800", "*"],
    "type": ["mail", "", "ACCESS", "reset", 1, None, ["access"], True],
}


@pytest.fixture
def claims(ada):
    return claims_of(ada.access_token)


def test_what_is_signed_here_is_good_where_nothing_is_changed(ada, claims):
    assert me(ada, signed(claims)).status_code == 200
    assert me(ada, signed({**claims, "more": [1]})).status_code == 200
    assert refresh(ada, signed(claims_of(ada.refresh_token))).status_code == 200


@pytest.mark.parametrize("missing", CLAIMS)
def test_every_claim_is_needed(ada, claims, missing):
    is_refused(me(ada, signed({name: value for name, value in claims.items() if name != missing})))
    refreshing = claims_of(ada.refresh_token)
    is_refused(refresh(ada, signed({name: value for name, value in refreshing.items() if name != missing})))


@pytest.mark.parametrize("name", WRONG)
def test_every_claim_is_checked(ada, claims, name):
    accepted = []
    for value in WRONG[name]:
        answers = [
            me(ada, signed({**claims, name: value})),
            refresh(ada, signed({**claims_of(ada.refresh_token), name: value})),
        ]
        accepted += [(value, answer.status_code) for answer in answers if answer.status_code != 401]
    assert accepted == []


def test_clocks_may_differ_by_half_a_minute_and_not_more(ada, claims):
    for changed in ({"exp": int(time.time()) - 5}, {"nbf": int(time.time()) + 20}, {"iat": int(time.time()) + 20}):
        assert me(ada, signed({**claims, **changed})).status_code == 200, changed
    for changed in ({"exp": int(time.time()) - 61}, {"nbf": int(time.time()) + 90}, {"iat": int(time.time()) + 90}):
        is_refused(me(ada, signed({**claims, **changed})))


def unsigned(claims, algorithm):
    return f"{encoded(json.dumps({'alg': algorithm, 'typ': 'JWT'}).encode())}.{encoded(json.dumps(claims).encode())}."


FORGERIES = {
    "none": lambda claims: unsigned(claims, "none"),
    "None": lambda claims: unsigned(claims, "None"),
    "no signature": lambda claims: unsigned(claims, "HS256"),
    "HS512": lambda claims: jwt.encode(claims, KEY * 2, algorithm="HS512"),
    "HS512, same key": lambda claims: jwt.encode({**claims}, (KEY + "x" * 64)[: len(KEY)].ljust(64, "x"), algorithm="HS512"),
    "HS384 in the header": lambda claims: signed(claims, header={"alg": "HS384"}),
    "another key": lambda claims: signed(claims, key="another-key-that-is-long-enough-for-all"),
    "the other key": lambda claims: signed(claims, key="tests-only-" + "0a1b2c3d4e" * 4),
    "empty key": lambda claims: signed(claims, key="", header={"alg": "HS256"}),
    "changed claims": lambda claims: ".".join(
        [*signed(claims).split(".")[:1], encoded(json.dumps({**claims, "x": 1}).encode()), signed(claims).split(".")[2]]
    ),
    "cut": lambda claims: signed(claims)[:-3],
    "two parts": lambda claims: signed(claims).rpartition(".")[0],
    "four parts": lambda claims: signed(claims) + ".x",
    "kid to another key": lambda claims: signed(claims, key="x" * 40, header={"alg": "HS256", "kid": "../../dev/null"}),
    "jwk in the header": lambda claims: signed(
        claims, key="x" * 40, header={"alg": "HS256", "jwk": {"kty": "oct", "k": encoded(b"x" * 40)}}
    ),
    "jku in the header": lambda claims: signed(claims, key="x" * 40, header={"alg": "HS256", "jku": "http://127.0.0.1:1/"}),
    "a kid that is no text": lambda claims: signed(claims, header={"alg": "HS256", "kid": 1}),
    "unknown critical header": lambda claims: signed(claims, header={"alg": "HS256", "crit": ["x"], "x": 1}),
    "no algorithm": lambda claims: signed(claims, header={"typ": "JWT"}),
    "an algorithm that is no text": lambda claims: signed(claims, header={"alg": ["HS256"]}),
    "an algorithm that is an object": lambda claims: signed(claims, header={"alg": {}}),
    "header is a list": lambda claims: signed(claims, header=[]),
    "header is no JSON": lambda claims: signed(claims, header=b"{"),
    "header is no UTF-8": lambda claims: signed(claims, header=b"\xff"),
    "header is nested deeply": lambda _: signed({}, header=b"[" * 5000),
    "header is a deep object": lambda _: signed({}, header=b'{"a":' * 1100),
    "header has a huge number": lambda _: signed({}, header=b'{"alg": "HS256", "x": ' + b"9" * 5000 + b"}"),
    "claims are a list": lambda _: signed([]),
    "claims are null": lambda _: signed(None),
    "claims are no JSON": lambda _: signed(b"{"),
    "claims are no UTF-8": lambda _: signed(b"\xff"),
    "claims are nested deeply": lambda _: signed(b"[" * 5000),
    "claims have a huge number": lambda _: signed(b'{"exp": ' + b"9" * 5000 + b"}"),
    "no claims": lambda _: signed({}),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused(ada, claims, forge):
    is_refused(me(ada, forge(claims)))
    is_refused(refresh(ada, forge(claims_of(ada.refresh_token))[:4096]))


def test_a_kid_does_not_choose_the_key(ada, claims):
    assert me(ada, signed(claims, header={"alg": "HS256", "kid": "../../dev/null"})).status_code == 200


def test_the_key_before_the_last_change_is_still_good(environment, app, ada):
    new_key = "rotated-" + "k1l2m3n4o5" * 4
    with another(environment, JWT_SECRET_KEY=new_key, JWT_SECRET_KEY_PREVIOUS=KEY) as rotated:
        assert me(ada, app=rotated).status_code == 200
        pair = refresh(ada, app=rotated).json
        assert me(ada, pair["access_token"], rotated).status_code == 200
        assert jwt.decode(pair["access_token"], new_key, algorithms=["HS256"], audience="tasktracker")["sub"] == ada.id
        is_refused(me(ada, pair["access_token"]))  # An instance that knows the old key alone.
        is_refused(me(ada, signed(claims_of(ada.access_token), key="x" * 40), rotated))
    with another(environment, JWT_SECRET_KEY=new_key) as finished:
        is_refused(me(ada, app=finished))
        assert me(ada, pair["access_token"], finished).status_code == 200
