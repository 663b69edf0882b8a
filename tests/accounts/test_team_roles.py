"""Who may do what in a team, and that it keeps an admin."""

from functools import partial

import pytest
from sqlalchemy import text

from tasktracker.accounts.access import NEEDED
from tasktracker.extensions import db

from ..people import NOBODY, PREFIX, lock_out, new_person, new_team, path_of, problem
from ..projects.test_hidden import WAYS, seen

COLUMNS = ("nobody", "stranger", "member", "admin")
MEMBER = "/teams/{team}/members"
# Braces name what is the founder's, who is an admin too: {me} is the caller, {another} another member, {boss} another admin,
# {newcomer} belongs to no team.
TABLE = [
    # nobody, stranger, member, admin; what it is in NEEDED; request; body
    ("401 404 200 200", "read", "GET /teams/{team}", None),
    ("401 404 200 200", "read", f"GET {MEMBER}", None),
    ("401 404 403 200", "update", "PATCH /teams/{team}", {"name": "New"}),
    ("401 404 403 200", "manage_members", f"PUT {MEMBER}/{{newcomer}}", {"role": "member"}),
    ("401 404 403 200", "manage_members", f"PUT {MEMBER}/{{another}}", {"role": "admin"}),
    ("401 404 403 200", "manage_members", f"PUT {MEMBER}/{{boss}}", {"role": "member"}),
    ("401 404 403 200", "manage_members", f"PUT {MEMBER}/{{me}}", {"role": "admin"}),
    ("401 404 403 200", "manage_members", f"PUT {MEMBER}/{{me}}", {"role": "member"}),
    ("401 404 403 404", "manage_members", f"PUT {MEMBER}/{{unknown}}", {"role": "member"}),
    ("401 404 403 204", "manage_members", f"DELETE {MEMBER}/{{another}}", None),
    ("401 404 403 204", "manage_members", f"DELETE {MEMBER}/{{boss}}", None),
    ("401 404 403 404", "manage_members", f"DELETE {MEMBER}/{{newcomer}}", None),
    ("401 404 204 204", "leave", f"DELETE {MEMBER}/{{me}}", None),
    ("401 404 403 204", "delete", "DELETE /teams/{team}", None),
]
ROUTES = {request: body for _, _, request, body in TABLE}


@pytest.fixture(scope="module")
def people(app):
    return {name: new_person(app, name) for name in (*COLUMNS, "boss", "another", "newcomer")}


@pytest.fixture
def team(app, people):
    """A team whose admins are the founder, the admin and the boss."""
    made = people["boss"].team()["id"]
    for name, role in (("admin", "admin"), ("member", "member"), ("another", "member")):
        people["boss"].add_to_team(made, people[name], role)
    return made


def fill(request, team, people, who):
    ids = {name: person.id for name, person in people.items()}
    method, path = request.format(team=team, me=ids[who], unknown=NOBODY, **ids).split()
    return method, path


def roles(person, team):
    return {row["user"]["id"]: row["role"] for row in person.get(f"/teams/{team}/members").json}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: " ".join(map(str, row[2:])))
def test_everyone_gets_what_the_table_says(app, people, team, row):
    codes, _, request, body = row
    given = []
    for who in COLUMNS:
        method, path = fill(request, team, people, who)
        if who == "nobody":
            given.append(app.test_client().open(path_of(path), method=method, json=body).status_code)
        else:
            given.append(people[who].call(method, path, json=body).status_code)
    assert given == [int(code) for code in codes.split()]


def test_the_table_covers_every_action_and_every_route(app, people):
    assert {needs for _, needs, _, _ in TABLE} == set(NEEDED)
    adapter = app.url_map.bind("localhost")
    rules = set()
    for request in ROUTES:
        method, path = fill(request, NOBODY, people, "admin")
        rules.add((method, adapter.match(PREFIX + path, method, return_rule=True)[0].rule))
    under = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(f"{PREFIX}/teams/<")]
    assert rules == {(method, rule.rule) for rule in under for method in rule.methods - {"HEAD", "OPTIONS"}}


def test_a_role_is_judged_before_the_body(people, team):
    for way in ("malformed JSON", "unknown field", "another media type", "too large"):
        assert people["member"].patch(f"/teams/{team}", **WAYS[way]).status_code == 403
        assert people["member"].put(f"/teams/{team}/members/{people['member'].id}", **WAYS[way]).status_code == 403
        assert people["boss"].patch(f"/teams/{team}", **WAYS[way]).status_code in (400, 413, 415, 422)


def test_running_the_site_opens_no_team(person, team):
    root = person("root", admin=True)
    problem(root.get(f"/teams/{team}"), 404)
    problem(root.put(f"/teams/{team}/members/{root.id}", {"role": "admin"}), 404)


# --- who can be added -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["disabled", "unconfirmed"])
def test_who_cannot_log_in_is_not_added_and_looks_as_if_they_did_not_exist(app, people, team, person, how):
    gone, boss = person("gone"), people["boss"]
    lock_out(app, gone, how)
    project = boss.project()
    for members in (f"/teams/{team}/members", f"/projects/{project['id']}/members"):
        answers = [boss.put(f"{members}/{user_id}", {"role": "member"}) for user_id in (gone.id, NOBODY, "nonsense")]
        assert seen(answers[0]) == seen(answers[1]) == seen(answers[2])
        assert answers[0].status_code == 404
        assert gone.id not in boss.get(members, query={"page_size": 100}).text


def test_who_was_disabled_and_belongs_to_it_is_seen_gets_another_role_and_can_be_removed(app, ada, bob):
    project, team = ada.project(), new_team(app, ada, bob)
    ada.add(project, bob, "admin")
    lock_out(app, bob)
    for members, role in ((f"/teams/{team}/members", "admin"), (f"/projects/{project['id']}/members", "viewer")):
        answer = ada.put(f"{members}/{bob.id}", {"role": role})
        assert (answer.status_code, answer.json["role"]) == (200, role)
        assert {row["user"]["id"]: row["role"] for row in ada.get(members).json}[bob.id] == role
        assert ada.delete(f"{members}/{bob.id}").status_code == 204
        problem(ada.put(f"{members}/{bob.id}", {"role": role}), 404)


# --- the last admin ---------------------------------------------------------------------------------------------------


def test_the_last_admin_stays_until_another_is_made(app, ada, bob):
    team = new_team(app, ada, bob)
    mine = f"/teams/{team}/members/{ada.id}"
    problem(ada.delete(mine), 409, "last_admin")
    problem(ada.put(mine, {"role": "member"}), 409, "last_admin")
    assert ada.put(mine, {"role": "admin"}).status_code == 200
    assert roles(ada, team) == {ada.id: "admin", bob.id: "member"}
    ada.add_to_team(team, bob, "admin")
    assert ada.put(mine, {"role": "member"}).status_code == 200
    problem(bob.delete(f"/teams/{team}/members/{bob.id}"), 409, "last_admin")
    assert ada.delete(mine).status_code == 204
    assert roles(bob, team) == {bob.id: "admin"}


def test_who_is_alone_in_a_team_deletes_it(ada):
    team = ada.team()["id"]
    problem(ada.delete(f"/teams/{team}/members/{ada.id}"), 409, "last_admin")
    assert ada.delete(f"/teams/{team}").status_code == 204


def test_an_admin_who_cannot_log_in_is_none_to_leave_a_team_to(app, ada, bob):
    team = ada.team()["id"]
    ada.add_to_team(team, bob, "admin")
    lock_out(app, bob)
    problem(ada.delete(f"/teams/{team}/members/{ada.id}"), 409, "last_admin")
    assert ada.delete(f"/teams/{team}/members/{bob.id}").status_code == 204


def leave(person, team):
    return person.delete(f"/teams/{team}/members/{person.id}")


def step_down(person, team):
    return person.put(f"/teams/{team}/members/{person.id}", {"role": "member"})


@pytest.mark.parametrize("first", [leave, step_down])
@pytest.mark.parametrize("second", [leave, step_down])
def test_of_two_admins_who_go_at_once_one_stays(ada, bob, overtake, first, second):
    team = ada.team()["id"]
    ada.add_to_team(team, bob, "admin")
    gone, refused = overtake(partial(first, ada, team), partial(second, bob, team))
    assert gone.status_code in (200, 204)
    problem(refused, 409, "last_admin")
    assert [row["role"] for row in bob.get(f"/teams/{team}/members").json].count("admin") == 1


def test_of_two_admins_who_remove_each_other_one_stays(ada, bob, overtake):
    team = ada.team()["id"]
    ada.add_to_team(team, bob, "admin")
    removed, refused = overtake(
        lambda: ada.delete(f"/teams/{team}/members/{bob.id}"), lambda: bob.delete(f"/teams/{team}/members/{ada.id}")
    )
    assert removed.status_code == 204
    problem(refused, 404)
    assert roles(ada, team) == {ada.id: "admin"}


def test_nobody_waits_for_a_team_that_they_may_not_see(app, people, team):
    stranger = people["stranger"]
    with app.app_context(), db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # SQLite has one lock for everything, which tells nothing of a team.
            connection.execute(text(f"SELECT 1 FROM teams WHERE id = '{team}' FOR UPDATE"))
        for given in (team, NOBODY):
            problem(stranger.delete(f"/teams/{given}"), 404)
            problem(stranger.put(f"/teams/{given}/members/{stranger.id}", {"role": "admin"}), 404)
            project = stranger.project() if connection.dialect.name == "postgresql" else {"id": NOBODY}
            problem(stranger.put(f"/projects/{project['id']}/teams/{given}", {"role": "viewer"}), 404)
