"""DELETE /users/me: an account ends with what belongs to nobody else, and nothing of others is touched."""

from threading import Thread

import pytest
from sqlalchemy import event

from tasktracker.extensions import db

from ..people import PASSWORD, new_team, problem
from ..projects.test_losing_sight import assigned
from .tokens import is_refused, me, refresh


def delete(person, password=PASSWORD, **headers):
    return person.delete("/users/me", json={"password": password}, headers=headers)


def login(app, name):
    return app.test_client().post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})


def test_who_is_alone_goes_with_all_their_projects_and_teams(app, ada, person):
    own, team = ada.project(), ada.team()["id"]
    ada.add_team(own, team)
    ada.tag(own)
    ada.task(own)
    ada.task()
    second = login(app, ada.username).json["access_token"]
    answer = delete(ada)
    assert (answer.status_code, answer.data) == (204, b"")
    for token in (ada.access_token, second):
        is_refused(me(ada, token))
    is_refused(refresh(ada))
    assert login(app, ada.username).status_code == 401
    again = {"email": ada.email, "username": ada.username, "password": PASSWORD}
    assert app.test_client().post("/api/v1/auth/register", json=again).status_code == 201


def test_what_they_wrote_elsewhere_stays(ada, bob):
    project = bob.project()
    bob.add(project, ada)
    written = ada.task(project, title="Stays", assigned_to_id=ada.id)
    before = bob.get(f"/tasks/{written['id']}")
    assert delete(ada).status_code == 204
    after = bob.get(f"/tasks/{written['id']}")
    assert (after.json["created_by"], after.json["assigned_to"], after.json["title"]) == (None, None, "Stays")
    assert after.json["updated_at"] > before.json["updated_at"]
    stale = bob.patch(f"/tasks/{written['id']}", {"title": "x"}, headers={"If-Match": before.headers["ETag"]})
    problem(stale, 412)
    members = bob.get(f"/projects/{project['id']}/members").json
    assert [member["user"]["id"] for member in members] == [bob.id]


def test_tasks_that_came_with_a_team_are_given_back(app, ada, bob):
    project, team = bob.project(), new_team(app, bob, ada)
    bob.add_team(project, team)
    task = bob.task(project, assigned_to_id=ada.id)
    assert delete(ada).status_code == 204
    assert assigned(bob, task) is None
    assert [member["user"]["id"] for member in bob.get(f"/teams/{team}/members").json] == [bob.id]


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("way", ["member", "team"])
def test_not_while_others_belong_to_their_projects(app, ada, bob, way, archived):
    project = ada.project()
    if way == "member":
        ada.add(project, bob, "viewer")
    else:
        ada.add_team(project, new_team(app, bob, ada), "viewer")
    if archived:
        assert ada.patch(f"/projects/{project['id']}", {"archived": True}).status_code == 200
    problem(delete(ada), 409, "owner_required")
    assert me(ada).status_code == 200
    assert bob.get(f"/projects/{project['id']}").status_code == 200
    if archived:
        assert ada.patch(f"/projects/{project['id']}", {"archived": False}).status_code == 200
    assert ada.delete(f"/projects/{project['id']}").status_code == 204
    assert delete(ada).status_code == 204


def test_not_as_the_only_admin_of_a_team_with_others(ada, bob, person):
    team, eve = ada.team()["id"], person("eve")
    ada.add_to_team(team, bob)
    ada.add_to_team(team, eve)
    problem(delete(ada), 409, "last_admin")
    assert delete(eve).status_code == 204
    assert ada.put(f"/teams/{team}/members/{bob.id}", {"role": "admin"}).status_code == 200
    assert delete(ada).status_code == 204
    assert bob.get(f"/teams/{team}").json["member_count"] == 1


def test_the_password_and_the_version_are_judged_first(ada):
    problem(delete(ada, "another password"), 403, "password_wrong")
    problem(ada.delete("/users/me"), 422)
    old = ada.get("/users/me").headers["ETag"]
    ada.patch("/users/me", {"display_name": "Other"})
    problem(delete(ada, **{"If-Match": old}), 412)
    assert delete(ada, **{"If-Match": ada.get("/users/me").headers["ETag"]}).status_code == 204
    is_refused(delete(ada))


def test_nobody_is_added_anywhere_while_their_account_ends(app, ada, bob):
    project, answers = bob.project(), []

    def add():
        answers.append(bob.put(f"/projects/{project['id']}/members/{ada.id}", {"role": "member"}))

    adding = Thread(target=add)

    def meanwhile(_connection, _cursor, statement, *_):
        if "DELETE FROM users" in statement:
            adding.start()
            adding.join(0.3)  # On both databases it has to wait for the end.

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", meanwhile)
    try:
        assert delete(ada).status_code == 204
    finally:
        event.remove(engine, "before_cursor_execute", meanwhile)
    adding.join()
    problem(answers[0], 404)
    assert [member["user"]["id"] for member in bob.get(f"/projects/{project['id']}/members").json] == [bob.id]
