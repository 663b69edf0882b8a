"""What may not be seen answers as if it did not exist, before anything else of the request is judged."""

import pytest

from ..people import NOBODY
from .grid import GRID, Names

# One of each route: bodies are made wrong below.
HIDDEN = list({(row.method, row.path): row for row in GRID if row.codes["stranger"] == 404}.values())
JSON = "application/json"
WAYS = {
    "malformed JSON": {"data": '{"name": ', "content_type": JSON},
    "duplicate key": {"data": '{"name": "a", "name": "b"}', "content_type": JSON},
    "unknown field": {"json": {"nonsense": 1}},
    "wrong types": {"json": {"name": 1, "title": [], "role": "owner", "archived": "yes"}},
    "too large": {"data": b" " * (2**20 + 1), "content_type": JSON},
    "another media type": {"data": "name=a", "content_type": "application/x-www-form-urlencoded"},
    "unknown parameter": {"query": {"nonsense": 1}},
    "page 0": {"query": {"page": 0}},
    "given twice": {"query": {"page": ["1", "1"]}},
    "stale": {"json": {}, "headers": {"If-Match": '"7-abc"'}},
    "any tag": {"json": {}, "headers": {"If-Match": "*", "If-None-Match": "*"}},
}


def seen(answer):
    """All that a client can tell about an answer, without what differs in each."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("X-Request-ID", "Date")}
    body = {name: value for name, value in answer.json.items() if name != "request_id"}
    return answer.status_code, headers, body


@pytest.fixture(scope="module")
def project(world):
    return world.project()


def test_whoever_sees_it_is_told_what_is_wrong(world, project):
    """So the tests of what may not be seen (`attacks/test_foreign_ids.py`) can fail: the owner gets other answers."""
    path = f"/projects/{project['id']}"
    codes = {way: world.owner.patch(path, **request).status_code for way, request in WAYS.items()}
    assert {400, 412, 413, 415, 422} <= set(codes.values()), codes
    assert 404 not in codes.values()


def test_a_role_is_judged_before_the_body(world, project):
    viewer = world.people["viewer"]
    for operation in (row for row in HIDDEN if row.body and row.codes["viewer"] == 403):
        path = Names(world, "viewer", project).fill(operation.path)
        for way in ("malformed JSON", "unknown field", "another media type", "too large"):
            assert viewer.call(operation.method, path, **WAYS[way]).status_code == 403, (operation, way)


def test_an_id_in_another_spelling_is_another_id(world, project):
    for kind, name in (("projects", "{project}"), ("tasks", "{task}"), ("tags", "{tag}")):
        found = Names(world, "owner", project).fill(name)
        codes = [world.owner.get(f"/{kind}/{spelling}").status_code for spelling in (found, found.upper(), f" {found}")]
        assert codes == [200, 404, 404]


def test_ids_in_bodies_are_refused_alike_whatever_is_wrong_with_them(world, project):
    stranger = world.people["stranger"]
    for path, body in (("/tasks", {"title": "x"}), ("/tags", {"name": "x"})):
        hidden, missing = (stranger.post(path, {**body, "project_id": target}) for target in (project["id"], NOBODY))
        assert seen(hidden) == seen(missing)
        assert [error["pointer"] for error in hidden.json["errors"]] == ["/project_id"]


def test_ids_in_filters_that_are_hidden_match_nothing(world, project):
    stranger, tag = world.people["stranger"], world.owner.tag(project, "hidden")
    queries = [("/tasks", "project_id", project["id"]), ("/tasks", "tag_id", tag["id"]), ("/tags", "project_id", project["id"]),
               ("/projects", "owner", world.owner.id)]  # fmt: skip
    for path, name, value in queries:
        answers = [stranger.get(path, query={name: given}) for given in (value, NOBODY)]
        assert [(answer.status_code, answer.json, answer.headers["X-Pagination"]) for answer in answers] == [
            (200, [], '{"total":0,"total_pages":0}')
        ] * 2
