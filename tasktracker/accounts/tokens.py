"""Tokens: how they are made and checked, and who is calling."""

import re
from dataclasses import dataclass
from functools import lru_cache
from time import time
from typing import Any, TypedDict

import jwt
from flask import Flask, current_app, g, request
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from flask_jwt_extended.internal_utils import verify_token_not_blocklisted, verify_token_type

from config import Settings

from ..core.errors import Unauthenticated
from ..core.fields import is_id
from . import sessions
from .sessions import ACCESS_LIFETIME, LEEWAY, Granted

_ALGORITHM = "HS256"
_NAME = "tasktracker"
_CLAIMS = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub", "sid", "type"]
# RFC 6750, 2.1; the scheme in any case of letters (RFC 9110, 11.1).
_HEADER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


@dataclass(frozen=True)
class Caller:
    """Who calls: the user, and the session that the token belongs to."""

    user_id: str
    session_id: str


class Pair(TypedDict):
    """An access token with the refresh token that follows it; lifetimes in seconds."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    refresh_expires_in: int


class TokenManager(JWTManager):
    """Flask-JWT-Extended with one strict reading of tokens in place of its lenient two (RFC 8725)."""

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: Any = None, allow_expired: bool = False
    ) -> dict[str, Any]:
        config = current_app.config
        claims = _read(encoded_token, config["JWT_SECRET_KEY"], config["JWT_SECRET_KEY_PREVIOUS"])
        # What was read before may have expired since.
        if claims["exp"] <= time() - LEEWAY.total_seconds():
            raise jwt.ExpiredSignatureError
        return claims


@lru_cache(maxsize=1000)
def _read(token: str, key: str, previous_key: str | None) -> dict[str, Any]:
    """The claims of a token that is good at this moment.

    Kept for the next request with the same token, which saves 45 µs: that the key has signed these very characters, and
    what they say, stays true. Whether the token has expired and whether its session lives is looked at each time.
    """
    for one in filter(None, (key, previous_key)):
        try:
            claims = jwt.decode(
                token,
                one,
                algorithms=[_ALGORITHM],
                issuer=_NAME,
                audience=_NAME,
                leeway=LEEWAY,
                options={"require": _CLAIMS, "strict_aud": True},
            )
        except jwt.InvalidSignatureError:
            continue  # It may have been made with the key before the last rotation.
        texts, times = ("jti", "sub", "sid", "type"), ("exp", "nbf", "iat")
        if not all(type(claims[name]) is str for name in texts) or not all(type(claims[name]) is int for name in times):
            raise jwt.InvalidTokenError("A claim is of the wrong type.")
        if not is_id(claims["sub"]) or not is_id(claims["sid"]) or claims["type"] not in ("access", "refresh"):
            raise jwt.InvalidTokenError("A claim has an unknown form.")
        return claims
    raise jwt.InvalidSignatureError


jwt_manager = TokenManager()


@jwt_manager.token_in_blocklist_loader
def _is_revoked(_: dict[str, Any], claims: dict[str, Any]) -> bool:
    return not sessions.is_live(claims["sid"])


def config(settings: Settings) -> dict[str, Any]:
    """The part of Flask's configuration that Flask-JWT-Extended reads."""
    return {
        "JWT_SECRET_KEY": settings.jwt_secret_key,
        "JWT_SECRET_KEY_PREVIOUS": settings.jwt_secret_key_previous,
        "JWT_ALGORITHM": _ALGORITHM,
        "JWT_TOKEN_LOCATION": ["headers"],
        "JWT_COOKIE_CSRF_PROTECT": False,  # There are no cookies, and without this each token has a claim for them.
        "JWT_ENCODE_ISSUER": _NAME,
        "JWT_ENCODE_AUDIENCE": _NAME,
    }


def init_app(app: Flask) -> None:
    """Closes every route that is not marked as public."""
    jwt_manager.init_app(app)
    app.before_request(authenticate)


def authenticate() -> None:
    """Finds out who calls, before any view.

    Raises:
        Unauthenticated: there is no valid access token and the route is not open to everyone.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    # Flask itself answers OPTIONS, with nothing but `Allow`; what has no view is an unknown URL or method.
    if view is None or getattr(view, "is_public", False) or request.method == "OPTIONS":
        return
    header = _HEADER.fullmatch(request.headers.get("Authorization", ""))
    if header is None:
        raise Unauthenticated
    try:
        # The library's own steps. Its `verify_jwt_in_request` takes 0.1 ms more: it knows the scheme in one spelling only, and
        # reads the token's header once more to hand it on.
        claims = decode_token(header[1])
        verify_token_type(claims, refresh=False)
        verify_token_not_blocklisted({}, claims)
    except (jwt.PyJWTError, JWTExtendedException) as error:
        raise Unauthenticated from error
    g.caller = Caller(claims["sub"], claims["sid"])


def caller() -> Caller:
    """Who calls."""
    return g.caller


def me() -> str:
    """The id of the user who calls."""
    return g.caller.user_id


def make_pair(granted: Granted) -> Pair:
    """The tokens of a session. They say who it is and nothing about rights, which are looked up at each request."""
    claims = {"sid": granted.session_id}
    user_id = granted.user["id"]
    access = create_access_token(user_id, expires_delta=ACCESS_LIFETIME, additional_claims=claims)
    refresh = create_refresh_token(
        user_id,
        expires_delta=granted.refresh_lifetime,
        additional_claims={**claims, "jti": granted.refresh_id},
    )
    return {
        "access_token": access,
        "refresh_token": refresh,
        "token_type": "Bearer",  # nosec B105
        "expires_in": int(ACCESS_LIFETIME.total_seconds()),
        "refresh_expires_in": int(granted.refresh_lifetime.total_seconds()),
    }


def read_refresh_token(token: str) -> tuple[str, str]:
    """The session and the id of a refresh token.

    Raises:
        Unauthenticated: it is not one of ours, or has expired.
    """
    try:
        claims = decode_token(token)
        verify_token_type(claims, refresh=True)
    except (jwt.PyJWTError, JWTExtendedException) as error:
        raise Unauthenticated from error
    return claims["sid"], claims["jti"]
