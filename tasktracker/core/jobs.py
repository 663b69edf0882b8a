"""Background jobs: rows of a table, written in the transaction of what they follow from, done by a worker.

A worker that takes a job makes it due again for the end of its lease: if the worker dies, another does the job. So a
handler may run twice and must not mind. What fails is tried again after seconds, then minutes, then hours; what cannot
succeed, or has failed too often, stays as a dead letter for 30 days; `flask worker --status` shows it.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import Index, Insert, String, Text, bindparam, delete, literal, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from . import metrics
from .database import session, transactional
from .deadline import at_most
from .errors import Refusal
from .logs import reason_of
from .models import Base, new_id, now
from .sql import upsert
from .statement import Statement
from .types import Id, UtcDateTime, table_of

LEASE = timedelta(minutes=2)
# How long after each failure a job is tried again.
BACK_OFF = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800))
_MOST_ATTEMPTS = len(BACK_OFF) + 1
PATIENCE = LEASE.total_seconds() / 4  # For each of the waits of a job for PostgreSQL.
PING = "ping"  # What `flask doctor` has the worker do.
DEAD_LETTER_LIFETIME = timedelta(days=30)

log = logging.getLogger(__name__)


class Job(Base):
    """Something to be done soon."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_due_at", "due_at", postgresql_where=text("failed_at IS NULL"), sqlite_where=text("failed_at IS NULL")),
        Index("uq_jobs_key", "key", unique=True),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(50))
    # Of the jobs with one key, the newest takes the place of the others.
    key: Mapped[str | None] = mapped_column(String(300))
    payload: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(300))
    # When it became a dead letter.
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


_jobs = table_of(Job)


@dataclass(frozen=True)
class Taken:
    """A job that this worker does.

    Args:
        id: its id, the same over all attempts.
        kind: which handler does it.
        stored: what the handler gets, as it stands in the table.
        attempts: how often it was taken, this time included.
    """

    id: str
    kind: str
    stored: str
    attempts: int

    @property
    def payload(self) -> dict[str, Any]:
        """What the handler gets; read first by that one, so that a damaged row is a failure of this job alone."""
        return json.loads(self.stored)


class HopelessError(Exception):
    """Trying again would change nothing."""


Handler = Callable[[Taken], None]
_handlers: dict[str, Handler] = {}
_recurring: dict[str, timedelta] = {}


def handler(kind: str, *, every: timedelta | None = None) -> Callable[[Handler], Handler]:
    """Registers what does a kind of job.

    Args:
        kind: the kind.
        every: how often it is done without being asked for.
    """

    def register(function: Handler) -> Handler:
        _handlers[kind] = function
        if every:
            _recurring[kind] = every
        return function

    return register


@handler(PING)
def _answer(_: Taken) -> None:
    """Nothing: that it was done says that a worker is alive."""


def enqueue(kind: str, payload: dict[str, Any], *, key: str | None = None) -> None:
    """Writes a job into the open transaction.

    Args:
        kind: which handler will do it.
        payload: what that one gets; nothing secret, for it stands in the table.
        key: a job that waits under the same key is replaced.
    """
    _ENQUEUE.rows(**job_values(kind, payload, key=key))


def job_insert(name: str = "job") -> Insert:
    """What writes a job, for a statement that does more.

    Args:
        name: what the names of its values begin with, where the statement writes several jobs.
    """
    inserted = _insert(name)
    replaced = {column.name: inserted.excluded[column.name] for column in _jobs.c if column is not _jobs.c.key}
    return inserted.on_conflict_do_update(index_elements=["key"], set_=replaced)


def _insert(name: str = "job") -> postgresql.Insert:
    return upsert(_jobs).values({column.name: bindparam(f"{name}_{column.name}", type_=column.type) for column in _jobs.c})


def job_values(kind: str, payload: dict[str, Any], *, key: str | None = None, name: str = "job") -> dict[str, Any]:
    """The values for `job_insert`; arguments as for `enqueue`."""
    moment = now()
    values = {
        "id": new_id(),
        "kind": kind,
        "key": key,
        "payload": json.dumps(payload),
        "created_at": moment,
        "due_at": moment,
        "attempts": 0,
        "last_error": None,
        "failed_at": None,
    }
    return {f"{name}_{column}": value for column, value in values.items()}


_ENQUEUE = Statement(job_insert())
_SCHEDULE = Statement(_insert().on_conflict_do_nothing(index_elements=["key"]))


@transactional
def schedule() -> None:
    """Makes sure that every recurring job waits for its next time."""
    for kind in _recurring:
        _SCHEDULE.rows(**job_values(kind, {}, key=kind))


_is_due = (Job.due_at <= bindparam("now", type_=UtcDateTime()), Job.failed_at.is_(None))
_DUE = Statement(select(Job.id).where(*_is_due).limit(1))


def run_one() -> bool:
    """Does the job that has been due for longest; false if none is.

    Taking it, doing it and noting what became of it may each wait for the database: what has used up its time can still
    be noted.
    """
    with at_most(PATIENCE):
        # Looking costs less than taking, and on SQLite it keeps no writer waiting.
        taken = _take() if _DUE.first(now=now()) is not None else None
    if taken is None:
        return False
    begun, kind = monotonic(), taken.kind if taken.kind in _handlers else "unknown"
    with metrics.JOBS_RUNNING.track_inprogress():
        outcome = _attempt(taken)
    metrics.JOBS.labels(kind, outcome).observe(monotonic() - begun)
    return True


def _attempt(taken: Taken) -> str:
    """Does a job and notes what became of it; says it in a word."""
    try:
        with at_most(PATIENCE):
            _do(taken)
    except Exception as error:
        session().rollback()  # What it has left half done is not committed with its failure.
        with at_most(PATIENCE):
            return "failed" if _failed(taken, error) else "tried_again"
    with at_most(PATIENCE):
        _done(taken)
    return "done"


def _do(taken: Taken) -> None:
    # Nobody was left to say that it failed the last time.
    if taken.attempts > _MOST_ATTEMPTS and taken.kind not in _recurring:
        raise HopelessError("Every worker that took it has died.")
    _handlers[taken.kind](taken)


@transactional
def _take() -> Taken | None:
    due = select(Job.id).where(*_is_due).order_by(Job.due_at).limit(1).with_for_update(skip_locked=True)
    lease = {"due_at": literal(now() + LEASE, UtcDateTime()), "attempts": Job.attempts + 1}
    taken = update(Job).where(Job.id == due.scalar_subquery()).values(lease)
    row = session().execute(taken.returning(Job.id, Job.kind, Job.payload, Job.attempts), {"now": now()}).one_or_none()
    return Taken(row.id, row.kind, row.payload, row.attempts) if row else None


def _is_in_hand(taken: Taken) -> Any:
    """Whether the job is still this worker's: neither replaced nor taken by another after its lease."""
    return (Job.id == taken.id) & (Job.attempts == taken.attempts)


@transactional
def _done(taken: Taken) -> None:
    every = _recurring.get(taken.kind)
    if every is None:
        session().execute(delete(Job).where(_is_in_hand(taken)))
    else:
        again = {"due_at": now() + every, "attempts": 0, "last_error": None}
        session().execute(update(Job).where(_is_in_hand(taken)).values(again))


@transactional
def _failed(taken: Taken, error: Exception) -> bool:
    """Notes that a job has failed; whether that is for good."""
    reason = f"HopelessError: {error}" if isinstance(error, HopelessError) else reason_of(error)
    recurs = taken.kind in _recurring
    note = update(Job).where(_is_in_hand(taken))
    is_final = not recurs and (isinstance(error, HopelessError) or taken.attempts >= _MOST_ATTEMPTS)
    if is_final:
        session().execute(note.values(last_error=reason, failed_at=now(), key=None))
        log.error("Job %s (%s) has failed for good: %s", taken.id, taken.kind, reason)
    else:
        wait = BACK_OFF[min(taken.attempts, len(BACK_OFF)) - 1]
        session().execute(note.values(last_error=reason, due_at=now() + wait))
        log.warning("Job %s (%s) has failed and is tried again in %s: %s", taken.id, taken.kind, wait, reason)
    if not isinstance(error, HopelessError | OSError | Refusal):
        log.error("Job %s (%s)", taken.id, taken.kind, exc_info=error)
    return is_final


@transactional
def retry_dead_letters() -> int:
    """Makes every dead letter due again; how many there were."""
    again = update(Job).where(Job.failed_at.is_not(None)).values(failed_at=None, due_at=now(), attempts=0)
    return len(session().execute(again.returning(Job.id)).all())
