"""What happens to a request that has to wait for another's lock: it judges by what is true after the wait."""

import threading
import time

import pytest
from sqlalchemy import text

from tasktracker.extensions import db

from ..people import NOBODY, problem


@pytest.fixture
def project(app, ada, bob):
    """A project of Ada's in which Bob is an admin."""
    made = ada.project()
    ada.add(made, bob, "admin")
    return made


@pytest.fixture
def holding(app):
    """Holds a project's row; what is done there is committed at the end."""
    with app.app_context():
        connection = db.engine.connect()
        try:
            yield connection
        finally:
            connection.close()


def hold(connection, project):
    # On SQLite the transaction itself keeps every other writer out.
    lock = " FOR NO KEY UPDATE" if connection.dialect.name == "postgresql" else ""
    connection.execute(text(f"SELECT 1 FROM projects WHERE id = '{project['id']}'{lock}"))


@pytest.mark.parametrize("change", ["DELETE FROM project_members", "UPDATE project_members SET role = 0"])
def test_an_admin_who_is_one_no_more_cannot_make_themselves_one(ada, bob, project, holding, change):
    hold(holding, project)
    holding.execute(text(f"{change} WHERE user_id = '{bob.id}'"))
    answers = []
    path = f"/projects/{project['id']}/members/{bob.id}"
    asking = threading.Thread(target=lambda: answers.append(bob.put(path, {"role": "admin"})))
    asking.start()
    time.sleep(0.3)  # By now it waits for the lock.
    assert not answers
    holding.commit()
    asking.join()
    problem(answers[0], 404 if "DELETE" in change else 403)
    roles = {row["user"]["id"]: row["role"] for row in ada.get(f"/projects/{project['id']}/members").json}
    assert roles.get(bob.id) in (None, "viewer")


def test_nobody_waits_for_what_they_may_not_see(person, project, holding):
    stranger = person()
    if holding.dialect.name == "postgresql":  # SQLite has one lock for everything, which tells nothing of a project.
        hold(holding, project)
    begun = time.monotonic()
    hidden = [
        stranger.delete(f"/projects/{project['id']}"),
        stranger.post("/tags", {"name": "x", "project_id": project["id"]}),
        stranger.post("/tasks", {"title": "x", "project_id": project["id"]}),
    ]
    assert time.monotonic() - begun < 1, "the lock was waited for"
    nothing = [
        stranger.delete(f"/projects/{NOBODY}"),
        stranger.post("/tags", {"name": "x", "project_id": NOBODY}),
        stranger.post("/tasks", {"title": "x", "project_id": NOBODY}),
    ]
    assert [answer.status_code for answer in hidden] == [answer.status_code for answer in nothing] == [404, 422, 422]


def test_a_membership_has_no_validator_to_be_held_to(ada, bob, project):
    path = f"/projects/{project['id']}/members/{bob.id}"
    assert "ETag" not in ada.put(path, {"role": "viewer"}).headers
    problem(ada.delete(f"/projects/{project['id']}/members/{NOBODY}", headers={"If-Match": '"1-a"'}), 404)
    problem(ada.delete(path, headers={"If-Match": '"1-a"'}), 412)
    assert ada.delete(path, headers={"If-Match": "*"}).status_code == 204
