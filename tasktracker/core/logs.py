"""Logging: one line for each event, for people or as JSON, never broken by what a client sent.

Lines hold no secret: nothing is logged of what a request carries but its method, and of an exception only where it
happened and what kind it is, because its words may quote anything. A log that cannot be written breaks nothing.
"""

import json
import logging
import smtplib
import sys
from collections.abc import Iterator
from contextlib import suppress
from traceback import format_tb
from typing import Any, TextIO

import orjson
import redis
import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from structlog.types import EventDict, Processor

from config import Settings

from .errors import Refusal

_LONGEST_REASON = 300
_MOST_CAUSES = 10


class Output:
    """Standard output, which may be closed, or on a full disk."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes, if that can be done."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write(text)

    def flush(self) -> None:
        """Has what was written leave the process, if that can be done."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()


def configure(settings: Settings) -> None:
    """Sends structlog's and the standard library's events through the same processors to standard output."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,  # The request's id, on every line of the request.
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    rendering: list[Processor] = [_describe_exception, _escape, structlog.dev.ConsoleRenderer(colors=is_terminal)]
    if settings.log_format == "json":
        rendering = [_describe_exception, structlog.processors.JSONRenderer(serializer=_to_json)]
    level = logging.getLevelNamesMapping()[settings.log_level]
    output: Any = Output(sys.stdout)
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    # What libraries say for those who debug them holds SQL, rows and headers.
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.getLogger(__name__.partition(".")[0]).setLevel(level if level < logging.INFO else logging.NOTSET)
    for chatty in ("alembic.runtime.plugins", "alembic.autogenerate"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def reason_of(error: BaseException) -> str:
    """The kind of an exception, and its words where they are ours, the operating system's or a server's about itself."""
    if isinstance(error, DBAPIError):
        said, name = _said_by_database(error), type(error.orig).__name__
    else:
        said, name = _said(error), type(error).__name__
    return printable(f"{name}: {said}" if said else name)[:_LONGEST_REASON]


def _said_by_database(error: DBAPIError) -> str:
    """Only the first line, and of what was wrong with a value only the rule: the rest quotes rows."""
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return str(error.orig).partition("\n")[0]
    return getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""


def _said(error: BaseException) -> str:
    match error:
        case Refusal():
            return error.detail
        case smtplib.SMTPResponseException():
            return str(error.smtp_code)  # The server's words may hold an address or a name.
        case smtplib.SMTPRecipientsRefused():
            return ""
        case OSError():
            return error.strerror or str(error).partition("\n")[0]
        case redis.RedisError():
            return str(error).partition("\n")[0]
        case _:
            return ""


def _describe_exception(_: Any, __: str, event: EventDict) -> EventDict:
    """Puts where an exception happened in place of the exception."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_places(error))
    return event


def _places(error: BaseException, most: int = _MOST_CAUSES) -> Iterator[str]:
    """A traceback, the innermost cause first, without the words of exceptions."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and most:
        yield from _places(cause, most - 1)
        yield "which led to:"
    for place in format_tb(error.__traceback__):
        yield from place.rstrip("\n").split("\n")
    yield reason_of(error)


def printable(text: str) -> str:
    """Text with escapes for whatever would begin another line, or tell a terminal what to do."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _escape(_: Any, __: str, event: EventDict) -> EventDict:
    """For people: a value is one line, and each line of a traceback is seen to be one."""
    for name, value in event.items():
        if name == "exception":
            event[name] = "\n".join(f"  | {printable(line)}" for line in str(value).split("\n"))
        elif isinstance(value, str):
            event[name] = printable(value)
    return event


def _to_json(event: Any, **_: Any) -> str:
    try:
        text = orjson.dumps(event, default=repr).decode()
    except TypeError:  # Lone surrogates, and numbers of more than 64 bits.
        return json.dumps(event, default=repr)
    return text if text.isprintable() else "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
