"""`make soak`: the same for minutes, with faults in no order, and a summary for people."""

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .runs import Report, run
from .system import FAULTS, Fault, running

ROUND = 240  # Seconds; the clients' tokens live for 15 minutes.


def soak(seconds: float) -> int:
    """Runs both backends for so long in all; 0 if nothing is wrong."""
    end, reports = time.monotonic() + seconds, {backend: Report() for backend in FAULTS}
    while (left := end - time.monotonic()) > 0:
        for number, (backend, report) in enumerate(reports.items()):
            share = min(ROUND, left / (len(reports) - number))
            left -= share
            with tempfile.TemporaryDirectory() as folder, running(backend, Path(folder)) as system:
                report.add(run(system, _faults(backend, share)))
            sys.stdout.write("\n".join(["", backend, *report.lines(), ""]))
            sys.stdout.flush()
    return 1 if any(report.wrong for report in reports.values()) else 0


def _faults(backend: str, seconds: float) -> Iterator[tuple[Fault, float]]:
    """Faults in no order, for so many seconds, every one of them before any comes again."""
    end, left = time.monotonic() + seconds, list[Fault]()
    while time.monotonic() < end:
        if not left:
            left = random.sample(FAULTS[backend], len(FAULTS[backend]))
        yield left.pop(), random.choice([0.05, 0.3, 1, 3])
        time.sleep(random.uniform(0, 1))


if __name__ == "__main__":
    sys.exit(soak(float(os.environ.get("SOAK_SECONDS", "600"))))
