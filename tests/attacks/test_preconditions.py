"""`If-Match` and `If-None-Match` on everything that changes (RFC 9110, 13.1)."""

import pytest

from ..people import new_person, new_team, problem
from ..racing import at_once, statuses

# A body that changes nothing but the field that every thing of the kind has.
CHANGES = {"update_task": "title", "update_tag": "name", "update_project": "name", "update_team": "name",
           "update_me": "display_name"}  # fmt: skip
MISSING = '"999-0123456789abcdef01234567"'


def conditional(stage):
    return [operation for operation in stage.document.operations if 412 in operation.statuses]


def test_the_document_says_where_conditions_are_heeded(stage):
    heeding = {operation.name for operation in conditional(stage)}
    assert heeding == {each.name for each in stage.document.operations if each.method in ("PUT", "PATCH", "DELETE")}
    assert {each.name for each in conditional(stage) if "If-None-Match" in each.headers} == {
        each.name for each in stage.document.operations if each.method == "PUT"
    }


def test_whatever_exists_is_not_changed_if_it_must_not_exist_or_must_be_another(stage):
    before = stage.state()
    for operation in conditional(stage):
        for headers in ({"If-None-Match": "*"}, {"If-None-Match": " * "}, {"If-Match": MISSING},
                        {"If-Match": "*", "If-None-Match": "*"}):  # fmt: skip
            body = stage.body(operation)
            if operation.name == "delete_me":
                body = {"password": "correct horse battery staple"}
            answer = stage.send(operation, json=body, headers=headers)
            assert problem(answer, 412)["code"] == "precondition_failed", (operation, headers)
    assert stage.state() == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_tag_in_if_none_match_refuses_the_version_that_it_names(stage, name):
    operation, field = stage.document.named(name), CHANGES[name]
    path = stage.fill(operation)

    def change(if_none_match):
        text = f"other {len(if_none_match)}"
        return stage.send(operation, json={field: text}, headers={"If-None-Match": if_none_match}).status_code

    tag = stage.me.get(path).headers["ETag"]
    assert [change(sent) for sent in (tag, f"W/{tag}", f'"x", {tag}')] == [412] * 3
    assert stage.me.get(path).headers["ETag"] == tag
    assert [change(sent) for sent in (MISSING, '"x"', "x")] == [200] * 3
    assert change(tag) == 200  # By now it is another version.


def test_a_role_is_given_only_to_who_has_none_or_only_to_who_has_one(app, stage):
    me, new = stage.me, new_person(app, "new")
    team = new_team(app, me)
    project = me.project()["id"]
    for path in (
        f"/projects/{project}/members/{new.id}",
        f"/projects/{project}/teams/{team}",
        f"/teams/{team}/members/{new.id}",
    ):

        def put(role, path=path, **condition):
            headers = {name.replace("_", "-"): value for name, value in condition.items()}
            return me.put(path, {"role": role}, headers=headers).status_code

        assert put("member", If_Match="*") == 412, path
        assert me.delete(path).status_code == 404, path
        assert put("member", If_None_Match="*") == 200, path
        assert put("admin", If_None_Match="*") == 412, path
        assert put("member", If_Match="*") == 200, path
        assert put("member", If_None_Match='"1-a"') == 200, path


def test_of_several_who_give_the_same_role_first_one_does(app, stage):
    """`If-None-Match: *` is judged while the project is locked."""
    new = new_person(app, "new")
    path = f"/projects/{stage.me.project()['id']}/members/{new.id}"
    ask = lambda: stage.me.put(path, {"role": "member"}, headers={"If-None-Match": "*"})  # noqa: E731
    assert statuses(at_once([ask] * 8)) == {200: 1, 412: 7}
