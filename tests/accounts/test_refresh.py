"""POST /auth/refresh: a refresh token works once."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from tasktracker.accounts.models import RefreshToken, User
from tasktracker.core.models import now
from tasktracker.projects.models import Project

from ..people import new_person, problem
from .asking import execute, later
from .tokens import claims_of, is_refused, me, refresh, signed


def used(app, token, seconds):
    """Makes it so long ago that a refresh token was used."""
    moment = now() - timedelta(seconds=seconds)
    execute(app, update(RefreshToken).where(RefreshToken.id == claims_of(token)["jti"]).values(used_at=moment))


def test_a_refresh_gives_a_new_pair_of_the_same_session(ada):
    answer = refresh(ada)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in", "user"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert 14 * 24 * 3600 - 5 <= body["refresh_expires_in"] <= 14 * 24 * 3600
    assert body["user"] == me(ada).json
    assert len({body["access_token"], body["refresh_token"], ada.access_token, ada.refresh_token}) == 4
    assert claims_of(body["access_token"])["sid"] == claims_of(ada.access_token)["sid"]
    assert me(ada, body["access_token"]).status_code == 200
    assert refresh(ada, body["refresh_token"]).status_code == 200


def test_the_same_token_again_within_10_seconds_gives_another_pair_and_all_of_them_work(app, ada):
    answers = [refresh(ada), refresh(ada)]
    used(app, ada.refresh_token, 5)
    answers.append(refresh(ada))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    pairs = [answer.json for answer in answers]
    assert len({pair["refresh_token"] for pair in pairs}) == len({pair["access_token"] for pair in pairs}) == 3
    assert len({claims_of(pair["access_token"])["sid"] for pair in pairs}) == 1
    for pair in pairs:
        assert me(ada, pair["access_token"]).status_code == 200
        assert refresh(ada, pair["refresh_token"]).status_code == 200


def test_the_same_token_later_ends_the_session_for_every_token_of_it(app, ada):
    other_session = new_person(app, "other")
    first = refresh(ada).json
    second = refresh(ada, first["refresh_token"]).json
    for token in (ada.access_token, first["access_token"], second["access_token"]):
        assert me(ada, token).status_code == 200
    used(app, ada.refresh_token, 11)
    is_refused(refresh(ada))
    for pair in (first, second):
        is_refused(me(ada, pair["access_token"]))
        is_refused(refresh(ada, pair["refresh_token"]))
    is_refused(me(ada))
    assert me(other_session).status_code == 200


def test_the_10_seconds_count_from_the_first_use(app, ada):
    refresh(ada)
    used(app, ada.refresh_token, 6)
    assert refresh(ada).status_code == 200
    with later(seconds=6):
        is_refused(refresh(ada))
        is_refused(me(ada))


def test_an_access_token_lives_15_minutes_and_a_little_for_clocks_that_differ(ada):
    with later(minutes=14, seconds=50):
        assert me(ada).status_code == 200
    with later(minutes=16, seconds=1):
        is_refused(me(ada))
        assert me(ada, refresh(ada).json["access_token"]).status_code == 200


def test_a_refresh_token_lives_14_days_unused(ada, bob):
    with later(days=13, hours=23):
        assert refresh(ada).status_code == 200
    with later(days=14, minutes=2):
        is_refused(refresh(bob))


def test_a_session_lives_60_days_in_all(ada):
    token = ada.refresh_token
    for days in (13, 26, 39, 52):
        with later(days=days):
            pair = refresh(ada, token).json
            token = pair["refresh_token"]
            assert pair["refresh_expires_in"] <= min(14, 60 - days) * 24 * 3600
    assert pair["refresh_expires_in"] >= 8 * 24 * 3600 - 60
    with later(days=59, hours=23, minutes=55):
        last = refresh(ada, token).json
        assert last["refresh_expires_in"] <= 300
        assert me(ada, last["access_token"]).status_code == 200
    with later(days=60, minutes=2):
        is_refused(refresh(ada, token))
        is_refused(refresh(ada, last["refresh_token"]))


def test_an_access_token_is_no_refresh_token_and_harms_nothing(ada):
    is_refused(refresh(ada, ada.access_token))
    is_refused(me(ada, ada.refresh_token))
    assert me(ada).status_code == 200
    assert refresh(ada).status_code == 200


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "..", ".", "é", "Bearer x", "null", "[" * 4000, "eyJhbGciOiJub25lIn0.e30.", "x" * 4096]
)
def test_what_is_no_token_of_ours_is_refused(ada, token):
    is_refused(refresh(ada, token))


def test_a_token_that_was_never_given_out_or_was_signed_by_others_is_refused(app, ada):
    claims = claims_of(ada.refresh_token)
    is_refused(refresh(ada, signed(claims, key="x" * 40)))
    is_refused(refresh(ada, ada.refresh_token[:-2]))
    assert refresh(ada).status_code == 200  # Whoever cannot sign cannot end a session either.
    execute(app, delete(RefreshToken).where(RefreshToken.id == claims["jti"]))
    is_refused(refresh(ada))


def test_a_user_who_is_disabled_or_gone_gets_no_new_tokens(app, ada, bob):
    execute(app, update(User).where(User.id == ada.id).values(disabled_at=now()))
    is_refused(refresh(ada))
    execute(app, delete(Project).where(Project.owner_id == bob.id))
    execute(app, delete(User).where(User.id == bob.id))
    is_refused(refresh(bob))


def test_a_refresh_needs_its_token_in_the_body(app, ada):
    client = app.test_client()
    for kwargs in (
        {"json": {}},
        {"json": {"refresh_token": None}},
        {"json": {"refresh_token": 1}},
        {"json": {"refresh_token": ""}},
        {"json": {"refresh_token": "x" * 4097}},
        {"json": {"refresh_token": ada.refresh_token, "nope": 1}},
        {"json": {}, "headers": {"Authorization": f"Bearer {ada.refresh_token}"}},
        {"json": {}, "headers": {"Cookie": f"refresh_token_cookie={ada.refresh_token}"}},
        {"json": {}, "query_string": {"refresh_token": ada.refresh_token}},
    ):
        problem(client.post("/api/v1/auth/refresh", **kwargs), 422, "validation_failed")
    assert refresh(ada).status_code == 200
