"""The checker finds what is wrong on purpose, and nothing in what is right."""

import itertools

import pytest

from .checker import (
    Change,
    Event,
    check_answers,
    check_chain,
    check_counter,
    check_reads,
    check_revocation,
    check_set,
    check_taken,
)


def event(what, key="a", outcome="done", value=None, at=(0.0, 1.0)):
    return Event(what, key, *at, outcome, value)


def made(key="a", outcome="done", value="1", at=(0.0, 1.0)):
    return event("make", key, outcome, value if outcome == "done" else None, at)


def changed(before, after=None, number=None, at=(0.0, 1.0)):
    after = before + 1 if after is None else after
    return event("change", "a", "done", Change(before, after, after - 1 if number is None else number), at)


def read(version, at):
    return event("read", "a", "done", version, at)


def test_an_answer_that_cannot_be_right_is_told():
    assert check_answers([made(), made(outcome="unknown"), made(outcome="refused")]) == []
    assert check_answers([event("make", outcome="wrong", value=500)]) == ["make a: answered 500"]


@pytest.mark.parametrize(
    ("events", "rows"),
    [
        ([made()], [("a", "1")]),
        ([made(outcome="unknown")], []),
        ([made(outcome="unknown")], [("a", "1")]),
        ([made(outcome="refused")], []),
        ([made(outcome="refused"), made()], [("a", "1")]),
        ([made(outcome="unknown"), made()], [("a", "1")]),
        ([made(), made()], [("a", "1")]),  # The same answer again, as a repeated key gives it.
    ],
)
def test_a_set_that_is_right(events, rows):
    assert check_set(events, rows) == []


@pytest.mark.parametrize(
    ("events", "rows", "said"),
    [
        ([made()], [], "a: acknowledged and lost"),
        ([made()], [("a", "2")], "a: acknowledged and lost"),
        ([made()], [("a", "1"), ("a", "2")], "a: is there 2 times"),
        ([made(outcome="unknown")], [("a", "1"), ("a", "2")], "a: is there 2 times"),
        ([made(outcome="refused")], [("a", "1")], "a: refused and there"),
        ([made(), made(value="2")], [("a", "1"), ("a", "2")], "a: acknowledged 2 times"),
        ([], [("a", "1")], "a: is there and nobody made it"),
    ],
)
def test_a_set_that_is_wrong(events, rows, said):
    assert said in check_set(events, rows)


def test_a_name_is_refused_only_where_another_may_have_it():
    refused = made(outcome="refused", at=(2.0, 3.0))
    assert check_taken([made(), refused]) == check_taken([made(outcome="unknown"), refused]) == []
    assert check_taken([made(at=(2.5, 9.0)), refused]) == []
    for others in ([], [made(at=(3.5, 4.0))], [made("b")]):
        assert check_taken([*others, refused]) == ["a: refused and nobody had it"]


@pytest.mark.parametrize(("final", "right"), [(1, False), (2, True), (3, True), (4, False)])
def test_a_counter_is_between_what_was_acknowledged_and_what_may_have_been(final, right):
    events = [changed(1), changed(2), event("change", outcome="unknown"), event("change", outcome="refused")]
    assert (check_counter(events, {"a": final}) == []) == right


def test_a_chain_that_is_right():
    assert check_chain([changed(2), changed(1)], {"a": Change(2, 3, 2)}) == []
    assert check_chain([changed(1), changed(3), event("change", outcome="unknown")], {"a": Change(3, 4, 3)}) == []


@pytest.mark.parametrize(
    ("events", "final", "said"),
    [
        ([changed(1), changed(1)], Change(1, 2, 1), "a: version 2 was acknowledged twice"),  # The lost update.
        ([changed(1, 3)], Change(2, 3, 2), "a: version 1 became 3"),
        ([changed(1), changed(2)], Change(1, 2, 1), "a: version 3 was acknowledged, 2 is there"),
        ([changed(1, number=2)], Change(1, 2, 1), "a: version 2 with the number 2"),
        ([changed(1), changed(2)], Change(2, 3, 1), "a: version 3 with the number 1"),
    ],
)
def test_a_chain_that_is_wrong(events, final, said):
    assert said in check_chain(events, {"a": final})


RIGHT_READS = [
    [made(value="a"), read(1, (2.0, 3.0))],
    [changed(1, at=(0.0, 5.0)), read(1, (1.0, 2.0)), read(2, (3.0, 4.0)), read(2, (6.0, 7.0))],
    [read(2, (0.0, 5.0)), read(1, (1.0, 6.0))],  # These two were at once.
    [event("change", outcome="unknown"), read(1, (2.0, 3.0)), read(2, (4.0, 5.0))],
]


@pytest.mark.parametrize("events", RIGHT_READS)
def test_reads_that_are_right(events):
    for order in itertools.permutations(events):
        assert check_reads(order) == []


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([made(value="a"), read(0, (2.0, 3.0))], "a: version 0 was read after 1 was known"),
        ([changed(1), read(1, (2.0, 3.0))], "a: version 1 was read after 2 was known"),
        ([changed(1), changed(2, at=(1.0, 1.5)), read(2, (2.0, 3.0))], "a: version 2 was read after 3 was known"),
        ([read(2, (0.0, 1.0)), read(1, (2.0, 3.0))], "a: version 1 was read after 2 was known"),  # Time went backwards.
    ],
)
def test_reads_that_are_wrong(events, said):
    for order in itertools.permutations(events):
        assert check_reads(order) == [said]


def used(outcome, at):
    return event("use", outcome=outcome, at=at)


def test_revocations_that_are_right():
    over = event("end", at=(2.0, 3.0))
    for outcome in ("done", "refused"):
        assert check_revocation([over, used(outcome, (2.5, 4.0))]) == []
    assert check_revocation([over, used("done", (0.0, 1.0)), used("refused", (4.0, 5.0)), used("unknown", (4.0, 5.0))]) == []
    maybe = event("end", outcome="unknown", at=(2.0, 3.0))
    for outcome in ("done", "refused"):
        assert check_revocation([maybe, used(outcome, (4.0, 5.0))]) == []


def test_revocations_that_are_wrong():
    over = event("end", at=(2.0, 3.0))
    assert check_revocation([over, used("done", (3.5, 4.0))]) == ["a: let in 0.500 s after its end"]
    assert check_revocation([over, used("refused", (0.0, 1.0))]) == ["a: refused after 1.000 s and nobody ended it"]
    assert check_revocation([used("refused", (0.0, 1.0))]) == ["a: refused after 1.000 s and nobody ended it"]
