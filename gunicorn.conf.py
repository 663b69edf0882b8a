"""How gunicorn serves TaskTracker; its command line wins over this file.

The settings are read here, in the master process, so that a fault stops the start instead of one worker after the other.
"""

import os
import sys
from typing import Any

from config import SettingsError, load

try:
    settings = load()
except SettingsError as error:
    sys.exit(f"TaskTracker cannot start:\n{error}")


def number(name: str, default: int, most: int) -> int:
    """A setting of the process and not of the application, which is read from the environment alone."""
    value = os.environ.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= most):
        sys.exit(f"TaskTracker cannot start:\n{name}: {value!r} is not a number from 1 to {most}; set one")
    return int(value)


port = number("PORT", 8000, 65535)

bind = f"127.0.0.1:{port}"
# SQLite has one writer at a time, so one process with threads serves it; PostgreSQL gets two workers, or WEB_CONCURRENCY.
# Threads of a worker (WEB_THREADS) are for clients that connect directly; behind a buffering proxy one is faster.
workers = 1 if settings.is_sqlite else number("WEB_CONCURRENCY", 2, 1000)
threads = number("WEB_THREADS", 8 if settings.is_sqlite else 1, 1000)
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
    # Not in the master: a worker that is made after SIGHUP loads the code anew. And not in `post_fork`: loading takes a second,
    # in which a worker does not yet listen to signals, and a service that is told to stop would wait for it in vain.
    from tasktracker.core import wire  # noqa: PLC0415

    wire.install(worker, settings)
