"""One event is one line, whatever stands in it, and a log that cannot be written breaks nothing."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from _pytest.logging import LogCaptureHandler

from config import load
from tasktracker.core import logs

from ..conftest import SECRETS
from ..live import ROOT, answers, stop
from ..servers import free_port, wait_for
from .sockets import ask, talk

FORGED = '2026-01-01T00:00:00Z [info] login_succeeded user_id=me {"event":"forged"}'
ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\0", "\b\b\b\b", "\x7f")
HOSTILE = [
    *(end + FORGED for end in ENDS),
    *("\x1b[2J\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "\x1b[8mhidden", "\u202egnp.exe", "\u2066\u2069"),
    *("\ud800", "\udcff\udc00", "\ufeff", "\U000e0041", "é ü 漢字 🎉", "a" * 100_000, "%s %d {0}", "", '"', "\\", "\\n"),
]


class Log:
    """Standard output, in place of the real one."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def write(self, text):
        text.encode()  # As a real one would.
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return False


@pytest.fixture(params=["json", "console"])
def log(request, tmp_path, monkeypatch):
    """Logging as the service sets it up; what was configured before is there again afterwards."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = Log()
    monkeypatch.setattr(sys, "stdout", written)
    settings = {
        "APP_ENV": "testing",
        "INSTANCE_PATH": str(tmp_path),
        "LOG_FORMAT": request.param,
        "LOG_LEVEL": "INFO",
        **SECRETS,
    }
    logs.configure(load(settings))
    # What pytest captures goes into its reports, which take no lone surrogates.
    monkeypatch.setattr(LogCaptureHandler, "emit", lambda *_: None)
    written.kind = request.param
    yield written
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(log):
    """The lines as any program would count them, none of which tells a terminal anything."""
    read, log.text = log.text, ""
    assert read.endswith("\n")
    for line in read[:-1].split("\n"):
        assert line.isprintable(), line[:200]
        if log.kind == "json":
            assert isinstance(json.loads(line), dict)
    return read[:-1].split("\n")


def test_a_value_or_a_message_is_one_line(log):
    for hostile in HOSTILE:
        structlog.get_logger("tasktracker.access").info("request", path=hostile, other=[hostile], error=ValueError(hostile))
        structlog.get_logger("tasktracker.access").info(hostile)
        logging.getLogger("tasktracker.x").warning("said: %s", hostile)
        logging.getLogger("tasktracker.x").warning(hostile)
        assert len(lines(log)) == 4, hostile[:50]


def test_readable_text_stays_as_it_is(log):
    structlog.get_logger("x").info("request", who="Zoë 漢字 🎉")
    (line,) = lines(log)
    assert "Zoë 漢字 🎉" in line


def test_an_exception_shows_its_place_and_its_kind_and_begins_no_line(log):
    for hostile in HOSTILE:
        try:
            try:
                raise KeyError(hostile)
            except KeyError as error:
                raise type(f"Broken{len(hostile)}", (Exception,), {})(hostile) from error
        except Exception as error:
            logging.getLogger("tasktracker.x").exception("Unexpected fault", exc_info=error)
        first, *rest = lines(log)
        assert FORGED not in first + "".join(rest)
        assert "test_log_lines.py" in first + "".join(rest)
        assert "KeyError" in first + "".join(rest)
        assert all(line.startswith("  | ") for line in rest)
        assert bool(rest) == (log.kind == "console")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError(), ValueError("I/O on closed file")])
def test_a_log_that_cannot_be_written_is_nobodys_fault(log, error, monkeypatch):
    def fail(*_):
        raise error

    for method in ("write", "flush"):
        with monkeypatch.context() as patch:
            patch.setattr(log, method, fail)
            structlog.get_logger("x").info("request")
            logging.getLogger("tasktracker.x").error("Unexpected fault", exc_info=KeyError("a"))
    log.text = ""
    structlog.get_logger("x").info("there again")
    assert "there again" in lines(log)[0]


@pytest.mark.parametrize("closed", [False, True], ids=["full", "closed"])
def test_the_service_answers_without_a_log(tmp_path, closed):
    """With its output on a disk that is full, or closed before it starts."""
    port = free_port()
    settings = {"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path), "PORT": str(port), "PATH": os.environ["PATH"], **SECRETS}
    program = Path(sys.executable).with_name("gunicorn")
    command = ["sh", "-c", f"exec {program} wsgi:app {'>&- 2>&-' if closed else '>/dev/full 2>/dev/full'}"]
    service = subprocess.Popen(command, cwd=ROOT, env=settings, start_new_session=True)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        for _ in range(3):
            for request, status in (
                (ask("GET", "/api/v1/openapi.json"), 200),
                (ask("GET", "/api/v1/tasks"), 401),
                (ask("POST", "/api/v1/auth/login", body=b'{"username": "a", "password": "b"}'), 503),  # There are no tables.
                (b"nonsense\r\n\r\n", 400),
            ):
                (answer,) = talk(("127.0.0.1", port), request)
                assert answer.status == status
                assert answer.headers["x-content-type-options"] == "nosniff"
        assert service.poll() is None
    finally:
        stop(service)
