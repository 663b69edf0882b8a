"""Tokens that were mailed: each works once, for a while, for one thing, and only the newest."""

import secrets
from functools import partial

import pytest

from tasktracker.accounts import queries, sessions
from tasktracker.core import jobs

from ..clock import later
from ..core.another import another
from ..people import PASSWORD, new_person, problem
from ..post import do_jobs
from ..queue import empty, make_due, waiting
from ..tasks.test_races import at_once, statuses

OTHER_PASSWORD = PASSWORD[::-1]


@pytest.fixture(scope="module")
def strict(environment, app):
    """The same service where addresses must be confirmed."""
    with another(environment, REQUIRE_EMAIL_VERIFICATION="true") as application:
        yield application


@pytest.fixture
def mail(strict, office):
    """Asks for a letter and gives the tokens that came to an address since."""
    empty(strict)

    def tokens(address):
        before = len(office.to(address))
        do_jobs(strict)
        return [letter.token for letter in office.to(address)[before:] if "?token=" in letter.text]

    return tokens


def post(app, path, **body):
    return app.test_client().post(f"/api/v1{path}", json=body)


def verify(app, token):
    return post(app, "/auth/verify-email", token=token)


def reset(app, token, password=OTHER_PASSWORD):
    return post(app, "/auth/reset-password", token=token, password=password)


def works(answer):
    assert answer.status_code == 204, answer.text


def is_no_good(answer):
    problem(answer, 422, "token_invalid")


class Newcomer:
    """Someone whose address waits to be confirmed."""

    use = staticmethod(verify)
    hours = 24

    def __init__(self, app):
        self.app = app
        name = secrets.token_hex(6)
        self.address = f"{name}@new.test"
        answer = post(app, "/auth/register", email=self.address, username=name, password=PASSWORD)
        assert answer.status_code == 202

    def again(self):
        assert post(self.app, "/auth/resend-verification", email=self.address).status_code == 202


class Forgetful:
    """Someone who has forgotten their password."""

    use = staticmethod(reset)
    hours = 1

    def __init__(self, app):
        self.app = app
        self.person = new_person(app, "forgetful")
        self.address = self.person.email
        self.again()

    def again(self):
        assert post(self.app, "/auth/forgot-password", email=self.address).status_code == 202


class Mover:
    """Someone who has another address from now on."""

    use = staticmethod(verify)
    hours = 24

    def __init__(self, app):
        self.person = new_person(app, "mover")
        self.address = f"{secrets.token_hex(6)}@new.test"
        self.again()

    def again(self):
        answer = self.person.post("/users/me/email", {"email": self.address, "password": PASSWORD})
        assert answer.status_code == 202


kinds = pytest.mark.parametrize("kind", [Newcomer, Forgetful, Mover])


@kinds
def test_a_token_works_once_and_for_a_while(strict, mail, kind):
    (token,) = mail(kind(strict).address)
    with later(hours=kind.hours, seconds=-30):
        works(kind.use(strict, token))
        is_no_good(kind.use(strict, token))
    is_no_good(kind.use(strict, token))
    (token,) = mail(kind(strict).address)
    with later(hours=kind.hours, seconds=30):
        is_no_good(kind.use(strict, token))
    for wrong in (token[:-1], token.upper(), token + "0", f" {token[1:]}", "0" * 64, "x"):
        is_no_good(kind.use(strict, wrong))
    works(kind.use(strict, token))


@kinds
def test_only_the_newest_token_works(strict, mail, kind):
    person = kind(strict)
    (first,) = mail(person.address)
    person.again()
    (second,) = mail(person.address)
    is_no_good(kind.use(strict, first))
    works(kind.use(strict, second))


@kinds
def test_of_20_uses_at_once_one_counts(strict, mail, kind):
    (token,) = mail(kind(strict).address)
    assert statuses(at_once([partial(kind.use, strict, token)] * 20)) == {204: 1, 422: 19}


def test_a_token_is_for_one_thing(strict, mail):
    (confirming,) = mail(Newcomer(strict).address)
    (moving,) = mail(Mover(strict).address)
    (resetting,) = mail(Forgetful(strict).address)
    is_no_good(reset(strict, confirming))
    is_no_good(reset(strict, moving))
    is_no_good(verify(strict, resetting))
    works(verify(strict, confirming))
    works(verify(strict, moving))
    works(reset(strict, resetting))


def test_a_use_that_fails_uses_nothing_up(strict, mail):
    (token,) = mail(Forgetful(strict).address)
    problem(reset(strict, token, "short"), 422)
    works(reset(strict, token))


def test_who_moves_has_no_way_back_in_through_the_old_address(strict, mail):
    person = Forgetful(strict).person
    (resetting,) = mail(person.email)
    new = f"{secrets.token_hex(6)}@new.test"
    assert person.post("/users/me/email", {"email": new, "password": PASSWORD}).status_code == 202
    (moving,) = mail(new)
    works(verify(strict, moving))
    is_no_good(reset(strict, resetting))


def test_who_confirms_an_address_first_has_it(strict, mail, office):
    """Two have registered with it, and nobody knows yet which of them reads it."""
    first = Newcomer(strict)
    body = {"email": first.address, "username": secrets.token_hex(6), "password": PASSWORD}
    assert post(strict, "/auth/register", **body).status_code == 202
    tokens = mail(first.address)
    assert len(tokens) == 2
    answers = at_once([partial(verify, strict, token) for token in tokens])
    assert statuses(answers) == {204: 1, 422: 1}
    for token in tokens:
        is_no_good(verify(strict, token))


# What mail servers and workers do to the order of things.


def die(*_):
    raise SystemExit


@pytest.fixture
def sent_by_a_worker_that_died(strict, monkeypatch, mail):
    """The letter was accepted, and its job will be done again."""

    def tokens(address):
        with monkeypatch.context() as dying:
            dying.setattr(jobs, "_done", die)
            try:
                mail(address)
            except SystemExit:
                make_due(strict)

    return tokens


@kinds
def test_a_letter_that_is_sent_twice_is_the_same_letter(strict, office, mail, sent_by_a_worker_that_died, kind):
    person = kind(strict)
    sent_by_a_worker_that_died(person.address)
    (token,) = mail(person.address)
    first, second = office.to(person.address)
    assert first.token == second.token == token
    assert first.message["Message-ID"] == second.message["Message-ID"]
    works(kind.use(strict, token))


@kinds
def test_a_letter_whose_token_was_used_is_not_sent_again(strict, office, mail, sent_by_a_worker_that_died, kind):
    person = kind(strict)
    sent_by_a_worker_that_died(person.address)
    (letter,) = office.to(person.address)
    works(kind.use(strict, letter.token))
    assert mail(person.address) == []
    is_no_good(kind.use(strict, letter.token))


def test_a_token_that_was_ended_does_not_come_back_with_its_letter(strict, office, mail, sent_by_a_worker_that_died):
    person = Forgetful(strict).person
    sent_by_a_worker_that_died(person.email)
    (letter,) = office.to(person.email)
    change = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    assert person.post("/auth/change-password", change).status_code == 204
    assert mail(person.email) == []
    is_no_good(reset(strict, letter.token, PASSWORD))


@pytest.mark.parametrize("kind", [Forgetful, Mover])
def test_a_letter_that_still_waits_is_ended_too(strict, mail, kind):
    """It was asked for before the password was changed, perhaps by someone else."""
    asked = kind(strict)
    change = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    assert asked.person.post("/auth/change-password", change).status_code == 204
    assert mail(asked.address) == []
    assert post(strict, "/auth/forgot-password", email=asked.person.email).status_code == 202
    (token,) = mail(asked.person.email)
    works(reset(strict, token, PASSWORD))


def test_a_letter_that_comes_late_ends_no_newer_token(strict, office, mail):
    person = Newcomer(strict)
    office.answers[person.address] = "450 Later"
    assert mail(person.address) == []
    del office.answers[person.address]
    person.again()
    (newer,) = mail(person.address)
    make_due(strict)
    assert mail(person.address) == []
    works(verify(strict, newer))


def test_a_dead_letter_that_is_tried_again_ends_no_newer_token(strict, office, mail):
    person = Forgetful(strict)
    office.answers[person.address] = "550 Never"
    assert mail(person.address) == []
    del office.answers[person.address]
    person.again()
    (newer,) = mail(person.address)
    with strict.app_context():
        jobs.retry_dead_letters()
    assert mail(person.address) == []
    assert waiting(strict) == []
    works(reset(strict, newer))


def test_a_dead_letter_that_is_tried_again_works(strict, office, mail):
    person = Newcomer(strict)
    office.answers[person.address] = "550 Never"
    assert mail(person.address) == []
    del office.answers[person.address]
    with later(hours=30), strict.app_context():
        jobs.retry_dead_letters()
        (token,) = mail(person.address)
        works(verify(strict, token))


def test_where_a_token_was_used_its_user_stays_known(strict, mail, app):
    """Whatever mails somebody asks for in their name."""
    person = Forgetful(strict)
    (token,) = mail(person.address)
    answer = strict.test_client().post(
        "/api/v1/auth/reset-password",
        json={"token": token, "password": OTHER_PASSWORD},
        environ_base={"REMOTE_ADDR": "192.0.2.99"},
    )
    works(answer)
    person.again()
    assert len(mail(person.address)) == 1
    with app.app_context():
        account = queries.ACCOUNT.first(name=person.address)
        assert sessions.knows(account, "192.0.2.99")
        assert not sessions.knows(account, "192.0.2.98")
