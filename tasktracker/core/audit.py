"""What matters for security, as lines of the log: logins, refusals, changed passwords, what those who run the site do.

Each line says when (UTC), who (ids, never names or addresses of mail) and in which request.
"""

from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session

from ..extensions import db
from .database import session

_PENDING = "audit"

_log = structlog.get_logger("tasktracker.audit")


def record(happened: str, **about: str | None) -> None:
    """Notes what the open transaction does; it is logged when that is committed, and not at all when it is not.

    Args:
        happened: what, in snake_case and in the past.
        about: whose account, which session: ids alone.
    """
    session().info.setdefault(_PENDING, []).append((happened, about))


def refused(what: str, **about: str | None) -> None:
    """Logs at once that somebody was kept from something; also where LOG_LEVEL is WARNING.

    Args:
        what: what happened, in snake_case.
        about: who it was, as far as that is known.
    """
    _log.warning(what, audit=True, **about)


def _write(committed: Session) -> None:
    pending: list[tuple[str, dict[str, Any]]] = committed.info.pop(_PENDING, [])
    for happened, about in pending:
        _log.info(happened, audit=True, **about)


def _forget(rolled_back: Session) -> None:
    rolled_back.info.pop(_PENDING, None)


event.listen(db.session, "after_commit", _write)
event.listen(db.session, "after_rollback", _forget)
