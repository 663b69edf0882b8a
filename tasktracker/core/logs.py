"""Logging: one line for each event, for people or as JSON, never broken by what a client sent."""

import logging
import sys
from contextlib import suppress
from typing import Any

import orjson
import structlog
from structlog.types import Processor
from typing_extensions import override

from config import Settings


def configure(settings: Settings) -> None:
    """Sends structlog's and the standard library's events through the same processors to standard output."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,  # The request's id, on every line of the request.
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Processor = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    if settings.log_format == "json":
        render = structlog.processors.JSONRenderer(serializer=_to_json)
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Steadfast(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("alembic.runtime.plugins", "alembic.autogenerate"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Steadfast(structlog.WriteLogger):
    """Writes what it can: where the disk is full, or nobody reads on, a request does not fail for its line in the log."""

    @override
    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    debug = info = warning = error = critical = msg


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=repr).decode(errors="backslashreplace")
