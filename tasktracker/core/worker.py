"""The worker: does one background job after the other, in a process of its own or in a thread of the web process."""

import logging
import threading
from pathlib import Path

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from config import Settings

from . import jobs
from .deadline import at_most
from .errors import Refusal
from .logs import reason_of

_IDLE_SECONDS = 1.0  # Between looking for jobs while there are none.
_FAULT_SECONDS = 5.0  # Until the database is asked again after it did not answer.
# What a job waits for the database in all; with what sending a mail may take, it stays below the lease.

log = logging.getLogger(__name__)


def work(app: Flask, stop: threading.Event, heartbeat: Path | None = None) -> None:
    """Does jobs until it is told to stop; the one in hand is finished.

    Args:
        app: the application whose jobs they are.
        stop: set by whoever wants it to stop.
        heartbeat: a file whose time is set before each job, so that others see that it is alive.
    """
    scheduled = False
    while not stop.is_set():
        # A context for each job: nothing that one leaves in its session is seen by the next.
        with app.app_context():
            try:
                if heartbeat is not None:
                    heartbeat.touch()
                if not scheduled:
                    with at_most(jobs.PATIENCE):
                        jobs.schedule()
                    scheduled = True
                wait = 0.0 if jobs.run_one() else _IDLE_SECONDS
            except Exception as error:
                # Whatever it is, the jobs need a worker that goes on.
                is_new = not isinstance(error, SQLAlchemyError | Refusal)
                log.warning("The worker cannot get at its jobs: %s", reason_of(error), exc_info=error if is_new else None)
                wait = _FAULT_SECONDS
        stop.wait(wait)


def init_app(app: Flask, settings: Settings) -> None:
    """With `INLINE_WORKER`, starts the worker in a thread when the first request comes.

    Not earlier: commands of `flask` make applications too, and a thread does not survive the fork of a web server.
    """
    if not settings.inline_worker:
        return
    lock = threading.Lock()
    started: list[threading.Thread] = []

    @app.before_request
    def start() -> None:
        if started:
            return
        with lock:
            if not started:
                started.append(threading.Thread(target=work, args=(app, threading.Event()), name="worker", daemon=True))
                started[0].start()

    _ = start
