"""An account that ends, and people who leave a team, while others change what hangs on them: locked is all that there is."""

from functools import partial

import pytest

from ..people import new_team, problem
from ..projects.test_losing_sight import assigned
from ..racing import hold, waiting
from .test_deletion import delete, login
from .tokens import is_refused, me


@pytest.mark.parametrize("way", ["leaves", "is removed", "is in a team that is deleted"])
def test_who_leaves_a_team_leaves_the_project_that_it_is_just_getting(app, ada, bob, holding, way):
    """Nobody may bring a team into a project once it is locked; who began before is waited for."""
    team, project = new_team(app, ada, bob), ada.project()
    task = ada.task(project)
    where = f"/teams/{team}" if "deleted" in way else f"/teams/{team}/members/{bob.id}"
    brought = [
        f"INSERT INTO project_teams (project_id, team_id, role) VALUES ('{project['id']}', '{team}', 1)",
        f"UPDATE tasks SET assigned_to_id = '{bob.id}' WHERE id = '{task['id']}'",
    ]
    left = waiting(holding, partial((bob if way == "leaves" else ada).delete, where), *brought)
    assert left.status_code == 204
    assert assigned(ada, task) is None


def member_of(project, person):
    return f"INSERT INTO project_members (project_id, user_id, role) VALUES ('{project['id']}', '{person.id}', 1)"


def test_who_is_just_getting_a_project_is_taken_off_its_tasks_when_their_account_ends(ada, bob, holding):
    project = ada.project()
    task = ada.task(project)
    given = f"UPDATE tasks SET assigned_to_id = '{bob.id}' WHERE id = '{task['id']}'"
    assert waiting(holding, partial(delete, bob), member_of(project, bob), given).status_code == 204
    after = ada.get(f"/tasks/{task['id']}")
    assert after.json["assigned_to"] is None
    assert after.headers["ETag"].startswith('"2-')


def test_an_account_stays_whose_project_somebody_is_just_getting_into(ada, bob, holding):
    project = ada.project()
    hold(holding, "projects", project["id"])
    problem(waiting(holding, partial(delete, ada), member_of(project, bob)), 409, "owner_required")
    assert bob.get(f"/projects/{project['id']}").status_code == 200
    assert me(ada).status_code == 200


def test_an_account_stays_that_is_just_being_given_a_project_of_others(ada, bob, person, holding):
    project = bob.project()
    for someone in (ada, person("carl")):
        bob.add(project, someone)
    given = f"UPDATE projects SET owner_id = '{ada.id}' WHERE id = '{project['id']}'"
    problem(waiting(holding, partial(delete, ada), given), 409, "owner_required")
    assert ada.get(f"/projects/{project['id']}").json["role"] == "owner"


def test_an_account_stays_whose_team_is_just_losing_its_other_admin(app, ada, bob, holding):
    team = new_team(app, ada, bob)
    ada.add_to_team(team, bob, "admin")
    hold(holding, "teams", team)
    down = f"UPDATE team_members SET role = 0 WHERE team_id = '{team}' AND user_id = '{bob.id}'"
    problem(waiting(holding, partial(delete, ada), down), 409, "last_admin")
    assert ada.get(f"/teams/{team}").json["role"] == "admin"


def test_an_account_ends_that_waited_for_the_last_who_stood_against_it(ada, bob, holding):
    project = ada.project()
    ada.add(project, bob)
    hold(holding, "projects", project["id"])
    gone = f"DELETE FROM project_members WHERE project_id = '{project['id']}'"
    assert waiting(holding, partial(delete, ada), gone).status_code == 204
    is_refused(me(ada))


def test_who_logs_in_while_their_account_ends_is_out_at_once(app, ada, holding):
    """Redis holds for seconds that the new session lives; on SQLite nobody logs in meanwhile."""
    project, tokens = ada.project(), [ada.access_token]

    def log_in():
        tokens.append(login(app, ada.username).json["access_token"])
        assert me(ada, tokens[-1]).status_code == 200

    hold(holding, "projects", project["id"])
    logs_in = {"meanwhile": log_in} if holding.dialect.name == "postgresql" else {}
    assert waiting(holding, partial(delete, ada), **logs_in).status_code == 204
    for token in tokens:
        is_refused(me(ada, token))
