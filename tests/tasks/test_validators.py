"""ETag, If-None-Match and If-Match."""

import re

import pytest

from ..people import problem


@pytest.fixture
def path(ada):
    return f"/tasks/{ada.task()['id']}"


@pytest.mark.parametrize("what", ["task", "tasks", "project", "me"])
def test_what_the_client_has_already_is_not_sent_again(ada, path, what):
    url = {"task": path, "tasks": "/tasks?page_size=1", "project": f"/projects/{ada.inbox()['id']}", "me": "/users/me"}[what]
    first = ada.get(url)
    etag = first.headers["ETag"]
    assert re.fullmatch('"[^"]+"', etag)
    assert first.headers["Cache-Control"] == "private, no-cache"
    for sent in (etag, f"W/{etag}", f'"a", {etag}', f'"a",W/{etag} , "b"', "*", " * "):
        again = ada.get(url, headers={"If-None-Match": sent})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag), sent
        assert "Content-Type" not in again.headers
        assert again.headers["Cache-Control"] == "private, no-cache"
    for sent in ('"x"', "", "x", '"', '""', '"1-0"', "W/*", etag.strip('"')):
        assert ada.get(url, headers={"If-None-Match": sent}).status_code == 200, sent


CHANGES = {
    "field": ("PATCH", "/tasks/{task}", {"title": "Other"}),
    "link": ("PATCH", "/tasks/{task}", {"tag_ids": []}),
    "tag's name": ("PATCH", "/tags/{tag}", {"name": "defect"}),
    "person's name": ("PATCH", "/users/me", {"display_name": "Countess"}),
    "project's key": ("PATCH", "/projects/{project}", {"key": "OTHER"}),
    "tag deleted": ("DELETE", "/tags/{tag}", None),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_the_tag_changes_with_whatever_the_answer_shows(ada, kind):
    project = ada.project()
    tag = ada.tag(project)
    task = ada.task(project, tag_ids=[tag["id"]])
    before = {url: ada.get(url) for url in (f"/tasks/{task['id']}", "/tasks")}
    method, path, body = CHANGES[kind]
    answer = ada.call(method, path.format(task=task["id"], tag=tag["id"], project=project["id"]), json=body)
    assert answer.status_code in (200, 204), answer.text
    for url, old in before.items():
        new = ada.get(url, headers={"If-None-Match": old.headers["ETag"]})
        assert new.status_code == 200
        assert new.json != old.json


def test_a_new_total_is_a_new_page(ada, path):
    page = ada.get("/tasks?page_size=1&sort=created_at")
    ada.task()
    again = ada.get("/tasks?page_size=1&sort=created_at", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.json) == (200, page.json)


def test_a_matching_tag_lets_the_change_through(ada, path):
    etag = ada.get(path).headers["ETag"]
    answer = ada.patch(path, {"title": "Other"}, headers={"If-Match": etag})
    assert answer.status_code == 200
    assert answer.headers["ETag"] == ada.get(path).headers["ETag"] != etag
    for method in ("PATCH", "DELETE"):
        body = {"json": {"title": "Third"}} if method == "PATCH" else {}
        problem(ada.call(method, path, headers={"If-Match": etag}, **body), 412, "precondition_failed")
    assert ada.get(path).json == answer.json
    assert ada.delete(path, headers={"If-Match": answer.headers["ETag"]}).status_code == 204


def test_if_match_takes_a_list_and_a_star(ada, path):
    for wrap in ('"other", {}', '{} , "other"', "*", " *"):
        sent = wrap.format(ada.get(path).headers["ETag"])
        assert ada.patch(path, {"title": wrap}, headers={"If-Match": sent}).status_code == 200, wrap


def test_a_weak_or_malformed_tag_matches_nothing(ada, path):
    before = ada.get(path)
    tag = before.headers["ETag"]
    weak = [f"W/{tag}", f"{tag}x", f"x{tag}", tag.strip('"'), tag[:-1], tag.upper().replace("-", "_")]
    other = ["", '""', '"1"', '"1-', '"1-zz"', '"-1-aa"', '"\xd9\xa1-aa"', '"99999999999999999999-aa"', "* x", "W/*"]
    for sent in (*weak, *other):
        for answer in (
            ada.patch(path, {"title": "Other"}, headers={"If-Match": sent}),
            ada.delete(path, headers={"If-Match": sent}),
        ):
            problem(answer, 412, "precondition_failed")
    assert ada.get(path).json == before.json


def test_only_the_version_counts_for_a_change(ada):
    """What else the answer shows may change, and the task can still be edited."""
    project = ada.project()
    tag = ada.tag(project)
    path = f"/tasks/{ada.task(project, tag_ids=[tag['id']])['id']}"
    old = ada.get(path).headers["ETag"]
    ada.patch(f"/tags/{tag['id']}", {"name": "defect"})
    assert ada.get(path).headers["ETag"] != old
    assert ada.patch(path, {"title": "Other"}, headers={"If-Match": old}).status_code == 200


def test_a_star_does_not_match_what_is_gone(ada, path):
    ada.delete(path)
    problem(ada.patch(path, {"title": "x"}, headers={"If-Match": "*"}), 404)
    problem(ada.delete(path, headers={"If-Match": "*"}), 404)


def test_who_may_not_change_it_learns_that_and_no_more(ada, bob):
    project = ada.project()
    ada.add(project, bob, "viewer")
    path = f"/tasks/{ada.task(project)['id']}"
    for answer in (bob.patch(path, {"title": "x"}, headers={"If-Match": '"0-a"'}), bob.delete(path, headers={"If-Match": "x"})):
        problem(answer, 403)


def test_a_stale_tag_is_told_before_other_conflicts(ada):
    project = ada.project()
    path = f"/tasks/{ada.task(project)['id']}"
    problem(ada.patch(path, {"due_date": "2026-01-01", "start_date": "2027-01-01"}, headers={"If-Match": '"9-a"'}), 412)


def test_what_a_write_answers_is_what_a_reader_has(ada, bob):
    project, other = ada.project(), ada.project(name="Other")
    ada.add(project, bob)
    tags = [ada.tag(project, name)["id"] for name in ("bug", "docs", "zoo")]
    ada.tag(other, "docs")
    ada.tag(other, "zoo")
    team = ada.team()["id"]

    def is_known(answer, path):
        again = ada.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.headers["ETag"]) == (304, answer.headers["ETag"]), (answer.request.path, answer.text)
        assert ada.get(path).data == answer.data

    for many in (0, 1, 3):
        made = ada.post(
            "/tasks", {"title": "Dö it", "project_id": project["id"], "tag_ids": tags[:many], "assigned_to_id": bob.id}
        )
        path = f"/tasks/{made.json['id']}"
        is_known(made, path)
        for change in (
            {"status": "done"},
            {"title": "Döner"},
            {"tag_ids": tags[1:]},
            {"tag_ids": []},
            {"tag_ids": tags, "title": "Both"},
            {"tag_ids": tags, "priority": "high"},
            {"project_id": other["id"]},
            {"project_id": project["id"], "tag_ids": tags[:2], "assigned_to_id": None},
        ):
            is_known(ada.patch(path, change), path)
    is_known(ada.patch(f"/projects/{project['id']}", {"description": "é"}), f"/projects/{project['id']}")
    is_known(ada.patch(f"/tags/{tags[0]}", {"name": "error"}), f"/tags/{tags[0]}")
    is_known(ada.patch(f"/teams/{team}", {"name": "Others"}), f"/teams/{team}")
    is_known(ada.patch("/users/me", {"display_name": "Ada"}), "/users/me")
    for path, body in (
        ("/projects", {"name": "x"}),
        ("/tags", {"name": "x", "project_id": project["id"]}),
        ("/teams", {"name": "x"}),
    ):
        made = ada.post(path, body)
        is_known(made, f"{path}/{made.json['id']}")
