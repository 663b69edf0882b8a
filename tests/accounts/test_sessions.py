"""GET and DELETE /auth/sessions, and everything that ends a session: at once, in every worker, whatever Redis does."""

import json
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from tasktracker.accounts import sessions
from tasktracker.accounts.models import RefreshToken, Session
from tasktracker.core.database import transactional
from tasktracker.core.models import now

from ..cli.apps import flask
from ..people import NOBODY, PASSWORD, Person, new_person, problem
from .asking import OTHER, again, execute, forget, goes_on, is_over, later, log_in, post
from .tokens import claims_of, is_refused, me, refresh


def id_of(person):
    return claims_of(person.access_token)["sid"]


def listed(person, **query):
    answer = person.get("/auth/sessions", query=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def ids(person):
    return [row["id"] for row in listed(person)]


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_shows_where_i_am_logged_in_and_the_last_used_first(app, ada, bob):
    phone = again(ada, headers={"User-Agent": "Phone/1.0 <b>ü"}, environ_base={"REMOTE_ADDR": "2001:DB8::1"})
    bare = again(ada, headers={"User-Agent": ""}, environ_base={"REMOTE_ADDR": "unix:"})
    long = again(ada, headers={"User-Agent": "x" * 500})
    log_in(app, ada.username, "wrong")
    answer = phone.get("/auth/sessions")
    assert [row["id"] for row in answer.json] == [id_of(one) for one in (long, bare, phone, ada)]
    for row in answer.json:
        assert list(row) == ["id", "created_at", "last_used_at", "ip_address", "user_agent", "current"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row["created_at"])
    assert [row["current"] for row in answer.json] == [False, False, True, False]
    assert [row["ip_address"] for row in answer.json] == ["127.0.0.1", None, "2001:db8::1", "127.0.0.1"]
    assert [row["user_agent"] for row in answer.json][:2] == ["x" * 400, None]
    assert answer.json[2]["user_agent"].startswith("Phone/1.0 <b>")
    assert json.loads(answer.headers["X-Pagination"])["total"] == 4
    assert ids(bob) == [id_of(bob)]

    assert refresh(ada).status_code == 200
    rows = listed(ada)
    assert [row["id"] for row in rows] == [id_of(one) for one in (ada, long, bare, phone)]
    assert rows[0]["last_used_at"] > rows[0]["created_at"]
    assert [row["current"] for row in rows] == [True, False, False, False]


def test_the_list_comes_in_pages_with_a_validator(ada):
    for _ in range(4):
        again(ada)
    everyone = ids(ada)
    pages = [listed(ada, page=page, page_size=2) for page in (1, 2, 3, 4)]
    assert [[row["id"] for row in page] for page in pages] == [everyone[:2], everyone[2:4], everyone[4:], []]
    tag = ada.get("/auth/sessions").headers["ETag"]
    assert ada.get("/auth/sessions", headers={"If-None-Match": tag}).status_code == 304
    again(ada)
    assert ada.get("/auth/sessions", headers={"If-None-Match": tag}).status_code == 200
    for query in ({"page": 0}, {"page_size": 101}, {"user_id": ada.id}, {"sort": "id"}):
        problem(ada.get("/auth/sessions", query=query), 422)


def test_the_list_shows_only_what_is_still_good(app, ada):
    gone, idle, expired = again(ada), again(ada), again(ada)
    assert gone.post("/auth/logout").status_code == 204
    moment = now()
    for one, values in ((idle, {"last_used_at": moment.replace(year=2020)}), (expired, {"expires_at": moment})):
        execute(app, update(Session).where(Session.id == id_of(one)).values(values))
    assert ids(ada) == [id_of(ada)]
    with later(days=13):
        assert ids(again(ada))[1:] == [id_of(ada)]
    with later(days=15):
        assert len(ids(again(ada))) == 2  # The one of two days ago, and this.
    for method, path in (("GET", "/auth/sessions"), ("DELETE", "/auth/sessions"), ("DELETE", f"/auth/sessions/{id_of(ada)}")):
        is_refused(gone.call(method, path))


# --- what is refused --------------------------------------------------------------------------------------------------


def test_what_is_not_mine_or_over_is_404_and_stays_as_it_was(app, ada, bob):
    mine = again(ada)
    path = f"/auth/sessions/{id_of(mine)}"
    unknown = ada.delete(f"/auth/sessions/{NOBODY}")
    for answer in (
        unknown,
        bob.delete(path),
        bob.delete(path, headers={"If-Match": '"1-a"'}),
        bob.delete(path, json={"a": 1}),
        bob.delete(f"{path}?a=1"),
        ada.delete("/auth/sessions/nonsense"),
        ada.delete(f"/auth/sessions/{id_of(mine).upper()}"),
    ):
        assert {**problem(answer, 404, "not_found"), "request_id": ""} == {**unknown.json, "request_id": ""}
        assert list(answer.headers.keys()) == list(unknown.headers.keys())
    problem(ada.delete(path, headers={"If-Match": '"1-a"'}), 412)
    for sent in (path, "/auth/sessions"):
        problem(ada.delete(sent, json={"a": 1}), 422)
        problem(ada.delete(f"{sent}?a=1"), 422)
    problem(ada.delete("/auth/sessions", headers={"If-Match": '"1-a"'}), 412)
    problem(ada.get(path), 405)
    goes_on(mine)
    assert ada.delete(path, headers={"If-Match": "*"}).status_code == 204
    for again_ in (ada.delete(path), ada.delete(path, headers={"If-Match": '"1-a"'})):
        problem(again_, 404)
    expired = again(ada)
    execute(app, update(Session).where(Session.id == id_of(expired)).values(expires_at=now()))
    problem(ada.delete(f"/auth/sessions/{id_of(expired)}"), 404)


def test_the_session_that_asks_can_be_ended_like_any_other(ada, other_worker):
    other = again(ada)
    goes_on(ada, other_worker)
    assert ada.delete(f"/auth/sessions/{id_of(ada)}").status_code == 204
    is_over(ada, other_worker)
    goes_on(other)


def test_ending_the_others_where_there_are_none_is_fine(ada, bob):
    goes_on(ada)
    for _ in range(2):
        assert ada.delete("/auth/sessions").status_code == 204
    assert ids(ada) == [id_of(ada)]
    goes_on(bob)


# --- what ends a session ----------------------------------------------------------------------------------------------


def send(owner, method, path, app, body=None):
    """A request of the owner's to one of the workers."""
    return Person(app, owner.id, owner.username, owner.email, owner.access_token, "").call(method, path, json=body)


def logout(victim, owner, app, token):
    return send(victim, "POST", "/auth/logout", app)


def end_one(victim, owner, app, token):
    return send(owner, "DELETE", f"/auth/sessions/{id_of(victim)}", app)


def end_others(victim, owner, app, token):
    return send(owner, "DELETE", "/auth/sessions", app)


def change_password(victim, owner, app, token):
    return send(owner, "POST", "/auth/change-password", app, {"current_password": PASSWORD, "new_password": OTHER})


def reset(victim, owner, app, token):
    return post(app, "/auth/reset-password", token=token, password=OTHER)


def verify(victim, owner, app, token):
    return post(app, "/auth/verify-email", token=token)


def reuse(victim, owner, app, token):
    """A refresh token that was used a while ago comes again: somebody has a copy."""
    return refresh(victim, app=app)


def disable(victim, owner, app, token):
    """From the command line, as an answer of HTTP would say it."""
    done = flask(app, "users", "disable", owner.username)
    assert (done.exit_code, done.stderr.count("\n")) in ((0, 0), (1, 1))
    return SimpleNamespace(status_code=503 if done.exit_code else 204)


WAYS: dict[Callable, int] = {
    logout: 204, end_one: 204, end_others: 204, change_password: 204, reset: 204, verify: 204, disable: 204, reuse: 401,
}  # fmt: skip
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@pytest.fixture
def scene(app, letters):
    """Someone with two sessions, and whatever the way of ending one needs."""

    def set_up(way):
        owner = new_person(app, "owner")
        victim, token = again(owner), None
        if way is reset:
            post(app, "/auth/forgot-password", email=owner.email)
            token = letters(owner.email)[-1].token
        if way is verify:
            assert owner.post("/users/me/email", {"email": f"x{owner.email}", "password": PASSWORD}).status_code == 202
            token = letters(f"x{owner.email}")[-1].token
        if way is reuse:
            newer = refresh(victim).json
            used = update(RefreshToken).where(RefreshToken.id == claims_of(victim.refresh_token)["jti"])
            execute(app, used.values(used_at=now().replace(year=2020)))
            assert me(victim, newer["access_token"]).status_code == 200
        return victim, owner, token

    return set_up


@every_way
def test_a_session_that_was_ended_is_over_in_every_worker_and_redis_need_not_remember(app, other_worker, scene, way):
    victim, owner, token = scene(way)
    for worker in (app, other_worker):
        assert me(victim, app=worker).status_code == 200  # By now both know that it lives.
    assert way(victim, owner, other_worker, token).status_code == WAYS[way]
    is_over(victim, other_worker)
    for worker in (app, other_worker):
        forget(app, victim)
        is_over(victim, worker)
    if way not in (reset, disable):
        goes_on(owner, other_worker)
        assert ids(owner) == [id_of(owner)]


@every_way
def test_without_redis_nothing_is_ended_or_all_of_it(app, without_redis, scene, way):
    """An end that other workers might not notice is not promised; when Redis is back, the same request succeeds."""
    victim, owner, token = scene(way)
    answer = way(victim, owner, without_redis, token)
    assert answer.status_code == 503
    if way is not disable:
        assert "nothing was changed" in problem(answer, 503, "unavailable")["detail"].lower()
    for worker in (app, without_redis):
        assert me(victim, app=worker).status_code == me(owner, app=worker).status_code == 200
    assert log_in(app, owner.email).status_code == 200
    assert way(victim, owner, app, token).status_code == WAYS[way]
    is_over(victim, without_redis)


def test_a_stolen_refresh_token_ends_the_session_also_when_redis_has_forgotten_it(app, other_worker, scene):
    victim, owner, _ = scene(reuse)
    forget(app, victim)
    is_refused(refresh(victim, app=other_worker))
    is_over(victim, other_worker)
    goes_on(owner)


def test_where_the_transaction_fails_no_session_has_ended(app, ada, other_worker):
    @transactional
    def end_and_fail():
        sessions.end_all(ada.id)
        raise RuntimeError

    assert me(ada).status_code == 200
    with app.app_context(), pytest.raises(RuntimeError):
        end_and_fail()
    for worker in (app, other_worker):
        assert me(ada, app=worker).status_code == 200
