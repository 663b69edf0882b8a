"""What `make run` does before the service starts, with programs in the places of its own that tell how they were called."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def program(file: Path, *lines: str) -> None:
    """A program of the shell."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(("#!/bin/sh", *lines)))
    file.chmod(0o755)


@pytest.fixture
def make(root: Path, tmp_path: Path) -> Run:
    """`make run` in a folder of its own."""
    shutil.copy(root / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    for name in ("flask", "python"):
        program(tmp_path / "made" / name)
    program(tmp_path / "made" / "gunicorn", 'echo "listens at $PORT, mails name $PUBLIC_URL"')
    (tmp_path / "made" / "dotenv").symlink_to(Path(sys.executable).with_name("dotenv"))

    def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["make", "run", *words],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def installed(make: Run, tmp_path: Path) -> Run:
    """The same where all is installed."""
    shutil.copytree(tmp_path / "made", tmp_path / ".venv" / "bin", symlinks=True)
    (tmp_path / ".venv" / ".installed").touch()
    return make


def test_links_in_mails_lead_to_the_port_unless_a_setting_says_otherwise(installed, tmp_path):
    assert "listens at 8000, mails name http://127.0.0.1:8000\n" in installed().stdout
    assert "listens at 9000, mails name http://127.0.0.1:9000\n" in installed(PORT="9000").stdout
    (tmp_path / ".env").write_text("PUBLIC_URL=\n")
    assert "mails name http://127.0.0.1:9000\n" in installed(PORT="9000").stdout
    (tmp_path / ".env").write_text("export PUBLIC_URL='http://tracker.test'  # Ours.\n")
    assert "listens at 9000, mails name http://tracker.test\n" in installed(PORT="9000").stdout
    assert "mails name http://other.test\n" in installed(PORT="9000", PUBLIC_URL="http://other.test").stdout


def test_a_virtual_environment_that_was_half_made_is_made_anew(make, tmp_path):
    """As on Debian without python3-venv, which then is installed."""
    python = tmp_path / "python3"
    program(tmp_path / "half" / "python", "echo No module named pip; exit 1")
    program(python, 'test "$1" = -c || { mkdir .venv; cp -R half .venv/bin; exit 1; }')
    assert make(f"PYTHON={python}").returncode != 0
    program(python, 'test "$1" = -c || cp -Rf made/. .venv/bin')
    done = make(f"PYTHON={python}")
    assert done.returncode == 0, done.stderr
    assert "listens at 8000" in done.stdout
