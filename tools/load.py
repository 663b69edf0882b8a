"""A team's load on the service as it is deployed, two workers on PostgreSQL and Redis with sample data: `make load`.

Locust sends what tools/locustfile.py says from an environment of its own. What is printed are ratios, since milliseconds say as
much about the machine: times beside the median of `list`, and processor time of the workers in the units of `make bench`.
It ends with status 1 if any request failed.
"""

import argparse
import json
import os
import subprocess  # nosec B404
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from tasktracker.cli.seed import DEMO_PASSWORD
from tasktracker.core.http import PREFIX
from tests import live, servers

from .bench import SECRETS, SIZE, calibrate, say, stored

ROOT = Path(__file__).parents[1]
AROUND = "look around"  # What each user does once, before the work.
WORKERS = 2
TICK = os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    """What came of a load.

    Args:
        rows: what Locust tells of each kind of request.
        processor: seconds of processor time that the workers took.
        unit: seconds that a unit of `make bench` takes.
        seconds: how long it lasted.
    """

    rows: dict[str, dict[str, Any]]
    processor: float
    unit: float
    seconds: int

    @property
    def requests(self) -> int:
        """How many there were in all."""
        return sum(row["num_requests"] for row in self.rows.values())


def processor_time(pids: list[int]) -> float:
    """Seconds of processor time that these processes have taken."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in pids]
    return sum(int(user) + int(system) for user, system in (each[11:13] for each in fields)) / TICK


def unit() -> float:
    """Seconds of a unit of `make bench`."""
    return median(calibrate() for _ in range(200)) / 1e9


def percentile(row: dict[str, Any], share: float) -> float:
    """The time in milliseconds that this share of the requests did not take longer than."""
    seen = 0
    for time, requests in sorted((float(time), requests) for time, requests in row["response_times"].items()):
        seen += requests
        if seen >= share * row["num_requests"]:
            return time
    raise ValueError(f"No request was a {row['name']}.")


def serve(stack: ExitStack, settings: dict[str, str]) -> tuple[str, list[int]]:
    """Starts the service with sample data; gives its URL and its workers."""
    live.flask(settings, "db", "upgrade")
    live.flask(settings, "seed", *SIZE, "--force")
    port = servers.free_port()
    more = {"WEB_CONCURRENCY": str(WORKERS), "GUNICORN_CMD_ARGS": "--log-level warning"}
    with Path(os.devnull).open("w") as log:
        process = live.start({**settings, **more}, port, log=log)
    stack.callback(live.stop, process)
    url = f"http://127.0.0.1:{port}"
    servers.wait_for(lambda: live.answers(f"{url}/readyz"), "the service")
    return url, live.workers(process.pid)


def log_in(url: str) -> str:
    """An access token of the user whose password is known."""
    body = json.dumps({"username": "demo", "password": DEMO_PASSWORD}).encode()
    request = Request(f"{url}{PREFIX}/auth/login", body, {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=30) as answer:  # noqa: S310 # nosec B310
        return json.load(answer)["access_token"]


def run(locust: Path, url: str, token: str, users: int, seconds: int) -> dict[str, dict[str, Any]]:
    """What Locust tells of each kind of request, by its name."""
    words = [
        str(locust),
        "--headless",
        "--json",
        "--users",
        str(users),
        "--spawn-rate",
        str(users),
        "--run-time",
        f"{seconds}s",
    ]
    words += ["--locustfile", str(ROOT / "tools" / "locustfile.py"), "--host", url, "--loglevel", "ERROR", "--only-summary"]
    known = {"PATH": os.environ["PATH"], "ACCESS_TOKEN": token}
    done = subprocess.run(words, env=known, capture_output=True, text=True, check=False)  # noqa: S603 # nosec B603
    if done.returncode:  # It has met failures, which it lists there, or did not start.
        say(done.stderr)
        sys.exit("load: requests failed")
    return {row["name"]: row for row in json.loads(done.stdout)}


def measure(locust: Path, users: int, seconds: int) -> Measured:
    """Starts a service of its own, and what it takes under load."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        settings = {
            "APP_ENV": "staging",
            "INSTANCE_PATH": folder,
            "PUBLIC_URL": "http://127.0.0.1",
            "RATELIMIT_ENABLED": "false",  # All users come from one address.
            "DATABASE_URL": stack.enter_context(servers.new_database()),
            "REDIS_URL": servers.redis_url(),
            **SECRETS,
        }
        url, workers = serve(stack, settings)
        token = log_in(url)
        run(locust, url, token, users, 3)  # Statements are prepared, and pages read into memory, once.
        before, begin = unit(), processor_time(workers)
        rows = run(locust, url, token, users, seconds)
        taken = processor_time(workers) - begin
        return Measured(rows, taken, median([before, unit()]), seconds)


def report(load: Measured) -> None:
    """Prints what came of it, as docs/performance.md has it."""
    one = percentile(load.rows["list"], 0.5)
    work = {name: row for name, row in load.rows.items() if name != AROUND}
    total = sum(row["num_requests"] for row in work.values())
    say("| request | share | p50 | p95 |")
    say("|---|---|---|---|")
    for name, row in sorted(work.items(), key=lambda item: -item[1]["num_requests"]):
        times = [f"{percentile(row, share) / one:.1f}" for share in (0.5, 0.95)]
        say(f"| {name} | {row['num_requests'] / total:.0%} | {' | '.join(times)} |")
    each = load.processor / load.requests
    units, busy = each / load.unit, load.processor / load.seconds / WORKERS
    say(f"\n{load.requests} requests in {load.seconds} s, none failed; 1.0 is {one:.0f} ms here.")
    say(f"A request took {units:.1f} units of processor time, {units / stored()['list']:.1f} times `list` in `make bench`.")
    say(f"The {WORKERS} workers were busy {busy:.0%} of the time; a core of this machine for them alone is full at")
    say(f"{1 / each:.0f} such requests a second.")


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description="A team's load on two workers.")
    parser.add_argument("locust", type=Path, help="the program")
    parser.add_argument("--users", type=int, default=20, help="how many at once")
    parser.add_argument("--seconds", type=int, default=60, help="for how long")
    options = parser.parse_args()
    report(measure(options.locust, options.users, options.seconds))


if __name__ == "__main__":
    main()
