"""Mail: how a letter is rendered and handed to the mail server; without one, letters become files.

Letters are sent by background jobs, never while a request waits (see `core/jobs`).
"""

import hashlib
import hmac
import logging
import smtplib
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, current_app, render_template
from flask_mail import Connection, Message, sanitize_address
from typing_extensions import override

from config import Settings

from . import metrics
from .jobs import LEASE, HopelessError

# Seconds for the whole talk with the mail server: when the lease of the job is over, another worker sends the letter.
_PATIENCE = LEASE.total_seconds() / 2

log = logging.getLogger(__name__)


class _Bounded(smtplib.SMTP):
    """Hangs up on a server that has not taken the letter in time, however busy it seems: a time-out is for each step only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._clock = threading.Timer(_PATIENCE, self._hang_up)
        self._clock.daemon = True
        self._clock.start()
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            self._clock.cancel()
            raise

    def _hang_up(self) -> None:
        # Whoever reads or writes meanwhile sees the connection end; the object of TLS around it is theirs alone.
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    @override
    def close(self) -> None:
        self._clock.cancel()
        super().close()


class _BoundedTLS(_Bounded, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""


class BoundedConnection(Connection):
    """Flask-Mail's connection with time-outs, and with the server's certificate checked."""

    @override
    def configure_host(self) -> smtplib.SMTP:
        settings: Settings = current_app.config["SETTINGS"]
        where = {"host": self.mail.server, "port": self.mail.port, "timeout": settings.mail_timeout}
        host = _BoundedTLS(**where, context=ssl.create_default_context()) if self.mail.use_ssl else _Bounded(**where)
        try:
            if self.mail.use_tls:
                host.starttls(context=ssl.create_default_context())
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
        except Exception:
            host.close()
            raise
        return host

    @override
    def __exit__(self, *_: object) -> None:
        # The letter has been accepted or not; how the server says goodbye changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            if self.host is not None:
                self.host.quit()
        if self.host is not None:
            self.host.close()


def config(settings: Settings) -> dict[str, Any]:
    """The part of Flask's configuration that Flask-Mail reads."""
    return {
        "MAIL_SERVER": settings.mail_server,
        "MAIL_PORT": settings.mail_port,
        "MAIL_USE_TLS": settings.mail_use_tls,
        "MAIL_USE_SSL": settings.mail_use_ssl,
        "MAIL_USERNAME": settings.mail_username,
        "MAIL_PASSWORD": settings.mail_password,
        "MAIL_DEFAULT_SENDER": settings.mail_default_sender or f"TaskTracker <tasktracker@{_host(settings)}>",
        "MAIL_SUPPRESS_SEND": False,
    }


def send(to: str, subject: str, template: str, *, job_id: str, **values: str | bool) -> None:
    """Renders a letter and hands it over.

    Args:
        to: the address.
        subject: one line of ours.
        template: the name of two templates under `mails/`, one for each part: text and HTML.
        job_id: the job that sends it; its Message-ID comes from it, so that a second sending is known as such.
        values: what the templates show.

    Raises:
        HopelessError: the server has refused it for good.
        OSError: it may be taken later.
    """
    settings: Settings = current_app.config["SETTINGS"]
    message = Message(
        subject,
        recipients=[to],
        body=render_template(f"mails/{template}.txt", **values),
        html=render_template(f"mails/{template}.html", subject=subject, **values),
        date=time.time(),
        extra_headers={"Auto-Submitted": "auto-generated"},  # RFC 3834: nobody's out-of-office answers it.
    )
    message.msgId = f"<{job_id}@{_host(settings)}>"
    try:
        _check_address(message, to)
        _deliver(message, job_id, settings)
    except Exception as error:
        metrics.MAILS.labels("refused" if isinstance(error, HopelessError) else "failed").inc()
        raise
    metrics.MAILS.labels("sent").inc()


def _deliver(message: Message, job_id: str, settings: Settings) -> None:
    try:
        if settings.mail_server is None:
            _write(Path(settings.instance_path) / "mail", job_id, message)
        else:
            _hand_over(message)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        # Of what the server said, only the number: the rest may hold the address, and stands in logs.
        refusal = HopelessError if _is_final(error) else OSError
        raise refusal(f"The mail server refused it: {_code(error)}") from error


def _check_address(message: Message, to: str) -> None:
    """Gives up on what plain SMTP cannot carry, and on what would begin another header."""
    try:
        sanitize_address(to)
    except UnicodeError as error:
        raise HopelessError("The address cannot be written to.") from error
    if message.has_bad_headers():
        raise HopelessError("The address has a line break in it.")


def _hand_over(message: Message) -> None:
    with BoundedConnection(current_app.extensions["mail"]) as connection:
        connection.send(message)


def _code(error: smtplib.SMTPException) -> int:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return max(code for code, _ in error.recipients.values())
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0


def _is_final(error: smtplib.SMTPException) -> bool:
    """Whether the server said 5xx, which means that trying again is of no use (RFC 5321, 4.2.1)."""
    return _code(error) >= 500


def _write(folder: Path, job_id: str, message: Message) -> None:
    """Keeps the letter as a file, whole or not at all; readable for its owner alone, because it holds a token."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished, file = folder / f".{job_id}.part", folder / f"{job_id}.eml"
    try:
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(message.as_bytes())
        unfinished.replace(file)
    except OSError:
        unfinished.unlink(missing_ok=True)  # Where the disk is full, half a letter is in the way.
        raise
    log.info("There is no MAIL_SERVER; the mail is in %s", file)


def link(page: str, token: str) -> str:
    """The address of a page that uses a mailed token."""
    settings: Settings = current_app.config["SETTINGS"]
    return f"{settings.public_url}/{page}?{urlencode({'token': token})}"


def token_of(nonce: str) -> str:
    """The secret that a letter carries, of 256 bits.

    It is made from a random number and `SECRET_KEY` when the letter is sent, so that a job that waits, and a copy of the
    database, holds nothing that could be used; and it is the same again when the letter is sent a second time.
    """
    return hmac.new(current_app.config["SECRET_KEY"].encode(), f"mailed token {nonce}".encode(), hashlib.sha256).hexdigest()


def _host(settings: Settings) -> str:
    return urlsplit(settings.public_url).hostname or "localhost"


def init_app(app: Flask) -> None:
    """Templates of mails keep no blank lines where a block was."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
