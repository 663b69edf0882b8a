"""A stop that meets a start."""

import os
import signal
from pathlib import Path

from ..conftest import SECRETS
from ..live import answers, listens, start, stop, workers
from ..servers import free_port, wait_for

GATE = Path(__file__).with_name("gate")


def test_a_service_that_is_told_to_stop_while_a_worker_starts_stops(tmp_path):
    """The worker must listen to signals before it loads anything large; else all wait for the end of the grace of 30 s."""
    port, settings = free_port(), {"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path), **SECRETS}
    (tmp_path / "open").touch()
    service = start({**settings, "PYTHONPATH": str(GATE), "GATE": str(tmp_path)}, port)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        for name in ("open", "loading"):
            (tmp_path / name).unlink()
        (old,) = workers(service.pid)
        os.kill(old, signal.SIGKILL)
        wait_for((tmp_path / "loading").exists, "another worker")
        service.send_signal(signal.SIGTERM)
        wait_for(lambda: not listens(service.pid), "the beginning of the end")
        (tmp_path / "open").touch()
        assert service.wait(20) == 0
    finally:
        stop(service, signal.SIGKILL)
