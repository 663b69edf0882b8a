"""Tags: made, read, changed and deleted."""

import pytest

from ..people import NOBODY, pointers, problem

FIELDS = ["id", "project_id", "name", "color", "task_count", "created_at", "updated_at"]


@pytest.fixture
def project(ada):
    return ada.project()


def one(tag):
    return f"/tags/{tag['id']}"


def test_a_new_tag_has_all_fields(ada, project):
    below = f"/projects/{project['id']}/tags"
    for answer in (
        ada.post("/tags", {"project_id": project["id"], "name": " Bug ", "color": "#ABCDEF"}),
        ada.post(below, {"name": "Chore", "color": "#ABCDEF"}),
    ):
        tag = answer.json
        assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/tags/{tag['id']}")
        assert list(tag) == FIELDS
        assert (tag["project_id"], tag["color"], tag["task_count"]) == (project["id"], "#abcdef", 0)
        assert tag["name"] in ("Bug", "Chore")
        read = ada.get(answer.headers["Location"])
        assert (read.json, read.headers["ETag"]) == (tag, answer.headers["ETag"])


def test_a_new_tag_has_not_been_changed_yet(ada, project):
    tag = ada.tag(project)
    assert tag["created_at"] == tag["updated_at"]


def test_a_tag_has_a_color_if_none_is_given(ada, project):
    assert ada.tag(project)["color"] == "#6b7280"


WRONG = [
    ("/name", ["", " ", "x" * 51, None, 5, ["x"], "a\nb", "a\tb", "a\x00b"]),
    ("/color", ["", "red", "#12345", "#1234567", "#12345g", None, 5]),
]


@pytest.mark.parametrize(("pointer", "values"), WRONG)
def test_what_breaks_a_rule_is_refused(ada, project, pointer, values):
    tag = ada.tag(project)
    for value in values:
        wrong = {pointer[1:]: value}
        assert pointers(ada.post("/tags", {"project_id": project["id"], "name": "x", **wrong})) == {pointer}, value
        assert pointers(ada.post(f"/projects/{project['id']}/tags", {"name": "x", **wrong})) == {pointer}, value
        assert pointers(ada.patch(one(tag), wrong)) == {pointer}, value
    assert ada.get(one(tag)).json == tag


def test_what_is_needed_is_asked_for(ada, project):
    assert pointers(ada.post("/tags", {})) == {"/project_id", "/name"}
    assert pointers(ada.post(f"/projects/{project['id']}/tags", {})) == {"/name"}
    assert pointers(ada.post(f"/projects/{project['id']}/tags", {"name": "x", "project_id": project["id"]})) == {"/project_id"}


def test_a_project_must_be_one_that_i_see(ada, bob, project):
    answers = [ada.post("/tags", {"name": "x", "project_id": where}) for where in (bob.project()["id"], NOBODY)]
    assert [pointers(answer) for answer in answers] == [{"/project_id"}] * 2
    assert answers[0].json["errors"] == answers[1].json["errors"]
    for where in ("x", None, 5, NOBODY.upper()):
        assert pointers(ada.post("/tags", {"name": "x", "project_id": where})) == {"/project_id"}


@pytest.mark.parametrize(
    "field", ["id", "project_id", "task_count", "created_at", "updated_at", "name_key", "words", "version"]
)
def test_what_is_read_only_is_refused(ada, project, field):
    tag = ada.tag(project)
    assert pointers(ada.patch(one(tag), {field: tag.get(field)})) == {f"/{field}"}
    if field != "project_id":
        assert pointers(ada.post("/tags", {"name": "x", "project_id": project["id"], field: 1})) == {f"/{field}"}


def test_the_longest_name_is_taken(ada, project):
    for name in ("ä" * 50, "😀" * 50, "ﷺ" * 50, "ß" * 50):
        assert ada.get(one(ada.tag(project, name))).json["name"] == name


def test_a_change_touches_only_what_is_sent(ada, project):
    tag = ada.tag(project, "old", color="#111111")
    changed = ada.patch(one(tag), {"name": "new"}).json
    assert changed["updated_at"] > tag["updated_at"]
    assert changed == {**tag, "name": "new", "updated_at": changed["updated_at"]}
    assert ada.patch(one(tag), {"color": "#FFFFFF"}).json["color"] == "#ffffff"


def test_a_change_that_changes_nothing_writes_nothing(ada, project):
    tag = ada.tag(project, "bug", color="#abcdef")
    before = ada.get(one(tag))
    for body in ({}, {"name": " bug "}, {"color": "#ABCDEF"}, {"name": "bug", "color": "#abcdef"}):
        after = ada.patch(one(tag), body)
        assert (after.status_code, after.json, after.headers["ETag"]) == (200, before.json, before.headers["ETag"]), body


# --- names ------------------------------------------------------------------------------------------------------------

SAME = [
    ("bug", "BUG"),
    ("Bug", " bUg "),
    ("Straße", "STRASSE"),
    ("Straße", "straSSe"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("ÉCOLE", "e\u0301cole"),
    ("İstanbul", "i\u0307stanbul"),
    ("Ǆ", "ǆ"),
]
DIFFERENT = [("bug", "bugs"), ("ecole", "école"), ("a b", "ab"), ("a-b", "a b"), ("a%", "ab"), ("a_", "ab")]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_a_name_is_unique_in_any_case_of_letters(ada, project, first, second):
    tag, other = ada.tag(project, first), ada.tag(project, "other")
    problem(ada.post("/tags", {"project_id": project["id"], "name": second}), 409, "tag_name_taken")
    problem(ada.post(f"/projects/{project['id']}/tags", {"name": second}), 409, "tag_name_taken")
    problem(ada.patch(one(other), {"name": second, "color": "#000000"}), 409, "tag_name_taken")
    assert ada.get(one(other)).json == other
    # In another project it is free, and a tag may change the case of its own name.
    ada.tag(ada.project(), second)
    assert ada.patch(one(tag), {"name": second}).status_code == 200
    assert ada.delete(one(tag)).status_code == 204
    ada.tag(project, first)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_other_names_are_other_tags(ada, project, first, second):
    ada.tag(project, first)
    ada.tag(project, second)


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_a_deleted_tag_is_gone(ada, project):
    tag = ada.tag(project)
    assert ada.delete(one(tag)).status_code == 204
    for answer in (ada.get(one(tag)), ada.patch(one(tag), {"name": "x"}), ada.delete(one(tag))):
        problem(answer, 404, "not_found")
    assert ada.get(f"/projects/{project['id']}/tags").json == []


def test_a_deleted_tag_is_taken_off_its_tasks_which_have_changed(ada, project):
    gone, kept = ada.tag(project, "gone"), ada.tag(project, "kept")
    tagged = ada.task(project, tag_ids=[gone["id"], kept["id"]])
    others = [ada.task(project, tag_ids=[kept["id"]]), ada.task(project)]
    before = [ada.get(f"/tasks/{task['id']}") for task in (tagged, *others)]
    assert ada.delete(one(gone)).status_code == 204
    after = [ada.get(f"/tasks/{task['id']}") for task in (tagged, *others)]
    assert [tag["name"] for tag in after[0].json["tags"]] == ["kept"]
    assert after[0].json["updated_at"] > before[0].json["updated_at"]
    stale = ada.patch(f"/tasks/{tagged['id']}", {"title": "x"}, headers={"If-Match": before[0].headers["ETag"]})
    problem(stale, 412, "precondition_failed")
    for was, is_now in zip(before[1:], after[1:], strict=True):
        assert (is_now.json, is_now.headers["ETag"]) == (was.json, was.headers["ETag"])


# --- validators -------------------------------------------------------------------------------------------------------


def version(answer):
    assert answer.status_code == 200, answer.text
    return int(answer.headers["ETag"].strip('"').split("-")[0])


def test_a_known_tag_is_not_sent_again(ada, project):
    tag = ada.tag(project)
    etag = ada.get(one(tag)).headers["ETag"]
    assert ada.get(one(tag), headers={"If-None-Match": etag}).status_code == 304
    assert version(ada.patch(one(tag), {"name": "x"})) == version(ada.get(one(tag))) == 2
    assert ada.get(one(tag), headers={"If-None-Match": etag}).status_code == 200


def test_the_task_count_changes_the_rest_of_the_validator_and_not_the_version(ada, project):
    tag = ada.tag(project)
    before = ada.get(one(tag))
    ada.task(project, tag_ids=[tag["id"]])
    after = ada.get(one(tag))
    assert version(before) == version(after)
    assert before.headers["ETag"] != after.headers["ETag"]
    assert after.json == {**tag, "task_count": 1}
    assert ada.patch(one(tag), {"name": "x"}, headers={"If-Match": before.headers["ETag"]}).status_code == 200


def test_a_renamed_tag_changes_the_rest_of_its_tasks_validator(ada, project):
    tag = ada.tag(project, "old")
    where = f"/tasks/{ada.task(project, tag_ids=[tag['id']])['id']}"
    before = ada.get(where)
    ada.patch(one(tag), {"name": "new"})
    after = ada.get(where)
    assert after.json == {**before.json, "tags": [{**before.json["tags"][0], "name": "new"}]}
    assert version(before) == version(after)
    assert before.headers["ETag"] != after.headers["ETag"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_stale_change_is_refused_and_does_nothing(ada, project, method):
    tag = ada.tag(project)
    old = ada.get(one(tag)).headers["ETag"]
    ada.patch(one(tag), {"name": "new"})
    now = ada.get(one(tag))
    body = {"name": "newer"} if method == "PATCH" else None
    for wrong in (old, f"W/{now.headers['ETag']}", "nonsense", ""):
        problem(ada.call(method, one(tag), json=body, headers={"If-Match": wrong}), 412, "precondition_failed")
    assert ada.get(one(tag)).json == now.json
    assert ada.call(method, one(tag), json=body, headers={"If-Match": now.headers["ETag"]}).status_code in (200, 204)
    assert ada.call(method, one(tag), json=body, headers={"If-Match": "*"}).status_code == (200 if method == "PATCH" else 404)


def test_only_letter_case_makes_no_difference(ada):
    project = ada.project()
    ada.tag(project, "m²")
    ada.tag(project, "m2")
    problem(ada.post("/tags", {"project_id": project["id"], "name": "M2"}), 409, "tag_name_taken")
