"""Lists of tags: of all projects and of one; filters, counts and pages."""

import json

import pytest

from ..people import NOBODY, new_team, pointers, problem

NAMES = ["bug", "Bug report", "chore", "Über uns", "v2 API", "a_b", "100%"]


def names(answer):
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json]


def total(answer):
    return json.loads(answer.headers["X-Pagination"])["total"]


@pytest.fixture
def project(ada):
    project = ada.project()
    for name in NAMES:
        ada.tag(project, name)
    return project


def test_the_list_of_a_project_is_by_name(ada, bob, project):
    ada.tag(ada.project(), "elsewhere")
    assert names(ada.get(f"/projects/{project['id']}/tags")) == sorted(NAMES)
    problem(bob.get(f"/projects/{project['id']}/tags"), 404, "not_found")
    ada.add(project, bob, "viewer")
    assert names(bob.get(f"/projects/{project['id']}/tags")) == sorted(NAMES)


def test_a_project_without_tags_has_an_empty_list(ada):
    answer = ada.get(f"/projects/{ada.project()['id']}/tags")
    assert (names(answer), answer.headers["X-Pagination"]) == ([], '{"total":0,"total_pages":0}')


def test_the_list_of_all_has_what_i_see(ada, bob, project, app):
    mine, teams = bob.project(), bob.project()
    bob.tag(mine, "direct")
    bob.tag(teams, "team")
    bob.tag(bob.project(), "hidden")
    bob.add(mine, ada, "viewer")
    bob.add_team(teams, new_team(app, ada, bob), "viewer")
    bob.add_team(mine, new_team(app, ada, bob), "member")
    assert names(ada.get("/tags")) == sorted([*NAMES, "direct", "team"])
    assert total(ada.get("/tags")) == len(NAMES) + 2


SEARCHES = {
    "bug": ["Bug report", "bug"],
    "BUG": ["Bug report", "bug"],
    "report bug": ["Bug report"],
    "rep": ["Bug report"],
    "eport": [],
    "über": ["Über uns"],
    "U\u0308BER U": ["Über uns"],
    "v2": ["v2 API"],
    "b": ["Bug report", "a_b", "bug"],
    "100": ["100%"],
    "bug x": [],
}


def test_every_word_of_a_search_begins_a_word_of_the_name(ada, project):
    for search, expected in SEARCHES.items():
        for where in ("/tags", f"/projects/{project['id']}/tags"):
            answer = ada.get(where, query={"search": search})
            assert (names(answer), total(answer)) == (expected, len(expected)), (where, search)


def test_a_renamed_tag_is_found_by_its_new_name(ada, project):
    tag = ada.get("/tags?search=chore").json[0]
    ada.patch(f"/tags/{tag['id']}", {"name": "Duty"})
    assert [names(ada.get(f"/tags?search={word}")) for word in ("chore", "duty")] == [[], ["Duty"]]


def test_the_list_of_all_can_be_of_one_project(ada, bob, project):
    other = ada.project()
    ada.tag(other, "bug")
    hidden = bob.project()
    bob.tag(hidden, "bug")
    assert names(ada.get("/tags", query={"project_id": project["id"]})) == sorted(NAMES)
    assert names(ada.get("/tags", query={"project_id": other["id"], "search": "bug"})) == ["bug"]
    for unseen in (hidden["id"], NOBODY):
        answer = ada.get("/tags", query={"project_id": unseen})
        assert (names(answer), total(answer)) == ([], 0)


@pytest.mark.parametrize(("query", "pointer"), [
    ("search=", "/search"), ("search=%21", "/search"), ("search=a&search=b", "/search"), ("sort=name", "/sort"),
    ("name=bug", "/name"), ("page=0", "/page"), ("page_size=0", "/page_size"), ("page_size=101", "/page_size"),
])  # fmt: skip
def test_wrong_queries_are_refused(ada, query, pointer):
    for where in ("/tags", f"/projects/{ada.inbox()['id']}/tags"):
        assert pointers(ada.get(f"{where}?{query}"), "query") == {pointer}


def test_a_project_is_one_id_and_not_asked_for_below_a_project(ada, project):
    for wrong in ("x", "", "me", project["id"].upper()):
        assert pointers(ada.get("/tags", query={"project_id": wrong}), "query") == {"/project_id"}
    assert pointers(ada.get("/tags", query={"project_id": [project["id"]] * 2}), "query") == {"/project_id"}
    below = f"/projects/{project['id']}/tags"
    assert pointers(ada.get(below, query={"project_id": project["id"]}), "query") == {"/project_id"}


def test_pages_together_are_the_list(ada, project):
    for where in ("/tags", f"/projects/{project['id']}/tags"):
        pages = [ada.get(f"{where}?page={page}&page_size=3") for page in (1, 2, 3, 4)]
        assert [len(page.json) for page in pages] == [3, 3, 1, 0]
        assert [row["name"] for page in pages for row in page.json] == sorted(NAMES)
        common = {"total": 7, "total_pages": 3, "first_page": 1, "last_page": 3}
        assert json.loads(pages[0].headers["X-Pagination"]) == {**common, "page": 1, "next_page": 2}
        assert json.loads(pages[2].headers["X-Pagination"]) == {**common, "page": 3, "previous_page": 2}
        assert f'</api/v1{where}?page_size=3&page=2>; rel="next"' in pages[0].headers["Link"]


def test_equal_names_are_in_the_order_of_their_ids(ada):
    made = [ada.tag(ada.project(), "same")["id"] for _ in range(4)]
    assert [row["id"] for row in ada.get("/tags?search=same").json] == sorted(made)
    assert [ada.get(f"/tags?search=same&page_size=1&page={page}").json[0]["id"] for page in (1, 2, 3, 4)] == sorted(made)


def test_rows_are_as_the_single_tag_and_count_its_tasks(ada, project):
    tags = ada.get("/tags").json
    first, second = tags[0]["id"], tags[1]["id"]
    task = ada.task(project, tag_ids=[first, second])
    ada.task(project, tag_ids=[first], status="done")
    for where in ("/tags", f"/projects/{project['id']}/tags"):
        rows = ada.get(where).json
        assert [row["task_count"] for row in rows] == [2, 1, 0, 0, 0, 0, 0]
        assert rows == [ada.get(f"/tags/{row['id']}").json for row in rows]
    ada.patch(f"/tasks/{task['id']}", {"tag_ids": [second]})
    assert [row["task_count"] for row in ada.get("/tags").json[:2]] == [1, 1]
    ada.delete(f"/tasks/{task['id']}")
    assert [row["task_count"] for row in ada.get("/tags").json[:2]] == [1, 0]
