"""What matters for security, as lines of the log: logins, refusals, changed passwords, what those who run the site do.

Each line says when (UTC), who (ids, never names or addresses of mail) and in which request.
"""

import structlog

from . import metrics
from .database import on_commit

_log = structlog.get_logger("tasktracker.audit")


def record(happened: str, **about: str | None) -> None:
    """Notes what the open transaction does; it is logged when that is committed, and not at all when it is not.

    Args:
        happened: what, in snake_case and in the past.
        about: whose account, which session: ids alone.
    """

    def tell() -> None:
        metrics.AUDIT_EVENTS.labels(happened).inc()
        _log.info(happened, audit=True, **about)

    on_commit(tell)


def refused(what: str, **about: str | None) -> None:
    """Logs at once that somebody was kept from something; also where LOG_LEVEL is WARNING.

    Args:
        what: what happened, in snake_case.
        about: who it was, as far as that is known.
    """
    metrics.AUDIT_EVENTS.labels(what).inc()
    _log.warning(what, audit=True, **about)
