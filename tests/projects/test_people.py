"""The people whom a user knows: those they share a team or a project with."""

import json
import re

import pytest
from sqlalchemy import event

from tasktracker.core.database import READ
from tasktracker.extensions import db

from ..explaining import explain
from ..people import NOBODY, leave_team, lock_out, new_team, pointers, problem
from .test_hidden import WAYS, seen


def found(person, **query):
    """The names of the people who are listed, as the tests call them."""
    answer = person.get("/users", query={"page_size": 100, **query})
    assert answer.status_code == 200, answer.text
    return [row["username"].rsplit("-", 1)[0] for row in answer.json]


@pytest.fixture
def circle(app, ada, person):
    """People whom ada knows, each in another way, and people whom she does not."""
    names = ["mate", "owner", "sibling", "bandmate", "member", "guest", "outsider", "inmate"]
    who = {name: person(name) for name in names}
    new_team(app, who["mate"], ada)
    theirs, mine = who["owner"].project(), ada.project()
    who["owner"].add(theirs, ada, "viewer")
    who["owner"].add(theirs, who["sibling"], "admin")
    who["owner"].add_team(theirs, new_team(app, who["owner"], who["bandmate"]))
    ada.add(mine, who["member"], "viewer")
    ada.add_team(mine, new_team(app, ada, who["guest"]), "viewer")
    # Who knows those whom ada knows is no one she knows.
    who["mate"].add(who["mate"].project(), who["outsider"])
    new_team(app, who["guest"], who["inmate"])
    return who


KNOWN = ["bandmate", "guest", "mate", "member", "owner", "sibling"]


def test_everyone_whom_i_share_something_with_is_known_and_knows_me(ada, circle):
    assert found(ada) == KNOWN
    for name, person in circle.items():
        shown = {"id": person.id, "username": person.username, "display_name": person.username}
        answer = ada.get(f"/users/{person.id}")
        if name in KNOWN:
            assert (answer.status_code, answer.json) == (200, shown)
            assert shown in ada.get("/users").json
            assert ada.username in [row["username"] for row in person.get("/users").json]
            assert person.get(f"/users/{ada.id}").json["username"] == ada.username
        else:
            assert seen(answer) == seen(ada.get(f"/users/{NOBODY}")) == seen(ada.get("/users/nonsense"))
            problem(person.get(f"/users/{ada.id}"), 404)


def test_who_is_not_known_looks_like_nobody_whatever_is_asked(ada, circle):
    for way, request in WAYS.items():
        hidden, missing = (ada.get(f"/users/{user_id}", **request) for user_id in (circle["outsider"].id, NOBODY))
        assert hidden.status_code == 404
        assert seen(hidden) == seen(missing), way


def test_nothing_else_is_told_of_anyone(ada, circle):
    for where in ("/users", "/users?search=mate", f"/users/{circle['mate'].id}", f"/users/{ada.id}"):
        assert "@" not in ada.get(where).text
    assert {field for row in ada.get("/users").json for field in row} == {"id", "username", "display_name"}


def test_everyone_can_get_themselves_and_does_not_stand_in_the_list(ada):
    assert ada.get("/users").json == []
    mine = ada.get(f"/users/{ada.id}")
    assert mine.json == {"id": ada.id, "username": ada.username, "display_name": ada.username}
    assert ada.get("/users/me").json["email"] == ada.email  # Which is another route.


def test_who_shares_nothing_any_more_is_not_known_any_more(app, ada, bob):
    team, project = new_team(app, ada, bob), ada.project()
    ada.add(project, bob)
    assert [found(bob), found(ada)] == [["ada"], ["bob"]]
    leave_team(app, team, bob)
    assert found(bob) == ["ada"]
    ada.patch(f"/projects/{project['id']}", {"archived": True})
    assert found(bob) == ["ada"]
    ada.patch(f"/projects/{project['id']}", {"archived": False})
    assert bob.delete(f"/projects/{project['id']}/members/{bob.id}").status_code == 204
    assert found(bob) == found(ada) == []
    problem(bob.get(f"/users/{ada.id}"), 404)


# --- search -----------------------------------------------------------------------------------------------------------


def test_search_finds_by_the_beginnings_of_words(app, ada, person):
    people = {"Zoë Q. Müller-Straße": person("zoe.m"), "ZOE": person("other"), "Émile": person("emile")}
    new_team(app, ada, *people.values())
    for name, someone in people.items():
        assert someone.patch("/users/me", {"display_name": name}).status_code == 200
    expected = {
        "zoe": ["other", "zoe.m"],
        "ZO": ["other", "zoe.m"],
        "zoë": ["zoe.m"],
        "zoe\u0308": ["zoe.m"],
        "strasse m": ["zoe.m"],
        "M zo": ["zoe.m"],
        "üller": [],
        "m": ["zoe.m"],
        "emil": ["emile"],
        "ÉMI": ["emile"],
        "o z": ["other"],
        "zoe nobody": [],
        "%": None,
        "_": None,
        ada.username[:9]: [],  # I am not among those whom I find.
    }
    for search, names in expected.items():
        if names is None:
            assert pointers(ada.get("/users", query={"search": search}), "query") == {"/search"}
        else:
            assert found(ada, search=search) == names, search


def test_a_stranger_is_found_by_their_whole_username_alone(ada, person):
    stranger = person("strange.name")
    stranger.patch("/users/me", {"display_name": "Unheard Of"})
    name = stranger.username
    for search in (name, name.upper(), f" {name.title()} "):
        answer = ada.get("/users", query={"search": search})
        assert answer.json == [{"id": stranger.id, "username": name, "display_name": "Unheard Of"}], search
        assert json.loads(answer.headers["X-Pagination"])["total"] == 1
    for search in (name[:-1], f"{name} x", name.replace(".", " "), "unheard", "Unheard Of", stranger.email, stranger.id):
        assert found(ada, search=search) == [], search
    problem(ada.get(f"/users/{stranger.id}"), 404)


def test_a_username_of_signs_alone_is_found_too(ada, bob, person):
    ada.add(ada.project(), bob)
    stranger = person("stranger")
    name = "-_.-" + "".join(".-_"[int(digit, 16) % 3] for digit in stranger.id[-12:])
    assert stranger.patch("/users/me", {"username": name, "display_name": "..."}).status_code == 200
    assert [row["id"] for row in ada.get("/users", query={"search": name}).json] == [stranger.id]
    assert found(ada, search=name[:-1]) == found(ada, search=f"{name}-") == []
    for search in ("-_", "!!!", f"{name} {name}"):
        assert pointers(ada.get("/users", query={"search": search}), "query") == {"/search"}, search


def test_a_whole_username_stands_beside_the_people_i_know(ada, bob, person):
    ada.add(ada.project(), bob)
    stranger = person("stranger")
    bob.patch("/users/me", {"display_name": f"{stranger.username} too"})
    assert found(ada, search=stranger.username) == ["bob", "stranger"]
    assert found(ada, search=bob.username) == ["bob"]
    assert found(ada, search=ada.username) == ["ada"]


@pytest.mark.parametrize("how", ["disabled", "unconfirmed"])
def test_who_cannot_log_in_is_found_by_those_who_know_them_alone(app, ada, bob, person, how):
    gone = person("gone")
    ada.add(ada.project(), gone)
    lock_out(app, gone, how)
    assert (found(bob, search=gone.username), found(ada, search=gone.username), found(ada)) == ([], ["gone"], ["gone"])


def test_a_changed_name_is_found_by_its_new_words(ada, bob):
    ada.add(ada.project(), bob)
    tail = bob.id[-10:]
    assert bob.patch("/users/me", {"username": f"new.{tail}", "display_name": "Fresh Words"}).status_code == 200
    assert [len(found(ada, search=word)) for word in ("bob", "new", "fresh wo", tail)] == [0, 1, 1, 1]


def test_people_are_listed_by_username_and_in_pages(app, ada, circle):
    pages = [ada.get("/users", query={"page": page, "page_size": 4}) for page in (1, 2, 3)]
    assert [row["username"].split("-")[0] for page in pages for row in page.json] == KNOWN
    assert [len(page.json) for page in pages] == [4, 2, 0]
    assert json.loads(pages[2].headers["X-Pagination"])["total"] == 6


@pytest.mark.parametrize(("query", "pointer"), [
    ("search=", "/search"), ("search=a&search=b", "/search"), ("search=%00", "/search"), (f"search={'x' * 201}", "/search"),
    ("sort=username", "/sort"), ("email=x", "/email"), ("page=0", "/page"),
])  # fmt: skip
def test_wrong_queries_are_refused(ada, query, pointer):
    assert pointers(ada.get(f"/users?{query}"), "query") == {pointer}


# --- validators -------------------------------------------------------------------------------------------------------


def test_only_what_is_shown_of_a_person_changes_the_validator(ada, bob):
    ada.add(ada.project(), bob)
    path = f"/users/{bob.id}"
    tag = ada.get(path).headers["ETag"]
    assert re.fullmatch('"0-[0-9a-f]+"', tag)
    assert bob.patch("/users/me", {"timezone": "Europe/Berlin"}).status_code == 200
    assert ada.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert bob.patch("/users/me", {"display_name": "Robert"}).status_code == 200
    assert ada.get(path, headers={"If-None-Match": tag}).json["display_name"] == "Robert"


# --- the plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/users", "/users?search=m", "/users/{id}"])
def test_the_users_are_not_read_through(app, ada, circle, path):
    """One statement, which comes to the users by an index, however many they are."""
    with app.app_context():
        engine = db.engines[READ]
    sent = []

    def note(_connection, _cursor, statement, parameters, *_):
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    answer = ada.get(path.format(id=circle["owner"].id))
    event.remove(engine, "before_cursor_execute", note)
    assert answer.status_code == 200
    ((statement, parameters),) = [one for one in sent if "users.display_name" in one[0]]
    with app.app_context(), db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # The tables of the tests are small.
        plan = explain(connection, statement, parameters)
    assert any(re.search("SEARCH users| on users", line) for line in plan)
    assert [line for line in plan if re.search("SCAN users|Seq Scan on users", line)] == []
