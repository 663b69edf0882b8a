"""Pages of tasks: their numbers, links and order."""

import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask_smorest.pagination import PaginationMixin

from ..people import pointers

COUNT = 23


@pytest.fixture
def project(ada):
    project = ada.project()
    for number in range(COUNT):
        ada.task(project, title="same", status="done" if number % 2 else "todo")
    return project


def links(answer):
    found = re.findall('<([^>]*)>; rel="([a-z]+)"', answer.headers["Link"])
    assert ", ".join(f'<{url}>; rel="{relation}"' for url, relation in found) == answer.headers["Link"]
    return {relation: url for url, relation in found}


def ids(answer):
    return [task["id"] for task in answer.json]


def test_x_pagination_is_what_flask_smorest_makes(ada, project):
    for size in (1, 7, COUNT - 1, COUNT, COUNT + 1, 100):
        for page in (1, 2, 3, COUNT, COUNT + 1, 1_000_000):
            answer = ada.get("/tasks", query={"page": page, "page_size": size})
            expected = PaginationMixin._make_pagination_metadata(page, size, COUNT)
            assert json.loads(answer.headers["X-Pagination"]) == expected
            assert len(answer.json) == max(0, min(size, COUNT - (page - 1) * size))
    nothing = ada.get("/tasks", query={"search": "nowhere"})
    assert json.loads(nothing.headers["X-Pagination"]) == PaginationMixin._make_pagination_metadata(1, 20, 0)
    assert nothing.json == []


def test_a_page_past_the_end_is_empty(ada, project):
    asked = [({}, COUNT), ({"status": "done"}, COUNT // 2), ({"search": "nowhere"}, 0), ({"search": "same"}, COUNT)]
    for path in ("/tasks", f"/projects/{project['id']}/tasks"):
        for filters, total in asked:
            for page in (2, 3, 1_000_000):
                answer = ada.get(path, query={**filters, "page": page, "page_size": 100})
                assert (answer.status_code, answer.json) == (200, [])
                assert json.loads(answer.headers["X-Pagination"])["total"] == total
                assert set(links(answer)) == {"first", "last"}
    assert len(ada.get("/tasks").json) == 20


def test_links_keep_the_other_parameters(ada, project):
    asked = [("status", "todo"), ("status", "done"), ("search", "same"), ("sort", "-title,number"), ("page_size", "5")]
    for path in ("/tasks", f"/projects/{project['id']}/tasks", "/tasks/"):
        answer = ada.get(path, query=[*asked, ("page", "3")])
        assert answer.status_code == 200, answer.text
        found = {relation: urlsplit(url) for relation, url in links(answer).items()}
        assert {url.path for url in found.values()} == {"/api/v1" + path.rstrip("/")}
        queries = {relation: parse_qsl(url.query) for relation, url in found.items()}
        pages = {"first": 1, "prev": 2, "next": 4, "last": 5}
        assert queries == {relation: [*asked, ("page", str(page))] for relation, page in pages.items()}


def test_links_spell_any_text(ada):
    asked = [("search", "same ß+& #%25 日本"), ("tag", "a,b;c=d")]
    answer = ada.get("/tasks", query=asked)
    assert parse_qsl(urlsplit(links(answer)["first"]).query) == [*asked, ("page", "1")]


def test_following_next_gives_every_task_once(ada, project):
    seen, url = [], f"/projects/{project['id']}/tasks?page_size=4&sort=title"
    while url:
        answer = ada.get(url)
        seen += [task["id"] for task in answer.json]
        url = links(answer).get("next")
    assert len(seen) == len(set(seen)) == COUNT
    assert seen == sorted(seen)


def test_no_task_is_twice_or_missing_where_all_are_equal(ada, project):
    for sort in ("title", "-title", "due_date", "-due_date", "priority", "-priority,title", "status", "-status"):
        for path in ("/tasks", f"/projects/{project['id']}/tasks"):
            whole = ids(ada.get(path, query={"sort": sort, "page_size": 100}))
            parts = [ids(ada.get(path, query={"sort": sort, "page_size": 6, "page": page})) for page in range(1, 5)]
            assert [id_ for part in parts for id_ in part] == whole
            assert len(set(whole)) == COUNT


REFUSED = [
    ("page", ["0", "-1", "1000001", "1.0", "1e3", "", " 1", "x", "٣", "1" * 400, "0x1", "+1"]),
    ("page_size", ["0", "101", "-5", "ten", "", "9" * 30]),
    ("sort", ["", ",", "title,", "titel", "--title", "+title", "title,-title", "id", "title desc", "Title", "-", "due_date;"]),
    ("status", ["", "open", "todo,done", "TODO"]),
    ("priority", ["", "1"]),
    ("assigned_to", ["", "ME", "null", "x", "0197F3A2-5C1E-7A4B-8D2F-3B6C9E1F0A57"]),
    ("created_by", ["none", ""]),
    ("project_id", ["", "inbox", "1"]),
    ("tag", ["", "  ", "x" * 51, "a\x00", "a\nb"]),
    ("tag_id", ["", "bug"]),
    ("due_before", ["", "today", "2026-02-30", "2026-1-1", "2026-01-01T00:00:00Z", "0000-01-01"]),
    ("due_after", ["", "10000-01-01", "20260101"]),
    ("overdue", ["", "1", "yes", "True", "on"]),
    (
        "updated_since",
        [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00 02:00",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "2026-01-01T25:00:00Z",
            "0",
        ],
    ),
    ("search", ["", " ", "!?", "_", "🚀", "x" * 201, "a\x00b"]),
    ("cursor", ["x"]),
    ("Status", ["todo"]),
    ("page[]", ["1"]),
]


def test_a_parameter_that_breaks_a_rule_is_refused(ada):
    for name, values in REFUSED:
        for value in values:
            found = pointers(ada.get("/tasks", query={name: value}), "query")
            assert {pointer.split("/")[1] for pointer in found} == {name}, (name, value)


def test_a_single_parameter_is_given_once(ada):
    day, moment = "2026-01-01", "2026-01-01T00:00:00Z"
    single = {"page": 1, "page_size": 5, "sort": "title", "overdue": "true", "updated_since": moment, "search": "x"}
    for name, value in {**single, "due_before": day, "due_after": day}.items():
        assert pointers(ada.get("/tasks", query=[(name, value), (name, value)]), "query") == {f"/{name}"}
