"""How gunicorn serves TaskTracker; its command line wins over this file.

The settings are read here, in the master process, so that a fault stops the start instead of one worker after the other.
"""

import atexit
import os
import shutil
import sys
import tempfile
from typing import Any

from config import SettingsError, load

try:
    settings = load()
except SettingsError as error:
    sys.exit(f"TaskTracker cannot start:\n{error}")


def number(name: str, default: int, most: int) -> int:
    """A setting of the process and not of the application, which is read from the environment alone."""
    value = os.environ.get(name) or str(default)
    # A WEB_CONCURRENCY in letters does not come so far: gunicorn reads it before this file, and ends in a traceback.
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= most):
        sys.exit(f"TaskTracker cannot start:\n{name}: {value!r} is not a number from 1 to {most}; set one")
    return int(value)


def metrics_folder() -> str:
    """Where the processes of this master count together, for /metrics; it begins and ends with the master.

    After SIGHUP this file is read again, and finds the folder; after SIGUSR2 two masters serve at once, each with its own.
    """
    prefix, known = f"tasktracker-metrics-{os.getpid()}-", os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    if prefix in known:
        return known
    made = tempfile.mkdtemp(prefix=prefix)
    # Also where the start fails, or nothing but the settings is looked at, which `on_exit` hears nothing of.
    atexit.register(remove_of, os.getpid(), made)
    return made


def remove_of(master: int, folder: str) -> None:
    """Removes the folder when this master ends; its workers, which know of it too, do not."""
    if os.getpid() == master:
        shutil.rmtree(folder, ignore_errors=True)


if settings.metrics_token:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_folder()

port = number("PORT", 8000, 65535)

bind = f"127.0.0.1:{port}"
# SQLite has one writer at a time, so one process with threads serves it; PostgreSQL gets two workers, or WEB_CONCURRENCY.
# Threads of a worker (WEB_THREADS) are for clients that connect directly; behind a buffering proxy one is faster.
workers = 1 if settings.is_sqlite else number("WEB_CONCURRENCY", 2, 1000)
threads = number("WEB_THREADS", 8 if settings.is_sqlite else 1, 1000)
# The application is made once, before the workers are forked: they share its memory (44 MiB each instead of 73), and one that
# takes the place of another answers at once. It connects to nothing before the first request. SIGHUP changes the number of
# workers and nothing else: new code and new settings want a new start.
preload_app = True
# A thread is taken by a client from its first byte to its last. While fewer clients dribble than there are threads (8 with
# SQLite, one in each worker with PostgreSQL), all others are answered; where clients are strangers, a proxy that buffers
# requests (nginx does) belongs in front, which alone can shield from many of them.
timeout = 30
# On SIGTERM the ports are closed at once, what is in hand is finished, and the exit status is 0. There is no time in between
# in which /readyz could say so: a load balancer sees that connections are refused, or is told before.
graceful_timeout = 30
max_requests = 100_000
max_requests_jitter = 10_000
control_socket_disable = True
accesslog = None  # TaskTracker writes a line for each request itself.
# TRUSTED_PROXIES says how many proxies count; gunicorn itself believes none.
forwarded_allow_ips = ""


def post_worker_init(worker: Any) -> None:
    """Has what gunicorn answers itself look like every other answer."""
    # Not above: gunicorn reads this file before it loads the application, and says more clearly what fails there.
    from tasktracker.core import wire  # noqa: PLC0415

    wire.install(worker, settings)


def child_exit(_server: Any, worker: Any) -> None:
    """What a worker that is gone had in use is not in use any more."""
    if settings.metrics_token:
        from prometheus_client import multiprocess  # noqa: PLC0415 - it must not be imported before the folder is known.

        multiprocess.mark_process_dead(worker.pid)


def on_exit(_server: Any) -> None:
    """Nobody counts any more."""
    if settings.metrics_token:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
