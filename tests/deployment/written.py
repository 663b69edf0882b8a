"""What is written: the compose file as Docker reads it, the Dockerfile, and what of the repository goes into the image."""

import fnmatch
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def compose(file: Path = ROOT / "docker-compose.yml", environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A compose file with these variables put in; without one its defaults hold, as for whoever edits nothing."""

    def put_in(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: put_in(each) for key, each in value.items()}
        if isinstance(value, list):
            return [put_in(each) for each in value]
        return interpolated(value, environ or {}) if isinstance(value, str) else value

    return put_in(yaml.safe_load(file.read_text()))


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """`${NAME:-default}` and `${NAME:+what stands instead}`, the innermost first."""
    while found := re.search(r"\$\{(\w+)(?::([-+?])([^{}$]*))?\}", text):
        name, kind, rest = found.groups()
        value = environ.get(name, "")
        if (kind == "+") == bool(value) and kind in ("-", "+"):
            value = rest
        assert value or kind in ("-", "+"), f"{name} is required"
        text = text[: found.start()] + value + text[found.end() :]
    return text


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their words, in order."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in lines)]


def last(instruction: str) -> str:
    """What stands last under this name, which is what holds for the image."""
    return [rest for word, rest in dockerfile() if word == instruction][-1]


def image_environment() -> dict[str, str]:
    """The environment that the image gives, but for its PATH."""
    pairs = dict(pair.split("=", 1) for pair in shlex.split(last("ENV")))
    del pairs["PATH"]
    return pairs


def shipped() -> list[str]:
    """The files of the repository that `.dockerignore` lets into the image; the last pattern that fits a file decides."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    def is_in(file: str) -> bool:
        inside = True
        for pattern in patterns:
            place = pattern.removeprefix("!").removeprefix("**/")
            paths = [file, *map(str, Path(file).parents)] if place != "*" else ["*"]
            if any(fnmatch.fnmatch(path, place) for path in paths):
                inside = pattern.startswith("!")
        return inside

    return [file for file in listed.stdout.split() if is_in(file)]


def moved(text: str, places: Mapping[str, str]) -> str:
    """A text in which each of these places is another; none that is put in is taken for one of them again."""
    names = sorted(places, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, names)), lambda found: places[found[0]], text)
