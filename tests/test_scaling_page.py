"""docs/scaling.md: its sums are those of the figures that docs/performance.md has."""

import re
from pathlib import Path

import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

from config import load
from tasktracker.core import postgresql
from tasktracker.tasks.models import Task

AT_ONCE, A_MINUTE, LOAD = 1 / 5, 6, 1 / 2  # Who works at the same time, how much they ask, how busy a core shall be.


def rows(text: str, first: str) -> dict[str, list[str]]:
    """The table whose first column has this name: by the first cell, the others."""
    lines = text.partition(f"\n| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip(" `"): row[1:] for row in cells}


def number(text: str) -> float:
    return float(re.sub("[^0-9.]", "", text))


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "scaling.md").read_text()


@pytest.fixture
def shares(page: str) -> dict[str, float]:
    found = {name: number(share) / 100 for name, (share,) in rows(page, "Operation").items()}
    assert sum(found.values()) == pytest.approx(1)
    return found


@pytest.fixture
def costs(root: Path, shares: dict[str, float]) -> tuple[float, float, float, float]:
    """Of a request of the mix: ms of the application, ms of PostgreSQL, seconds of both cores, ms on SQLite."""
    text = (root / "docs" / "performance.md").read_text()
    beside, alone = rows(text, "Operation | Requests a second"), rows(text, "Operation | Units")
    assert set(beside) == set(alone) == set(shares)

    def of_mix(what) -> float:
        return sum(share * what(name) for name, share in shares.items())

    return (
        of_mix(lambda name: number(beside[name][3])),
        of_mix(lambda name: number(beside[name][4])),
        of_mix(lambda name: 1 / number(beside[name][0])),
        of_mix(lambda name: number(alone[name][3]) / 1000),
    )


def test_a_request_of_the_mix_costs_what_is_said(root, page, costs):
    application, postgresql, seconds, sqlite = costs
    said = {name: [number(cell) for cell in row] for name, row in rows(page, "Where").items()}
    for name, cost in {
        "application": application,
        "PostgreSQL": postgresql,
        "both, on one machine": application + postgresql,
    }.items():
        assert said[name] == [pytest.approx(cost, abs=0.006), pytest.approx(1000 / cost, rel=0.01)], name
    assert f"answered {1 / seconds:.0f} requests" in page
    alone = rows((root / "docs" / "performance.md").read_text(), "Operation | Units")
    patch, create = (number(alone[name][3]) / 1000 for name in ("patch", "create"))
    assert f"a change of a task takes {patch:.1f} ms and a new one {create:.1f}" in page.replace("\n", " ")
    assert f"takes {sqlite:.2f} ms for all of a request: {1000 / sqlite:.0f} a second" in page


def test_what_is_reckoned_follows_from_it(page, costs):
    application, postgresql, *_ = costs
    table = rows(page, "Users")
    assert [number(users) for users in table] == [10, 1_000, 100_000]
    for users, (requests, for_application, for_postgresql) in table.items():
        a_second = number(users) * AT_ONCE * A_MINUTE / 60
        assert number(requests) == pytest.approx(a_second), users
        for said, cost in ((for_application, application), (for_postgresql, postgresql)):
            cores = a_second * cost / 1000 / LOAD
            assert number(said) == pytest.approx(max(cores, 0.1), abs=0.05), users


def test_the_sizes_follow_from_those_that_were_measured(root, page):
    measured = (root / "docs" / "performance.md").read_text().replace("\n", " ")
    (sizes,) = re.findall(r"(\d+) of tasks take (\d+) MB beside (\d+) MB of tasks at 500,000", measured)
    count, indexes, tasks = map(int, sizes)
    (words,) = re.findall(
        r"words take (\d+) MB in their table, (\d+) MB in its index \(GIN\) and (\d+) MB in its key", measured
    )
    larger = 5_000_000 / 500_000 / 1000  # In GB.
    said = re.search(
        r"5 million tasks: about ([\d.]+) GB of tasks, ([\d.]+) GB of their indexes, and ([\d.]+) GB of words", page
    )
    assert said
    for each, size in zip(said.groups(), (tasks, indexes, sum(map(int, words))), strict=True):
        assert float(each) == round(size * larger, 1)
    decision = (root / "docs" / "decisions" / "0007-lists-by-project.md").read_text()
    assert f"{count} indexes of tasks, about three times as large" in decision
    assert round(indexes / tasks) == 3
    table = Task.metadata.tables["tasks"]
    keys = [each for each in table.constraints if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)]
    assert len(table.indexes) + len(keys) == count


def test_what_a_pooler_must_set_is_what_connections_ask_for(page, tmp_path):
    settings = load({"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path)})
    asked = dict(re.findall(r"-c (\w+)=(\S+)", postgresql.connect_args(settings)["options"]))
    said = dict(re.findall(r"^ALTER ROLE tasktracker SET (\w+) = '?([^';]+)'?;$", page, re.MULTILINE))
    in_ms = {name: f"{float(value[:-1]) * 1000:.0f}" for name, value in said.items() if name.endswith("_timeout")}
    assert {**said, **in_ms} == asked
