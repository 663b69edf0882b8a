"""Nothing that was acknowledged is lost, whatever fails: clients write and read while every fault comes once."""

import sys

import pytest

from .runs import run
from .system import FAULTS, running


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_what_was_acknowledged_is_there_after_every_fault(tmp_path, backend):
    with running(backend, tmp_path) as system:
        report = run(system, [(fault, 0.5) for fault in FAULTS[backend]])
    sys.stdout.write("\n".join(report.lines()))  # Seen where it fails, or with -s.
    assert report.wrong == []
    assert report.faults == {fault.name: 1 for fault in FAULTS[backend]}
    assert report.outcomes["done"] > 100
    assert report.outcomes["unknown"] > 0  # The faults were felt.
