"""Clients that write and read at once, and keep what they were told."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..people import PASSWORD, Person
from ..remote import UNKNOWN, Answer, ask
from .checker import Change, Event, Outcome

TIMEOUT = 5  # Who waits longer than this gives up, and does not know what came of it.


@dataclass
class Sent:
    """A request, and the answer if one came; what has not reached the service at all did nothing."""

    began: float
    ended: float
    answer: Answer | None
    reached: bool

    def outcome(self, done: int, *refused: int) -> Outcome:
        """What it means: 503 and silence may be both, for the answer may have been lost after the commit."""
        if self.answer is None or self.answer.status_code == 503:
            return "unknown"
        status = self.answer.status_code
        return "done" if status == done else "refused" if status in refused else "wrong"


@dataclass
class History:
    """What all clients share: where they ask, what they were told, and what they know of.

    Args:
        url: the service.
        person: who they all are; the sessions that are ended are others.
        project: where they write.
        counters: the ids of the tasks that are counted in.
    """

    url: str
    person: Person
    project: str
    counters: Sequence[str]
    events: list[Event] = field(default_factory=list)
    requests: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    known: list[str] = field(default_factory=list)  # Ids of tasks that were made.
    dead: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # Ended sessions and their tokens.

    def send(self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> Sent:
        """A request; without a token of its own it is the person's."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {token or self.person.access_token}"
        began, answer, reached = time.monotonic(), None, True
        try:
            answer = ask(self.url, method, path, body, headers=headers, timeout=TIMEOUT)
        except ConnectionRefusedError:
            reached = False
        except UNKNOWN:
            pass
        self.requests += reached
        if answer is None or answer.status_code == 503:
            time.sleep(0.02)  # Whoever is refused at once does not ask at once again.
        return Sent(began, time.monotonic(), answer, reached)

    def keep(self, what: str, key: str, sent: Sent, outcome: Outcome, value: Any = None) -> None:
        if not sent.reached:
            return
        if outcome == "wrong":
            value = f"{sent.answer.status_code} {sent.answer.text[:300]}" if sent.answer else None
        self.events.append(Event(what, key, sent.began, sent.ended, outcome, value))

    def create(self, what: str, key: str, path: str, body: Any) -> None:
        """Something new, asked for with the same `Idempotency-Key` until it is answered."""
        repeatable = f"{what} {key} {random.random()}".replace(" ", "-")
        first = sent = self.send("POST", path, body, Idempotency_Key=repeatable)
        while _is_open(sent):
            sent = self.send("POST", path, body, Idempotency_Key=repeatable)
        outcome = sent.outcome(201, *((409,) if what == "name" else ()))
        value = sent.answer.json["id"] if outcome == "done" and sent.answer else None
        self.keep(what, key, Sent(first.began, sent.ended, sent.answer, sent.reached), outcome, value)
        if outcome == "done" and what == "make":
            self.known.append(str(value))

    def read(self, task: str) -> tuple[Answer, Change] | None:
        """Reads a task; the answer, and what it says of versions and numbers."""
        sent = self.send("GET", f"/tasks/{task}")
        outcome = sent.outcome(200)
        if _status(sent) == 404:  # Nothing deletes tasks here.
            outcome = "done"
        seen = version_of(sent.answer) if outcome == "done" and sent.answer else None
        self.keep("read", task, sent, outcome, seen)
        if not seen or sent.answer is None:
            return None
        return sent.answer, Change(seen - 1, seen, 0)


def _is_open(sent: Sent) -> bool:
    """Whether the same request with the same key will tell more: it was not answered, or the first of them still runs."""
    runs = sent.answer is not None and sent.answer.status_code == 409 and sent.answer.json["code"] == "idempotency_key_in_use"
    return runs or not sent.reached or sent.outcome(201) == "unknown"


def _status(sent: Sent) -> int | None:
    return sent.answer.status_code if sent.answer else None


def version_of(answer: Answer) -> int:
    """The version in an ETag; 0 where there is nothing."""
    return int(answer.headers["ETag"].strip('"').partition("-")[0]) if answer.status_code == 200 else 0


# --- what each of them does, again and again ------------------------------------------------------------------------------


def makes_tasks(history: History, place: int) -> None:
    for number in itertools.count():
        if history.over.is_set():
            return
        title = f"task {place}-{number}"
        history.create("make", title, "/tasks", {"title": title, "project_id": history.project})
        if history.known:
            history.read(history.known[-1])


def counts(history: History, place: int) -> None:
    """Reads a number in a task, adds one and writes it back, if nobody else has."""
    for task in itertools.cycle(history.counters):
        if history.over.is_set():
            return
        read = history.read(task)
        if read is None:
            continue
        answer, seen = read
        number = int(answer.json["description"]) + 1
        sent = history.send("PATCH", f"/tasks/{task}", {"description": str(number)}, If_Match=answer.headers["ETag"])
        outcome = sent.outcome(200, 412)
        value = None
        if outcome == "done" and sent.answer:
            value = Change(seen.after, version_of(sent.answer), int(sent.answer.json["description"]))
        history.keep("change", task, sent, outcome, value)


def names(history: History, place: int) -> None:
    """Takes names that another takes at the same time, in another case of letters."""
    for number in itertools.count():
        if history.over.is_set():
            return
        name = f"Name {number}"
        spelling = name.upper() if place else name
        history.create("name", name.lower(), "/tags", {"name": spelling, "project_id": history.project})
        key = f"K{number:06}"
        history.create("name", key.lower(), "/projects", {"name": "Named", "key": key})


def comes_and_goes(history: History, place: int) -> None:
    """Begins a session, uses it, prolongs it and ends it, and comes back with what has ended."""
    who = {"username": history.person.username, "password": PASSWORD}
    while not history.over.is_set():
        login = history.send("POST", "/auth/login", who)
        if login.outcome(200) != "done" or login.answer is None:
            history.keep("login", "", login, login.outcome(200))
            continue
        pairs = [login.answer.json]
        key = f"session {place} {login.began}"
        use(history, key, pairs[0]["access_token"])
        refreshed = history.send("POST", "/auth/refresh", {"refresh_token": pairs[0]["refresh_token"]})
        outcome = refreshed.outcome(200, 401)
        history.keep("use", key, refreshed, outcome)
        if outcome == "done" and refreshed.answer:
            pairs.append(refreshed.answer.json)
        use(history, key, pairs[-1]["access_token"])
        ending = threading.Thread(target=_end, args=(history, key, pairs[0]["access_token"]))
        ending.start()
        while ending.is_alive():  # It is used while it ends.
            use(history, key, pairs[-1]["access_token"])
        history.dead += [(key, pair) for pair in pairs]
        for dead, pair in [*((key, pair) for pair in pairs), random.choice(history.dead)]:
            use(history, dead, pair["access_token"])
            sent = history.send("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
            history.keep("use", dead, sent, sent.outcome(200, 401))


def _end(history: History, key: str, token: str) -> None:
    """Ends a session, and asks until it is told that this one is over: by 204, or because its token is good no more."""
    while not history.over.is_set():
        sent = history.send("POST", "/auth/logout", token=token)
        is_over = sent.outcome(204, 401) in ("done", "refused")
        history.keep("end", key, sent, "done" if is_over else "unknown")
        if is_over:
            return
        time.sleep(0.1)


def use(history: History, key: str, token: str) -> None:
    sent = history.send("GET", "/users/me", token=token)
    history.keep("use", key, sent, sent.outcome(200, 401))


def reads(history: History, place: int) -> None:
    while not history.over.is_set():
        history.read(random.choice([*history.known[-500:], *history.counters]))


WORK: list[Callable[[History, int], None]] = [makes_tasks, counts, names, comes_and_goes]


class Clients:
    """All clients, at work until the end of the block; what one of them did not expect is raised there."""

    def __init__(self, history: History) -> None:
        self.history, self._faults = history, list[BaseException]()

    def __enter__(self) -> "Clients":
        jobs = [(work, place) for work in WORK for place in range(2)] + [(reads, 0)]
        self._threads = [threading.Thread(target=self._run, args=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()
        return self

    def _run(self, work: Callable[[History, int], None], place: int) -> None:
        try:
            work(self.history, place)
        except BaseException as error:
            self._faults.append(error)

    def __exit__(self, *_: object) -> None:
        self.history.over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "A client still waits."
        for fault in self._faults:
            raise fault
