"""What the recurring job deletes: sessions and tokens that are over, and accounts that nobody confirmed; nothing else."""

import secrets
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, insert, select, update

from tasktracker.accounts import pruning
from tasktracker.accounts.models import MailedToken, RefreshToken, Session, User
from tasktracker.core import jobs
from tasktracker.core.database import session
from tasktracker.core.jobs import Job
from tasktracker.core.models import now
from tasktracker.projects.models import Project

from ..cli.apps import new_app
from ..clock import later
from ..people import PASSWORD, new_person, problem
from ..post import do_jobs
from ..queue import execute, waiting
from ..tasks.test_races import at_once
from .tokens import refresh


@pytest.fixture(scope="module")
def own(environment, tmp_path_factory):
    """A service where addresses must be confirmed, on a database of its own: time passes here that is not to pass elsewhere."""
    with new_app({**environment, "REQUIRE_EMAIL_VERIFICATION": "true"}, tmp_path_factory.mktemp("own")) as app:
        yield app


def post(app, path, **body):
    return app.test_client().post(f"/api/v1{path}", json=body)


def register(app, username, address=None):
    address = address or f"{secrets.token_hex(6)}@new.test"
    return address, post(app, "/auth/register", email=address, username=username, password=PASSWORD)


def prune(app):
    """Does the job as the worker would, once it is due."""
    with app.app_context():
        jobs.schedule()
    execute(app, update(Job).where(Job.kind == "prune_accounts").values(due_at=now(), last_error=None))
    do_jobs(app)
    (job,) = waiting(app, Job.kind == "prune_accounts")
    assert job.last_error is None
    assert 3500 < (job.due_at - now()).total_seconds() <= 3600


def count(app, model, *where):
    with app.app_context():
        return session().scalar(select(func.count()).select_from(model).where(*where))


def left(app, person):
    """How many sessions and refresh tokens a user has, and how many mailed tokens that somebody knows."""
    refreshed = RefreshToken.session_id.in_(select(Session.id).where(Session.user_id == person.id))
    return (
        count(app, Session, Session.user_id == person.id),
        count(app, RefreshToken, refreshed),
        count(app, MailedToken, MailedToken.user_id == person.id, MailedToken.email != ""),
    )


def test_sessions_and_tokens_go_when_they_are_over_and_users_stay(own, office):
    ada, bob, eve = (new_person(own, name) for name in ("ada", "bob", "eve"))
    assert bob.post("/auth/logout").status_code == 204
    for person in (ada, bob):
        assert post(own, "/auth/forgot-password", email=person.email).status_code == 202
    do_jobs(own)
    body = {"token": office.to(bob.email)[0].token, "password": PASSWORD}
    assert post(own, "/auth/reset-password", **body).status_code == 204  # The address is known by this.
    prune(own)
    assert left(own, ada) == left(own, bob) == (1, 1, 1)
    with later(days=10):
        newest = refresh(ada).json["refresh_token"]
    with later(days=13, hours=23):
        prune(own)
        assert left(own, ada) == (1, 2, 1)
        assert left(own, bob) == (1, 1, 1)
    with later(days=14, minutes=2):
        prune(own)
        assert left(own, ada) == (1, 1, 1)
        assert left(own, bob) == (0, 0, 1)
        assert left(own, eve) == (0, 0, 0)
    with later(days=14, hours=2):
        prune(own)
        assert left(own, ada) == (1, 1, 0)
        assert left(own, bob) == (0, 0, 0)
    for days in (23, 36, 49):
        with later(days=days):
            newest = refresh(ada, newest).json["refresh_token"]
            prune(own)
            assert left(own, ada)[0] == 1
    with later(days=59, hours=23):
        prune(own)
        assert refresh(ada, newest).status_code == 200
    with later(days=60, minutes=2):
        prune(own)
        assert left(own, ada) == (0, 0, 0)
        for person in (ada, bob, eve):
            login = post(own, "/auth/login", username=person.username, password=PASSWORD)
            assert login.status_code == 200


def test_an_account_that_nobody_confirms_goes_and_frees_its_name(own, office):
    name, stays = secrets.token_hex(6), secrets.token_hex(6)
    address, answer = register(own, name)
    assert answer.status_code == 202
    register(own, stays, stays_at := f"{stays}@new.test")
    bystander = new_person(own, "by", verified=False)  # It has been an account from the beginning.
    do_jobs(own)
    token = office.to(stays_at)[0].token
    assert post(own, "/auth/verify-email", token=token).status_code == 204
    with later(days=6, hours=23):
        prune(own)
        problem(register(own, name)[1], 409, "username_taken")
    with later(days=7, minutes=1):
        prune(own)
        assert count(own, User, User.username == name) == 0
        assert count(own, MailedToken, MailedToken.email == address) == 0
        assert register(own, name)[1].status_code == 202
        assert post(own, "/auth/login", username=stays, password=PASSWORD).status_code == 200
        assert count(own, User, User.id == bystander.id) == 1
        assert count(own, Project, Project.owner_id == bystander.id) == 1


def test_more_than_fits_into_one_transaction(own, monkeypatch):
    monkeypatch.setattr(pruning, "_BATCH", 2)
    monkeypatch.setattr(pruning, "_USERS_AT_ONCE", 2)
    for n in range(4):
        new_person(own, f"p{n}")
        assert register(own, secrets.token_hex(6))[1].status_code == 202
    with later(days=90):
        prune(own)
    assert [count(own, model) for model in (Session, RefreshToken, MailedToken)] == [0, 0, 0]
    assert count(own, User, User.activated_at.is_(None)) == 0


def test_whoever_confirms_while_it_is_deleted_has_an_account_or_has_none(own, office):
    for _ in range(3):
        name = secrets.token_hex(6)
        address, _ = register(own, name)
        with later(days=7, hours=1):
            assert post(own, "/auth/resend-verification", email=address).status_code == 202
            do_jobs(own)
            token = office.to(address)[-1].token

            def pruned():
                with own.app_context():
                    pruning.prune(jobs.Taken("", "", "", 1))

            confirmed, _ = at_once([partial(post, own, "/auth/verify-email", token=token), pruned])
            assert confirmed.status_code in (204, 422), confirmed.text
            assert count(own, User, User.username == name) == (confirmed.status_code == 204)


def test_a_job_that_has_failed_for_good_is_kept_for_30_days(own):
    for days in (29.9, 30.1, 300):
        execute(own, insert(Job).values(kind=f"dead {days}", payload="{}", failed_at=now() - timedelta(days=days)))
    execute(
        own, insert(Job).values(kind="waits", payload="{}", created_at=now() - timedelta(days=300), due_at=now() + timedelta(1))
    )
    prune(own)
    assert {job.kind for job in waiting(own)} == {"dead 29.9", "waits", "prune_accounts", "prune_kept_answers"}
