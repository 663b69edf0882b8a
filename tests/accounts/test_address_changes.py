"""POST /auth/verify-email, /auth/resend-verification and /users/me/email: who can read an address."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tasktracker.accounts import mails
from tasktracker.accounts.services import credentials
from tasktracker.accounts.services.administration import disable

from ..people import PASSWORD, new_person, pointers, problem
from ..racing import at_once, statuses
from .asking import OTHER, again, change, goes_on, is_over, later, log_in, no_such_token, post


def an_address():
    return f"new-{secrets.token_hex(5)}@example.com"


def ask(person, email, password=PASSWORD):
    return person.post("/users/me/email", {"email": email, "password": password})


def asked(person, letters, email):
    """The token that the new address gets."""
    answer = ask(person, email)
    assert answer.status_code == 202, answer.text
    return letters(email)[-1].token


def resend(app, email):
    answer = post(app, "/auth/resend-verification", email=email)
    assert answer.status_code == 202, answer.text
    return answer


def verify(app, token):
    return post(app, "/auth/verify-email", token=token)


def reset(app, token, password=OTHER):
    return post(app, "/auth/reset-password", token=token, password=password)


def profile(person):
    me = person.get("/users/me").json
    return me["email"], me["email_verified"]


# --- the proof of an address ------------------------------------------------------------------------------------------


def test_an_address_is_confirmed_once_and_all_sessions_go_on(app, letters):
    ada = new_person(app, verified=False)
    second = again(ada)
    resend(app, ada.email.upper())
    (letter,) = letters(ada.email)  # As it stands in the account.
    assert letter.link.startswith("http://127.0.0.1:8000/verify-email?token=")
    assert profile(ada) == (ada.email, False)
    assert statuses(at_once([partial(verify, app, letter.token)] * 8)) == {204: 1, 422: 7}
    assert profile(ada) == (ada.email, True)
    goes_on(ada)
    goes_on(second)
    resend(app, ada.email)
    assert len(letters(ada.email)) == 1  # There is nothing to confirm any more.


def test_a_newer_mail_ends_the_older_link(app, letters):
    ada = new_person(app, verified=False)
    resend(app, ada.email)
    older = letters(ada.email)[-1].token
    resend(app, ada.email)
    resend(app, ada.email)
    _, letter = letters(ada.email)  # The two that waited at once are one letter.
    assert letter.token != older
    no_such_token(verify(app, older))
    assert verify(app, letter.token).status_code == 204


@pytest.mark.parametrize(("age", "status"), [({"hours": 23, "minutes": 59}, 204), ({"hours": 24, "seconds": 2}, 422)])
def test_a_link_works_for_24_hours(app, letters, age, status):
    ada, bob = new_person(app, verified=False), new_person(app)
    resend(app, ada.email)
    tokens = [letters(ada.email)[-1].token, asked(bob, letters, an_address())]
    with later(**age):
        for token in tokens:
            answer = verify(app, token)
            assert answer.status_code == status
            assert status == 204 or answer.json["code"] == "token_invalid"


def test_a_token_is_good_for_its_purpose_and_for_nothing_else(app, letters):
    ada = new_person(app, verified=False)
    post(app, "/auth/forgot-password", email=ada.email)
    resend(app, ada.email)
    tokens = {letter.subject: letter.token for letter in letters(ada.email)}
    for wrong in (tokens["Choose a new password"], ada.access_token, ada.refresh_token, "x", "é" * 200, "0" * 64, ada.id):
        no_such_token(verify(app, wrong[:200]))
    no_such_token(reset(app, tokens["Confirm your address"]))
    assert verify(app, f" {tokens['Confirm your address']}\n").status_code == 204
    assert reset(app, tokens["Choose a new password"]).status_code == 204


@pytest.mark.parametrize("path", ["/auth/verify-email", "/auth/resend-verification", "/auth/forgot-password"])
def test_what_is_no_token_or_address_is_422(app, path):
    name = "token" if path == "/auth/verify-email" else "email"
    for value in ("", "  ", None, 1, ["a@b.de"], {}, "a\0@b.de", "x" * 300 + "@b.de", True):
        answer = app.test_client().post(f"/api/v1{path}", json={name: value})
        assert pointers(answer) == {f"/{name}"}, value
    assert pointers(post(app, path)) == {f"/{name}"}
    assert pointers(post(app, path, **{name: "a@b.de", "user_id": "x"})) == {"/user_id"}
    problem(app.test_client().get(f"/api/v1{path}?{name}=a@b.de"), 405)
    problem(app.test_client().post(f"/api/v1{path}?{name}=a@b.de", json={name: "a@b.de"}), 422)


# --- another address --------------------------------------------------------------------------------------------------


def test_an_address_is_changed_by_the_link_and_other_sessions_end(app, other_worker, letters, ada):
    other, email = again(ada), an_address()
    answer = ask(ada, email)
    assert (answer.status_code, list(answer.json), answer.headers["Cache-Control"]) == (202, ["message"], "no-store")
    (letter,), (told,) = letters(email), letters(ada.email)
    assert letter.link.startswith("http://127.0.0.1:8000/verify-email?token=")
    assert ada.username not in letter.text + letter.html  # Nothing of a stranger's stands in it.
    assert "?token=" not in told.text
    assert email not in told.text
    assert profile(ada) == profile(other) == (ada.email, True)
    problem(log_in(app, email), 401)

    assert verify(app, letter.token).status_code == 204
    assert profile(ada) == (email, True)
    is_over(other, other_worker)
    goes_on(ada, other_worker)
    assert [letter.subject for letter in letters(ada.email)] == [told.subject, "Your address was changed"]
    problem(log_in(app, ada.email), 401)
    assert log_in(app, email).json["user"]["email"] == email
    no_such_token(verify(app, letter.token))
    # The old address is free.
    assert new_person(app).post("/users/me/email", {"email": ada.email, "password": PASSWORD}).status_code == 202
    assert letters(ada.email)[-1].subject == "Confirm your new address"


@pytest.mark.parametrize("how", ["logout", "thrown out", "disabled"])
def test_a_change_is_over_with_the_session_that_asked_for_it(app, letters, ada, how):
    """A thief who was thrown out does not come back by a link."""
    owner = again(ada)
    token = asked(ada, letters, an_address())
    if how == "logout":
        assert ada.post("/auth/logout").status_code == 204
    elif how == "thrown out":
        assert owner.delete("/auth/sessions").status_code == 204
    else:
        with app.app_context():
            assert disable(ada.username)
    problem(verify(app, token), 422, "token_invalid")
    if how != "disabled":
        assert profile(owner) == (ada.email, True)
        goes_on(owner)


def test_the_spelling_of_an_address_can_be_changed_and_it_stays_their_own(app, letters, ada):
    email = ada.email.replace("ada", "Ada")
    assert verify(app, asked(ada, letters, email)).status_code == 204
    assert profile(ada) == (email, True)
    assert log_in(app, ada.email).status_code == 200
    assert pointers(ask(ada, email)) == {"/email"}
    assert pointers(ask(ada, f" {email} ")) == {"/email"}


@pytest.mark.parametrize("sent_before", [True, False])
def test_a_newer_request_ends_the_older_link(app, letters, ada, sent_before):
    older, newer = an_address(), an_address()
    assert ask(ada, older).status_code == 202
    tokens = [letter.token for letter in letters(older)] if sent_before else []
    assert ask(ada, newer).status_code == 202
    for token in tokens:
        no_such_token(verify(app, token))  # Before anything was sent for the newer one.
    assert len(letters(older)) == sent_before
    for token in tokens:
        no_such_token(verify(app, token))
    assert verify(app, letters(newer)[-1].token).status_code == 204
    assert profile(ada) == (newer, True)


def test_a_letter_that_is_being_written_is_overtaken_by_a_newer_request(app, letters, ada, monkeypatch):
    older, newer = an_address(), an_address()
    register = mails._register

    def after_another_request(*args, **kwargs):
        monkeypatch.setattr(mails, "_register", register)
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(ask, ada, newer).result(20).status_code == 202
        return register(*args, **kwargs)

    monkeypatch.setattr(mails, "_register", after_another_request)
    assert ask(ada, older).status_code == 202
    assert letters(older) == []
    assert verify(app, letters(newer)[-1].token).status_code == 204


def test_a_refused_request_leaves_the_older_link_alone(app, letters, ada):
    email = an_address()
    token = asked(ada, letters, email)
    before = len(letters(ada.email))
    for answer in (ask(ada, an_address(), "wrong"), ask(ada, an_address(), PASSWORD.upper())):
        problem(answer, 403, "password_wrong")
    assert pointers(ask(ada, ada.email)) == {"/email"}
    assert pointers(ada.post("/users/me/email", {"email": "x", "password": "", "id": 1})) == {"/email", "/password", "/id"}
    assert pointers(ada.post("/users/me/email", {})) == {"/email", "/password"}
    problem(post(app, "/users/me/email", email=email, password=PASSWORD), 401)
    assert len(letters(ada.email)) == before
    assert verify(app, token).status_code == 204


def test_whoever_has_the_address_is_told_and_the_asker_learns_nothing(letters, ada, bob):
    free = ask(ada, an_address())
    taken = ask(ada, bob.email.upper())
    assert (taken.status_code, taken.data, list(taken.headers.keys())) == (202, free.data, list(free.headers.keys()))
    (told,) = letters(bob.email.upper())
    assert told.subject == "You have an account already"
    assert "?token=" not in told.text
    assert ada.username not in told.text + told.html
    assert [letter.subject for letter in letters(ada.email)] == ["Your address is about to be changed"]
    assert profile(bob) == (bob.email, True)
    goes_on(bob)


@pytest.mark.parametrize("how", ["register", "change", "confirm"])
def test_an_address_that_was_taken_meanwhile_is_no_longer_to_be_had(strict, letters, ada, bob, how):
    app, email = ada.app, an_address()
    token = asked(ada, letters, email)
    fields = {"email": email.upper(), "username": f"x{ada.id[-12:]}", "password": PASSWORD}
    if how == "register":
        assert post(app, "/auth/register", **fields).status_code == 201
    elif how == "change":
        assert verify(app, asked(bob, letters, email)).status_code == 204
    else:
        assert post(strict, "/auth/register", **fields).status_code == 202
        assert verify(strict, letters(email.upper())[-1].token).status_code == 204
    other = again(ada)
    for _ in range(2):
        no_such_token(verify(app, token))
    assert profile(ada) == (ada.email, True)
    goes_on(other)


def test_a_registration_that_waits_keeps_nobody_from_the_address(app, strict, letters, ada):
    email = an_address()
    name = f"x{ada.id[-12:]}"
    assert post(strict, "/auth/register", email=email, username=name, password=PASSWORD).status_code == 202
    waiting = letters(email)[-1].token
    assert verify(app, asked(ada, letters, email)).status_code == 204
    no_such_token(verify(strict, waiting))
    problem(log_in(strict, name), 401)


def test_a_link_for_the_old_address_does_not_outlive_the_change(app, letters):
    ada = new_person(app, verified=False)
    resend(app, ada.email)
    post(app, "/auth/forgot-password", email=ada.email)
    tokens = {letter.subject: letter.token for letter in letters(ada.email)}
    assert verify(app, asked(ada, letters, an_address())).status_code == 204
    no_such_token(verify(app, tokens["Confirm your address"]))
    no_such_token(reset(app, tokens["Choose a new password"]))
    assert log_in(app, ada.username).status_code == 200


def test_a_change_of_address_enables_nobody(app, letters, ada):
    email = an_address()
    token = asked(ada, letters, email)
    with app.app_context():
        assert disable(ada.username)
    problem(verify(app, token), 422, "token_invalid")
    for name in (ada.username, email):
        problem(log_in(app, name), 401)
    change(app, ada.id, disabled_at=None)
    problem(log_in(app, email), 401)
    assert log_in(app, ada.email).status_code == 200


# --- a thief who knows the password: the owner chooses another, and what the thief asked for is over ------------------------


def owner_resets(app, letters, owner):
    assert post(app, "/auth/forgot-password", email=owner.email).status_code == 202
    token = next(letter.token for letter in letters(owner.email) if letter.subject == "Choose a new password")
    assert reset(app, token).status_code == 204


def owner_changes(app, letters, owner):
    body = {"current_password": PASSWORD, "new_password": OTHER}
    assert again(owner).post("/auth/change-password", body).status_code == 204


@pytest.mark.parametrize("choose_another", [owner_resets, owner_changes])
def test_another_password_ends_a_change_of_address_that_was_asked_for(app, letters, ada, choose_another):
    thiefs = an_address()
    token = asked(again(ada), letters, thiefs)
    choose_another(app, letters, ada)
    no_such_token(verify(app, token))
    assert log_in(app, ada.email, OTHER).json["user"]["email"] == ada.email


def test_another_password_ends_a_change_of_address_whose_letter_still_waits(app, letters, ada):
    thiefs = an_address()
    assert ask(again(ada), thiefs).status_code == 202
    owner_changes(app, letters, ada)
    assert letters(thiefs) == []
    # The owner's own requests work as ever.
    owner = again(ada, OTHER)
    assert ask(owner, email := an_address(), OTHER).status_code == 202
    assert verify(app, letters(email)[-1].token).status_code == 204


def test_a_password_that_was_changed_while_it_was_checked_changes_no_address(app, letters, ada, monkeypatch):
    thief, thiefs, check = again(ada), an_address(), credentials.check_password

    def slowly(*args):
        account = check(*args)
        monkeypatch.setattr(credentials, "check_password", check)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(owner_changes, app, letters, ada).result(20)
        return account

    monkeypatch.setattr(credentials, "check_password", slowly)
    problem(ask(thief, thiefs), 403, "password_wrong")
    assert letters(thiefs) == []
