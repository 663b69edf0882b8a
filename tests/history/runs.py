"""A run: clients at work while faults come and go, and what is wrong in the end."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import select

from tasktracker.core.database import session
from tasktracker.projects.models import Project
from tasktracker.tags.models import Tag
from tasktracker.tasks.models import Task

from ..people import Person, new_person
from ..servers import wait_for
from .checker import Change, check_all
from .clients import Clients, History
from .system import Fault, System


@dataclass
class Report:
    """What a run was, and what is wrong.

    Args:
        requests: how many were sent.
        outcomes: of those that were kept, how they ended.
        faults: how often each was survived.
        slowest: the longest that it took after a fault until every kind of write was acknowledged again, in seconds.
        wrong: what cannot be; empty, if all is well.
    """

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    slowest: float = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        self.requests += other.requests
        self.outcomes += other.outcomes
        self.faults += other.faults
        self.slowest = max(self.slowest, other.slowest)
        self.wrong += other.wrong

    def lines(self) -> list[str]:
        """As people read it."""
        counts = ", ".join(f"{self.outcomes[name]} {name}" for name in ("done", "refused", "unknown"))
        return [
            f"{self.requests} requests: {counts}",
            f"{sum(self.faults.values())} faults survived, at most {self.slowest:.1f} s until all was written again",
            *(f"  {times:3} times {name}" for name, times in sorted(self.faults.items())),
            f"lost or wrong: {len(self.wrong)}",
            *self.wrong[:50],
        ]


def run(system: System, faults: Iterable[tuple[Fault, float]]) -> Report:
    """Lets clients work while these faults come one after the other, each for so many seconds."""
    ada = new_person(system.app, "ada")
    project = ada.project()["id"]
    counters = [ada.task(description="0")["id"] for _ in range(2)]
    history = History(system.url, ada, project, counters)
    report = Report()
    with Clients(history):
        _wait_for_writes(history)
        for fault, seconds in faults:
            with fault.breaks(system):
                time.sleep(seconds)
            healed = time.monotonic()
            wait_for(system.is_ready, f"the service after {fault.name}", 30)
            _wait_for_writes(history)
            report.slowest = max(report.slowest, time.monotonic() - healed)
            report.faults[fault.name] += 1
    report.requests = history.requests
    report.outcomes = Counter(event.outcome for event in history.events)
    report.wrong = _wrong(system, ada, history)
    # Creates are repeated with their key until they are answered, so whoever made them knows in the end.
    unknown = [event for event in history.events if event.what in ("make", "name") and event.outcome == "unknown"]
    report.wrong += [f"{event.key}: unknown for good" for event in unknown]
    return report


def _wait_for_writes(history: History) -> None:
    """Until every kind of write that begins now has been acknowledged."""
    now, missing, seen = time.monotonic(), {"make", "change", "name", "end"}, len(history.events)

    def all_written() -> bool:
        nonlocal seen
        new = list(islice(history.events, seen, None))
        seen += len(new)
        missing.difference_update(event.what for event in new if event.outcome == "done" and event.began >= now)
        return not missing

    wait_for(all_written, "a write of each kind", 30)


def _wrong(system: System, ada: Person, history: History) -> list[str]:
    """What is wrong, by what the tables hold."""
    tasks = select(Task.title, Task.id).where(Task.project_id == history.project)
    tags = select(Tag.name_key, Tag.id).where(Tag.project_id == history.project)
    keys = select(Project.key, Project.id).where(Project.owner_id == ada.id, Project.name == "Named")
    counted = select(Task.id, Task.version, Task.description).where(Task.id.in_(history.counters))
    with system.app.app_context():
        made, named, given, counts = (session().execute(rows).all() for rows in (tasks, tags, keys, counted))
        numbers = session().scalars(select(Task.number).where(Task.project_id == history.project)).all()
    final = {task_id: Change(version - 1, version, int(number)) for task_id, version, number in counts}
    rows = {"make": made, "name": [*named, *((key.lower(), project_id) for key, project_id in given)]}
    wrong = check_all(history.events, rows, final)
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        wrong.append("The numbers of the tasks have a gap or a repeat.")
    return wrong
