"""Dates and times at the edges of the calendar."""

import json

import pytest

from ..people import pointers

GOOD_DAYS = ["0001-01-01", "1582-10-10", "2024-02-29", "9999-12-31"]
BAD_DAYS = ["0000-01-01", "10000-01-01", "-0001-01-01", "+2026-01-01", "2026-02-30", "2025-02-29", "2026-13-01", "2026-00-10",
            "2026-01-00", "2026-W01-1", "2026W011", "2026-001", "20261224", "2026-1-1", "26-01-01", "2026-12", "2026",
            "2026/12/24", "24.12.2026", "2026-12-24T00:00:00Z", "2026-12-24Z", "2026-12-24 ", "2026-12-24\n",
            "\uff12\uff10\uff12\uff16-12-24", "", "today", "NaN", "\ud800",
            "2" * 5000]  # fmt: skip


@pytest.mark.parametrize("name", ["due_date", "start_date"])
def test_days_from_the_first_to_the_last_are_kept_as_they_are(ada, name):
    for day in GOOD_DAYS:
        task = ada.task(**{name: day})
        assert task[name] == day
        assert ada.get(f"/tasks/{task['id']}").json[name] == day


def test_what_is_no_day_is_422(ada):
    for day in [*BAD_DAYS, 20261224, 0, 1.5, True, [], ["2026-12-24"], {}]:
        body = json.dumps({"title": "a", "due_date": day, "start_date": day})
        answer = ada.post("/tasks", data=body, content_type="application/json")
        assert pointers(answer) == {"/due_date", "/start_date"}, day


def test_days_in_filters(ada):
    ada.task(due_date="0001-01-01")
    ada.task(due_date="9999-12-31")
    for day in GOOD_DAYS:
        expected = (["0001-01-01"] if day > "0001-01-01" else []), (["9999-12-31"] if day < "9999-12-31" else [])
        found = [[row["due_date"] for row in ada.get("/tasks", query={name: day}).json] for name in ("due_before", "due_after")]
        assert tuple(found) == expected
    for day in BAD_DAYS:
        query = {"due_before": day.replace("\ud800", "\ufffd"), "due_after": "x"}
        assert pointers(ada.get("/tasks", query=query), "query") == {"/due_before", "/due_after"}, day


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T23:59:00+23:59",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-31T23:59:59+23:59",
        "2026-02-28t12:00:00z",
        "2026-02-28T12:00:00-00:00",
        "2026-02-28T12:00:00.1+05:45",
    ],
)
def test_times_from_the_first_to_the_last_are_compared(ada, time):
    task = ada.task()
    expected = [] if time > "2026-03" else [task["id"]]
    answer = ada.get("/tasks", query={"updated_since": time})
    assert answer.status_code == 200, answer.text
    assert [row["id"] for row in answer.json] == expected


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+00:01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59-12:00",
        "10000-01-01T00:00:00Z",
        "0000-12-31T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-W01-1T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01",
        "1767225600",
        "now",
        "",
        "2026-01-01T00:00:00." + "1" * 3000 + "Z",
        "2026-01-01T00:00:00 01:00",  # What is left of a plus sign that was not escaped.
    ],
)
def test_what_is_no_time_is_422(ada, time):
    assert pointers(ada.get("/tasks", query={"updated_since": time}), "query") == {"/updated_since"}
