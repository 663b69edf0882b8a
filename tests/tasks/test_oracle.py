"""Lists of tasks against a plain-Python oracle, with questions drawn at random."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasktracker.core.text import words
from tasktracker.tasks.schemas import TaskQuery

from ..people import NOBODY
from .world import FILTERS, LONG, PRIORITIES, SORTS, STATUSES, TAGS, VOCABULARY, World, build, chosen, ordered

# Tracing their every line takes long, and shows nothing that other tests do not.
pytestmark = pytest.mark.no_cover

CASES: list[Callable[[str], str]] = [str, str.upper, str.lower, str.title, str.swapcase, str.casefold]
CALLERS = st.sampled_from(["ada", "bob", "cy"])


@pytest.fixture(scope="module")
def world(app) -> World:
    return build(app)


def some(values: Any) -> st.SearchStrategy[list[str]]:
    return st.lists(values if isinstance(values, st.SearchStrategy) else st.sampled_from(values), min_size=1, max_size=3)


def one(values: Any) -> st.SearchStrategy[list[str]]:
    return st.tuples(values).map(list)


@st.composite
def days(draw: st.DrawFn) -> str:
    near = datetime.now(UTC).date() + timedelta(days=draw(st.integers(-4, 4)))
    return draw(st.sampled_from([near.isoformat()] * 4 + ["0001-01-01", "0001-01-02", "9999-12-31"]))


@st.composite
def moments(draw: st.DrawFn, world: World) -> str:
    """The time of some task or a moment beside it, with any offset."""
    moment = datetime.fromisoformat(draw(st.sampled_from(world.tasks))["updated_at"])
    moment += timedelta(microseconds=draw(st.sampled_from([-1, 0, 0, 1])))
    offset = timezone(timedelta(minutes=draw(st.sampled_from([0, 120, -690, 840]))))
    text = moment.astimezone(offset).isoformat()
    return draw(st.sampled_from([text, text.replace("+00:00", "Z"), text.replace("+00:00", "z").replace("T", "t")]))


@st.composite
def searches(draw: st.DrawFn, world: World) -> str:
    """Beginnings of words in any case, or the name of a task."""
    if draw(st.booleans()):
        return draw(st.sampled_from(CASES))(draw(st.sampled_from(world.tasks))["ref"])
    whole = draw(st.lists(st.sampled_from([*VOCABULARY, *VOCABULARY, LONG]), min_size=1, max_size=2))
    cut = [word[: draw(st.integers(1, 150))] if draw(st.booleans()) else word[:150] for word in whole]
    return draw(st.sampled_from(CASES))(draw(st.sampled_from([" ", "  ", "-", "_", " & "])).join(cut))[:200]


@st.composite
def filters(draw: st.DrawFn, world: World, names: list[str]) -> dict[str, list[str]]:
    people = [*(person.id for person in world.callers.values()), world.stranger.id, NOBODY, "me"]
    strategies = {
        "status": some(STATUSES),
        "priority": some(PRIORITIES),
        "assigned_to": some([*people, "none"]),
        "created_by": some(people),
        "project_id": some([*(project["id"] for project in world.projects.values()), NOBODY]),
        "tag": some(st.builds(lambda name, case: case(name)[:50], st.sampled_from([*TAGS, "other"]), st.sampled_from(CASES))),
        "tag_id": some([*(tag["id"] for tag in world.tags), NOBODY]),
        "due_before": one(days()),
        "due_after": one(days()),
        "overdue": one(st.sampled_from(["true", "false"])),
        "updated_since": one(moments(world)),
        "search": one(searches(world).filter(words)),
    }
    assert set(strategies) == set(FILTERS)
    used = draw(st.lists(st.sampled_from(names), unique=True, max_size=3))
    return {name: draw(strategies[name]) for name in used}


@st.composite
def sorts(draw: st.DrawFn) -> str:
    names = draw(st.lists(st.sampled_from(list(SORTS)), unique=True, min_size=1, max_size=4))
    return ",".join(draw(st.sampled_from(["", "-"])) + name for name in names)


def check(world: World, caller: str, question: dict[str, list[str]], *, sort: str | None, size: int, project: str = "") -> None:
    """Asks for all pages and the one after, and compares them with the oracle."""
    tasks = [task for task in world.visible_to(caller) if not project or task["project_id"] == project]
    path = f"/projects/{project}/tasks" if project else "/tasks"
    person = world.callers[caller]
    while True:
        today = world.today(caller)
        expected = ordered(chosen(tasks, question, me=person.id, today=today), sort or "-created_at")
        size = max(size, -(-len(expected) // 5))
        query = {**question, **({"sort": sort} if sort else {}), "page_size": size}
        pages = [person.get(path, query={**query, "page": page}) for page in range(1, -(-len(expected) // size) + 2)]
        if world.today(caller) == today:  # Else midnight came in between.
            break
    assert [page.status_code for page in pages] == [200] * len(pages), pages[0].text
    found = [task for page in pages for task in page.json]
    assert [task["ref"] for task in found] == [task["ref"] for task in expected]
    assert found == expected
    assert {json.loads(page.headers["X-Pagination"])["total"] for page in pages} == {len(expected)}


def test_the_oracle_and_the_page_know_every_filter(root):
    known = set(TaskQuery().fields) - {"sort", "page", "page_size"}
    assert set(FILTERS) == known
    page = (root / "docs" / "filters.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page.partition("## Filters of tasks")[2].partition("\n## ")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall("`([a-z_]+)`", row)} == known


@settings(max_examples=120, deadline=None)
@given(data=st.data(), caller=CALLERS, sort=st.none() | sorts(), size=st.integers(1, 100))
def test_all_tasks(world, data, caller, sort, size):
    question = data.draw(filters(world, list(FILTERS)))
    check(world, caller, question, sort=sort, size=size)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), caller=CALLERS, sort=st.none() | sorts(), size=st.integers(1, 100))
def test_tasks_of_one_project(world, data, caller, sort, size):
    question = data.draw(filters(world, [name for name in FILTERS if name != "project_id"]))
    project = data.draw(st.sampled_from(sorted(world.seen[caller])))
    check(world, caller, question, sort=sort, size=size, project=project)


def test_each_filter_alone(world):
    """The questions above mean something: each filter has a value that some tasks match and some do not."""
    today = world.today("ada").isoformat()
    values = {
        "status": "in_review",
        "priority": "urgent",
        "assigned_to": "none",
        "created_by": "me",
        "project_id": world.projects["web"]["id"],
        "tag": "gRÖSSE",
        "tag_id": world.tags[0]["id"],
        "due_before": today,
        "due_after": today,
        "overdue": "true",
        "updated_since": "2026-05-02T12:00:00+02:00",
        "search": "strass",
    }
    assert set(values) == set(FILTERS)
    tasks, me = world.visible_to("ada"), world.callers["ada"].id
    for name, value in values.items():
        expected = chosen(tasks, {name: [value]}, me=me, today=world.today("ada"))
        assert 0 < len(expected) < len(tasks), name
        check(world, "ada", {name: [value]}, sort="title", size=100)


def test_each_sort_alone(world):
    for name in SORTS:
        for sign in ("", "-"):
            check(world, "ada", {}, sort=sign + name, size=40)


def test_a_ref_finds_its_tasks(world):
    """One ref may name several tasks, some of them in projects that the caller does not see."""
    refs = sorted({task["ref"] for task in world.tasks})
    for caller, counts in (("ada", {1, 2}), ("bob", {0, 1}), ("cy", {0, 1, 2})):
        named = [sum(task["ref"] == ref for task in world.visible_to(caller)) for ref in refs]
        assert set(named) == counts
        for ref, case in zip(refs[::12], CASES * 20, strict=False):
            check(world, caller, {"search": [f" {case(ref)}"]}, sort=None, size=20)


def test_today_is_the_callers(world):
    """It is a day later in Kiritimati than in Pago Pago, so what is overdue differs between the two."""
    web = {"project_id": world.projects["web"]["id"], "overdue": "true", "page_size": 100}
    ada, bob = ({task["id"] for task in world.callers[name].get("/tasks", query=web).json} for name in ("ada", "bob"))
    assert bob < ada
