"""Teams: made, read, changed, deleted."""

import json
from functools import partial

import pytest

from ..people import NOBODY, new_team, pointers, problem
from ..tasks.test_races import at_once, statuses


def where(team, *more):
    return "/".join(["/teams", team["id"], *more])


def rows(answer):
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json]


def test_whoever_makes_a_team_is_its_admin(ada, bob):
    answer = ada.post("/teams", {"name": " Platform ", "description": "One\r\n\tTwo"})
    assert answer.status_code == 201
    team = answer.json
    moment = team["created_at"]
    assert team == {
        "id": team["id"], "name": "Platform", "description": "One\n\tTwo", "role": "admin", "member_count": 1,
        "created_at": moment, "updated_at": moment,
    }  # fmt: skip
    assert answer.headers["Location"] == f"/api/v1{where(team)}"
    read = ada.get(answer.headers["Location"])
    assert (read.json, read.headers["ETag"]) == (team, answer.headers["ETag"])
    user = {"id": ada.id, "username": ada.username, "display_name": ada.username}
    assert ada.get(where(team, "members")).json == [{"user": user, "role": "admin"}]
    assert ada.get("/users/me").json["teams"] == [{"id": team["id"], "name": "Platform", "role": "admin"}]
    assert rows(bob.get("/teams")) == []


def test_a_team_is_as_each_member_sees_it(ada, bob):
    team = ada.team(description="")
    ada.add_to_team(team["id"], bob)
    assert ada.get(where(team)).json == {**team, "member_count": 2}
    assert bob.get(where(team)).json == {**team, "member_count": 2, "role": "member"} == bob.get("/teams").json[0]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": " "}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": None}, "/name"),
        ({"name": 1}, "/name"),
        ({"name": "x", "description": "x" * 5001}, "/description"),
        ({"name": "x", "description": "\0"}, "/description"),
        ({"name": "x", "description": None}, "/description"),
        *(({"name": "x", field: "x"}, f"/{field}") for field in ("id", "role", "member_count", "created_at", "members")),
    ],
)
def test_what_breaks_a_rule_is_refused(ada, body, pointer):
    assert pointers(ada.post("/teams", body)) == {pointer}
    assert ada.get("/teams").json == []
    if body:
        team = ada.team()
        assert pointers(ada.patch(where(team), {"description": "new", **body})) == {pointer}
        assert ada.get(where(team)).json == team


def test_what_is_changed_stays_changed_and_the_rest_as_it_was(ada):
    team = ada.team(name="Old", description="Text")
    for change in ({"name": "x" * 100}, {"description": ""}, {"name": "New", "description": "y" * 5000}):
        answer = ada.patch(where(team), change)
        assert answer.status_code == 200, answer.text
        assert answer.json == {**team, **change, "updated_at": answer.json["updated_at"]}
        assert answer.json["updated_at"] > team["updated_at"]
        team = ada.get(where(team)).json
        assert team == answer.json


def test_a_deleted_team_is_gone_and_its_projects_stay(ada, bob):
    team = ada.team()
    ada.add_to_team(team["id"], bob)
    project = ada.project()
    ada.add_team(project, team["id"])
    assert ada.delete(where(team)).status_code == 204
    for person in (ada, bob):
        problem(person.delete(where(team)), 404)
        problem(person.get(where(team)), 404)
        problem(person.get(where(team, "members")), 404)
        assert person.get("/teams").json == person.get("/users/me").json["teams"] == []
    assert ada.get(f"/projects/{project['id']}/teams").json == []


# --- lists ------------------------------------------------------------------------------------------------------------


def test_my_teams_are_listed_by_name_and_in_pages(ada, bob):
    names = ["b", "C", "a", "b", "É"]
    made = [ada.team(name=name) for name in names]
    ada.add_to_team(made[0]["id"], bob)
    bob.team(name="hidden")
    pages = [ada.get("/teams", query={"page": page, "page_size": 2}) for page in (1, 2, 3, 4)]
    assert [rows(page) for page in pages] == [["C", "a"], ["b", "b"], ["É"], []]
    assert pages[1].json[0]["id"] < pages[1].json[1]["id"]
    assert json.loads(pages[0].headers["X-Pagination"])["total"] == 5
    assert rows(bob.get("/teams")) == ["b", "hidden"]
    assert pointers(ada.get("/teams?sort=name"), "query") == {"/sort"}


def test_members_are_listed_by_role_then_name_and_in_pages(ada, person):
    team, another = ada.team(), ada.team()
    people = [person(name) for name in ("zoe", "bea", "cid")]
    for someone, role in zip(people, ("admin", "member", "member"), strict=True):
        ada.add_to_team(team["id"], someone, role)
        ada.add_to_team(another["id"], someone, "admin")
    zoe, bea, cid = people
    pages = [cid.get(where(team, "members"), query={"page": page, "page_size": 3}) for page in (1, 2, 3)]
    assert [[(row["user"]["id"], row["role"]) for row in page.json] for page in pages] == [
        [(ada.id, "admin"), (zoe.id, "admin"), (bea.id, "member")],
        [(cid.id, "member")],
        [],
    ]
    assert json.loads(pages[0].headers["X-Pagination"])["total"] == 4
    assert "@" not in pages[0].text
    assert pointers(ada.get(where(team, "members?role=admin")), "query") == {"/role"}


# --- members ----------------------------------------------------------------------------------------------------------


def test_a_member_is_put_and_put_again_and_removed_once(ada, bob):
    team = ada.team()
    user = {"id": bob.id, "username": bob.username, "display_name": bob.username}
    for role in ("member", "member", "admin", "member"):
        answer = ada.put(where(team, "members", bob.id), {"role": role})
        assert (answer.status_code, answer.json) == (200, {"user": user, "role": role})
        assert bob.get(where(team)).json["role"] == role
        assert answer.json in bob.get(where(team, "members")).json
    assert ada.delete(where(team, "members", bob.id)).status_code == 204
    problem(ada.delete(where(team, "members", bob.id)), 404)
    problem(bob.get(where(team)), 404)
    assert ada.get(where(team)).json["member_count"] == 1


@pytest.mark.parametrize("body", [{}, {"role": "owner"}, {"role": "viewer"}, {"role": None}, {"role": 1}, {"role": ""}])
def test_no_other_role_can_be_given(ada, bob, body):
    team = ada.team()
    assert pointers(ada.put(where(team, "members", bob.id), body)) == {"/role"}
    assert pointers(ada.put(where(team, "members", bob.id), {"role": "member", "user": {}})) == {"/user"}
    assert ada.get(where(team)).json["member_count"] == 1


def test_the_role_holds_from_the_next_request_on(ada, bob):
    team = ada.team()
    seen = []
    for role in ("member", "admin", "member"):
        ada.add_to_team(team["id"], bob, role)
        seen.append(bob.patch(where(team), {"description": role}).status_code)
    assert seen == [403, 200, 403]


# --- validators -------------------------------------------------------------------------------------------------------


def test_members_change_the_rest_of_the_tag_and_not_the_version(app, ada, bob):
    team = ada.team()
    before = ada.get(where(team)).headers["ETag"]
    page = ada.get("/teams").headers["ETag"]
    ada.add_to_team(team["id"], bob)
    after = ada.get(where(team)).headers["ETag"]
    assert (after.split("-")[0], after != before) == (before.split("-")[0], True)
    assert ada.get(where(team), headers={"If-None-Match": after}).status_code == 304
    assert ada.get(where(team), headers={"If-None-Match": before}).status_code == 200
    assert ada.get("/teams", headers={"If-None-Match": page}).status_code == 200
    assert ada.get(where(team)).json["updated_at"] == team["updated_at"]
    assert ada.patch(where(team), {"name": "New"}, headers={"If-Match": before}).status_code == 200


def test_a_stale_change_is_refused_and_does_nothing(ada):
    team = ada.team()
    old = ada.get(where(team)).headers["ETag"]
    unchanged = ada.patch(where(team), {"name": team["name"], "description": ""})
    assert (unchanged.json, unchanged.headers["ETag"]) == (team, old)
    now = ada.patch(where(team), {"name": "New"})
    for method, body in (("PATCH", {"name": "Newer"}), ("DELETE", None)):
        for tag in (old, f"W/{now.headers['ETag']}", "x", ""):
            problem(ada.call(method, where(team), json=body, headers={"If-Match": tag}), 412, "precondition_failed")
    assert ada.get(where(team)).json == now.json
    assert ada.delete(where(team), headers={"If-Match": now.headers["ETag"]}).status_code == 204


def test_a_membership_has_no_validator_to_be_held_to(ada, bob):
    team = ada.team()
    path = where(team, "members", bob.id)
    problem(ada.put(path, {"role": "member"}, headers={"If-Match": '"1-a"'}), 412)
    assert ada.get(where(team)).json["member_count"] == 1
    assert "ETag" not in ada.put(path, {"role": "member"}).headers
    problem(ada.delete(where(team, "members", NOBODY), headers={"If-Match": '"1-a"'}), 404)
    problem(ada.delete(path, headers={"If-Match": '"1-a"'}), 412)
    assert ada.delete(path, headers={"If-Match": "*"}).status_code == 204


def test_of_20_writers_with_the_same_tag_one_wins(ada):
    path = where(ada.team())
    headers = {"If-Match": ada.get(path).headers["ETag"]}
    answers = at_once([partial(ada.patch, path, {"name": str(number)}, headers=headers) for number in range(20)])
    assert statuses(answers) == {200: 1, 412: 19}
    assert ada.get(path).json == next(answer.json for answer in answers if answer.status_code == 200)


def test_a_team_in_several_projects_is_one_team(app, ada, bob):
    team = new_team(app, ada, bob)
    for _ in range(2):
        ada.add_team(ada.project(), team)
    assert len(ada.get(f"/teams/{team}/members").json) == 2
    assert [row["id"] for row in bob.get("/teams").json] == [team]
