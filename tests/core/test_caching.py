"""The cache: what it holds is served from it, and without Redis everything is right all the same."""

import secrets

import pytest

from tasktracker.core import caching, store
from tasktracker.extensions import cache

from .another import another

DOCUMENT = "/api/v1/openapi.json"


@pytest.fixture(autouse=True)
def key(monkeypatch) -> str:
    """Another release for each test, whose document nobody else asks for."""
    release = secrets.token_hex(8)
    monkeypatch.setattr(caching, "release", lambda: release)
    return f"openapi:{release}"


def test_the_document_is_kept_as_json_and_served_as_it_is_kept(app, key):
    made = app.test_client().get(DOCUMENT)
    with app.app_context():
        assert cache.get(key) == made.data
        redis = store.client()
        assert redis is None or redis.get(f"tasktracker:cache:{key}") == made.data
        cache.set(key, b'{"openapi": "kept"}')
    assert app.test_client().get(DOCUMENT).json == {"openapi": "kept"}


def test_another_release_has_another_document(app, key, monkeypatch):
    with app.app_context():
        cache.set(key, b"{}")
    assert app.test_client().get(DOCUMENT).json == {}
    monkeypatch.setattr(caching, "release", lambda: f"{key}-2")
    assert app.test_client().get(DOCUMENT).json["info"]["title"] == "TaskTracker"


def test_without_redis_it_is_made_anew(app, environment):
    made = app.test_client().get(DOCUMENT).data
    with another(environment, REDIS_URL="redis://127.0.0.1:1/0") as without:
        answer = without.test_client().get(DOCUMENT)
        assert (answer.status_code, answer.data) == (200, made)


def test_a_release_is_told_by_what_its_files_hold(monkeypatch, tmp_path):
    monkeypatch.undo()
    tell = caching.release.__wrapped__
    file = tmp_path / "code.py"
    with monkeypatch.context() as patched:
        patched.setattr(caching, "_PACKAGE", tmp_path)
        told = [file.write_text(text) and tell() for text in ("a = 1", "a = 2", "a = 1")]
    assert told[0] == told[2] != told[1]
