"""The services of the compose file run without Docker: their very commands, on servers of our own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import servers
from .written import ROOT, compose, image_environment, last, moved, shipped


@dataclass
class Machine:
    """Where services run as the compose file says, in folders of their own.

    Args:
        folder: holds the image's code in `app` and takes the place of `/secrets` and `/tmp`.
        places: names that Docker would resolve, and where they are here.
    """

    folder: Path
    places: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in shipped():
            target = self.folder / "app" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)
        self.places |= {"/secrets": f"{self.folder}/secrets", "/tmp/": f"{self.folder}/"}
        self.services = compose()["services"]

    def here(self, text: str) -> str:
        """A text of the compose file with the places that it has here."""
        return moved(text, self.places)

    def environment(self, name: str) -> dict[str, str]:
        """What the service finds in its environment."""
        given = {**image_environment(), **self.services[name].get("environment", {})}
        own = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return {**own, **{key: self.here(str(value)) for key, value in given.items()}}

    def words(self, command: list[str]) -> list[str]:
        """A command with the programs of the tests' own Python."""
        program, *words = (self.here(word) for word in command)
        return [str(Path(sys.executable).with_name(program)), *words]

    def command(self, name: str) -> list[str]:
        return self.words(self.services[name].get("command") or json.loads(last("CMD")))

    def run(self, name: str, *more: str) -> "subprocess.CompletedProcess[str]":
        """Runs a service that ends by itself."""
        return self._run(name, [*self.command(name), *more])

    def is_healthy(self, name: str) -> bool:
        """Whether the health check of the service says so."""
        check = self.services[name].get("healthcheck")
        test = check["test"][1:] if check else json.loads(last("HEALTHCHECK").partition("CMD ")[2])
        return self._run(name, self.words(test)).returncode == 0

    def start(self, name: str, log: Any) -> "subprocess.Popen[bytes]":
        """Starts a service that goes on."""
        where = {"cwd": self.folder / "app", "env": self.environment(name), "start_new_session": True}
        return subprocess.Popen(self.command(name), stdout=log, stderr=log, **where)

    def flask(self, *words: str, stdin: str) -> "subprocess.CompletedProcess[str]":
        """What `docker compose exec web flask --app wsgi ...` does."""
        return self._run("web", self.words(["flask", "--app", "wsgi", *words]), input=stdin)

    def _run(self, name: str, words: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        options |= {"cwd": self.folder / "app", "env": self.environment(name)}
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, **options)


class ComposedRedis(servers.Redis):
    """Redis with the command of the compose file."""

    def _command(self) -> list[str]:
        _, *words = compose()["services"]["redis"]["command"]
        program, *_ = super()._command()
        return [program, *words, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
