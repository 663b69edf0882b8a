"""docs/performance.md has what `make bench` measures, and nothing in it is dearer than it may be."""

import re

import pytest

from tools import bench, operations

MOST = 3000  # Microseconds of the application's processor time for whatever is not a task.


@pytest.fixture(scope="module")
def rows():
    found = re.findall(r"^\| `(\w+)` \| [\d.]+ \| (\d+) \| \d+ \| \d+ \| ([\d.]+) \|$", bench.sections()[1], re.MULTILINE)
    return {name: (int(micros), float(ratio)) for name, micros, ratio in found}


def test_the_tables_have_each_operation_that_is_measured(rows):
    assert list(rows) == [*operations.TASKS, *operations.AROUND]
    assert list(bench.stored()) == list(rows)


def test_what_is_around_tasks_has_the_names_of_the_document(app):
    paths = app.test_client().get("/api/v1/openapi.json").json["paths"]
    known = {item[method]["operationId"] for item in paths.values() for method in item if method != "parameters"}
    assert set(operations.AROUND) <= known


def test_no_route_takes_more_than_3_ms_and_sqlite_no_more_than_half_as_much_again(rows):
    assert {name for name, (micros, ratio) in rows.items() if micros > MOST or ratio > bench.MOST_EMBEDDED} == set()


def test_the_figures_that_are_stored_go_to_their_section_alone(rows, monkeypatch, tmp_path):
    copy = tmp_path / "performance.md"
    copy.write_text(bench.DOCUMENT.read_text())
    monkeypatch.setattr(bench, "DOCUMENT", copy)
    before, section, after = bench.sections()
    bench.store({"list": bench.Cost(own=1.0, server=2.0, embedded=6.0, unit=10.0)})
    assert bench.sections()[::2] == (before, after)
    assert "| `list` | 1.00 | 10 | 20 | 60 | 2.00 |" in bench.sections()[1]
    assert len(set(section.splitlines()) ^ set(bench.sections()[1].splitlines())) == 2
