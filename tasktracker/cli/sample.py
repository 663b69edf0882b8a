"""The sample data: who there is, what belongs to whom, and every row of it; the same for the same numbers.

The demo user belongs to each fourth project. Tasks are made round robin over the projects, as people who work at the
same time would make them, so that the rows of one project are no neighbours on disk. The inboxes stay empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

from ..accounts.services.users import words_of as words_of_user
from ..core.text import caseless, fold
from ..projects.keys import keys_for
from ..projects.services import words_of
from ..tags.services import words_of as words_of_tag
from ..tasks.models import COMPLETED, Priority, Status
from .prose import COLORS, FIRST_NAMES, LAST_NAMES, PROJECTS, TAGS, Prose

Row = dict[str, Any]

DEMO = "demo"
DEMO_EMAIL = f"{DEMO}@example.com"
BEGIN = datetime(2024, 1, 8, 7, tzinfo=UTC)
SPAN = timedelta(days=700)  # In which the tasks are made.
_SECOND, _HOUR, _DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
_MOST_TEAMS = 10
_MOST_MEMBERS = 8
_MEMBER_ROLES = ("member", "admin", "member", "viewer")
# How the demo user belongs to each fourth project; a team brings them in as a member.
_DEMO_WAYS = ("owner", "team", "admin", "member", "member")
_STATUSES = tuple(status.name for status in Status)
_PRIORITIES = tuple(priority.name for priority in Priority)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much sample data.

    Args:
        users: how many users, the demo user among them.
        projects: how many projects besides the inboxes.
        tasks: how many tasks in all.
        tags: how many tags in each project.
        rng_seed: where the random numbers begin.
    """

    users: int = 100
    projects: int = 200
    tasks: int = 50_000
    tags: int = 10
    rng_seed: int = 1


class Sample:
    """Every row, as dictionaries by the names of the columns, in lists by the names of the tables; tasks come one by one.

    Args:
        size: how much of everything.
        demo_hash: the hash of the demo user's password.
        others_hash: the hash that all the others share.
    """

    def __init__(self, size: Size, *, demo_hash: str, others_hash: str) -> None:
        self.size = size
        self.users: list[Row] = []
        self.teams: list[Row] = []
        self.team_members: list[Row] = []
        self.projects: list[Row] = []
        self.project_members: list[Row] = []
        self.project_teams: list[Row] = []
        self.tags: list[Row] = []
        self._rng = Random(f"{size.rng_seed}: people and projects")  # noqa: S311  # nosec B311
        self._prose = Prose(self._rng)
        self._moment = BEGIN
        self._keys: dict[str, set[str]] = {}  # The keys that each owner has used.
        self._people: list[list[str]] = []  # Who may be assigned to the tasks of each project.
        self._authors: list[list[str]] = []  # Who may make them.
        self._tags: list[list[str]] = []  # The tags of each project.
        self._make_users(demo_hash, others_hash)
        self._make_teams()
        for number in range(size.projects):
            self._make_project(number)

    # --- people ---------------------------------------------------------------------------------------------------------

    def _record(self) -> Row:
        """What every resource has; each is made a second after the one before."""
        self._moment += _SECOND
        return _record(self._rng, self._moment)

    def _make_users(self, demo_hash: str, others_hash: str) -> None:
        names = list(product(FIRST_NAMES, LAST_NAMES))
        self._rng.shuffle(names)
        for number in range(self.size.users):
            first, last = names[number % len(names)]
            # More people than names: the second of a name gets a number.
            suffix = str(number // len(names) + 1) if number >= len(names) else ""
            username, display_name = f"{first}.{last}{suffix}".lower(), f"{first} {last}"
            if number == 0:
                username, display_name = DEMO, "Demo User"
            record = self._record()
            email = f"{username}@example.com"
            self.users.append({
                **record,
                "username": username,
                "email": email,
                "email_key": fold(email),
                "email_verified_at": record["created_at"],
                "activated_at": record["created_at"],
                "display_name": display_name,
                "password_hash": others_hash if number else demo_hash,
                "timezone": "UTC",
                "disabled_at": None,
                "is_admin": False,
                "words": words_of_user(username, display_name),
            })  # fmt: skip
            self._add_project(record["id"], "Inbox", "", key="INBOX", is_inbox=True)

    def _make_teams(self) -> None:
        """Deals the users out to the teams; the first of each is its admin, so the demo user is one."""
        count = min(_MOST_TEAMS, self.size.users)
        for number in range(count):
            team = {**self._record(), "name": f"Team {self._prose.name()}", "description": "People who work as one."}
            self.teams.append(team)
            for place, user in enumerate(self.users[number::count]):
                role = "member" if place else "admin"
                self.team_members.append({"team_id": team["id"], "user_id": user["id"], "role": role})

    # --- projects -------------------------------------------------------------------------------------------------------

    def _make_project(self, number: int) -> None:
        demo, *others = (user["id"] for user in self.users)
        way = None if number % 4 else _DEMO_WAYS[number // 4 % len(_DEMO_WAYS)]
        owner = demo if way == "owner" else others[number % len(others)]
        name = f"{self._prose.name()} {self._rng.choice(PROJECTS)}"
        tasks, rest = divmod(self.size.tasks, self.size.projects)
        project = self._add_project(
            owner, name, f"All that is left to do for the {name.lower()}.", is_inbox=False, tasks=tasks + (number < rest)
        )
        candidates = [user for user in others if user != owner]
        members = self._rng.sample(candidates, min(_MOST_MEMBERS, len(candidates)))
        roles = dict(zip(members, _MEMBER_ROLES * 2, strict=False))
        if way in ("admin", "member"):
            roles[demo] = way
        for user, role in roles.items():
            self.project_members.append({"project_id": project, "user_id": user, "role": role})
        self._people.append([owner, *roles])
        self._authors.append([owner, *(user for user, role in roles.items() if role != "viewer")])
        if way == "team":
            self._add_team(project, 0)
        elif number % 20 == 2:
            self._add_team(project, 1 + number // 20 % (len(self.teams) - 1))
        self._tags.append([self._add_tag(project, place) for place in range(self.size.tags)])

    def _add_project(self, owner: str, name: str, description: str, key: str = "", tasks: int = 0, **more: object) -> str:
        used = self._keys.setdefault(owner, set())
        texts = {"name": name, "description": description, "key": key or next(k for k in keys_for(name) if k not in used)}
        used.add(texts["key"])
        row: Row = {
            **self._record(),
            "owner_id": owner,
            **texts,
            "words": words_of(**texts),
            "archived_at": None,
            "last_number": tasks,
            "task_count": tasks,
            **more,
        }
        self.projects.append({**row, "color": self._rng.choice(COLORS)})
        return row["id"]

    def _add_team(self, project: str, number: int) -> None:
        self.project_teams.append({"project_id": project, "team_id": self.teams[number]["id"], "role": "member"})

    def _add_tag(self, project: str, place: int) -> str:
        name = TAGS[place] if place < len(TAGS) else f"topic {place + 1}"
        row = {**self._record(), "project_id": project, "name": name, "name_key": caseless(name), "words": words_of_tag(name)}
        self.tags.append({**row, "color": self._rng.choice(COLORS)})
        return row["id"]

    # --- tasks ----------------------------------------------------------------------------------------------------------

    def tasks(self) -> Iterator[tuple[Row, list[Row]]]:
        """The tasks in the order in which they were made, each with the rows that link it to its tags."""
        rng = Random(f"{self.size.rng_seed}: tasks")  # noqa: S311  # nosec B311
        prose = Prose(rng)
        projects = [project["id"] for project in self.projects if not project["is_inbox"]]
        begin, step = self._moment + _DAY, SPAN / max(self.size.tasks, 1)
        for place in range(self.size.tasks):
            turn, number = place % len(projects), place // len(projects) + 1
            created = begin + place * step
            task = _task(rng, prose, created, self._people[turn], self._authors[turn])
            tags = self._tags[turn]
            chosen = rng.sample(tags, min(rng.randrange(4), len(tags)))
            links = [{"task_id": task["id"], "tag_id": tag} for tag in chosen]
            yield {**task, "project_id": projects[turn], "number": number}, links


def _task(rng: Random, prose: Prose, created: datetime, people: Sequence[str], authors: Sequence[str]) -> Row:
    title, description = prose.task()
    status = rng.choice(_STATUSES)
    updated = created + rng.randrange(1, 480) * _HOUR
    due = start = None
    if rng.random() < 0.7:
        due = created.date() + rng.randrange(1, 90) * _DAY
        if rng.random() < 0.3:
            start = due - rng.randrange(20) * _DAY
    return {
        **_record(rng, created),
        "updated_at": updated,
        "version": 2,  # One for the making, one for the change at `updated_at`.
        "title": title,
        "description": description,
        "status": status,
        "priority": rng.choice(_PRIORITIES),
        "assigned_to_id": rng.choice(people) if rng.random() < 0.8 else None,
        "created_by_id": rng.choice(authors),
        "due_date": due,
        "start_date": start,
        "completed_at": updated if status in COMPLETED else None,
    }


def _record(rng: Random, moment: datetime) -> Row:
    return {"id": id_at(rng, moment), "created_at": moment, "updated_at": moment, "version": 1}


def id_at(rng: Random, moment: datetime) -> str:
    """A UUID version 7 (RFC 9562) of a moment, the rest of which a random generator gives."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    value = milliseconds << 80 | 0x7 << 76 | rng.getrandbits(12) << 64 | 0b10 << 62 | rng.getrandbits(62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
