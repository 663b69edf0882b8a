"""Measures what a request costs, and fails when one has become dearer: `make bench`.

The application runs in this process as it is served, with real servers behind it, a log that goes to /dev/null, and the sample
data. What counts is the processor's time, since a busy machine takes its time from the clock and not from the processor. That
differs between machines too, and on one machine with what its neighbours do to its caches, so each handful of requests is
divided by a loop that never changes and runs between them. The figures to compare with stand in docs/performance.md.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from statistics import median
from time import process_time_ns, sleep
from typing import Any, NamedTuple

import psycopg2
from flask import Flask
from flask_migrate import upgrade
from werkzeug.test import create_environ

from config import load
from tasktracker import create_app
from tasktracker.cli.seed import DEMO_PASSWORD
from tasktracker.core.http import PREFIX
from tests import servers

from . import operations

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
SECTION = "\n## What a request costs\n"
MOST = 1.25  # Times the figure that is stored.
MOST_EMBEDDED = 1.5  # Times what PostgreSQL and the application take together.
ROUNDS = 60
KINDS = ("postgresql", "sqlite")
REQUESTS = 10
SIZE = ("--users", "50", "--projects", "40", "--tasks", "8000", "--tags", "10")
SECRETS = {"SECRET_KEY": "only-for-measuring-" + "0123456789" * 5, "JWT_SECRET_KEY": "only-for-measuring-" + "9876543210" * 5}
_OURS = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)

# --- the loop to compare with -----------------------------------------------------------------------------------------

_ROW = {"id": "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57", "title": "Do it", "tags": ["bug", "docs"], "due_date": None}


def calibrate() -> int:
    """Processor time, in nanoseconds, of work of the kinds that a request is made of. Never change it.

    Like a request it waits in between: whoever has the processor meanwhile leaves other things in its caches.
    """
    taken = 0
    for number in range(4):
        sleep(0.0001)
        begin = process_time_ns()
        rows = [_row(number + place, _ROW) for place in range(20)]
        text = json.dumps(rows)
        names = {name.upper(): value for row in json.loads(text) for name, value in row.items()}
        hashlib.sha256(text.encode()).hexdigest()
        ", ".join(f"{name}={value!r}" for name, value in sorted(names.items())).split("=")
        taken += process_time_ns() - begin
    return taken


def _row(number: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "number": number, "ref": f"WEB-{number}", "words": re.sub(r"\W+", " ", fields["title"]).lower().split()}


# --- the application --------------------------------------------------------------------------------------------------


class Service:
    """The application on a database with the sample data, and what it is asked.

    Args:
        app: the application.
        database: the URL of its database, where that is PostgreSQL.
    """

    def __init__(self, app: Flask, database: str | None) -> None:
        self.app, self._client = app, app.test_client()
        login = self._client.post(f"{PREFIX}/auth/login", json={"username": "demo", "password": DEMO_PASSWORD})
        answer: Any = login.json
        self._authorization = f"Bearer {answer['access_token']}"
        self._requests = operations.requests(self._page, answer["user"]["id"])
        self._database = psycopg2.connect(database) if database else None
        if self._database:
            self._database.autocommit = True
            with self._database.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")  # As autovacuum would have done some time later.

    def measure(self, operation: str) -> tuple[int, int, int]:
        """Nanoseconds of processor time of some requests, here and in PostgreSQL, and of as many runs of the loop."""
        headers = {"Authorization": self._authorization, "Accept": "application/json"}
        asked = [next(self._requests[operation]) for _ in range(REQUESTS)]
        own, unit, theirs = 0, 0, self._time_of_database()
        for method, path, body in asked:
            environ = create_environ(path, method=method, json=body, headers=headers)
            begin = process_time_ns()
            self._send(environ)
            own += process_time_ns() - begin
            unit += calibrate()
        return own, self._time_of_database() - theirs, unit

    def _send(self, environ: dict[str, Any]) -> None:
        """Does what a server does, without a client that would cost time too."""

        def start(status: str, *_: object) -> Any:
            if not status.startswith("2"):
                sys.exit(f"bench: {environ['REQUEST_METHOD']} {environ['PATH_INFO']} was answered {status}")

        body: Any = self.app.wsgi_app(environ, start)
        b"".join(body)
        body.close()

    def _time_of_database(self) -> int:
        """Processor time of PostgreSQL's processes that serve us; nothing where they cannot be seen."""
        if self._database is None:
            return 0
        with self._database.cursor() as cursor:
            cursor.execute(_OURS)
            files = [Path(f"/proc/{pid}/schedstat") for (pid,) in cursor]
        return sum(int(file.read_text().split()[0]) for file in files if file.exists())

    def _page(self, path: str, **query: Any) -> tuple[int, list[dict[str, Any]]]:
        headers = {"Authorization": self._authorization}
        answer: Any = self._client.get(PREFIX + path, query_string={"page_size": 100, **query}, headers=headers)
        return json.loads(answer.headers["X-Pagination"])["total"], answer.json


@contextmanager
def service(kind: str) -> Generator[Service]:
    """The application on a database of its own with the sample data: `postgresql`, with Redis, or `sqlite` alone."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        settings = {
            "INSTANCE_PATH": folder,
            "PUBLIC_URL": "http://localhost",
            "INLINE_WORKER": "false",
            "LOG_FORMAT": "json",
            **SECRETS,
        }
        url = stack.enter_context(servers.new_database()) if kind == KINDS[0] else None
        if url:
            settings |= {"APP_ENV": "staging", "DATABASE_URL": url, "REDIS_URL": servers.redis_url()}
        with redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))):
            app = create_app(load(settings))
        with app.app_context():
            upgrade()
            app.test_cli_runner().invoke(args=["seed", *SIZE], catch_exceptions=False)
        yield Service(app, url)


# --- the figures ------------------------------------------------------------------------------------------------------


class Cost(NamedTuple):
    """Processor time of a request in units of the loop, and how many microseconds a unit took.

    Args:
        own: of the application on PostgreSQL.
        server: of PostgreSQL's processes for it.
        embedded: of the application on SQLite, with all that SQLite does; nothing where it was not measured.
        unit: a unit.
    """

    own: float
    server: float
    embedded: float
    unit: float

    @property
    def ratio(self) -> float:
        """SQLite to the application and PostgreSQL together."""
        return self.embedded / (self.own + self.server)

    def micros(self) -> list[int]:
        """The three of them in microseconds."""
        return [round(units * self.unit) for units in self[:3]]


def measure(services: dict[str, Service], operations: Sequence[str], rounds: int) -> dict[str, Cost]:
    """What each operation costs: the medians of rounds in which all take their turns."""
    taken: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    units: list[float] = []
    for _ in range(rounds):
        for operation in operations:
            for kind, one in services.items():
                own, server, unit = one.measure(operation)
                taken[operation, kind].append((own / unit, server / unit))
                units.append(unit / REQUESTS)

    def typical(operation: str) -> Cost:
        (own, server), (embedded, _) = (map(median, zip(*taken[operation, kind] or [(0, 0)], strict=True)) for kind in KINDS)
        return Cost(own, server, embedded, median(units) / 1000)

    return {operation: typical(operation) for operation in operations}


def sections() -> tuple[str, str, str]:
    """The document: what stands before its section of costs, that section, and what follows."""
    before, heading, rest = DOCUMENT.read_text().partition(SECTION)
    section, following, after = rest.partition("\n## ")
    return before + heading, section, following + after


def stored() -> dict[str, float]:
    """The units of each operation that stand in the document."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", sections()[1], re.MULTILINE)
    return {name: float(units) for name, units in rows}


def store(costs: dict[str, Cost]) -> None:
    """Writes the rows of the document anew."""
    before, section, after = sections()
    for name, cost in costs.items():
        cells = [f"`{name}`", f"{cost.own:.2f}", *map(str, cost.micros()), f"{cost.ratio:.2f}"]
        section = re.sub(rf"^\| `{name}` \|.*", f"| {' | '.join(cells)} |", section, count=1, flags=re.MULTILINE)
    DOCUMENT.write_text(before + section + after)


def compare(costs: dict[str, Cost], before: dict[str, float]) -> list[str]:
    """Prints the figures beside those that are stored; gives the operations that have become too dear."""
    head = ["operation", "units", "stored", "change", "app us", "server us", "SQLite us", "ratio"]
    shown = slice(len(head) if any(cost.embedded for cost in costs.values()) else -2)
    say_row(head[shown])
    for name, cost in costs.items():
        change = f"{cost.own / before[name] - 1:+.0%}"
        say_row([name, f"{cost.own:.2f}", f"{before[name]:.2f}", change, *map(str, cost.micros()), f"{cost.ratio:.2f}"][shown])
    return [name for name, cost in costs.items() if cost.own > before[name] * MOST or cost.ratio > MOST_EMBEDDED]


def main() -> None:
    """Measures, prints, and compares or stores."""
    parser = argparse.ArgumentParser(description="What a request costs, in processor time.")
    parser.add_argument("--both", action="store_true", help="measure SQLite beside PostgreSQL, too")
    parser.add_argument("--store", action="store_true", help="write what both cost into docs/performance.md")
    options = parser.parse_args()
    before = stored()
    with ExitStack() as stack:
        kinds = KINDS if options.both or options.store else KINDS[:1]
        services = {kind: stack.enter_context(service(kind)) for kind in kinds}
        dear: list[str] = []
        # What is around tasks comes last: it makes projects, and so the lists of tasks dearer.
        for group, rounds in ((operations.TASKS, ROUNDS), (operations.AROUND, ROUNDS // 4)):
            measure(services, group, 2)  # What is done only once must not count.
            costs = measure(services, group, rounds)
            too_dear = compare(costs, before)
            if options.store:
                store(costs)
            elif too_dear:
                say("Once more, and for longer, what is too dear:")
                dear += compare(measure(services, too_dear, 3 * ROUNDS), before)
        limits = f"{MOST - 1:.0%} above docs/performance.md, or on SQLite {MOST_EMBEDDED} times what it costs on PostgreSQL"
        sys.exit(f"bench: {', '.join(dear)}: more than {limits}." if dear else None)


def say_row(cells: Sequence[str]) -> None:
    """Prints a row of a table."""
    say(f"{cells[0]:18}" + "".join(f"{cell:>11}" for cell in cells[1:]))


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
