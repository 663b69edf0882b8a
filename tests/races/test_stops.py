"""A stop that meets a start."""

import os
import signal
from pathlib import Path

from ..conftest import SECRETS
from ..live import answers, start, stop
from ..servers import free_port, wait_for


def workers(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def seconds_of(pid):
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_service_that_is_told_to_stop_while_a_worker_starts_stops(tmp_path):
    """The worker must listen to signals before it loads anything large; else all wait for the end of the grace of 30 s."""
    port = free_port()
    service = start({"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path), **SECRETS}, port)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        (old,) = workers(service.pid)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: workers(service.pid) not in ([], [old]), "another worker")
        (new,) = workers(service.pid)
        wait_for(lambda: seconds_of(new) > 0.2, "its beginning")
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0
    finally:
        stop(service, signal.SIGKILL)
