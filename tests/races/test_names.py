"""What must be unique, made by many processes at once."""

import secrets
from functools import partial

import pytest

from ..people import PASSWORD, new_team
from ..racing import statuses
from ..remote import ask, together


def codes(answers):
    return {answer.json["code"] for answer in answers if answer.status_code == 409}


@pytest.mark.parametrize("same", ["username", "email", "both"])
def test_of_equal_registrations_one_is_made(services, same):
    name, url = f"same-{secrets.token_hex(5)}", services.urls[0]

    def register(place, spelling):
        other = f"{name}-{place}"
        username, local = (spelling if same in (what, "both") else other for what in ("username", "email"))
        body = {"username": username, "email": f"{local}@example.com", "password": PASSWORD}
        return ask(services.urls[place % len(services.urls)], "POST", "/auth/register", body)

    spellings = [name, name.upper(), name.title()] * 3
    answers = together([partial(register, place, spelling) for place, spelling in enumerate(spellings)])
    assert statuses(answers) == {201: 1, 409: 8}
    assert codes(answers) <= ({f"{same}_taken"} if same != "both" else {"username_taken", "email_taken"})
    made = next(answer.json for answer in answers if answer.status_code == 201)
    for known_as in (made["username"], made["email"]):
        answer = ask(url, "POST", "/auth/login", {"username": known_as, "password": PASSWORD})
        assert answer.json["user"]["id"] == made["id"]


def test_of_equal_tags_one_is_made(ada, bob):
    project = ada.project()
    ada.add(project, bob)
    spellings = ["Straße", "STRASSE", "strasse", "sTRASSE"] * 3
    bodies = [{"project_id": project["id"], "name": spelling} for spelling in spellings]
    answers = together([partial((ada, bob)[place % 2].post, "/tags", body) for place, body in enumerate(bodies)])
    assert statuses(answers) == {201: 1, 409: 11}
    assert codes(answers) == {"tag_name_taken"}
    assert ada.get("/tags", query={"project_id": project["id"]}).json == [
        answer.json for answer in answers if answer.status_code == 201
    ]


def test_tags_that_are_renamed_to_one_name_keep_it_apart(ada):
    project = ada.project()
    tags = [ada.tag(project, f"tag {number}") for number in range(6)]
    answers = together([partial(ada.patch, f"/tags/{tag['id']}", {"name": "One"}) for tag in tags])
    assert statuses(answers) == {200: 1, 409: 5}
    names = sorted(tag["name"] for tag in ada.get("/tags", query={"project_id": project["id"]}).json)
    assert len(set(names)) == 6
    assert names[0] == "One"


def test_of_equal_project_keys_one_is_taken(ada):
    answers = together([partial(ada.post, "/projects", {"name": "Website", "key": "WEB"})] * 10)
    assert statuses(answers) == {201: 1, 409: 9}
    assert codes(answers) == {"key_taken"}
    assert [project["key"] for project in ada.get("/projects", query={"search": "website"}).json] == ["WEB"]


def test_projects_of_one_name_are_given_keys_apart(ada):
    answers = together([partial(ada.post, "/projects", {"name": "Website"})] * 10)
    assert statuses(answers) == {201: 10}
    assert len({answer.json["key"] for answer in answers}) == 10


def test_a_member_that_many_put_is_one(ada, bob):
    project = ada.project()
    path = f"/projects/{project['id']}/members/{bob.id}"
    roles = ["viewer", "member", "admin"] * 4
    answers = together([partial(ada.put, path, {"role": role}) for role in roles])
    assert statuses(answers) == {200: 12}
    assert [answer.json["role"] for answer in answers] == roles
    members = {row["user"]["id"]: row for row in ada.get(f"/projects/{project['id']}/members").json}
    assert set(members) == {ada.id, bob.id}
    assert members[bob.id] in [answer.json for answer in answers]


def test_a_member_of_a_team_that_many_put_is_one(services, ada, bob):
    team = new_team(services.app, ada)
    roles = ["member", "admin"] * 6
    answers = together([partial(ada.put, f"/teams/{team}/members/{bob.id}", {"role": role}) for role in roles])
    assert statuses(answers) == {200: 12}
    assert [answer.json["role"] for answer in answers] == roles
    members = {row["user"]["id"]: row for row in ada.get(f"/teams/{team}/members").json}
    assert set(members) == {ada.id, bob.id}
    assert members[bob.id] in [answer.json for answer in answers]


def test_a_team_and_its_member_that_many_put_are_one(services, ada, bob):
    project, team = ada.project(), new_team(services.app, ada)
    puts = [partial(ada.put, f"/projects/{project['id']}/teams/{team}", {"role": "member"})] * 5
    puts += [partial(ada.put, f"/teams/{team}/members/{bob.id}", {"role": "member"})] * 5
    assert statuses(together(puts)) == {200: 10}
    (row,) = ada.get(f"/projects/{project['id']}/teams").json
    assert (row["team"]["id"], row["team"]["member_count"]) == (team, 2)
