"""Names to sort and to filter by, words to search, and pages: nothing of them becomes SQL."""

import secrets
from time import perf_counter

from ..people import PASSWORD, pointers
from .timing import SOON, taken

INJECTED = (
    "name; DROP TABLE tasks", "name--", "name/**/", "name)", "name' OR '1'='1", "name,(SELECT 1)", "1", "name desc", "id",
    "version", "owner.password_hash", "user.email", "__class__", "words", "created_by_id", "name nulls first", "-", "--name",
    "+name", "name,", "name,,name", "NAME", "name\x00", "*", "random()", "pg_sleep(5)", "case when 1=1 then name end",
)  # fmt: skip
NO_FILTER = ("password_hash", "owner_id", "words", "id", "email", "tag__name", "project.owner", "or", "where", "filter",
             "fields", "include", "order_by", "limit", "offset", "select")  # fmt: skip
SQL = ("'; DROP TABLE tasks; --", "' OR '1'='1", "%", "_", "\\", "a%' ESCAPE '", "$1", ":me", "%(me)s", "?", "{me}", "${me}",
       "{{7*7}}", "\\'; SELECT pg_sleep(9); --", "x' UNION SELECT password_hash FROM users --",
       "<script>alert(1)</script>")  # fmt: skip
LONG = ("a " * 100, "a" * 200, "\ufdfa" * 200, "e\u0301" * 100, "%" * 100 + "a" * 100, "a_" * 100, "\\" * 199 + "a",
        "*" * 199 + "a")  # fmt: skip
FAR = ((1_000_000, 100, 200), (1_000_001, 1, 422), (1, 101, 422), (0, 1, 422), (1, 0, 422), (-1, 1, 422), (2**31, 1, 422),
       (2**63, 1, 422), (2**64, 1, 422), (10**17, 1, 422), (1, 2**63, 422))  # fmt: skip


def test_nothing_is_sorted_or_filtered_by_but_what_the_document_names(stage):
    for operation in (each for each in stage.document.operations if "sort" in each.query):
        for value in INJECTED:
            answer = stage.send(operation, query={"sort": value})
            assert pointers(answer, "query") == {"/sort"}, (operation, value)
    for name in NO_FILTER:
        assert pointers(stage.me.get("/tasks", query={name: "1"}), "query") == {f"/{name}"}


def test_what_looks_like_sql_is_text(stage):
    """It is stored, found and given back as it was sent, and it matches nothing else."""
    me, project = stage.me, stage.me.project()
    for text in SQL:
        name = f"{text} {secrets.token_hex(3)}"
        assert me.task(project, title=name, description=text)["title"] == name
        tag = me.tag(project, name[-50:].strip())["name"]
        assert tag == name[-50:].strip()
        assert [row["title"] for row in me.get("/tasks", query={"search": name}).json] == [name]
        assert me.get("/tasks", query={"tag": text}).json == []
        answer = me.get("/users", query={"search": f"{text} x"})
        assert (answer.status_code, answer.json) == (200, [])
        seconds, login = taken(lambda t=text: me.post("/auth/login", {"username": t, "password": PASSWORD}), perf_counter)
        assert login.status_code == 401
        assert seconds < SOON
    total = f'{{"total":{len(SQL)},'
    assert me.get("/tasks", query={"project_id": project["id"]}).headers["X-Pagination"].startswith(total)
    # Of wild cards, only the letters beside them count.
    for wild in ("%zzz", "_zzz", "z%z"):
        assert me.get("/tasks", query={"search": wild}).json == []


def test_the_longest_searches_take_a_moment(stage):
    for text in LONG:
        for path in ("/tasks", "/projects", "/tags", "/users"):
            seconds, answer = taken(lambda p=path, t=text: stage.me.get(p, query={"search": t}), perf_counter)
            assert answer.status_code == 200, (path, text)
            assert seconds < SOON, (path, text)


def test_pages_have_an_end(stage):
    lists = [operation for operation in stage.document.operations if "page" in operation.query]
    assert len(lists) > 8
    for operation in lists:
        for page, size, status in FAR:
            query = {"page": page, "page_size": size}
            seconds, answer = taken(lambda o=operation, q=query: stage.send(o, query=q), perf_counter)
            assert answer.status_code == status, (operation, query)
            assert answer.json == [] or status == 422
            assert seconds < SOON
