"""A stop that meets a start."""

import os
import signal
from pathlib import Path

import pytest

from ..conftest import SECRETS
from ..live import answers, start, stop, workers
from ..servers import free_port, wait_for

GATE = Path(__file__).with_name("gate")


@pytest.fixture
def settings(tmp_path):
    return {"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path), **SECRETS}


def test_a_service_that_is_told_to_stop_while_it_loads_stops(settings, tmp_path):
    service = start({**settings, "PYTHONPATH": str(GATE), "GATE": str(tmp_path)}, free_port())
    try:
        wait_for((tmp_path / "loading").exists, "the application")
        service.send_signal(signal.SIGTERM)
        assert service.wait(5) == -signal.SIGTERM
    finally:
        stop(service, signal.SIGKILL)


def test_a_service_that_is_told_to_stop_while_a_worker_starts_stops(settings):
    """Not at the end of the grace of 30 s: a new worker loads nothing before it listens to signals."""
    port = free_port()
    service = start(settings, port)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        (old,) = workers(service.pid)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: workers(service.pid) not in ([], [old]), "another worker")
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0
    finally:
        stop(service, signal.SIGKILL)
