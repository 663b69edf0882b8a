"""The table of jobs, as tests see and move it behind the application's back."""

from collections.abc import Sequence
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, Row, delete, select, true, update

from tasktracker.core.database import session, transactional
from tasktracker.core.jobs import Job
from tasktracker.core.models import now


def execute(app: Flask, statement: Any) -> None:
    """A change that no use case makes."""

    @transactional
    def run() -> None:
        session().execute(statement)

    with app.app_context():
        run()


def waiting(app: Flask, where: ColumnElement[bool] | None = None) -> Sequence[Row[Any]]:
    """The jobs, the oldest first."""
    found = select(Job.__table__).where(true() if where is None else where).order_by(Job.id)
    with app.app_context():
        return session().execute(found).all()


def empty(app: Flask) -> None:
    """Nothing waits any more."""
    execute(app, delete(Job))


def make_due(app: Flask) -> None:
    """Time has passed for all jobs: leases are over, and what has failed is tried again."""
    execute(app, update(Job).where(Job.failed_at.is_(None)).values(due_at=now()))
