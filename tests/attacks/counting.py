"""Adds up how many requests `make fuzz` has tried, and fails if they are fewer than FUZZ_CASES.

A plugin of pytest: `pytest -p tests.attacks.counting`.
"""

import os

import pytest

WANTED = int(os.environ.get("FUZZ_CASES", "0"))


class Count:
    """How many were tried, by test; with pytest-xdist this is the process that collects what the others report."""

    def __init__(self) -> None:
        self.cases: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            for name, number in report.user_properties:
                if name == "cases":
                    self.cases[report.nodeid] = int(str(number))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if sum(self.cases.values()) < WANTED and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("cases tried")
        for test, number in self.cases.items():
            terminalreporter.line(f"{number:7,}  {test}")
        terminalreporter.line(f"{sum(self.cases.values()):7,}  of {WANTED:,} that were asked for")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Count())
