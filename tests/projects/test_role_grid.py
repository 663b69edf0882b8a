"""Who may do what: everyone tries everything, against the table in `grid.py`."""

import pytest

from tasktracker.projects.access import NEEDED
from tasktracker.projects.models import Role

from ..people import NOBODY, PREFIX
from .grid import GRID, PEOPLE


@pytest.mark.parametrize("operation", GRID, ids=str)
def test_everyone_gets_what_the_table_says(world, operation):
    # Leaving is for those with a role of their own; test_members has the others.
    people = {who: held for who, held in PEOPLE.items() if operation.needs != "leave" or not held[2] or held[1]}
    assert world.try_all(operation, people) == {who: operation.codes[column] for who, (column, _, _) in people.items()}


def test_the_table_covers_every_entry_of_needed():
    assert {operation.needs for operation in GRID} == set(NEEDED)


@pytest.mark.parametrize("action", NEEDED)
def test_the_table_agrees_with_needed(action):
    rows = [operation.codes for operation in GRID if operation.needs == action]
    allowed = {role for codes in rows for role in Role if codes[role.name] < 300}
    assert min(allowed) == NEEDED[action]
    for codes in rows:
        assert codes["nobody"] == 401
        assert codes["stranger"] in (404, 422)
        assert {codes[role.name] for role in Role if role < NEEDED[action]} <= {403}
        assert codes["owner"] != 403


def test_each_role_may_do_all_that_the_lower_ones_may():
    for operation in GRID:
        codes = [operation.codes[role.name] for role in Role if role != Role.owner]
        assert codes == sorted(codes, reverse=True), operation


def test_the_table_covers_every_route_to_a_thing_in_a_project(app):
    def rule_of(operation):
        path = PREFIX + operation.path.replace("{", "").replace("}", "")
        rule, _ = app.url_map.bind("localhost").match(path, operation.method, return_rule=True)
        return operation.method, rule.rule

    under = tuple(f"{PREFIX}/{kind}/<" for kind in ("projects", "tasks", "tags"))
    routes = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(under)
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert routes == {rule_of(operation) for operation in GRID if "{" in operation.path}


def test_a_role_holds_from_the_next_request_on(ada, bob):
    project = ada.project()
    path = f"/projects/{project['id']}"
    seen = []
    for role in ("viewer", "member", "admin", "viewer"):
        ada.add(project, bob, role)
        seen.append((bob.get(path).json["role"], bob.post(f"{path}/tasks", {"title": "x"}).status_code))
    assert seen == [("viewer", 403), ("member", 201), ("admin", 201), ("viewer", 403)]
    assert ada.delete(f"{path}/members/{bob.id}").status_code == 204
    assert bob.get(path).status_code == 404


def test_running_the_site_opens_no_projects(ada, person):
    root = person("root", admin=True)
    path = f"/projects/{ada.project()['id']}"
    assert [root.get(path).status_code, root.delete(path).status_code] == [404, 404]
    assert root.put(f"{path}/members/{root.id}", {"role": "admin"}).status_code == 404
    assert root.get(f"/projects/{NOBODY}").status_code == 404
