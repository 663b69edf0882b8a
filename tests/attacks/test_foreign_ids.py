"""Ids of what one may not see, of what is deleted and of other kinds: all answer like an id that does not exist.

Every operation of the document is asked, at every place where it takes an id.
"""

from statistics import median
from time import perf_counter

from ..people import NOBODY, pointers
from ..projects.test_hidden import WAYS, seen
from .document import is_list, takes_id
from .stage import harmless, places

# What exists and can be put there: a role can be given to anyone, by their id.
OPEN_TO_ALL = {("put_member", "user_id"), ("put_team_member", "user_id")}
CLOSE = 1.25  # How much longer one answer may take than the other.
TRIES = 15
# One of each way to look something up.
TIMED = ("get_project", "get_task", "get_tag", "get_team", "get_user", "end_session", "update_task", "list_project_tasks",
         "put_member", "create_task", "create_tag")  # fmt: skip


def ways_of(stage, operation):
    """The right request, and those that are wrong in every way."""
    yield "usual", {"json": stage.body(operation)}
    yield from WAYS.items()
    for header in set(operation.headers) - {"If-Match", "If-None-Match"}:  # They are in WAYS.
        yield f"{header} malformed", {"json": stage.body(operation), "headers": {header: "\x7f" * 300}}


def test_an_id_in_a_path_that_names_nothing_for_me_is_404_whatever_else_is_wrong(stage):
    before, wrong, asked = stage.state(), [], 0
    for operation, name in places(stage.document.with_ids()):
        others = {kind: id_ for kind, id_ in stage.others(name).items() if (operation.name, name) not in OPEN_TO_ALL}
        others = {**others, "malformed": "nonsense", "in capitals": stage.mine[name].upper()}
        usual = seen(stage.send(operation, stage.fill(operation, **{name: NOBODY}), json=stage.body(operation)))
        assert usual[0] == 404, operation
        for way, request in ways_of(stage, operation):
            # Of what is not hidden but of the wrong kind, two ways tell as much as all.
            kinds = others if way in ("usual", "malformed JSON") else {"hidden": others.get("hidden", "nonsense")}
            for kind, id_ in kinds.items():
                answer = stage.send(operation, stage.fill(operation, **{name: id_}), **request)
                asked += 1
                if seen(answer) != usual:
                    wrong.append((str(operation), name, kind, way, answer.status_code))
    assert not wrong, wrong
    assert asked > 700
    assert stage.state() == before


def test_an_id_of_a_role_to_give_names_someone_who_can_get_it(stage):
    """What the test above leaves out: there, what is deleted or of another kind is 404 too, before the body is judged."""
    for name, place in OPEN_TO_ALL:
        operation = stage.document.named(name)
        usual = seen(stage.send(operation, stage.fill(operation, **{place: NOBODY}), json=stage.body(operation)))
        assert usual[0] == 404
        for kind in stage.others(place).keys() - {"hidden"}:
            path = stage.fill(operation, **{place: stage.others(place)[kind]})
            for request in ({"json": stage.body(operation)}, WAYS["unknown field"], WAYS["malformed JSON"]):
                assert seen(stage.send(operation, path, **request)) == usual, (name, kind)


def test_an_id_in_a_body_that_names_nothing_for_me_is_422_with_its_pointer(stage):
    found, before = set(), None
    for operation in stage.document.with_body():
        for name in (name for name, schema in operation.fields.items() if takes_id(schema)):
            before = before or stage.state()
            found.add((operation.name, name))
            many = is_list(operation.fields[name])

            def answer(id_, operation=operation, name=name, many=many):
                body = {**stage.body(operation), name: [stage.mine["tag_id"], id_] if many else id_}
                if "project_id" in operation.fields:
                    body.setdefault("project_id", stage.mine["project_id"])
                return stage.send(operation, json=body)

            usual = answer(NOBODY)
            assert pointers(usual) == {f"/{name}"}, operation
            for kind, id_ in stage.others(name).items():
                assert seen(answer(id_)) == seen(usual), (str(operation), name, kind)
    assert stage.state() == before
    assert {name for _, name in found} == {"project_id", "assigned_to_id", "tag_ids", "owner_id"}


def test_an_id_in_a_query_that_names_nothing_for_me_matches_nothing(stage):
    found = set()
    for operation in stage.document.operations:
        for name in (name for name, schema in operation.query.items() if takes_id(schema)):
            found.add(name)
            assert stage.send(operation, query={name: stage.mine[name]}).json, (operation, name)
            usual = stage.send(operation, query={name: NOBODY})
            assert (usual.status_code, usual.json) == (200, []), (operation, name)
            for kind, id_ in stage.others(name).items():
                assert told(stage.send(operation, query={name: id_}), id_) == told(usual, NOBODY), (operation, name, kind)
    assert found == {"owner", "assigned_to", "created_by", "tag_id", "project_id"}


def told(answer, id_):
    """What a list tells: its links repeat what was asked."""
    headers = {name: value.replace(f"={id_}", "=") for name, value in answer.headers.items() if name != "X-Request-ID"}
    return answer.status_code, answer.json, headers


def test_what_may_not_be_seen_takes_no_longer_than_what_does_not_exist(stage):
    """Beside what is not there, hidden things in paths and bodies; the median of many, in turns."""
    slow = {}
    for operation in map(stage.document.named, TIMED):
        name = operation.ids[0] if operation.ids else "project_id"

        def request(id_, operation=operation, name=name):
            if operation.ids:
                return stage.send(operation, stage.fill(operation, **{name: id_}), json=stage.body(operation))
            return stage.send(operation, json={**stage.body(operation), name: id_})

        ids = {"hidden": stage.hidden[name], "missing": NOBODY}
        times = {kind: [] for kind in ids}
        for _ in range(10):  # With more tries, a difference that other processes made goes away.
            for _ in range(TRIES):
                for kind, id_ in ids.items():
                    begin = perf_counter()
                    harmless(request(id_))
                    times[kind].append(perf_counter() - begin)
            ratio = median(times["hidden"]) / median(times["missing"])
            if 1 / CLOSE < ratio < CLOSE:
                break
        else:
            slow[str(operation)] = ratio
    assert not slow, slow
