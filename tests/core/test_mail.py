"""Mail as it is handed to real mail servers: good ones, rude ones, slow ones and none."""

# ruff: noqa: N802 - aiosmtpd calls its hooks so.

import asyncio
import json
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult

from tasktracker.core import jobs, mail
from tasktracker.core.jobs import Job
from tasktracker.core.models import new_id

from ..cli.apps import flask
from ..post import PostOffice, do_jobs, post_office
from ..queue import empty, make_due, waiting
from ..servers import free_port
from .another import another


@pytest.fixture(autouse=True)
def _empty_queue(app):
    empty(app)
    yield
    empty(app)


@pytest.fixture
def served_by(app, monkeypatch):
    """Has the application send its mail to another port, and wait for an answer for so many seconds."""

    def serve(port, seconds=5.0):
        monkeypatch.setattr(app.extensions["mail"], "port", port)
        monkeypatch.setitem(app.config, "SETTINGS", replace(app.config["SETTINGS"], mail_timeout=seconds))

    return serve


def forget(app, person):
    """Asks for a link to choose a new password, which is the mail of these tests."""
    answer = app.test_client().post("/api/v1/auth/forgot-password", json={"email": person.email})
    assert answer.status_code == 202
    return answer


def test_a_server_that_says_later_is_asked_again(app, ada, office):
    office.answers[ada.email] = "450 Greylisted"
    forget(app, ada)
    assert do_jobs(app) == 1
    (job,) = waiting(app)
    assert (job.attempts, job.failed_at) == (1, None)
    assert "450" in job.last_error
    assert do_jobs(app) == 0
    del office.answers[ada.email]
    make_due(app)
    assert do_jobs(app) == 1
    assert len(office.to(ada.email)) == 1
    assert waiting(app) == []


def test_a_server_that_says_never_is_not_asked_again_before_someone_wants_it(app, ada, office):
    office.answers[ada.email] = "550 No such user here"
    forget(app, ada)
    assert do_jobs(app) == 1
    make_due(app)
    assert do_jobs(app) == 0
    (dead,) = waiting(app)
    assert dead.failed_at is not None
    shown = flask(app, "worker", "--status").output
    assert f"{dead.id}  mail_reset_password" in shown
    assert "HopelessError: The mail server refused it: 550" in shown
    assert ada.email not in shown
    del office.answers[ada.email]
    assert flask(app, "worker", "--retry").output == "Jobs that are tried again: 1.\n"
    assert do_jobs(app) == 1
    assert office.to(ada.email)[0].message["Message-ID"].startswith(f"<{dead.id}@")


class Rude(PostOffice):
    """Does to its client what is asked of it: `at` a command, it waits too long, hangs up, or says something."""

    at = do = ""
    patience = 4

    async def _behave(self, command, server):
        if command != self.at:
            return None
        if self.do == "wait":
            await asyncio.sleep(self.patience)
        if self.do == "hang up":
            server.transport.abort()
        return self.do

    async def handle_EHLO(self, server, session, _envelope, hostname, responses):
        session.host_name = hostname
        said = await self._behave("EHLO", server)
        return [said] if said else responses

    async def handle_MAIL(self, server, _session, envelope, address, _options):
        envelope.mail_from = address
        return await self._behave("MAIL", server) or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        return await self._behave("RCPT", server) or await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server, session, envelope):
        refused = await self._behave("DATA", server)
        if refused and refused[0].isdigit():
            return refused
        return await super().handle_DATA(server, session, envelope)

    async def handle_QUIT(self, server, _session, _envelope):
        return await self._behave("QUIT", server) or "221 Bye"


@pytest.fixture(scope="module")
def rude():
    with post_office(Rude) as office:
        yield office


REFUSALS = [
    *[(at, said, False) for at in ("MAIL", "RCPT", "DATA") for said in ("421 Shutting down", "451 Later", "452 Full")],
    *[(at, said, True) for at in ("MAIL", "RCPT", "DATA") for said in ("550 No", "552 Too much", "554 Spam")],
    *[(at, do, False) for at in ("EHLO", "MAIL", "RCPT", "DATA") for do in ("wait", "hang up")],
]


def test_what_a_server_refuses_for_now_waits_and_what_it_refuses_for_good_does_not(app, ada, rude, served_by):
    for rude.at, rude.do, is_final in REFUSALS:
        served_by(rude.port, 0.3 if rude.do == "wait" else 5)
        empty(app)
        forget(app, ada)
        start = time.monotonic()
        assert do_jobs(app) == 1
        assert time.monotonic() - start < Rude.patience, (rude.at, rude.do)
        (job,) = waiting(app)
        assert (job.failed_at is not None) == is_final, (rude.at, rude.do, job.last_error)


def test_a_letter_is_sent_once_however_the_server_says_goodbye(app, ada, rude, served_by):
    rude.at = "QUIT"
    for number, rude.do in enumerate(("wait", "hang up", "500 What?", "421 Bye"), 1):
        served_by(rude.port, 1 if rude.do == "wait" else 5)
        forget(app, ada)
        assert do_jobs(app) == 1
        assert waiting(app) == []
        make_due(app)
        assert do_jobs(app) == 0
        assert len(rude.to(ada.email)) == number


def test_a_letter_whose_acceptance_was_lost_comes_again_as_the_same(app, ada, rude, served_by):
    served_by(rude.port)
    rude.letters.clear()
    rude.at, rude.do = "DATA", "hang up"
    forget(app, ada)
    assert do_jobs(app) == 1
    rude.at = ""
    make_due(app)
    assert do_jobs(app) == 1
    first, second = rude.to(ada.email)
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.token == second.token
    assert waiting(app) == []


def test_a_server_that_refuses_connections_or_never_speaks_is_tried_again(app, ada, served_by):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (free_port(), silent.getsockname()[1]):
            served_by(port, 0.3)
            forget(app, ada)
            start = time.monotonic()
            assert do_jobs(app) == 1
            assert time.monotonic() - start < 4
            (job,) = waiting(app)
            assert (job.attempts, job.failed_at) == (1, None)


def test_requests_do_not_wait_for_the_mail_server_nor_know_how_it_is(app, ada, office, served_by):
    expected = forget(app, ada)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        for port in (office.port, free_port(), silent.getsockname()[1]):
            served_by(port)
            start = time.monotonic()
            answer = forget(app, ada)
            assert time.monotonic() - start < 2
            assert (answer.data, set(answer.headers.keys())) == (expected.data, set(expected.headers.keys()))
        with pytest.raises(BlockingIOError):
            silent.accept()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody has signed but itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "certificate.pem", folder / "key.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail.test"
    command = ["openssl", *options.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


def authenticate(_server, _session, _envelope, _mechanism, given):
    return AuthResult(success=(given.login, given.password) == (b"tracker", b"secret: words"), handled=False)


@pytest.fixture(scope="module")
def careful(certificate):
    """A mail server that takes mail from whoever has logged in over TLS, and tells what it was told before."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    options = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": authenticate}
    with post_office(**options) as office:
        yield office


LOGIN = {"MAIL_USE_TLS": "true", "MAIL_USERNAME": "tracker", "MAIL_PASSWORD": "secret: words"}


@pytest.fixture
def _trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


@pytest.mark.usefixtures("_trusted")
def test_mail_goes_over_tls_with_a_login_to_a_server_that_is_who_it_says(app, ada, environment, careful):
    with another(environment, MAIL_PORT=str(careful.port), **LOGIN) as secure:
        server = secure.extensions["mail"]
        forget(app, ada)
        assert do_jobs(secure) == 1
        assert [letter.to for letter in careful.letters] == [ada.email]
        careful.letters.clear()
        server.password = "wrong"
        forget(app, ada)
        do_jobs(secure)
        assert_waits(app, "SMTPAuthenticationError")
        server.password = "sécret"
        make_due(app)
        do_jobs(secure)
        assert_waits(app, "UnicodeEncodeError")
        server.password = "secret: words"
        # The certificate is for another name than the one that was called.
        server.server = "localhost"
        make_due(app)
        do_jobs(secure)
        assert_waits(app, "SSLCertVerificationError")
    assert careful.letters == []


def test_a_certificate_that_nobody_vouches_for_gets_neither_password_nor_mail(app, ada, environment, careful, office):
    office.letters.clear()
    forget(app, ada)
    with another(environment, MAIL_PORT=str(careful.port), **LOGIN) as secure:
        do_jobs(secure)
        assert_waits(app, "SSLCertVerificationError")
        # A server in the middle may hide that the real one offers TLS.
        secure.extensions["mail"].port = office.port
        make_due(app)
        do_jobs(secure)
        assert_waits(app, "SMTPNotSupportedError")
    assert careful.letters == office.letters == []


@pytest.mark.usefixtures("_trusted")
def test_mail_goes_over_tls_from_the_first_byte(app, ada, environment, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with (
        post_office(ssl_context=context) as office,
        another(environment, MAIL_USE_SSL="true", MAIL_PORT=str(office.port)) as secure,
    ):
        forget(app, ada)
        assert do_jobs(secure) == 1
        assert [letter.to for letter in office.letters] == [ada.email]
        secure.extensions["mail"].server = "localhost"
        forget(app, ada)
        do_jobs(secure)
        assert_waits(app, "SSLCertVerificationError")


@pytest.fixture
def endless(certificate):
    """A mail server whose greeting comes line by line and has no end; over TLS if it is told so."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(over_tls):
            client, _ = listener.accept()
            with suppress(OSError), context.wrap_socket(client, server_side=True) if over_tls else client as talk:
                while True:
                    talk.sendall(b"220-And then?\r\n")
                    time.sleep(0.05)

        def start(over_tls):
            threading.Thread(target=serve, args=(over_tls,), daemon=True).start()
            return str(listener.getsockname()[1])

        yield start


@pytest.mark.usefixtures("_trusted")
def test_a_server_that_never_comes_to_an_end_is_left_before_the_lease_is_over(app, ada, environment, endless, monkeypatch):
    assert jobs.LEASE.total_seconds() >= 2 * mail._PATIENCE
    monkeypatch.setattr(mail, "_PATIENCE", 0.5)
    for over_tls in (False, True):
        empty(app)
        forget(app, ada)
        with another(environment, MAIL_PORT=endless(over_tls), MAIL_USE_SSL=str(over_tls), MAIL_TIMEOUT="5") as slow:
            start = time.monotonic()
            assert do_jobs(slow) == 1
            assert time.monotonic() - start < 4
        assert_waits(app, "SMTPServerDisconnected")


def assert_waits(app, reason):
    (job,) = waiting(app)
    assert job.failed_at is None
    assert job.last_error.startswith(reason)
    assert "secret" not in job.last_error


def test_without_a_mail_server_letters_become_files_whole_or_not_at_all(app, ada, environment, tmp_path, monkeypatch):
    with another(environment, MAIL_SERVER="", INSTANCE_PATH=str(tmp_path)) as alone:
        forget(alone, ada)
        write = Path.write_bytes

        def fail(path, data):
            write(path, data[:100])
            raise OSError("No space left on device")

        with monkeypatch.context() as full:
            full.setattr(Path, "write_bytes", fail)
            assert do_jobs(alone) == 1
        assert list(tmp_path.rglob("*.eml")) == []
        (job,) = waiting(app)
        assert job.failed_at is None
        make_due(app)
        assert do_jobs(alone) == 1
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == f"{job.id}.eml"
    assert file.stat().st_mode & 0o077 == 0
    letter = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert letter["To"] == ada.email
    assert letter["Message-ID"] == f"<{job.id}@127.0.0.1>"
    assert "/reset-password?token=" in letter.get_body(("plain",)).get_content()


def hand_over(app, to, subject="Hello", template="address_changed", **values):
    with app.app_context():
        mail.send(to, subject, template, job_id=new_id(), **values)


@pytest.mark.parametrize("to", ["é@example.com", "a@" + "ü" * 70 + ".test", "\ufdfa@example.com"])
def test_an_address_that_plain_smtp_cannot_carry_is_given_up_at_once(app, environment, tmp_path, to):
    with pytest.raises(jobs.HopelessError):
        hand_over(app, to)
    with another(environment, MAIL_SERVER="", INSTANCE_PATH=str(tmp_path)) as alone, pytest.raises(jobs.HopelessError):
        hand_over(alone, to)


def test_no_line_break_gets_into_a_header(app, environment, tmp_path, office):
    office.letters.clear()
    for to in ("a@x.test\r\nBcc: b@x.test", "a@x.test\nBcc: b@x.test", "a@x.test\r b@x.test"):
        with pytest.raises(jobs.HopelessError):
            hand_over(app, to)
        with another(environment, MAIL_SERVER="", INSTANCE_PATH=str(tmp_path)) as alone, pytest.raises(jobs.HopelessError):
            hand_over(alone, to)
    assert office.letters == []
    assert list(tmp_path.rglob("*.eml")) == []


def test_an_international_domain_is_written_as_servers_know_it(app, office):
    hand_over(app, "a@bücher.test")
    assert len(office.to("a@xn--bcher-kva.test")) == 1


def test_what_a_template_shows_is_text_in_the_html_part(app, office):
    markup = "<b>\"'&{{ 7 * 7 }}</b><a href=//evil.test>"
    hand_over(app, "markup@x.test", template="reset_password", link="https://x.test/?token=a", username=markup)
    (letter,) = office.to("markup@x.test")
    assert "&lt;b&gt;&#34;&#39;&amp;{{ 7 * 7 }}&lt;/b&gt;&lt;a href=//evil.test&gt;" in letter.html
    assert markup in letter.text
    office.letters.clear()


def test_the_secret_of_a_letter_comes_from_the_key_of_the_site_and_the_number_of_the_job(app, environment, ada):
    forget(app, ada)
    (job,) = waiting(app, Job.kind == "mail_reset_password")
    nonce = json.loads(job.payload)["nonce"]
    with another(environment, SECRET_KEY="another-" + "k1l2m3n4o5" * 4) as elsewhere, elsewhere.app_context():
        foreign = mail.token_of(nonce)
    with app.app_context():
        tokens = {mail.token_of(nonce), mail.token_of(nonce), mail.token_of(nonce[:-1])}
    assert len(tokens | {foreign}) == 3
    assert all(len(token) == 64 for token in tokens)
    assert len(nonce) >= 43
