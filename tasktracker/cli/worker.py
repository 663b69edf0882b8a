"""`flask worker`: does the background jobs, and shows how they stand."""

import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select

from config import Settings

from ..core import jobs, worker
from ..core.jobs import Job
from ..core.statement import Statement
from .terminal import table, told_plainly

FILE = click.Path(dir_okay=False, path_type=Path)
_MOST_SHOWN = 50
_WAITING = Statement(
    select(
        Job.kind,
        func.count().label("waiting"),
        func.max(Job.attempts).label("attempts"),
        func.min(Job.due_at).label("due_at"),
        func.max(Job.last_error).label("reason"),
    )
    .where(Job.failed_at.is_(None))
    .group_by(Job.kind)
    .order_by(Job.kind)
)
_DEAD = Statement(
    select(Job.id, Job.kind, Job.failed_at, Job.attempts, Job.last_error)
    .where(Job.failed_at.is_not(None))
    .order_by(Job.failed_at.desc())
    .limit(_MOST_SHOWN)
)


@click.command("worker")
@click.option("--status", is_flag=True, help="Show what waits and what has failed for good, and stop.")
@click.option("--once", is_flag=True, help="Do what is due now, and stop.")
@click.option("--retry", is_flag=True, help="Try what has failed for good again, and stop.")
@click.option("--heartbeat", type=FILE, help="Set this file's time before each job: whoever looks at it sees that it works.")
@with_appcontext
@told_plainly
def work(*, status: bool, once: bool, retry: bool, heartbeat: Path | None) -> None:
    """Do the background jobs: mails, and what recurs.

    Any number of workers may run. A signal to stop lets the job in hand be finished.
    """
    if status:
        _show()
    elif retry:
        click.echo(f"Jobs that are tried again: {jobs.retry_dead_letters()}.")
    elif once:
        click.echo(f"Jobs done or tried: {_do_due()}.")
    else:
        _work_until_told_to_stop(heartbeat)


def _do_due() -> int:
    jobs.schedule()
    done = 0
    while jobs.run_one():
        done += 1
    return done


def _work_until_told_to_stop(heartbeat: Path | None) -> None:
    stop = threading.Event()

    def finish(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # Whoever asks twice does not want to wait for the job in hand.

    stand_in: Any = current_app
    app: Flask = stand_in._get_current_object()  # noqa: SLF001 - it is handed to other threads.
    _serve_metrics(app)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, finish)
    with suppress(OSError):  # It works also where nobody reads what it says.
        click.echo("The worker waits for jobs; Ctrl-C stops it.", err=True)
    worker.work(app, stop, heartbeat)


def _serve_metrics(app: Flask) -> None:
    settings: Settings = app.config["SETTINGS"]
    if settings.worker_metrics_address is None:
        return
    from ..core import scraping  # noqa: PLC0415 - see `metrics`.

    host, _, port = settings.worker_metrics_address.rpartition(":")
    try:
        scraping.serve(app, host, int(port))
    except (OSError, OverflowError) as error:
        message = f"WORKER_METRICS_ADDRESS: {settings.worker_metrics_address} cannot be listened on: {error}"
        raise click.ClickException(message) from error


def _show() -> None:
    waiting = [(row.kind, str(row.waiting), str(row.attempts), _time(row.due_at), row.reason or "") for row in _WAITING.rows()]
    dead = [(row.id, row.kind, _time(row.failed_at), str(row.attempts), row.last_error or "") for row in _DEAD.rows()]
    click.echo("Waiting:" if waiting else "Nothing waits.")
    for line in table(("KIND", "JOBS", "MOST ATTEMPTS", "NEXT", "A FAILURE"), waiting) if waiting else ():
        click.echo(line)
    click.echo("\nFailed for good (--retry tries them again):" if dead else "\nNothing has failed for good.")
    for line in table(("ID", "KIND", "SINCE", "ATTEMPTS", "REASON"), dead) if dead else ():
        click.echo(line)


def _time(moment: object) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
