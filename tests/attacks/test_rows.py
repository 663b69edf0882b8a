"""Every operation of the document has a row in a table of roles, and everyone gets what its row says.

The tables of projects, tasks and tags, and of teams, stand with those; here are the operations on what is one's own.
"""

import pytest

from ..accounts.test_team_roles import TABLE as TEAMS
from ..people import PASSWORD, PREFIX, new_person
from ..projects.grid import GRID
from ..test_routes import PUBLIC

# nobody, someone who is logged in; request; body. {me} is the caller, {known} shares a project with them, {stranger} does
# not; {session} is another of the caller's, {other_session} a stranger's.
OWN = [
    ("401 200", "GET /users/me", None),
    ("401 200", "PATCH /users/me", {"display_name": "Me"}),
    ("401 202", "POST /users/me/email", {"email": "{me}@example.com", "password": PASSWORD}),
    ("401 403", "POST /users/me/email", {"email": "{me}@example.com", "password": "wrong"}),
    ("401 204", "POST /auth/change-password", {"current_password": PASSWORD, "new_password": PASSWORD + " 2"}),
    ("401 403", "POST /auth/change-password", {"current_password": "wrong", "new_password": PASSWORD + " 3"}),
    ("401 200", "GET /users", None),
    ("401 200", "GET /users/{me}", None),
    ("401 200", "GET /users/{known}", None),
    ("401 404", "GET /users/{stranger}", None),
    ("401 200", "GET /auth/sessions", None),
    ("401 404", "DELETE /auth/sessions/{other_session}", None),
    ("401 204", "DELETE /auth/sessions/{session}", None),
    ("401 204", "DELETE /auth/sessions", None),
    ("401 200", "GET /projects", None),
    ("401 201", "POST /projects", {"name": "Mine"}),
    ("401 200", "GET /teams", None),
    ("401 201", "POST /teams", {"name": "Mine"}),
    ("401 200", "GET /tasks", None),
    ("401 201", "POST /tasks", {"title": "Mine"}),
    ("401 200", "GET /tags", None),
    ("401 204", "POST /auth/logout", None),
    ("401 403", "DELETE /users/me", {"password": "wrong"}),
    ("401 204", "DELETE /users/me", {"password": PASSWORD}),
]


def rule_of(app, method, path):
    """The route that a path leads to, with any id in place of names in braces."""
    plain = PREFIX + path.replace("{", "").replace("}", "")
    return f"{method} {app.url_map.bind('localhost').match(plain, method, return_rule=True)[0].rule}"


def test_every_operation_has_a_row_in_a_table(app, stage):
    asked = [(row.method, row.path) for row in GRID] + [tuple(row[2].split()) for row in TEAMS] + [
        tuple(request.split()) for _, request, _ in OWN
    ]  # fmt: skip
    with_row = {rule_of(app, method, path) for method, path in asked}
    documented = {rule_of(app, operation.method, operation.path) for operation in stage.document.operations}
    assert documented - PUBLIC == with_row


def session_of(person):
    """The id of another session of a person."""
    person.post("/auth/login", {"username": person.username, "password": PASSWORD})
    return next(row["id"] for row in person.get("/auth/sessions").json if not row["current"])


@pytest.mark.parametrize("row", OWN, ids=lambda row: " ".join(map(str, row[1:])))
def test_everyone_has_what_is_their_own_and_nobody_elses(app, stage, row):
    codes, request, body = row
    method, path = request.split()
    me = new_person(app, "own")
    ids = {"me": me.id, "stranger": stage.me.id}
    if "{known}" in path:
        known = new_person(app, "known")
        me.add(me.project(), known)
        ids["known"] = known.id
    ids |= {"session": session_of(me), "other_session": stage.mine["session_id"]} if "session}" in path else {}
    path = path.format(**ids)
    body = body and {name: value.format(**ids) for name, value in body.items()}
    answers = [app.test_client().open(PREFIX + path, method=method, json=body), me.call(method, path, json=body)]
    assert [answer.status_code for answer in answers] == [int(code) for code in codes.split()], answers[1].text
