"""`flask sessions`: after it nobody is logged in, and no link that was mailed before is good."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, insert, select

from tasktracker.accounts.models import Session
from tasktracker.core.models import new_id
from tasktracker.extensions import db

from ..accounts.asking import OTHER, again, goes_on, is_over, log_in, no_such_token, post
from ..accounts.tokens import me
from ..core.another import another
from ..people import new_person
from ..post import do_jobs
from ..servers import free_port
from .apps import flask

MANY = 2_100  # More than are ended in two transactions.


def end_all(app):
    result = flask(app, "sessions", "end-all")
    return result.exit_code, result.output


def test_every_session_and_every_unused_link_ends(empty, office):
    ada, bob = new_person(empty, "ada"), new_person(empty, "bob")
    second = again(ada)
    assert me(second).status_code == 200  # The blocklist knows that it lives.
    for person in (ada, bob):
        assert post(empty, "/auth/forgot-password", email=person.email).status_code == 202
    do_jobs(empty)
    (used,), (unused,) = office.to(ada.email), office.to(bob.email)
    assert post(empty, "/auth/reset-password", token=used.token, password=OTHER).status_code == 204
    third = again(ada, OTHER)

    told = "Sessions that were ended: 2. Mailed links that were not used have ended too.\n"
    assert end_all(empty) == (0, told)
    for person in (ada, second, third, bob):
        is_over(person)
    no_such_token(post(empty, "/auth/reset-password", token=unused.token, password=OTHER))
    assert end_all(empty) == (0, told.replace("2", "0"))

    goes_on(again(ada, OTHER))
    assert post(empty, "/auth/forgot-password", email=bob.email).status_code == 202
    do_jobs(empty)
    assert post(empty, "/auth/reset-password", token=office.to(bob.email)[-1].token, password=OTHER).status_code == 204
    assert log_in(empty, bob.username, OTHER).status_code == 200


def test_however_many_there_are_and_whatever_the_clock_said(empty):
    ada = new_person(empty, "ada")
    moment = datetime.now(UTC)
    begun = {"user_id": ada.id, "created_at": moment + timedelta(days=400), "last_used_at": moment}
    rows = [{**begun, "id": new_id(), "expires_at": moment + timedelta(days=number - 9)} for number in range(MANY)]
    with empty.app_context(), db.engine.begin() as connection:
        connection.execute(insert(Session), rows)
    assert f": {MANY + 1}." in end_all(empty)[1]
    with empty.app_context(), db.engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(Session.revoked_at.is_(None))) == 0


def test_without_redis_it_is_not_said_to_be_done(environment, ada):
    with another(environment, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as without_redis:
        code, told = end_all(without_redis)
    assert (code, told) == (1, "Error: Redis or the database does not answer: perhaps not all have ended. Run this again.\n")
    assert me(ada).status_code == 200
