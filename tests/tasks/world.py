"""Tasks of several people in several projects, and what a list of them should answer, in plain Python."""

# ruff: noqa: RUF001, SIM905 - the words are strange on purpose.

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import update

from tasktracker.core.database import session, transactional
from tasktracker.core.text import fold, words
from tasktracker.tasks.models import Priority, Status, Task, TaskWords

from ..people import Person, new_person, new_team

Json = dict[str, Any]

STATUSES = [status.name for status in Status]
PRIORITIES = [priority.name for priority in Priority]
# Words that differ by letter case, form, script, accents and what stands between them; one too long to be kept whole.
VOCABULARY = """report Report reporting rep x X re-open snake_case __init__ v1.0 2026 007 42 a1b2 Straße STRASSE strasse
    İstanbul istanbul ISTANBUL ılık Σίσυφος σίσυφοσ ﬁx fix ＦＵＬＬ① full1 x² été e\u0301te\u0301
    ETE q\u0307ux Ⅷ viii ½ 日本語 日本
    العربية ٣٤ नमस्ते ไทย 🚀 👩‍💻 C++ it's naïve ǅ ŉ ẞ 𝔘𝔫𝔦 \u00ad a\u00adb don’t""".split()
LONG = "ab" * 150
TAGS = ["bug", "Größe", "İlk", "ﬁx", "re-open", "v1.0", "🚀", "e\u0301te\u0301", "A" * 50, "日本"]
TITLES = [" ".join(pair) for pair in zip(VOCABULARY, VOCABULARY[7:], strict=False)]
MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class World:
    """Who there is, what there is, and who sees it.

    Args:
        callers: those who ask, by name.
        stranger: someone whom no caller knows, with a project of their own.
        projects: all projects, by name.
        tags: the tags of all projects.
        tasks: every task as its own URL shows it.
        seen: the projects' ids that each caller sees.
        zones: the time zone of each caller.
    """

    callers: dict[str, Person]
    stranger: Person
    projects: dict[str, Json]
    tags: list[Json]
    tasks: list[Json]
    seen: dict[str, set[str]]
    zones: dict[str, ZoneInfo]

    def visible_to(self, name: str) -> list[Json]:
        return [task for task in self.tasks if task["project_id"] in self.seen[name]]

    def today(self, name: str) -> date:
        return datetime.now(self.zones[name]).date()


def build(app: Flask, size: int = 180) -> World:
    """A world, the same each time but for its ids. It is never the same day for ada and for bob."""
    dice = random.Random(2026)
    zones = {"ada": "Pacific/Kiritimati", "bob": "Pacific/Pago_Pago", "cy": "Europe/Berlin"}
    callers = {name: new_person(app, name) for name in zones}
    for name, zone in zones.items():
        assert callers[name].patch("/users/me", {"timezone": zone}).status_code == 200
    ada, bob, cy = callers.values()
    stranger = new_person(app, "eve")
    team = new_team(app, ada, bob)
    projects = {
        "web": ada.project(name="Web", key="WEB"),
        "ops": bob.project(name="Ops", key="OPS"),
        "lab": cy.project(name="Lab", key="WEB"),  # The same key as another's project, so a ref can name two tasks.
        "old": ada.project(name="Old", key="OLD"),
        "inbox": ada.inbox(),
        "hidden": stranger.project(name="Hidden", key="WEB"),
    }
    ada.add(projects["web"], bob)
    bob.add_team(projects["ops"], team, "viewer")
    cy.add(projects["lab"], ada, "viewer")
    ada.add(projects["web"], cy, "admin")
    ada.add_team(projects["web"], team, "viewer")
    writers = {"web": [ada, bob, cy], "ops": [bob], "lab": [cy], "old": [ada], "inbox": [ada], "hidden": [stranger]}
    readers = {**writers, "ops": [ada, bob], "lab": [ada, cy]}
    tags = [writers[name][0].tag(project, tag) for name, project in projects.items() for tag in dice.sample(TAGS, 6)]
    ids = []
    for _ in range(size):
        name = dice.choice(list(projects))
        own = [tag["id"] for tag in tags if tag["project_id"] == projects[name]["id"]]
        fields = _some_fields(dice, readers[name], own)
        ids.append((writers[name][0], dice.choice(writers[name]).task(projects[name], **fields)["id"]))
    assert ada.patch(f"/projects/{projects['old']['id']}", {"archived": True}).status_code == 200
    _spread_times(app, [task for _, task in ids], dice)
    tasks = [owner.get(f"/tasks/{task}").json for owner, task in ids]
    seen = {caller: {projects[name]["id"] for name in readers if callers[caller] in readers[name]} for caller in callers}
    return World(callers, stranger, projects, tags, tasks, seen, {name: ZoneInfo(zone) for name, zone in zones.items()})


def _some_fields(dice: random.Random, readers: Sequence[Person], tags: Sequence[str]) -> Json:
    near = datetime.now(UTC).date() + timedelta(days=dice.randint(-3, 3))
    due = dice.choice([None, near, near, near, date(1, 1, 1), date(9999, 12, 31)])
    title = dice.choice([*TITLES, *VOCABULARY, " ".join(dice.sample(VOCABULARY, 3))])
    return {
        "title": dice.choice([title, title.upper(), title.lower()]),
        "description": dice.choice(["", LONG, *("\n".join(dice.sample(VOCABULARY, 4)) for _ in range(4))]),
        "status": dice.choice(STATUSES),
        "priority": dice.choice(PRIORITIES),
        "assigned_to_id": dice.choice([None, *(person.id for person in readers)]),
        "due_date": due and due.isoformat(),
        "start_date": due and dice.choice([None, due.isoformat()]),
        "tag_ids": dice.sample(tags, dice.choice([0, 0, 1, 2, 3])),
    }


def _spread_times(app: Flask, tasks: Iterable[str], dice: random.Random) -> None:
    """Gives tasks few different times, so that orders by time have ties too."""

    @transactional
    def spread() -> None:
        for task in tasks:
            created, updated = (MOMENT + timedelta(hours=dice.randint(0, 30), microseconds=dice.choice([0, 1])) for _ in "12")
            session().execute(update(Task).where(Task.id == task).values(created_at=created, updated_at=updated))
            session().execute(update(TaskWords).where(TaskWords.task_id == task).values(created_at=created))

    with app.app_context():
        spread()


# --- the oracle -------------------------------------------------------------------------------------------------------


def _one_of(field: Callable[[Json], Any]) -> Callable[..., bool]:
    return lambda task, values, **_: field(task) in values


def _id_of(person: Json | None) -> str:
    return person["id"] if person else "none"


def _is_person(field: str) -> Callable[..., bool]:
    return lambda task, values, me, **_: _id_of(task[field]) in [me if value == "me" else value for value in values]


def _is_overdue(task: Json, today: date) -> bool:
    return bool(task["due_date"]) and task["due_date"] < today.isoformat() and task["completed_at"] is None


def _is_found(task: Json, text: str) -> bool:
    there = words(task["title"], task["description"])
    by_words = all(any(word.startswith(beginning) for word in there) for beginning in words(text))
    return by_words or (text.isascii() and text.strip().upper() == task["ref"])


FILTERS: dict[str, Callable[..., bool]] = {
    "status": _one_of(lambda task: task["status"]),
    "priority": _one_of(lambda task: task["priority"]),
    "assigned_to": _is_person("assigned_to"),
    "created_by": _is_person("created_by"),
    "project_id": _one_of(lambda task: task["project_id"]),
    "tag": lambda task, values, **_: bool({fold(tag["name"]) for tag in task["tags"]} & {fold(value) for value in values}),
    "tag_id": lambda task, values, **_: bool({tag["id"] for tag in task["tags"]} & set(values)),
    "due_before": lambda task, values, **_: bool(task["due_date"]) and task["due_date"] < values[0],
    "due_after": lambda task, values, **_: bool(task["due_date"]) and task["due_date"] > values[0],
    "overdue": lambda task, values, today, **_: _is_overdue(task, today) == (values[0] == "true"),
    "updated_since": lambda task, values, **_: (
        datetime.fromisoformat(task["updated_at"]) >= datetime.fromisoformat(values[0].upper())
    ),
    "search": lambda task, values, **_: _is_found(task, values[0]),
}
SORTS: dict[str, Callable[[Json], Any]] = {
    "created_at": lambda task: datetime.fromisoformat(task["created_at"]),
    "updated_at": lambda task: datetime.fromisoformat(task["updated_at"]),
    "due_date": lambda task: task["due_date"],
    "priority": lambda task: PRIORITIES.index(task["priority"]),
    "status": lambda task: STATUSES.index(task["status"]),
    "title": lambda task: task["title"],  # Python compares text by code points.
    "number": lambda task: task["number"],
}


def chosen(tasks: Iterable[Json], filters: Mapping[str, Sequence[str]], *, me: str, today: date) -> list[Json]:
    """The tasks that match all filters."""
    return [task for task in tasks if all(FILTERS[name](task, values, me=me, today=today) for name, values in filters.items())]


def ordered(tasks: Iterable[Json], sort: str) -> list[Json]:
    """The tasks in the order of a sort, which ends with the id in the direction of its last key; nulls last."""
    keys = [(key.removeprefix("-"), key.startswith("-")) for key in sort.split(",")]
    rows = sorted(tasks, key=lambda task: task["id"], reverse=keys[-1][1])
    for name, descending in reversed(keys):
        known = [task for task in rows if SORTS[name](task) is not None]
        rows = sorted(known, key=SORTS[name], reverse=descending) + [task for task in rows if SORTS[name](task) is None]
    return rows
