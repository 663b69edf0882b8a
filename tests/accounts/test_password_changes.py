"""POST /auth/change-password, /auth/forgot-password and /auth/reset-password."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from tasktracker.accounts.models import MailedToken, User
from tasktracker.accounts.services import credentials, login
from tasktracker.accounts.services.administration import disable, enable
from tasktracker.core.models import now
from tasktracker.extensions import db

from ..people import PASSWORD, new_person, pointers, problem
from ..racing import at_once, statuses
from .asking import OTHER, again, change, goes_on, is_over, later, log_in, no_such_token, post

OLDER = PasswordHasher(time_cost=2, memory_cost=32, parallelism=1)


def change_password(person, current=PASSWORD, new=OTHER):
    return person.post("/auth/change-password", {"current_password": current, "new_password": new})


def forgot(app, email):
    answer = post(app, "/auth/forgot-password", email=email)
    assert answer.status_code == 202, answer.text
    return answer


def reset_token(app, letters, person):
    """The token that is mailed to whoever forgot their password."""
    forgot(app, person.email)
    return letters(person.email)[-1].token


def reset(app, token, password=OTHER):
    return post(app, "/auth/reset-password", token=token, password=password)


def subjects(letters, person):
    return [letter.subject for letter in letters(person.email)]


def stored(app, query):
    with app.app_context(), db.engine.connect() as connection:
        return connection.execute(query).all()


def hash_of(app, person):
    return stored(app, select(User.password_hash).where(User.id == person.id))[0].password_hash


def known_from(app, person):
    """Where mailed tokens of a user were used."""
    used = select(MailedToken.used_from).where(MailedToken.user_id == person.id, MailedToken.used_from.is_not(None))
    return [row.used_from for row in stored(app, used)]


def meanwhile(monkeypatch, module, name, happens):
    """Has something happen once, in a thread of its own, when a function of a module has done its work."""
    function = getattr(module, name)

    def slowly(*args, **kwargs):
        result = function(*args, **kwargs)
        monkeypatch.setattr(module, name, function)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(happens).result(20)
        return result

    monkeypatch.setattr(module, name, slowly)


def by_administration(app, use_case, person):
    with app.app_context():
        assert use_case(person.username)


# --- by who knows it --------------------------------------------------------------------------------------------------


def test_a_changed_password_ends_the_other_sessions_and_is_told(app, other_worker, letters, ada, bob):
    others = [again(ada), again(ada)]
    goes_on(others[0])
    answer = change_password(ada)
    assert (answer.status_code, answer.data) == (204, b"")
    for other in others:
        is_over(other, other_worker)
    goes_on(ada, other_worker)
    goes_on(bob)
    problem(log_in(app, ada.username), 401, "invalid_credentials")
    goes_on(again(ada, OTHER))
    (letter,) = letters(ada.email)
    assert letter.subject == "Your password was changed"
    assert OTHER not in letter.text + letter.html
    assert "?token=" not in letter.text
    assert letters(bob.email) == []


def test_a_wrong_current_password_is_403_and_changes_nothing(app, letters, ada):
    other, before = again(ada), hash_of(app, ada)
    for wrong in ("wrong", PASSWORD.upper(), f"{PASSWORD} ", f" {PASSWORD}", PASSWORD[:-1], OTHER, "x" * 1024):
        problem(change_password(ada, wrong), 403, "password_wrong")
        problem(change_password(ada, wrong, "short"), 403, "password_wrong")
    assert hash_of(app, ada) == before
    assert letters(ada.email) == []
    goes_on(other)


def test_what_breaks_a_rule_is_422_and_changes_nothing(app, letters, ada):
    other, before = again(ada), hash_of(app, ada)
    assert pointers(change_password(ada, new="short")) == {"/new_password"}
    for bad in ("", None, 1, "x" * 1025, "\0" * 12, ["x" * 12]):
        assert pointers(change_password(ada, new=bad)) == {"/new_password"}
        assert pointers(change_password(ada, current=bad)) == {"/current_password"}
    assert pointers(ada.post("/auth/change-password", {})) == {"/current_password", "/new_password"}
    both = {"current_password": PASSWORD, "new_password": OTHER}
    assert pointers(ada.post("/auth/change-password", {**both, "user_id": ada.id})) == {"/user_id"}
    problem(post(app, "/auth/change-password", **both), 401)
    assert hash_of(app, ada) == before
    assert letters(ada.email) == []
    goes_on(other)


def test_a_password_is_one_in_every_spelling_of_unicode_and_is_not_trimmed(app, ada):
    password, composed = " Zwo\u0308lf Gru\u0308\u00dfe A\u030a\ufb01 ", " Zwölf Grüße \u00c5fi "
    assert change_password(ada, new=password).status_code == 204
    assert log_in(app, ada.username, composed).status_code == 200
    assert log_in(app, ada.username, " Zwölf Grüße \u212b\ufb01 ").status_code == 200
    problem(change_password(ada, composed.strip(), OTHER), 403, "password_wrong")
    assert change_password(ada, composed, OTHER).status_code == 204


def test_of_many_changes_at_once_one_is_made(app, letters, ada):
    news = [f"{OTHER} {number}" for number in range(8)]
    answers = at_once([partial(change_password, ada, PASSWORD, new) for new in news])
    assert statuses(answers) == {204: 1, 403: 7}
    assert {answer.json["code"] for answer in answers if answer.status_code == 403} == {"password_wrong"}
    fits = [new for new in news if log_in(app, ada.username, new).status_code == 200]
    assert fits == [news[[answer.status_code for answer in answers].index(204)]]
    assert len(letters(ada.email)) == 1


def test_a_password_that_a_login_hashes_anew_meanwhile_is_still_the_right_one(app, ada, monkeypatch):
    change(app, ada.id, password_hash=OLDER.hash(PASSWORD))
    meanwhile(monkeypatch, credentials, "check_password", lambda: again(ada))
    assert change_password(ada).status_code == 204
    assert log_in(app, ada.username, OTHER).status_code == 200


# --- by who can read the address --------------------------------------------------------------------------------------


def test_a_reset_ends_all_sessions_and_is_told(app, other_worker, letters, ada, bob):
    other = again(ada)
    forgot(app, f" {ada.email.upper()}\n")
    (letter,) = letters(ada.email)
    assert letter.link.startswith("http://127.0.0.1:8000/reset-password?token=")
    goes_on(again(ada))  # Asking changes nothing.
    http = {"environ_base": {"REMOTE_ADDR": "192.0.2.77"}}
    answer = post(app, "/auth/reset-password", http=http, token=f" {letter.token} ", password=OTHER)
    assert (answer.status_code, answer.data) == (204, b"")
    for session in (ada, other):
        is_over(session, other_worker)
    goes_on(bob)
    problem(log_in(app, ada.username), 401)
    goes_on(again(ada, OTHER))
    assert subjects(letters, ada) == ["Choose a new password", "Your password was changed"]
    assert OTHER not in letters(ada.email)[-1].text
    forgot(app, ada.email)
    assert len(letters(ada.email)) == 3
    assert known_from(app, ada) == ["192.0.2.77"]  # Where the owner has been is not forgotten when another asks for a mail.
    no_such_token(reset(app, letter.token, "another good password"))
    assert log_in(app, ada.username, OTHER).status_code == 200


def test_a_bad_password_leaves_the_token_good(app, letters, ada):
    token = reset_token(app, letters, ada)
    assert pointers(reset(app, token, "short")) == {"/password"}
    for bad in ("", None, 1, "x" * 1025, "\0" * 12):
        assert pointers(reset(app, token, bad)) == {"/password"}
    assert pointers(post(app, "/auth/reset-password", token=token, password=OTHER, username=ada.username)) == {"/username"}
    assert pointers(post(app, "/auth/reset-password")) == {"/token", "/password"}
    no_such_token(reset(app, token[:-1], "short"))  # A rule is no reason to tell that a token would be good.
    assert known_from(app, ada) == []
    goes_on(ada)
    assert reset(app, token).status_code == 204


@pytest.mark.parametrize(("age", "status"), [({"minutes": 59, "seconds": 50}, 204), ({"hours": 1, "seconds": 2}, 422)])
def test_a_link_works_for_an_hour(app, letters, ada, age, status):
    token = reset_token(app, letters, ada)
    with later(**age):
        assert reset(app, token).status_code == status
    assert log_in(app, ada.username, OTHER if status == 204 else PASSWORD).status_code == 200


def test_the_newest_link_alone_works(app, letters, ada, bob):
    bobs, first = reset_token(app, letters, bob), reset_token(app, letters, ada)
    forgot(app, ada.email)
    forgot(app, ada.email.title())
    _, letter = letters(ada.email)  # The two that waited at once are one letter.
    no_such_token(reset(app, first))
    assert reset(app, letter.token).status_code == 204
    assert reset(app, bobs).status_code == 204


def test_of_many_resets_at_once_one_is_done(app, letters, ada):
    token = reset_token(app, letters, ada)
    news = [f"{OTHER} {number}" for number in range(8)]
    answers = at_once([partial(reset, app, token, new) for new in news])
    assert statuses(answers) == {204: 1, 422: 7}
    won = news[[answer.status_code for answer in answers].index(204)]
    assert [new for new in news if log_in(app, ada.username, new).status_code == 200] == [won]


def test_a_link_dies_when_the_password_is_changed(app, letters, ada):
    mailed = reset_token(app, letters, ada)
    forgot(app, ada.email)
    assert change_password(ada).status_code == 204
    no_such_token(reset(app, mailed, "another good password"))
    assert subjects(letters, ada) == ["Choose a new password", "Your password was changed"]  # One that waited is not sent.
    no_such_token(reset(app, mailed, "another good password"))
    assert reset(app, reset_token(app, letters, ada), PASSWORD).status_code == 204  # A newer one works.


def test_a_reset_enables_nobody(app, letters, ada):
    token = reset_token(app, letters, ada)
    by_administration(app, disable, ada)
    assert reset(app, token).status_code == 204
    for password in (PASSWORD, OTHER):
        problem(log_in(app, ada.username, password), 401, "invalid_credentials")
    forgot(app, ada.email)
    assert subjects(letters, ada) == ["Choose a new password", "Your password was changed"]
    by_administration(app, enable, ada)
    assert log_in(app, ada.username, OTHER).status_code == 200


def test_a_reset_confirms_no_account(strict, app, letters):
    """Who has not confirmed gets no link, and whoever confirmed elsewhere only still has to do so here."""
    fields = {"email": "waiting-" + (ada := new_person(app, verified=False)).email, "username": f"x{ada.id[-12:]}"}
    assert post(strict, "/auth/register", **fields, password=PASSWORD).status_code == 202
    forgot(strict, fields["email"])
    assert [letter.subject for letter in letters(fields["email"])] == ["Confirm your address"]
    assert reset(strict, reset_token(strict, letters, ada)).status_code == 204
    problem(log_in(strict, ada.username, OTHER), 401)
    assert log_in(app, ada.username, OTHER).json["user"]["email_verified"] is False


def test_while_a_password_is_hashed_nothing_is_locked(app, letters, ada, monkeypatch):
    """Hashing takes long and waits for its turn: nobody who writes waits for that."""
    token = reset_token(app, letters, ada)
    meanwhile(monkeypatch, credentials, "hash_password", lambda: change(app, ada.id, display_name="Meanwhile"))
    assert reset(app, token).status_code == 204
    assert again(ada, OTHER).get("/users/me").json["display_name"] == "Meanwhile"


# --- logins that are judged while the account changes -----------------------------------------------------------------


def test_a_hash_of_older_parameters_is_made_anew_by_the_right_password(app, ada):
    older = OLDER.hash(PASSWORD)
    change(app, ada.id, password_hash=older)
    for wrong in ("wrong", PASSWORD.upper()):
        problem(log_in(app, ada.username, wrong), 401)
    assert hash_of(app, ada) == older
    change(app, ada.id, disabled_at=now())
    problem(log_in(app, ada.username), 401)
    assert hash_of(app, ada) == older
    change(app, ada.id, disabled_at=None)
    first = again(ada)
    fresh = hash_of(app, ada)
    assert fresh.partition("$m=")[2].split("$")[0] != older.partition("$m=")[2].split("$")[0]
    assert not login.needs_rehash(fresh)
    goes_on(again(ada))
    assert hash_of(app, ada) == fresh
    goes_on(first)
    goes_on(ada)


def test_logins_at_once_with_a_hash_of_older_parameters_all_succeed(app, ada):
    change(app, ada.id, password_hash=OLDER.hash(PASSWORD))
    assert statuses(at_once([partial(log_in, app, ada.username)] * 8)) == {200: 8}


@pytest.mark.parametrize("event", ["disabled", "changed", "reset"])
def test_a_login_that_was_judged_before_leaves_no_session_behind(app, letters, ada, monkeypatch, event):
    token = reset_token(app, letters, ada)
    happens = {
        "disabled": lambda: by_administration(app, disable, ada),
        "changed": lambda: change_password(ada),
        "reset": lambda: reset(app, token),
    }[event]
    meanwhile(monkeypatch, login, "verify_password", happens)
    problem(log_in(app, ada.username), 401, "invalid_credentials")
    by_administration(app, enable, ada) if event == "disabled" else None
    password = PASSWORD if event == "disabled" else OTHER
    assert len(again(ada, password).get("/auth/sessions").json) == (2 if event == "changed" else 1)


@pytest.mark.parametrize("event", ["disabled", "changed"])
def test_of_logins_and_refreshes_at_once_none_survives_the_end(app, ada, event):
    """Whatever they got before it is dead after it."""

    def end():
        by_administration(app, disable, ada) if event == "disabled" else change_password(ada)
        return log_in(app, ada.username)

    others = [again(ada) for _ in range(3)]
    requests = [partial(log_in, app, ada.username)] * 6
    requests[2:2] = [partial(post, app, "/auth/refresh", refresh_token=other.refresh_token) for other in others]
    answers = at_once([*requests[:6], end, *requests[6:]])
    assert set(statuses(answers)) <= {200, 401}
    assert answers[6].status_code == 401
    for answer in answers:
        if answer.status_code == 200:
            headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
            problem(app.test_client().get("/api/v1/users/me", headers=headers), 401, "not_authenticated")
            problem(post(app, "/auth/refresh", refresh_token=answer.json["refresh_token"]), 401, "not_authenticated")
