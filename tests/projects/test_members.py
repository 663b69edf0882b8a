"""Members of a project: who is one, and who may change whom."""

import pytest

from ..people import NOBODY, new_team, pointers, problem
from .asking import member, members, path

ROLES = ["viewer", "member", "admin"]


@pytest.fixture
def project(ada):
    return ada.project()


def way(kind, role, team=None):
    return {"kind": kind, "role": role, "team": team and {"id": team, "name": "Team"}}


def test_a_new_project_has_its_owner_alone(ada, project):
    user = {"id": ada.id, "username": ada.username, "display_name": ada.username}
    expected = [{"user": user, "role": "owner", "via": [way("owner", "owner")]}]
    assert ada.get(path(project, "members")).json == expected


@pytest.mark.parametrize("role", ROLES)
def test_a_member_is_put_and_put_again(ada, bob, project, role):
    user = {"id": bob.id, "username": bob.username, "display_name": bob.username}
    row = {"user": user, "role": role, "via": [way("direct", role)]}
    for _ in range(2):
        answer = ada.put(member(project, bob), {"role": role})
        assert (answer.status_code, answer.json) == (200, row)
    assert ada.get(path(project, "members")).json[1:] == [row]
    assert bob.get(path(project)).json["role"] == role
    assert [row["role"] for row in bob.get("/projects").json if row["id"] == project["id"]] == [role]


def test_a_member_is_removed_once(ada, bob, project):
    ada.add(project, bob)
    assert ada.delete(member(project, bob)).status_code == 204
    problem(ada.delete(member(project, bob)), 404)
    problem(bob.get(path(project)), 404)
    assert members(ada, project) == {ada.id: "owner"}


@pytest.mark.parametrize("body", [{}, {"role": "owner"}, {"role": "boss"}, {"role": None}, {"role": 1}, {"role": ""}])
def test_no_other_role_can_be_given(ada, bob, project, body):
    assert pointers(ada.put(member(project, bob), body)) == {"/role"}
    team = new_team(ada.app, ada)
    assert pointers(ada.put(path(project, "teams", team), body)) == {"/role"}
    problem(ada.put(path(project, "teams", NOBODY), body), 404)
    assert members(ada, project) == {ada.id: "owner"}


def test_what_a_member_is_not_is_refused(ada, bob, project):
    assert pointers(ada.put(member(project, bob), {"role": "viewer", "via": []})) == {"/via"}
    assert pointers(ada.put(member(project, bob))) == {""}


def test_someone_who_does_not_exist_is_not_found(ada, project):
    for user_id in (NOBODY, "nonsense", "me"):
        problem(ada.put(path(project, "members", user_id), {"role": "viewer"}), 404)
        problem(ada.delete(path(project, "members", user_id)), 404)


# Rows change, columns are changed: y where it works, else the status.
#                viewer member admin owner
WHO_CHANGES_WHOM = {
    "viewer": "403 403 403 403",
    "member": "403 403 403 403",
    "admin": "y y 403 403",
    "owner": "y y y 409",
}


@pytest.mark.parametrize("caller", WHO_CHANGES_WHOM)
def test_who_may_change_whom(ada, person, project, caller):
    for target, expected in zip([*ROLES, "owner"], WHO_CHANGES_WHOM[caller].split(), strict=True):
        people = {role: ada if role == "owner" else person(role) for role in (caller, target)}
        one, other = people[caller], people[target] if caller != target or caller == "owner" else person("other")
        for someone, role in ((one, caller), (other, target)):
            if someone is not ada:
                ada.add(project, someone, role)
        for method, body, works in (("PUT", {"role": "viewer"}, 200), ("PUT", {"role": "admin"}, 200), ("DELETE", None, 204)):
            if other is not ada:
                ada.add(project, other, target)
            answer = one.call(method, member(project, other), json=body)
            assert answer.status_code == (works if expected == "y" else int(expected)), (target, method, answer.text)
        assert members(ada, project)[ada.id] == "owner"


def test_the_owner_stays_until_the_project_is_handed_over(ada, project):
    problem(ada.delete(member(project, ada)), 409, "owner_required")
    for role in ROLES:
        problem(ada.put(member(project, ada), {"role": role}), 409, "owner_required")
    assert members(ada, project) == {ada.id: "owner"}


@pytest.mark.parametrize("role", ROLES)
def test_anyone_but_the_owner_may_leave(ada, bob, project, role):
    ada.add(project, bob, role)
    assert bob.delete(member(project, bob)).status_code == 204
    problem(bob.delete(member(project, bob)), 404)
    problem(bob.get(path(project)), 404)


def test_an_admin_may_step_down_and_not_up_again(ada, bob, project):
    ada.add(project, bob, "admin")
    assert bob.put(member(project, bob), {"role": "member"}).json["role"] == "member"
    problem(bob.put(member(project, bob), {"role": "admin"}), 403)


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_nobody_lifts_themselves(ada, bob, project, role):
    ada.add(project, bob, role)
    for wanted in ROLES:
        problem(bob.put(member(project, bob), {"role": wanted}), 403)
    assert members(ada, project)[bob.id] == role


# --- by teams ---------------------------------------------------------------------------------------------------------


def test_the_highest_role_counts_and_all_ways_are_named(ada, bob, project, app):
    low, high = new_team(app, ada, bob), new_team(app, ada, bob)
    ada.add(project, bob, "member")
    ada.add_team(project, low, "viewer")
    ada.add_team(project, high, "admin")
    rows = {row["user"]["id"]: row for row in bob.get(path(project, "members")).json}
    assert rows[bob.id]["role"] == bob.get(path(project)).json["role"] == "admin"
    assert rows[bob.id]["via"] == [way("team", "admin", high), way("direct", "member"), way("team", "viewer", low)]
    assert rows[ada.id]["role"] == "owner"
    assert rows[ada.id]["via"] == [way("owner", "owner"), way("team", "admin", high), way("team", "viewer", low)]


def test_a_role_of_a_team_stays_when_the_own_one_goes(ada, bob, project, app):
    ada.add_team(project, new_team(app, ada, bob), "viewer")
    ada.add(project, bob, "member")
    assert bob.delete(member(project, bob)).status_code == 204
    assert members(bob, project) == {ada.id: "owner", bob.id: "viewer"}
    # Nothing of their own is left to take away.
    problem(bob.delete(member(project, bob)), 404)
    problem(ada.delete(member(project, bob)), 404)
    assert bob.get(path(project)).status_code == 200


def test_who_is_admin_by_a_team_is_changed_by_the_owner_alone(ada, bob, person, project, app):
    eve = person("eve")
    ada.add(project, bob, "admin")
    ada.add_team(project, new_team(app, ada, eve), "admin")
    problem(bob.put(member(project, eve), {"role": "viewer"}), 403)
    answer = ada.put(member(project, eve), {"role": "viewer"})
    assert (answer.status_code, answer.json["role"]) == (200, "admin")


# --- the list ---------------------------------------------------------------------------------------------------------


def test_members_are_listed_by_role_then_name_and_in_pages(ada, person, project):
    people = [person(name) for name in ("zoe", "bea", "cid", "dan")]
    for someone, role in zip(people, ["admin", "viewer", "member", "viewer"], strict=True):
        ada.add(project, someone, role)
    zoe, bea, cid, dan = people
    expected = [ada.id, zoe.id, cid.id, bea.id, dan.id]
    pages = [dan.get(path(project, "members"), query={"page": page, "page_size": 2}) for page in (1, 2, 3, 4)]
    assert [row["user"]["id"] for page in pages for row in page.json] == expected
    assert [len(page.json) for page in pages] == [2, 2, 1, 0]
    assert '"total":5,"total_pages":3' in pages[0].headers["X-Pagination"]
    assert pointers(ada.get(path(project, "members"), query={"sort": "role"}), "query") == {"/sort"}


def test_members_are_shown_without_their_addresses(ada, bob, project):
    ada.add(project, bob)
    text = bob.get(path(project, "members")).text
    assert "@" not in text
    assert set(bob.get(path(project, "members")).json[0]["user"]) == {"id", "username", "display_name"}
