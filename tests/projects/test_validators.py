"""ETags of projects, of their lists and of what is in them."""

import re

import pytest

from ..people import problem
from .asking import member, path

ETAG = re.compile(r'"[0-9]+-[0-9a-f]+"')


def tag_of(person, where):
    answer = person.get(where)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def version(etag):
    assert ETAG.fullmatch(etag), etag
    return int(etag.strip('"').split("-")[0])


def rest(etag):
    return etag.strip('"').split("-")[1]


def test_an_answer_that_is_known_is_not_sent_again(ada):
    where = path(ada.project())
    etag = tag_of(ada, where)
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*", f'  {etag} , "y"'):
        answer = ada.get(where, headers={"If-None-Match": known})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", etag), known
    for unknown in (f'"{version(etag)}-0"', '"x"', etag.strip('"'), "nonsense", f'"{version(etag) + 1}-{rest(etag)}"'):
        assert ada.get(where, headers={"If-None-Match": unknown}).status_code == 200, unknown


@pytest.mark.parametrize("below", ["", "/members", "/teams", "/tasks", "/tags"])
def test_pages_have_validators_too(ada, below):
    where = path(ada.project()) + below
    etag = tag_of(ada, where)
    assert ada.get(where, headers={"If-None-Match": etag}).status_code == 304
    assert tag_of(ada, where) == etag


def test_a_page_changes_with_what_is_on_it_and_with_the_total(ada):
    project = ada.project()
    where = f"{path(project)}/tags?page_size=1"
    seen = [tag_of(ada, where)]
    tag = ada.tag(project, "a")
    seen.append(tag_of(ada, where))
    ada.tag(project, "b")
    seen.append(tag_of(ada, where))
    ada.patch(f"/tags/{tag['id']}", {"color": "#000000"})
    seen.append(tag_of(ada, where))
    assert len(set(seen)) == 4


def test_a_change_counts_the_version_up_by_one(ada, bob):
    project = ada.project()
    where = path(project)
    first = version(tag_of(ada, where))
    for count, body in enumerate(
        [{"name": "a", "color": "#000000"}, {"key": "XX"}, {"archived": True}, {"archived": False}], 1
    ):
        assert version(ada.patch(where, body).headers["ETag"]) == first + count
    assert version(tag_of(ada, where)) == first + 4


def test_a_count_changes_the_rest_and_not_the_version(ada):
    """So a busy project can still be edited."""
    project = ada.project()
    where = path(project)
    before = tag_of(ada, where)
    task = ada.task(project)
    created = tag_of(ada, where)
    ada.patch(f"/tasks/{task['id']}", {"status": "done"})
    done = tag_of(ada, where)
    assert version(before) == version(created) == version(done)
    assert len({rest(before), rest(created), rest(done)}) == 3
    assert ada.get(where, headers={"If-None-Match": before}).status_code == 200
    assert ada.patch(where, {"name": "New"}, headers={"If-Match": before}).status_code == 200
    assert ada.get(where).json["updated_at"] > project["updated_at"]


def test_a_count_does_not_touch_updated_at(ada):
    project = ada.project()
    ada.task(project)
    ada.tag(project)
    assert ada.get(path(project)).json["updated_at"] == project["updated_at"]


def test_an_embedded_name_changes_the_rest(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    before = tag_of(bob, path(project))
    assert ada.patch("/users/me", {"display_name": "Ada L."}).status_code == 200
    after = tag_of(bob, path(project))
    assert (version(after), rest(after) != rest(before)) == (version(before), True)


def test_everyone_has_the_same_version(ada, bob):
    project = ada.project()
    ada.add(project, bob, "admin")
    mine, theirs = tag_of(ada, path(project)), tag_of(bob, path(project))
    assert (version(mine), rest(mine) != rest(theirs)) == (version(theirs), True)
    assert bob.patch(path(project), {"name": "New"}, headers={"If-Match": mine}).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_stale_change_is_refused_and_does_nothing(ada, method):
    project = ada.project()
    where = path(project)
    old = tag_of(ada, where)
    ada.patch(where, {"name": "New"})
    now = ada.get(where)
    body = {"name": "Newer"} if method == "PATCH" else None
    wrong = (old, f"W/{now.headers['ETag']}", now.headers["ETag"].strip('"'), "nonsense", "", f'"{version(old)}"', '"1-é"')
    for tag in wrong:
        problem(ada.call(method, where, json=body, headers={"If-Match": tag}), 412, "precondition_failed")
    assert ada.get(where).json == now.json
    answer = ada.call(method, where, json=body, headers={"If-Match": f'"0-0", {now.headers["ETag"]}'})
    assert answer.status_code in (200, 204)


def test_a_star_matches_what_exists(ada):
    project = ada.project()
    for method, body, code in (("PATCH", {"name": "New"}, 200), ("DELETE", None, 204), ("DELETE", None, 404)):
        assert ada.call(method, path(project), json=body, headers={"If-Match": "*"}).status_code == code


def test_a_member_has_no_version_that_could_match(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    problem(ada.delete(member(project, bob), headers={"If-Match": '"1-0"'}), 412)
    assert bob.get(path(project)).status_code == 200
    assert ada.delete(member(project, bob), headers={"If-Match": "*"}).status_code == 204
