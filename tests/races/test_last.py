"""A project always has its owner and a team an admin, whoever goes at once; an account ends with all that refers to it."""

from functools import partial

import pytest

from ..people import PASSWORD, new_team, problem
from ..racing import statuses
from ..remote import together


def owners(person, project):
    rows = person.get(f"/projects/{project['id']}/members").json
    return [row["user"]["id"] for row in rows if row["role"] == "owner"]


def leave(person, project):
    return person.delete(f"/projects/{project['id']}/members/{person.id}")


def hand_over(owner, project, to):
    return owner.patch(f"/projects/{project['id']}", {"owner_id": to.id})


def end(person):
    return person.delete("/users/me", json={"password": PASSWORD})


def codes(*answers):
    return tuple(answer.status_code for answer in answers)


@pytest.fixture
def project(ada, bob):
    project = ada.project()
    ada.add(project, bob, "admin")
    return project


def test_who_is_given_a_project_while_they_leave_it_owns_it_or_is_gone(ada, bob, project):
    for _ in range(5):
        ada.add(project, bob)
        given, left = together([partial(hand_over, ada, project, bob), partial(leave, bob, project)])
        assert codes(given, left) in ((200, 409), (422, 204))
        if given.status_code == 200:
            problem(left, 409, "owner_required")
            assert owners(ada, project) == [bob.id]
            assert hand_over(bob, project, ada).status_code == 200
        assert owners(ada, project) == [ada.id]


def test_who_is_given_a_project_while_they_are_removed_owns_it_or_is_gone(ada, bob, project, person):
    eve = person("eve")
    ada.add(project, eve, "admin")
    for _ in range(5):
        ada.add(project, bob)
        path = f"/projects/{project['id']}/members/{bob.id}"
        given, removed = together([partial(hand_over, ada, project, bob), partial(eve.delete, path)])
        assert codes(given, removed) in ((200, 403), (422, 204))
        if given.status_code == 200:
            assert owners(ada, project) == [bob.id]
            assert hand_over(bob, project, ada).status_code == 200
        assert owners(ada, project) == [ada.id]


def test_a_project_that_is_given_to_two_has_one_owner(ada, bob, project, person):
    eve = person("eve")
    ada.add(project, eve)
    answers = together([partial(hand_over, ada, project, to) for to in (bob, eve)])
    assert statuses(answers) == {200: 1, 403: 1}
    assert owners(ada, project) == [answer.json["owner"]["id"] for answer in answers if answer.status_code == 200]


def test_of_two_owners_who_hand_over_to_each_other_and_leave_one_stays(ada, bob, project):
    """Bob can hand it back and leave only once it is his."""

    def go(person, other):
        return codes(hand_over(person, project, other), leave(person, project))

    ways = tuple(together([partial(go, ada, bob), partial(go, bob, ada)]))
    (owner,) = owners(ada if ways[0][1] != 204 else bob, project)
    assert (ways, owner) in {
        (((200, 204), (403, 409)), bob.id),
        (((200, 204), (422, 409)), bob.id),
        (((200, 409), (200, 204)), ada.id),
        (((422, 409), (403, 204)), ada.id),
    }


def test_of_eight_admins_who_leave_a_team_at_once_one_stays(services, person):
    admins = [person("admin") for _ in range(8)]
    team = new_team(services.app, *admins)
    for someone in admins[1:]:
        admins[0].add_to_team(team, someone, "admin")
    answers = together([partial(someone.delete, f"/teams/{team}/members/{someone.id}") for someone in admins])
    assert statuses(answers) == {204: 7, 409: 1}
    (last,) = (someone for someone, answer in zip(admins, answers, strict=True) if answer.status_code == 409)
    assert [(row["user"]["id"], row["role"]) for row in last.get(f"/teams/{team}/members").json] == [(last.id, "admin")]


def test_of_two_admins_who_end_their_accounts_and_one_who_steps_down_one_stays(services, person):
    admins, witness = [person("admin") for _ in range(3)], person("witness")
    team = new_team(services.app, *admins, witness)
    for someone in admins[1:]:
        admins[0].add_to_team(team, someone, "admin")
    last = admins[2]
    down = partial(last.put, f"/teams/{team}/members/{last.id}", {"role": "member"})
    answers = together([partial(end, admins[0]), partial(end, admins[1]), down])
    assert sorted(codes(*answers)) in ([200, 204, 409], [204, 204, 409])
    assert [row["role"] for row in witness.get(f"/teams/{team}/members").json].count("admin") == 1


def test_who_shares_a_project_and_ends_their_account_keeps_both_or_has_shared_nothing(ada, bob, person):
    for who in (ada, person("other")):
        project = who.project()
        share = partial(who.put, f"/projects/{project['id']}/members/{bob.id}", {"role": "viewer"})
        shared, ended = together([share, partial(end, who)])
        assert codes(shared, ended) in ((200, 409), (401, 204), (404, 204))
        assert bob.get(f"/projects/{project['id']}").status_code == (200 if shared.status_code == 200 else 404)


def test_who_is_brought_in_while_their_account_ends_is_nowhere(services, ada, bob, person):
    """Into a project, into a team, and through a team into a project."""
    project, team = ada.project(), new_team(services.app, ada, bob)
    for _ in range(2):
        guest = person("guest")
        ada.add_to_team(team, guest)
        bring = [
            partial(ada.put, f"/projects/{project['id']}/members/{guest.id}", {"role": "member"}),
            partial(ada.put, f"/teams/{team}/members/{guest.id}", {"role": "admin"}),
            partial(ada.put, f"/projects/{project['id']}/teams/{team}", {"role": "viewer"}),
        ]
        ended, *brought = together([partial(end, guest), *bring])
        assert ended.status_code == 204, ended.text
        assert [answer.status_code in (200, 404) for answer in brought] == [True] * 3
        assert {row["user"]["id"] for row in ada.get(f"/teams/{team}/members").json} == {ada.id, bob.id}
        assert {row["user"]["id"] for row in ada.get(f"/projects/{project['id']}/members").json} == {ada.id, bob.id}
        assert ada.delete(f"/projects/{project['id']}/teams/{team}").status_code == 204


def test_who_is_assigned_while_their_account_ends_is_on_no_task(ada, bob, project):
    tasks = [ada.task(project) for _ in range(4)]
    assign = {"assigned_to_id": bob.id}
    requests = [partial(ada.patch, f"/tasks/{task['id']}", assign) for task in tasks]
    requests += [partial(ada.post, "/tasks", {"title": "x", "project_id": project["id"], **assign})] * 4
    ended, *answers = together([partial(end, bob), *requests])
    assert ended.status_code == 204, ended.text
    changed, made = answers[:4], answers[4:]
    assert set(codes(*changed)) <= {200, 422}
    assert set(codes(*made)) <= {201, 422}
    listed = ada.get("/tasks", query={"project_id": project["id"]}).json
    assert len(listed) == 4 + statuses(made).get(201, 0)
    assert {task["assigned_to"] for task in listed} == {None}
    for task, answer in zip(tasks, changed, strict=True):  # Being taken off again was a change.
        version = 3 if answer.status_code == 200 else 1
        assert ada.get(f"/tasks/{task['id']}").headers["ETag"].startswith(f'"{version}-')
