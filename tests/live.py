"""The real service: gunicorn, and the worker, in processes of their own."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .servers import free_port, wait_for

ROOT = Path(__file__).parents[1]


@contextmanager
def serving(environment: dict[str, str], *options: str, port: int | None = None, app: str = "wsgi:app") -> Iterator[str]:
    """Serves with these settings; gives the base URL."""
    port = port or free_port()
    process = start(environment, port, *options, app=app)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "gunicorn")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


@contextmanager
def working(environment: dict[str, str], **files: IO[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Does background jobs with these settings, as `flask worker` does; gives its process."""
    process = subprocess.Popen(_flask("worker"), cwd=ROOT, env=_known(environment), start_new_session=True, **files)
    try:
        yield process
    finally:
        stop(process)


def flask(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command of `flask` with these settings."""
    done = subprocess.run(_flask(*words), cwd=ROOT, env=_known(environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def start(
    environment: dict[str, str], port: int, *options: str, log: IO[str] | None = None, app: str = "wsgi:app"
) -> "subprocess.Popen[bytes]":
    """Starts gunicorn as people do, on this port; what it logs goes into the file, if there is one."""
    settings = _known({**environment, "PORT": str(port)})
    words = [Path(sys.executable).with_name("gunicorn"), app, *options]
    return subprocess.Popen(words, cwd=ROOT, env=settings, start_new_session=True, stdout=log)


def _flask(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("flask")), "--app", "wsgi", *words]


def _known(environment: dict[str, str]) -> dict[str, str]:
    """These settings, and of the tests' own environment only what every program needs."""
    return {**{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}, **environment}


def stop(process: "subprocess.Popen[bytes]", sig: int = signal.SIGTERM) -> None:
    """Stops a service and its workers."""
    if process.poll() is None:
        os.killpg(process.pid, sig)
    process.wait(20)


def workers(pid: int) -> list[int]:
    """The processes that serve for the gunicorn with this id."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def listens(pid: int) -> bool:
    """Whether this process takes connections: the master of gunicorn lets go of its port as soon as it is told to stop."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It has been closed meanwhile.
            if str(file.readlink()) in listening:
                return True
    return False


def answers(url: str) -> bool:
    """Whether the URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False
