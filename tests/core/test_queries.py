"""Query strings are read strictly: nothing in them is silently ignored."""

import pytest

from ..people import NOBODY, pointers, problem

LISTS = ["/tasks", "/projects", "/tags"]
NO_QUERY = ["GET /users/me", "PATCH /users/me", "POST /tasks", "POST /projects", "POST /auth/login", "POST /auth/refresh",
            "POST /auth/logout"]  # fmt: skip
SHAPES = ["0", "-1", "-0", "1.0", "1e3", "+1", "%2B1", "0x1", "1_0", "1,0", "%201", "1%20", "1%0A", "\u0967", "\uff11", "",
          "x", "None", "null", "true", "NaN", "Infinity", "[1]", "1" + "0" * 20, "9223372036854775808", "9" * 5000,
          "%00", "1%00",
          "%ED%9F%BF"]  # fmt: skip


@pytest.mark.parametrize("name", ["page", "page_size"])
def test_a_page_is_a_number_in_range(ada, name):
    high = {"page": 1_000_000, "page_size": 100}[name]
    for path in LISTS:
        for shape in [*SHAPES, str(high + 1)]:
            assert pointers(ada.get(f"{path}?{name}={shape}"), "query") == {f"/{name}"}, (path, shape)
        for number in (1, high):
            assert ada.get(path, query={name: number}).status_code == 200


def test_a_page_past_the_end_is_empty(ada):
    for path in LISTS:
        answer = ada.get(path, query={"page": 1_000_000, "page_size": 100})
        assert (answer.status_code, answer.json) == (200, [])


def test_a_page_of_wrong_shape_below_a_project(ada):
    project = ada.project()
    for path in ("members", "teams", "tasks", "tags"):
        for shape in ("0", "x", "", "1" + "0" * 20):
            assert pointers(ada.get(f"/projects/{project['id']}/{path}?page={shape}"), "query") == {"/page"}


@pytest.mark.parametrize("name", ["nope", "Page", "page[]", "page ", "q", "_method", "access_token", "", "a/b", "ключ", "%00"])
def test_an_unknown_parameter_is_422(ada, name):
    for path in LISTS:
        assert problem(ada.get(f"{path}?{name}=1"), 422)["errors"][0]["location"] == "query"
    for route in NO_QUERY:
        method, path = route.split()
        answer = ada.call(method, f"{path}?{name}=1", json={} if method != "GET" else None)
        assert problem(answer, 422)["errors"][0]["location"] == "query", route


@pytest.mark.parametrize(
    "query", ["page=1&page=1", "page_size=1&page_size=2", "sort=created_at&sort=updated_at", "search=a&search=a"]
)
def test_a_single_parameter_given_twice_is_422(ada, query):
    for path in LISTS if "sort" not in query else LISTS[:2]:
        assert pointers(ada.get(f"{path}?{query}"), "query") == {"/" + query.split("=", maxsplit=1)[0]}


@pytest.mark.parametrize("name", ["due_before", "due_after", "overdue", "updated_since"])
def test_a_single_filter_given_twice_is_422(ada, name):
    assert pointers(ada.get(f"/tasks?{name}=x&{name}=x"), "query") == {f"/{name}"}


def test_at_most_50_errors_for_a_thousand_parameters(ada):
    assert len(pointers(ada.get("/tasks?" + "&".join(f"n{number}=1" for number in range(1000))), "query")) == 50


@pytest.mark.parametrize("bytes_", ["%FF", "%C0%AF", "%ED%A0%80", "%E2%82", "%F5%80%80%80", "a%80"])
def test_a_query_string_that_is_not_utf_8_is_400(ada, bytes_):
    for path in ["/tasks", "/users/me", f"/tasks/{NOBODY}", "/openapi.json"]:
        problem(ada.get(f"{path}?search={bytes_}"), 400, "malformed_query")
        problem(ada.get(f"{path}?{bytes_}=a"), 400, "malformed_query")


def test_raw_bytes_in_a_query_string_are_read_as_utf_8_or_refused(ada):
    task = ada.task(title="Grüße")
    raw = "search=grüße".encode().decode("latin-1")  # WSGI hands bytes over as latin-1.
    answer = ada.get("/tasks", environ_overrides={"QUERY_STRING": raw})
    assert [row["id"] for row in answer.json] == [task["id"]]
    problem(ada.get("/tasks", environ_overrides={"QUERY_STRING": "search=\xff"}), 400, "malformed_query")


@pytest.mark.parametrize("query", ["", "&", "&&", "page=1&", "&page=1"])
def test_empty_pairs_say_nothing(ada, query):
    assert ada.get(f"/tasks?{query}").status_code == 200


@pytest.mark.parametrize("value", ["1", "0", "yes", "no", "on", "True", "TRUE", "t", "", "%20true", "null"])
def test_a_boolean_is_true_or_false(ada, value):
    assert pointers(ada.get(f"/tasks?overdue={value}"), "query") == {"/overdue"}
    assert pointers(ada.get(f"/projects?archived={value}"), "query") == {"/archived"}


@pytest.mark.parametrize("value", ["", "%00", "a%00b", "%1B", "a%0Ab", "!!!", "%20", "x" * 201, "_", "%E2%80%8B"])
def test_a_search_needs_printable_words(ada, value):
    for path in LISTS:
        assert pointers(ada.get(f"{path}?search={value}"), "query") == {"/search"}


@pytest.mark.parametrize(
    "value",
    ["a'b", 'a"b', "a:*b", "a%26b", "a|b", "(a)", "a*", "a\\b", "-a", "NOT a", "<->a", "%EF%B7%BA" * 200, "a%20" * 100],
)  # fmt: skip
def test_no_search_is_understood_as_a_language(ada, value):
    for path in LISTS:
        assert ada.get(f"{path}?search={value}").status_code == 200, path


@pytest.mark.parametrize(
    "value",
    ["", "nope", "created_at,", ",", "--title", "-", "title;drop", "title desc", "TITLE", "title,title", "title,-title", "id"],
)
def test_a_sort_is_a_list_of_what_may_be_sorted_by(ada, value):
    assert pointers(ada.get("/tasks", query={"sort": value}), "query") == {"/sort"}


@pytest.mark.parametrize("name", ["project_id", "tag_id", "assigned_to", "created_by"])
def test_what_is_no_id_is_422_in_a_filter(ada, name):
    for value in [
        NOBODY.upper(),
        "{" + NOBODY + "}",
        NOBODY.replace("-7", "-4", 1),
        "x",
        "",
        "ME",
        f" {NOBODY}",
        "1" * 5000,
        "a\0",
    ]:
        found = pointers(ada.get("/tasks", query={name: [NOBODY, value]}), "query")
        assert found in ({f"/{name}"}, {f"/{name}/1"}), value


def test_a_filter_takes_a_hundred_values_and_not_more(ada):
    assert ada.get("/tasks", query={"tag": [f"t{number}" for number in range(100)]}).status_code == 200
    assert pointers(ada.get("/tasks", query={"tag": [f"t{number}" for number in range(101)]}), "query") == {"/tag"}
