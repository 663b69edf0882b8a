"""Tokens taken apart, changed and signed anew."""

import base64
import hmac
import json
from typing import Any

import jwt

from ..conftest import SECRETS
from ..people import Person, problem

KEY = SECRETS["JWT_SECRET_KEY"]


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims: Any, *, key: str = KEY, header: Any = None) -> str:
    """A token as whoever holds the key could make it, whatever stands in it."""
    parts = [header if header is not None else {"alg": "HS256", "typ": "JWT"}, claims]
    text = ".".join(encoded(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)
    return f"{text}.{encoded(hmac.digest(key.encode(), text.encode(), 'sha256'))}"


def encoded(data: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def me(person: Person, token: str | None = None, app: Any = None) -> Any:
    """GET /users/me with this token."""
    headers = {"Authorization": f"Bearer {token or person.access_token}"}
    return (app or person.app).test_client().get("/api/v1/users/me", headers=headers)


def refresh(person: Person, token: str | None = None, app: Any = None) -> Any:
    """POST /auth/refresh with this token."""
    body = {"refresh_token": token or person.refresh_token}
    return (app or person.app).test_client().post("/api/v1/auth/refresh", json=body)


def is_refused(answer: Any) -> None:
    """The one answer to every token that is not good."""
    body = problem(answer, 401, "not_authenticated")
    assert answer.headers.getlist("WWW-Authenticate") == ["Bearer"]
    assert body["title"] == "Unauthorized"
    assert body["detail"] == "Log in and send a valid access token as 'Authorization: Bearer TOKEN'."
