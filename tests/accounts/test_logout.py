"""POST /auth/logout: the session is over at once, everywhere."""

import pytest
from sqlalchemy import delete

from tasktracker.accounts import sessions
from tasktracker.accounts.models import User
from tasktracker.core.database import session, transactional
from tasktracker.projects.models import Project

from ..people import NOBODY
from .asking import forget, known
from .tokens import is_refused, me, refresh


def test_both_tokens_are_dead_at_once_in_every_worker(app, other_worker, ada, bob):
    newer = refresh(ada).json
    tokens = (ada.access_token, newer["access_token"])
    for worker in (app, other_worker):
        for token in tokens:
            assert me(ada, token, worker).status_code == 200  # By now both know that the session lives.
    answer = ada.post("/auth/logout")
    assert (answer.status_code, answer.data) == (204, b"")
    for worker in (other_worker, app):
        for token in tokens:
            is_refused(me(ada, token, worker))
        for token in (ada.refresh_token, newer["refresh_token"]):
            is_refused(refresh(ada, token, worker))
    is_refused(ada.post("/auth/logout"))
    assert me(bob).status_code == 200


def test_a_logout_in_another_worker_counts_here(app, other_worker, ada):
    assert me(ada).status_code == 200
    headers = {"Authorization": f"Bearer {ada.access_token}"}
    assert other_worker.test_client().post("/api/v1/auth/logout", headers=headers).status_code == 204
    is_refused(me(ada))
    is_refused(refresh(ada))


def test_a_redis_that_forgot_everything_lets_nobody_back_in(app, other_worker, ada):
    assert me(ada).status_code == 200
    assert ada.post("/auth/logout").status_code == 204
    for worker in (app, other_worker):
        forget(app, ada)
        is_refused(me(ada, app=worker))
        is_refused(refresh(ada, app=worker))


def test_a_redis_that_forgot_everything_shuts_nobody_out(app, ada):
    assert me(ada).status_code == 200
    forget(app, ada)
    assert me(ada).status_code == 200
    assert refresh(ada).status_code == 200


def test_rubbish_in_redis_lets_nobody_in_and_breaks_nothing(app, ada):
    assert me(ada).status_code == 200
    assert ada.post("/auth/logout").status_code == 204
    for key in known(app, ada):
        for rubbish in (b"", b"\xff\x00", b"x" * 1000):
            app.extensions["redis"].set(key, rubbish, ex=60)
            is_refused(me(ada))
    is_refused(me(ada))


def test_logout_takes_neither_body_nor_query(ada):
    assert ada.post("/auth/logout", {"refresh_token": ada.refresh_token}).status_code == 422
    assert ada.post("/auth/logout?all=1").status_code == 422
    assert me(ada).status_code == 200


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_user_who_is_gone_is_nobody(app, ada, asked_before):
    if asked_before:
        assert me(ada).status_code == 200

    @transactional
    def remove():
        sessions.end_all(ada.id)  # As whatever deletes a user does.
        session().execute(delete(Project).where(Project.owner_id == ada.id))
        session().execute(delete(User).where(User.id == ada.id))

    with app.app_context():
        remove()
    is_refused(me(ada))
    for method, path, body in (
        ("GET", "/tasks", None),
        ("POST", "/tasks", {"title": "a"}),
        ("POST", "/projects", {"name": "a"}),
        ("PATCH", "/users/me", {"display_name": "a"}),
        ("GET", f"/tasks/{NOBODY}", None),
    ):
        is_refused(ada.call(method, path, json=body))
