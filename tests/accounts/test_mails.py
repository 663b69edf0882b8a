"""The letters of accounts, as they arrive over SMTP: to whom, what they say, and whose words stand in them."""

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from sqlalchemy import update

from tasktracker.accounts.models import MailedToken, User
from tasktracker.core.models import now

from ..cli.apps import all_rows
from ..core.another import another
from ..people import PASSWORD, pointers
from ..post import do_jobs
from ..queue import empty, execute, waiting

SITE = "https://tracker.company.test"
SENDER = "TaskTracker <no-reply@company.test>"
# Each of these would be a link, markup or a command somewhere.
DISPLAY_NAME = "<b>Win at https://evil.test</b> {{ 7 * 7 }} www.evil.test"


@pytest.fixture(scope="module")
def strict(environment, app):
    """The service as it is in production: addresses are confirmed, and links lead to its own name."""
    settings = {"REQUIRE_EMAIL_VERIFICATION": "true", "PUBLIC_URL": SITE, "MAIL_DEFAULT_SENDER": SENDER}
    with another(environment, **settings) as application:
        empty(application)
        yield application


@pytest.fixture
def sent(strict, office):
    """Makes a request, and gives the letters that come of it."""

    def post(path, body, status, *, token=None):
        do_jobs(strict)
        office.letters.clear()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = strict.test_client().post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        assert office.letters == []  # A request sends nothing itself.
        do_jobs(strict)
        return sorted(office.letters, key=lambda letter: letter.to)

    return post


def check(letter, to, subject, page=None):
    """What every letter has, and that it holds one link or none."""
    message = letter.message
    assert letter.to == message["To"] == to
    assert message.get_all("Subject") == [subject]
    assert message.get_all("From") == [SENDER]
    assert message.get_all("Auto-Submitted") == ["auto-generated"]
    assert re.fullmatch(r"<[0-9a-f-]{36}@tracker\.company\.test>", message["Message-ID"])
    assert abs(parsedate_to_datetime(message["Date"]) - datetime.now(UTC)) < timedelta(minutes=1)
    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html"]
    assert all(len(line) < 1000 for line in message.as_bytes().splitlines())
    links = re.findall(r'(?:href|src|action|background)\s*=\s*"([^"]*)"', letter.html)
    assert "://" not in letter.html.replace(SITE, "")
    if page:
        assert re.fullmatch(rf"{SITE}/{page}\?token=[0-9a-f]{{64}}", letter.link)
        assert links == [letter.link]
        assert letter.html.count(letter.link) == 2
    else:
        assert links == []
        assert "://" not in letter.text + letter.html
    assert not re.search(r"<(script|img|link|iframe|form|svg)|url\(|\son\w+=", letter.html)
    assert "{{" not in letter.html + letter.text
    assert subject in letter.html
    assert "evil.test" not in letter.html + letter.text  # Nobody's display name.
    return letter


def test_every_letter_of_an_account(strict, sent):
    username = f"evil.{secrets.token_hex(4)}.example.com"  # Programs that show mails make a link of such a name.
    old, new = f"{secrets.token_hex(6)}@old.test", f"{secrets.token_hex(6)}@new.test"
    body = {"email": old, "username": username, "password": PASSWORD, "display_name": DISPLAY_NAME}

    (welcome,) = sent("/auth/register", body, 202)
    check(welcome, old, "Confirm your address", "verify-email")
    (again,) = sent("/auth/resend-verification", {"email": old.upper()}, 202)
    check(again, old, "Confirm your address", "verify-email")
    assert again.token != welcome.token
    assert "without the confirmation" in again.text
    assert "without the confirmation" in again.html
    assert sent("/auth/verify-email", {"token": again.token}, 204) == []

    another_name = {**body, "username": f"evil.{secrets.token_hex(4)}.example.com"}
    (has_account,) = sent("/auth/register", another_name, 202)
    check(has_account, old, "You have an account already")

    (reset,) = sent("/auth/forgot-password", {"email": old.upper()}, 202)
    check(reset, old, "Choose a new password", "reset-password")
    for letter in (welcome, again, reset):  # It says whose account is meant, and is no link.
        assert username.replace(".", " [dot] ") in letter.text
        assert f"<strong>{username.replace('.', ' [dot] ')}</strong>" in letter.html
    (changed,) = sent("/auth/reset-password", {"token": reset.token, "password": PASSWORD[::-1]}, 204)
    check(changed, old, "Your password was changed")

    token = log_in(strict, username, PASSWORD[::-1])
    change = {"current_password": PASSWORD[::-1], "new_password": PASSWORD}
    (changed,) = sent("/auth/change-password", change, 204, token=token)
    check(changed, old, "Your password was changed")

    to_new, to_old = sorted(
        sent("/users/me/email", {"email": new, "password": PASSWORD}, 202, token=token), key=lambda one: one.to != new
    )
    check(to_new, new, "Confirm your new address", "verify-email")
    check(to_old, old, "Your address is about to be changed")
    (moved,) = sent("/auth/verify-email", {"token": to_new.token}, 204)
    check(moved, old, "Your address was changed")
    letters = (welcome, again, has_account, reset, changed, to_new, to_old, moved)
    assert not [letter for letter in letters if username in letter.text + letter.html]
    assert len({letter.message["Message-ID"] for letter in letters}) == len(letters)


def log_in(app, username, password=PASSWORD):
    answer = app.test_client().post("/api/v1/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200
    return answer.json["access_token"]


def test_of_two_accounts_that_wait_for_one_address_each_letter_says_which_it_confirms(strict, sent):
    """Anyone may have made an account with this address, and chosen its password."""
    address, names = f"{secrets.token_hex(6)}@victim.test", [f"{who}-{secrets.token_hex(4)}" for who in ("her", "evil")]
    for name in names:
        (letter,) = sent("/auth/register", {"email": address, "username": name, "password": PASSWORD}, 202)
        assert [each in letter.text and each in letter.html for each in names] == [each == name for each in names]
    (again,) = sent("/auth/resend-verification", {"email": address}, 202)
    assert sum(each in again.text for each in names) == 1


def test_an_address_that_is_taken_is_told_so_and_gets_no_link(strict, sent, ada, bob):
    body = {"email": bob.email.upper(), "password": PASSWORD}
    to_ada, to_bob = sorted(sent("/users/me/email", body, 202, token=ada.access_token), key=lambda one: one.to != ada.email)
    check(to_ada, ada.email, "Your address is about to be changed")
    check(to_bob, bob.email.upper(), "You have an account already")


def test_who_gets_no_letter(app, strict, sent, ada):
    nobody = f"{secrets.token_hex(6)}@nobody.test"
    for path in ("/auth/forgot-password", "/auth/resend-verification"):
        assert sent(path, {"email": nobody}, 202) == []
    assert sent("/auth/resend-verification", {"email": ada.email}, 202) == []  # It is confirmed.
    waits = {"email": nobody, "username": secrets.token_hex(6), "password": PASSWORD}
    assert len(sent("/auth/register", waits, 202)) == 1
    assert sent("/auth/forgot-password", {"email": nobody}, 202) == []  # It is no account yet.
    execute(app, update(User).where(User.id == ada.id).values(disabled_at=now()))
    assert sent("/auth/forgot-password", {"email": ada.email}, 202) == []


@pytest.mark.parametrize(
    "end", ["\r\nBcc: b@x.test", "\nBcc: b@x.test", "\rBcc: b@x.test", "\0", "\u2028Bcc: b@x.test", ", b@x.test", " <b@x.test>"]
)
def test_an_address_is_one_address(strict, sent, ada, end):
    address = f"a@x.test{end}"
    names = {"username": "somebody-new", "password": PASSWORD}
    for path, body in (
        ("/auth/register", names),
        ("/auth/resend-verification", {}),
        ("/auth/forgot-password", {}),
        ("/users/me/email", {"password": PASSWORD}),
    ):
        answer = ada.post(path, {**body, "email": address})
        assert pointers(answer) == {"/email"}
    assert waiting(strict) == []


def test_a_token_stands_in_its_letter_and_nowhere_else(app, strict, ada, office):
    """Neither before it is sent nor after; the table of tokens has its hash once it is sent."""
    fresh = f"{secrets.token_hex(6)}@new.test"
    client = strict.test_client()
    do_jobs(strict)
    office.letters.clear()
    headers = {"Authorization": f"Bearer {ada.access_token}"}
    bodies = {
        "/auth/register": {"email": fresh, "username": fresh[:12], "password": PASSWORD},
        "/auth/forgot-password": {"email": ada.email},
        "/users/me/email": {"email": f"x{fresh}", "password": PASSWORD},
    }
    for path, body in bodies.items():
        assert client.post(f"/api/v1{path}", json=body, headers=headers).status_code == 202
    before = str(all_rows(app))
    do_jobs(strict)
    after = all_rows(app)
    tokens = [letter.token for letter in office.letters if "?token=" in letter.text]
    assert len(tokens) == 3
    place = list(MailedToken.__table__.columns.keys()).index("token_hash")
    hashes = {row[place] for row in after["mailed_tokens"]}
    for token in tokens:
        digest = hashlib.sha256(token.encode()).hexdigest()
        assert token not in before
        assert digest not in before
        assert token not in str(after)
        assert digest in hashes
