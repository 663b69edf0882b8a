"""`flask users`: accounts from the command line, and that they are accounts like any other."""

import os
import pty
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from ..accounts.asking import OTHER, log_in, post
from ..accounts.tokens import is_refused, me, refresh
from ..core.another import another
from ..people import PASSWORD, lock_out, problem
from ..servers import free_port
from .apps import PLAIN, ROOT, application, flask, logged_in


def create(app, password, *more, **options):
    name = f"cli-{secrets.token_hex(4)}"
    options = {"email": f"{name}@example.com", "username": name, **options}
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    return options["username"], flask(app, "users", "create", *words, *more, stdin=password)


def listed(app) -> list[str]:
    result = flask(app, "users", "list")
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.mark.parametrize("admin", [False, True])
def test_a_new_user_can_log_in_and_has_an_inbox(app, admin):
    name, result = create(app, PASSWORD + "\n", *(["--admin"] if admin else []))
    assert (result.exit_code, result.output) == (0, f"Made the account {name}.\n")
    person = logged_in(app, name, PASSWORD)
    me = person.get("/users/me").json
    assert (me["is_admin"], me["email_verified"], me["display_name"]) == (admin, True, name)
    assert person.inbox()["role"] == "owner"


@pytest.mark.parametrize("password", ["é" * 12, " leading and trailing ", "p" * 128, "tab\tand\\backslash"])
def test_a_password_is_taken_as_it_is(app, password):
    name, result = create(app, f"{password}\r\n")
    assert result.exit_code == 0, result.output
    assert logged_in(app, name, password).username == name


def test_a_username_is_kept_in_lower_case_and_an_address_trimmed(app):
    name = f"cli-{secrets.token_hex(4)}"
    _, result = create(app, PASSWORD, username=name.upper(), email=f"  {name}@Example.com ")
    assert result.exit_code == 0, result.output
    assert logged_in(app, f"{name}@EXAMPLE.com", PASSWORD).get("/users/me").json["email"] == f"{name}@Example.com"


@pytest.mark.parametrize(
    ("password", "options", "told"),
    [
        ("p" * 11, {}, "password: Not 12 to 128 characters."),
        ("p" * 129, {}, "password: Not 12 to 128 characters."),
        ("", {}, "password: Not 12 to 128 characters."),
        ("p" * 1025, {}, "password: Longer than maximum length 1024."),
        ("Password1234", {}, "password: One of the most commonly used passwords"),
        ("Babbage-1791", {"username": "babbage"}, "password: Little more than the username, the address"),
        ("!1815 Lovelace", {"email": "lovelace.18@example.com"}, "password: Little more than the username, the address"),
        (b"not UTF-8: \xff\xfe", {}, "password: Lone surrogates and NUL are not allowed."),
        ("null \0 inside it", {}, "password: Lone surrogates and NUL are not allowed."),
        (PASSWORD, {"username": "ab"}, "username: Not 3 to 32"),
        (PASSWORD, {"username": "a" * 33}, "username: Not 3 to 32"),
        (PASSWORD, {"username": "a b c"}, "username: Not 3 to 32"),
        (PASSWORD, {"username": "a@b.c"}, "username: Not 3 to 32"),
        (PASSWORD, {"username": "zoë"}, "username: Not 3 to 32"),
        (PASSWORD, {"email": "nobody"}, "email: Not an e-mail address."),
        (PASSWORD, {"email": "a@b"}, "email: Not an e-mail address."),
        (PASSWORD, {"email": "a b@example.com"}, "email: Not an e-mail address."),
        (PASSWORD, {"email": "x" * 250 + "@b.de"}, "email: Longer than maximum length 254."),
        (PASSWORD, {"email": "a\r\nBcc: b@example.com"}, "email: Control characters"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_one_line(app, password, options, told):
    before = listed(app)
    _, result = create(app, password, **options)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {told}")
    assert result.stderr.count("\n") == 1
    assert not result.stdout
    assert listed(app) == before


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (lambda ada: {"username": ada.username}, "This username is taken."),
        (lambda ada: {"username": ada.username.upper()}, "This username is taken."),
        (lambda ada: {"email": ada.email.upper()}, "This address has an account."),
        (lambda ada: {"email": ada.email.replace("@example", "@\uff45xample")}, "This address has an account."),
    ],
)
def test_what_is_taken_is_told(app, ada, fields, told):
    _, result = create(app, PASSWORD, **fields(ada))
    assert (result.exit_code, result.stderr) == (1, f"Error: {told}\n")


def test_the_least_length_is_a_setting(app, environment):
    with application({**environment, "PASSWORD_MIN_LENGTH": "20"}) as stricter:
        _, result = create(stricter, "p" * 19)
        assert (result.exit_code, result.stderr) == (1, "Error: password: Not 20 to 128 characters.\n")
        _, result = create(stricter, "correct horse, please")
        assert result.exit_code == 0


def test_a_terminal_is_asked_twice_and_shows_no_password(tmp_path):
    settings = {**PLAIN, "INSTANCE_PATH": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path / 'own.db'}"}
    command = [Path(sys.executable).with_name("flask"), "users", "create", "--username", "grace", "--email", "g@b.de"]
    mine, theirs = pty.openpty()
    everything = {"PATH": os.environ["PATH"], **settings}
    with application(settings, migrated=True) as app:
        with subprocess.Popen(command, cwd=ROOT, env=everything, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = answer_prompts(mine, [PASSWORD, "another one", PASSWORD, PASSWORD])
        os.close(mine)
        assert process.returncode == 0, shown
        assert shown.count("Password: ") == 2
        assert PASSWORD not in shown
        assert "another" not in shown
        assert logged_in(app, "grace", PASSWORD).username == "grace"


def answer_prompts(terminal: int, answers: list[str]) -> str:
    """Types an answer whenever a prompt is shown; all that the terminal showed."""
    shown, prompts = "", 0
    while True:
        try:
            read = os.read(terminal, 4096).decode()
        except OSError:  # The other side is closed.
            return shown
        if not read:
            return shown
        shown += read
        if shown.count(": ") > prompts and answers and shown.endswith(": "):
            prompts = shown.count(": ")
            os.write(terminal, answers.pop(0).encode() + b"\n")


def test_the_list_shows_everyone_once_in_order(empty):
    assert len(listed(empty)) == 1
    assert flask(empty, "seed", "--users", "1100", "--projects", "1", "--tasks", "0").exit_code == 0
    create(empty, PASSWORD, "--admin", username="zz-top", email="zz@example.com")
    header, *lines = listed(empty)
    assert header.split() == ["USERNAME", "E-MAIL", "DISPLAY", "NAME", "ADMIN", "CONFIRMED", "DISABLED", "CREATED"]
    names = [line.split()[0] for line in lines]
    assert len(names) == 1101
    assert names == sorted(set(names))
    assert lines[-1].split()[:6] == ["zz-top", "zz@example.com", "zz-top", "yes", "yes", "-"]
    demo = next(line for line in lines if line.startswith("demo "))
    assert demo.split() == ["demo", "demo@example.com", "Demo", "User", "-", "yes", "-", "2024-01-08T07:00:01Z"]
    assert {line.index(line.split("  ")[-1].strip()) for line in lines} == {header.index("CREATED")}


# --- what those who run the site do with accounts ---------------------------------------------------------------------


def users(app, command, name):
    result = flask(app, "users", command, name)
    return result.exit_code, result.output


def row_of(app, name):
    return next(line.split() for line in listed(app) if line.startswith(f"{name} "))


def test_whoever_is_disabled_is_out_at_once_everywhere_until_they_are_enabled(app, environment, ada, bob):
    second = logged_in(app, ada.username, PASSWORD)
    with another(environment) as other_worker:
        for person in (ada, second):
            assert me(person, app=other_worker).status_code == me(person).status_code == 200  # Both know that it lives.
        assert users(app, "disable", ada.username.upper()) == (
            0, f"{ada.username.upper()} is kept out, and logged out everywhere.\n",
        )  # fmt: skip
        for person in (ada, second):
            for worker in (app, other_worker):
                is_refused(me(person, app=worker))
                is_refused(refresh(person, app=worker))
        assert me(bob, app=other_worker).status_code == 200
    for name in (ada.username, ada.email):
        problem(log_in(app, name), 401, "invalid_credentials")
    assert row_of(app, ada.username)[5].endswith("Z")
    assert users(app, "disable", ada.username) == (0, f"{ada.username} was kept out already.\n")

    assert users(app, "enable", ada.username) == (0, f"{ada.username} can log in again.\n")
    assert users(app, "enable", ada.username) == (0, f"{ada.username} was not kept out.\n")
    assert row_of(app, ada.username)[5] == "-"
    is_refused(me(ada))
    is_refused(refresh(second))
    assert logged_in(app, ada.username, PASSWORD).get("/users/me").json["id"] == ada.id


def test_who_runs_the_site_is_told_so_and_sees_no_more(app, ada, bob):
    project = bob.project()
    assert users(app, "promote", ada.username) == (0, f"{ada.username} runs the site now.\n")
    assert users(app, "promote", ada.username.title()) == (0, f"{ada.username.title()} runs the site already.\n")
    assert ada.get("/users/me").json["is_admin"] is True
    assert row_of(app, ada.username)[3] == "yes"
    assert bob.get("/users/me").json["is_admin"] is False
    problem(ada.get(f"/projects/{project['id']}"), 404)


def test_who_has_not_confirmed_the_address_does_not_run_the_site(app, person):
    waits = person("waits")
    lock_out(app, waits, "unconfirmed")
    status, told = users(app, "promote", waits.username)
    assert (status, told) == (1, "Error: This account waits for its address to be confirmed.\n")
    assert row_of(app, waits.username)[3:6] == ["-", "waits", "-"]


def test_who_is_let_in_again_still_has_to_confirm_the_address(app, person):
    waits = person("waits")
    lock_out(app, waits, "unconfirmed")
    users(app, "disable", waits.username)
    told = f"{waits.username} is not kept out any more, and can log in once the address is confirmed.\n"
    assert users(app, "enable", waits.username) == (0, told)
    assert users(app, "enable", waits.username) == (0, f"{waits.username} was not kept out.\n")
    problem(log_in(app, waits.username), 401, "invalid_credentials")


def test_a_reset_is_sent_to_the_user_and_to_nobody_else(app, letters, ada):
    assert users(app, "send-reset", ada.username.upper()) == (0, f"A mail to {ada.username.upper()} waits for the worker.\n")
    assert me(ada).status_code == 200
    (letter,) = letters(ada.email)
    assert ada.username in letter.text
    assert post(app, "/auth/reset-password", token=letter.token, password=OTHER).status_code == 204
    is_refused(me(ada))
    assert logged_in(app, ada.username, OTHER).id == ada.id

    users(app, "disable", ada.username)
    refused = f"Error: {ada.username} is disabled or has not confirmed the address; nothing was sent.\n"
    assert users(app, "send-reset", ada.username) == (1, refused)
    assert [letter.subject for letter in letters(ada.email)] == ["Choose a new password", "Your password was changed"]


def test_who_has_not_confirmed_the_address_gets_no_reset(app, environment, letters):
    name = f"cli-{secrets.token_hex(4)}"
    with another(environment, REQUIRE_EMAIL_VERIFICATION="true") as strict:
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        assert post(strict, "/auth/register", **body).status_code == 202
    assert users(app, "send-reset", name)[0] == 1
    # The account that the command line makes is one at once, and the address is its.
    _, result = create(app, PASSWORD, email=f"{name}@example.com")
    assert result.exit_code == 0
    (confirm,) = letters(f"{name}@example.com")
    assert "?token=" not in confirm.text


@pytest.mark.parametrize("command", ["disable", "enable", "promote", "send-reset"])
def test_a_user_who_is_not_there_is_told_in_one_line(app, ada, command):
    for name in ("nobody-has-this-name", ada.email, ada.id, "", "x" * 5000, "%", "ä", "\udcff", "a\nb"):
        assert users(app, command, name) == (1, "Error: There is no user of this name.\n"), name
    assert flask(app, "users", command).exit_code == 2


def test_without_redis_nobody_is_said_to_be_out_who_is_not(environment, ada):
    with another(environment, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as without_redis:
        code, told = users(without_redis, "disable", ada.username)
    assert (code, told.count("\n")) == (1, 1)
    assert "Nothing was changed" in told
    assert row_of(ada.app, ada.username)[5] == "-"
    assert me(ada).status_code == 200
