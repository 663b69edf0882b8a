"""The list of projects: what is in it, its filters, sorts and pages."""

import json

import pytest

from ..people import new_team, pointers, problem
from .asking import names, path

NAMES = ["beta", "Alpha two", "alpha", "Émile", "Zulu", "10 things"]


@pytest.fixture
def projects(ada, bob, app):
    """Projects that ada sees in several ways; her inbox is beside them."""
    made = {name: ada.project(name=name) for name in NAMES}
    for role in ("viewer", "member", "admin"):
        made[f"bob's {role}"] = bob.project(name=f"bob's {role}")
        bob.add(made[f"bob's {role}"], ada, role)
    made["by team"] = bob.project(name="by team")
    bob.add_team(made["by team"], new_team(app, ada, bob), "member")
    made["old"] = ada.project(name="old", description="Alpha too")
    assert ada.patch(path(made["old"]), {"archived": True}).status_code == 200
    bob.project(name="hidden alpha")
    return made


OWN = [*NAMES, "Inbox"]
SHARED = ["bob's viewer", "bob's member", "bob's admin", "by team"]
FILTERS = {
    "": [*OWN, *SHARED],
    "archived=false": [*OWN, *SHARED],
    "archived=true": ["old"],
    "role=owner": OWN,
    "role=viewer": ["bob's viewer"],
    "role=member": ["bob's member", "by team"],
    "role=admin": ["bob's admin"],
    "owner=me": OWN,
    "owner={ada}": OWN,
    "owner={bob}": SHARED,
    "owner=me&archived=true": ["old"],
    "owner=me&role=viewer": [],
    "search=alp": ["Alpha two", "alpha"],
    "search=ALPHA TWO": ["Alpha two"],
    "search=two alpha": ["Alpha two"],
    "search=lpha": [],
    "search=émi": ["Émile"],
    "search=e\u0301mi": ["Émile"],
    "search=10": ["10 things"],
    "search=AT": ["Alpha two"],
    "search=bob": SHARED[:3],
    "search=alpha&archived=true": ["old"],
    "search=alpha&role=owner&owner=me": ["Alpha two", "alpha"],
}


def test_each_filter_finds_what_it_says(ada, bob, projects):
    for query, expected in FILTERS.items():
        answer = ada.get(f"/projects?{query.format(ada=ada.id, bob=bob.id)}")
        assert names(answer) == sorted(expected), query
        assert json.loads(answer.headers["X-Pagination"])["total"] == len(expected), query


def test_sorts_are_total_and_by_code_point(ada, projects):
    rows = ada.get("/projects?page_size=100").json
    assert names(ada.get("/projects")) == sorted(row["name"] for row in rows)
    for field in ("name", "created_at", "updated_at"):
        for sort, down in ((field, False), (f"-{field}", True)):
            expected = sorted(rows, key=lambda row: (row[field], row["id"]), reverse=down)
            assert [row["id"] for row in ada.get(f"/projects?sort={sort}").json] == [row["id"] for row in expected], sort
    expected = sorted(rows, key=lambda row: row["created_at"])
    assert ada.get("/projects?sort=created_at,-name").json == expected


def test_equal_names_are_in_the_order_of_their_ids(ada):
    made = [ada.project(name="Same")["id"] for _ in range(5)]
    assert [row["id"] for row in ada.get("/projects?search=same&sort=name").json] == sorted(made)
    assert [row["id"] for row in ada.get("/projects?search=same&sort=-name").json] == sorted(made, reverse=True)


def test_pages_together_are_the_list(ada, projects):
    everything = ada.get("/projects?page_size=100").json
    pages = [ada.get(f"/projects?page={page}&page_size=4") for page in (1, 2, 3, 4)]
    assert [len(page.json) for page in pages] == [4, 4, 3, 0]
    assert [row for page in pages for row in page.json] == everything
    about = [json.loads(page.headers["X-Pagination"]) for page in pages]
    common = {"total": 11, "total_pages": 3, "first_page": 1, "last_page": 3}
    assert about[1] == {**common, "page": 2, "previous_page": 1, "next_page": 3}
    assert about[3].items() >= common.items()


def test_rows_are_as_the_single_project(ada, projects):
    ada.task(projects["beta"])
    for row in ada.get("/projects?page_size=100").json:
        assert row == ada.get(f"/projects/{row['id']}").json


def test_a_changed_project_is_found_by_its_new_words(ada):
    project = ada.project(name="Old", description="first")
    ada.patch(path(project), {"name": "New", "key": "NOW", "description": "second"})
    found = {word: names(ada.get(f"/projects?search={word}")) for word in ("old", "first", "new", "now", "second")}
    assert found == {"old": [], "first": [], "new": ["New"], "now": ["New"], "second": ["New"]}


@pytest.mark.parametrize(("query", "pointer"), [
    ("archived=yes", "/archived"), ("archived=1", "/archived"), ("archived=", "/archived"),
    ("archived=true&archived=false", "/archived"), ("role=boss", "/role"), ("role=", "/role"),
    ("role=viewer&role=admin", "/role"), ("owner=none", "/owner"), ("owner=x", "/owner"), ("search=", "/search"),
    ("search=%25", "/search"), ("search=%00", "/search"), ("sort=key", "/sort"), ("sort=", "/sort"),
    ("sort=name,name", "/sort"), ("page=0", "/page"), ("page_size=101", "/page_size"), ("status=todo", "/status"),
    ("name=x", "/name"),
])  # fmt: skip
def test_wrong_queries_are_refused(ada, query, pointer):
    assert pointers(ada.get(f"/projects?{query}"), "query") == {pointer}


def test_a_single_project_takes_no_query(ada):
    assert pointers(ada.get(f"{path(ada.project())}?archived=true"), "query") == {"/archived"}


def test_who_is_not_logged_in_sees_no_list(app):
    problem(app.test_client().get("/api/v1/projects"), 401, "not_authenticated")
