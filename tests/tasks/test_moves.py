"""Moving tasks to another project."""

import pytest

from ..people import NOBODY, new_team, pointers, problem


@pytest.fixture
def here(ada):
    return ada.project(name="Here", key="HERE")


@pytest.fixture
def there(ada):
    return ada.project(name="There", key="THERE")


def test_a_moved_task_gets_the_next_number_there(ada, here, there):
    task = ada.task(here, title="Move me", description="far", status="done", due_date="2026-05-01")
    ada.task(there)
    moved = ada.patch(f"/tasks/{task['id']}", {"project_id": there["id"]})
    assert moved.status_code == 200, moved.text
    changed = {"project_id": there["id"], "number": 2, "ref": "THERE-2", "updated_at": moved.json["updated_at"]}
    assert moved.json == {**task, **changed}
    assert ada.get(f"/projects/{here['id']}/tasks").json == []
    assert moved.json in ada.get(f"/projects/{there['id']}/tasks", query={"search": "far"}).json
    assert [ada.task(here)["number"], ada.task(there)["number"]] == [2, 3]  # No number is given twice.
    assert ada.get(f"/projects/{here['id']}").json["task_count"] == 1
    problem(ada.patch(f"/tasks/{task['id']}", {"title": "x"}, headers={"If-Match": '"1-0"'}), 412)


def test_back_and_forth_gives_new_numbers(ada, here, there):
    path = f"/tasks/{ada.task(here)['id']}"
    targets = (there, here, there, here)
    assert [ada.patch(path, {"project_id": target["id"]}).json["number"] for target in targets] == [1, 2, 2, 3]


def test_tags_are_kept_by_name_in_any_case(ada, here, there):
    names = ["Bug", "Straße", "only here", "e\u0301te\u0301"]
    tags = [ada.tag(here, name)["id"] for name in names]
    same = [ada.tag(there, name, color="#00ff00") for name in ("BUG", "STRASSE", "été", "only there")]
    task = ada.task(here, tag_ids=tags)
    moved = ada.patch(f"/tasks/{task['id']}", {"project_id": there["id"]}).json
    kept = [{name: tag[name] for name in ("id", "name", "color")} for tag in same[:3]]
    assert moved["tags"] == sorted(kept, key=lambda tag: tag["name"])
    assert [ada.get(f"/tags/{tag}").json["task_count"] for tag in tags] == [0] * 4


def test_tags_of_other_tasks_are_not_taken_along(ada, bob, here, there):
    """Neither those of one's own other tasks nor those of strangers, whose words nobody learns in this way."""
    theirs = bob.project()
    bob.task(theirs, tag_ids=[bob.tag(theirs, "secret")["id"]])
    kept, *_ = [ada.tag(there, name) for name in ("own", "other", "secret")]
    own, other = (ada.tag(here, name)["id"] for name in ("own", "other"))
    ada.task(here, tag_ids=[other])
    task = ada.task(here, tag_ids=[own])
    assert [tag["id"] for tag in ada.patch(f"/tasks/{task['id']}", {"project_id": there["id"]}).json["tags"]] == [kept["id"]]
    bare = ada.task(here)
    assert ada.patch(f"/tasks/{bare['id']}", {"project_id": there["id"]}).json["tags"] == []


@pytest.mark.parametrize("way", ["direct", "team", "owner", "none"])
def test_an_assignee_is_kept_where_they_see_the_target(app, ada, bob, *, here, there, way):
    ada.add(here, bob)
    if way == "direct":
        ada.add(there, bob, "viewer")
    elif way == "team":
        ada.add_team(there, new_team(app, ada, bob), "viewer")
    elif way == "owner":
        there = bob.project(name="Bob's")
        bob.add(there, ada)
    task = ada.task(here, assigned_to_id=bob.id)
    moved = ada.patch(f"/tasks/{task['id']}", {"project_id": there["id"]}).json
    assert moved["project_id"] == there["id"]
    assert moved["assigned_to"] == (None if way == "none" else task["assigned_to"])


def test_the_target_must_be_seen(ada, bob, here):
    task = ada.task(here)
    answers = [ada.patch(f"/tasks/{task['id']}", {"project_id": target}) for target in (bob.project()["id"], NOBODY)]
    assert [pointers(answer) for answer in answers] == [{"/project_id"}] * 2
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert ada.get(f"/tasks/{task['id']}").json == task


@pytest.mark.parametrize(
    ("source_role", "target_role", "status"), [("member", "member", 200), ("member", "viewer", 403), ("viewer", "member", 403)]
)
def test_who_moves_is_a_member_of_both(ada, bob, *, here, there, source_role, target_role, status):
    ada.add(here, bob, source_role)
    ada.add(there, bob, target_role)
    task = ada.task(here)
    answer = bob.patch(f"/tasks/{task['id']}", {"project_id": there["id"]})
    assert answer.status_code == status
    if status == 403:
        problem(answer, 403, "forbidden")
        assert ada.get(f"/tasks/{task['id']}").json == task
        assert ada.task(there)["number"] == 1


@pytest.mark.parametrize("which", ["source", "target"])
def test_nothing_moves_out_of_or_into_an_archived_project(ada, here, there, which):
    task = ada.task(here)
    archived = here if which == "source" else there
    assert ada.patch(f"/projects/{archived['id']}", {"archived": True}).status_code == 200
    problem(ada.patch(f"/tasks/{task['id']}", {"project_id": there["id"]}), 409, "project_archived")
    assert ada.get(f"/tasks/{task['id']}").json == task


def test_what_is_sent_with_a_move_is_judged_against_the_target(ada, bob, person, here, there):
    carol = person("carol")
    ada.add(here, bob)
    ada.add(there, carol)
    old, new = ada.tag(here), ada.tag(there, "urgent")
    task = ada.task(here, assigned_to_id=bob.id, tag_ids=[old["id"]])
    path = f"/tasks/{task['id']}"
    refused = [
        ({"assigned_to_id": bob.id}, "/assigned_to_id"),
        ({"tag_ids": [old["id"]]}, "/tag_ids"),
        ({"tag_ids": [new["id"], old["id"]]}, "/tag_ids"),
        ({"start_date": "2026-05-02", "due_date": "2026-05-01"}, "/start_date"),
    ]
    for changes, pointer in refused:
        assert pointers(ada.patch(path, {"project_id": there["id"], **changes})) == {pointer}
    assert ada.get(path).json == task
    changes = {"assigned_to_id": carol.id, "tag_ids": [new["id"]], "title": "Moved", "status": "done"}
    moved = ada.patch(path, {"project_id": there["id"], **changes}).json
    assert (moved["assigned_to"]["id"], [tag["id"] for tag in moved["tags"]]) == (carol.id, [new["id"]])
    assert (moved["title"], moved["status"], moved["ref"]) == ("Moved", "done", "THERE-1")


def test_a_move_to_an_inbox_is_a_move(ada, bob, here):
    ada.add(here, bob)
    task = bob.task(here)
    assert bob.patch(f"/tasks/{task['id']}", {"project_id": bob.inbox()["id"]}).json["ref"] == "INBOX-1"
    problem(ada.get(f"/tasks/{task['id']}"), 404)
