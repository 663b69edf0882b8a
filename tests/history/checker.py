"""What is wrong with a history: with what clients were told, and what is there in the end.

A history is a list of events. Each function takes it, and what is there in the end where that matters, and gives a
sentence for everything that cannot be.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["done", "refused", "unknown", "wrong"]


@dataclass(frozen=True)
class Event:
    """One thing that a client did.

    Args:
        what: `make`, `name`, `change`, `read`, `end` or `use`.
        key: with what: a title, a name, the id of a task or of a session.
        began: when it was asked for, on a clock that all clients share.
        ended: when the answer was there, or no longer waited for.
        outcome: `done` and `refused` are acknowledged; `unknown` may have been done or not; `wrong` is an answer that
            cannot be right whatever happened before.
        value: what was made, seen or said: see the functions.
    """

    what: str
    key: str
    began: float
    ended: float
    outcome: Outcome
    value: Any = None


@dataclass(frozen=True)
class Change:
    """One added to the number in a task: the versions that it had before and has after, and the number after."""

    before: int
    after: int
    number: int


def check_answers(events: Iterable[Event]) -> list[str]:
    """Only answers that the contract knows."""
    return [f"{event.what} {event.key}: answered {event.value}" for event in events if event.outcome == "wrong"]


def check_set(events: Iterable[Event], rows: Iterable[tuple[str, str]]) -> list[str]:
    """What was acknowledged as made is there once; what is unknown, once at most; what was refused and all else, not at all.

    Args:
        events: those of one kind; the value of what is done is the new id.
        rows: key and id of what is there in the end.
    """
    found, tried = defaultdict[str, list[str]](list), _by_key(events)
    for key, row_id in rows:
        found[key].append(row_id)
    wrong = [f"{key}: is there and nobody made it" for key in found.keys() - tried.keys()]
    for key, attempts in tried.items():
        made = [event.value for event in attempts if event.outcome == "done"]
        unknown = any(event.outcome == "unknown" for event in attempts)
        if len(set(made)) > 1:
            wrong.append(f"{key}: acknowledged {len(set(made))} times")
        if len(found[key]) > 1:
            wrong.append(f"{key}: is there {len(found[key])} times")
        if made and not set(made) <= set(found[key]):
            wrong.append(f"{key}: acknowledged and lost")
        if found[key] and not made and not unknown:
            wrong.append(f"{key}: refused and there")
    return wrong


def check_taken(events: Iterable[Event]) -> list[str]:
    """A name is refused only where another request may have taken it before the refusal."""
    wrong = []
    for key, attempts in _by_key(events).items():
        begun = [event.began for event in attempts if event.outcome in ("done", "unknown")]
        wrong += [
            f"{key}: refused and nobody had it"
            for event in attempts
            if event.outcome == "refused" and not any(began < event.ended for began in begun)
        ]
    return wrong


def check_counter(events: Iterable[Event], final: Mapping[str, int]) -> list[str]:
    """What is counted in the end is what was acknowledged, and of the unknown none to all.

    Args:
        events: changes, each of which adds one.
        final: the number in each task.
    """
    wrong = []
    for key, changes in _by_key(events).items():
        count = Counter(event.outcome for event in changes)
        if not count["done"] <= final[key] <= count["done"] + count["unknown"]:
            wrong.append(f"{key}: is {final[key]}; {count['done']} acknowledged, {count['unknown']} unknown")
    return wrong


def check_chain(events: Iterable[Event], final: Mapping[str, Change]) -> list[str]:
    """Each acknowledged change follows exactly one version, none is written over, and the last is what is there.

    Args:
        events: changes; the value of what is done is a `Change`.
        final: of each task the version and the number in the end, as a `Change` to it.
    """
    wrong = []
    for key, changes in _by_key(events).items():
        steps = [event.value for event in changes if event.outcome == "done"]
        wrong += [f"{key}: version {step.before} became {step.after}" for step in steps if step.after != step.before + 1]
        # The task begins with version 1 and number 0, and each change adds one to both.
        wrong += [
            f"{key}: version {step.after} with the number {step.number}"
            for step in [*steps, final[key]]
            if step.number != step.after - 1
        ]
        twice = [version for version, times in Counter(step.after for step in steps).items() if times > 1]
        wrong += [f"{key}: version {version} was acknowledged twice" for version in twice]
        wrong += [
            f"{key}: version {step.after} was acknowledged, {final[key].after} is there"
            for step in steps
            if step.after > final[key].after
        ]
    return wrong


def check_reads(events: Iterable[Event]) -> list[str]:
    """A read sees what was acknowledged, or seen by another read, before it began.

    Args:
        events: `make` with the id as its value, `change`, and `read` with the version as its value, 0 for nothing there.
    """
    known, reads = defaultdict[str, list[tuple[float, int]]](list), list[Event]()
    for event in events:
        if event.outcome != "done":
            continue
        if event.what == "make":
            known[event.value].append((event.ended, 1))
        elif event.what == "change":
            known[event.key].append((event.ended, event.value.after))
        elif event.what == "read":
            known[event.key].append((event.ended, event.value))
            reads.append(event)
    wrong = []
    for key, group in _by_key(reads).items():
        newest = _rising(sorted(known[key]))
        time, version, least = *next(newest, (float("inf"), 0)), 0
        for read in sorted(group, key=lambda event: event.began):
            while time < read.began:
                least = version
                time, version = next(newest, (float("inf"), 0))
            if read.value < least:
                wrong.append(f"{key}: version {read.value} was read after {least} was known")
    return wrong


def _rising(known: Sequence[tuple[float, int]]) -> Iterator[tuple[float, int]]:
    """The newest version that is known from each moment on."""
    newest = 0
    for time, version in known:
        newest = max(newest, version)
        yield time, newest


def check_revocation(events: Iterable[Event]) -> list[str]:
    """After the end of a session nobody is let in with its tokens, and before anyone asked for its end everybody is.

    Args:
        events: `end` and `use` of sessions; a use is `done` where it was let in and `refused` where it was not.
    """
    wrong = []
    for key, group in _by_key(events).items():
        ends = [event for event in group if event.what == "end"]
        over = min((event.ended for event in ends if event.outcome == "done"), default=float("inf"))
        asked = min((event.began for event in ends), default=float("inf"))
        uses = [event for event in group if event.what == "use"]
        let_in = [use for use in uses if use.outcome == "done" and use.began > over]
        thrown_out = [use for use in uses if use.outcome == "refused" and use.ended < asked]
        wrong += [f"{key}: let in {use.began - over:.3f} s after its end" for use in let_in]
        first = min((use.began for use in uses), default=0.0)
        wrong += [f"{key}: refused after {use.ended - first:.3f} s and nobody ended it" for use in thrown_out]
    return wrong


def _by_key(events: Iterable[Event]) -> dict[str, list[Event]]:
    groups = defaultdict[str, list[Event]](list)
    for event in events:
        groups[event.key].append(event)
    return groups


def check_all(events: Sequence[Event], rows: Mapping[str, Iterable[tuple[str, str]]], final: Mapping[str, Change]) -> list[str]:
    """Everything that is wrong.

    Args:
        events: the history.
        rows: of `make` and `name` what is there in the end: keys and ids.
        final: of each counter the version and the number in the end, as a `Change` to it.
    """
    of = {what: [event for event in events if event.what == what] for what in ("make", "name", "change")}
    numbers = {key: change.number for key, change in final.items()}
    return [
        *check_answers(events),
        *check_set(of["make"], rows["make"]),
        *check_set(of["name"], rows["name"]),
        *check_taken(of["name"]),
        *check_counter(of["change"], numbers),
        *check_chain(of["change"], final),
        *check_reads(event for event in events if event.what in ("make", "change", "read")),
        *check_revocation(event for event in events if event.what in ("end", "use")),
    ]
