"""A real SMTP server on loopback, and what came to it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from flask import Flask

from tasktracker.core import jobs

from .servers import free_port


@dataclass
class Letter:
    """A mail as it arrived."""

    to: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return self.message["Subject"]

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def link(self) -> str:
        """The only link in the text."""
        (link,) = re.findall(r"https?://\S+", self.text)
        return link

    @property
    def token(self) -> str:
        """The token in the link."""
        return self.link.partition("?token=")[2]

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        return part.get_content()


@dataclass
class PostOffice:
    """Keeps what it accepts; an address with an entry in `answers` gets that answer to RCPT instead."""

    port: int
    letters: list[Letter] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    # The hooks of aiosmtpd.

    async def handle_RCPT(  # noqa: N802 - so aiosmtpd calls it.
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the same.
        message = message_from_bytes(envelope.content, policy=policy.default)
        with self.lock:
            self.letters += [Letter(address, message) for address in envelope.rcpt_tos]
        return "250 OK"

    def to(self, address: str) -> list[Letter]:
        """What has come to an address, the oldest first."""
        with self.lock:
            return [letter for letter in self.letters if letter.to == address]


@contextmanager
def post_office(kind: type[PostOffice] = PostOffice, **options: Any) -> Iterator[PostOffice]:
    """A mail server on a free port; the options are those of aiosmtpd's SMTP."""
    office = kind(free_port())
    controller = Controller(office, hostname="127.0.0.1", port=office.port, **options)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


def do_jobs(app: Flask) -> int:
    """Does all background jobs that are due, as a worker would; how many there were."""
    done = 0
    while True:
        with app.app_context():
            if not jobs.run_one():
                return done
        done += 1
