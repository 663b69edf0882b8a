"""URLs and methods: what is not there is 404, what is not allowed is 405, and nothing gets past that."""

import pytest

from ..people import NOBODY, problem

BAD_IDS = {
    "upper case": NOBODY.upper(),
    "version 4": NOBODY.replace("-7", "-4", 1),
    "wrong variant": NOBODY.replace("-8d", "-cd", 1),
    "nil": "00000000-0000-0000-0000-000000000000",
    "braces": "{" + NOBODY + "}",
    "no dashes": NOBODY.replace("-", ""),
    "a newline after it": NOBODY + "%0A",
    "a space before it": "%20" + NOBODY,
    "a NUL after it": NOBODY + "%00",
    "NUL": "%00",
    "not UTF-8": "%FF",
    "a surrogate": "%ED%A0%80",
    "too long": "a" * 5000,
    "number": "1",
    "huge number": "9" * 5000,
    "negative": "-1",
    "quote": "'%20OR%201=1",
    "percent": "%25",
    "full-width": "\uff05",
    "me": "me",
}
ROUTES = ["GET /tasks/{}", "PATCH /tasks/{}", "DELETE /projects/{}", "GET /projects/{}/tasks", "POST /projects/{}/tags",
          "PUT /projects/{}/members/{}", "DELETE /tags/{}"]  # fmt: skip


def said(answer):
    """All that an answer says, apart from the id of the request."""
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    return headers, {name: value for name, value in problem(answer, 404, "not_found").items() if name != "request_id"}


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_no_id_is_404_just_as_what_does_not_exist(ada, route):
    method, path = route.split()
    body = None if method in ("GET", "DELETE") else {"nope": 1}
    expected = said(ada.call(method, path.replace("{}", NOBODY), json=body))
    for kind, bad in BAD_IDS.items():
        assert said(ada.call(method, path.replace("{}", bad), json=body)) == expected, kind


def test_a_bad_id_behind_a_good_one_is_404(ada):
    project = ada.project()
    for kind in ("members", "teams"):
        for bad in BAD_IDS.values():
            problem(ada.delete(f"/projects/{project['id']}/{kind}/{bad}"), 404, "not_found")
            # Whom a role is given to must be there, as in a body; either way nothing happens.
            assert ada.put(f"/projects/{project['id']}/{kind}/{bad}", {"role": "viewer"}).status_code in (404, 422)


@pytest.mark.parametrize("raw", ["\xff", "\xc0\xaf", "a\xed\xa0\x80", "\0", "caf\xe9"])
def test_raw_bytes_in_a_path_are_404(ada, raw):
    for path in ("/api/v1/tasks/", "/api/v1/", "/"):
        problem(ada.get("/", environ_overrides={"PATH_INFO": path + raw}), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    ["/nope", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/tasks", "/api/v1/nope", "/api/v1/tasks/x/y", "/API/v1/tasks",
     "/api/v1/Tasks", "/api/v1/tasks/..%2F..%2Fetc%2Fpasswd", "/api/v1/tasks.json", "/api/v1/tasks;x=1", "/api/v1//tasks",
     "/api//v1/tasks", "/api/v1/tasks//", "/api/v1/projects//tasks", "/api/v1/./tasks", "/api/v1/x/../tasks",
     "/favicon.ico", "/.env", "/static/x", "/admin", "/api/v1/docs/assets/../start.js",
     "/api/v1/docs/assets/swagger-ui.css.map", "/api/v1/docs/assets/%2e%2e%2f__init__.py"],
)  # fmt: skip
def test_an_unknown_url_is_404_with_a_login_and_without(app, ada, path):
    problem(app.test_client().get(path), 404, "not_found")
    headers = {"Authorization": f"Bearer {ada.access_token}"}
    problem(app.test_client().get(path, headers=headers), 404, "not_found")


def test_a_trailing_slash_makes_no_difference(ada):
    project = ada.project()
    task, tag = ada.task(project), ada.tag(project)
    for path in ("/tasks", "/projects", "/tags", "/users/me", f"/tasks/{task['id']}", f"/tags/{tag['id']}",
                 f"/projects/{project['id']}", f"/projects/{project['id']}/members", "/openapi.json", "/docs"):  # fmt: skip
        without, with_slash = ada.get(path), ada.get(f"{path}/")
        assert without.status_code == with_slash.status_code == 200, path
        assert without.data == with_slash.data
        assert without.headers.get("ETag") == with_slash.headers.get("ETag")
        assert without.headers.get("Link") == with_slash.headers.get("Link")
    assert ada.post("/tasks/", {"title": "a"}).status_code == 201
    assert ada.patch(f"/tasks/{task['id']}/", {"title": "b"}).json["title"] == "b"
    assert ada.delete(f"/tasks/{task['id']}/").status_code == 204
    assert ada.post("/auth/login/", {"username": "x", "password": "y"}).status_code == 401


ALLOWED = {
    "/tasks": {"GET", "POST"},
    "/tasks/{}": {"GET", "PATCH", "DELETE"},
    "/projects/{}/members/{}": {"PUT", "DELETE"},
    "/auth/login": {"POST"},
    "/auth/logout": {"POST"},
    "/users/me": {"GET", "PATCH", "DELETE"},
    "/openapi.json": {"GET"},
    "/healthz": {"GET"},
    "/": {"GET"},
}


@pytest.mark.parametrize("path", ALLOWED)
def test_a_method_that_is_not_there_is_405_and_names_those_that_are(app, ada, path):
    implied = {"OPTIONS"} | ({"HEAD"} if "GET" in ALLOWED[path] else set())
    url = path.replace("{}", NOBODY)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "NOPE"} - ALLOWED[path]:
        answer = ada.call(method, url)
        problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) >= ALLOWED[path]
        assert set(answer.headers["Allow"].split(", ")) <= ALLOWED[path] | implied


@pytest.mark.parametrize("path", ALLOWED)
def test_options_needs_no_login_and_names_the_methods(app, path):
    url = path.replace("{}", NOBODY)
    answer = app.test_client().options(url if path in ("/", "/healthz") else f"/api/v1{url}")
    assert answer.status_code in (200, 204)
    assert answer.data == b""
    assert set(answer.headers["Allow"].split(", ")) >= ALLOWED[path]


def test_head_is_get_without_the_body(ada):
    task = ada.task()
    for path in ("/tasks", f"/tasks/{task['id']}", "/users/me", "/healthz", "/openapi.json", "/docs"):
        got, head = ada.get(path), ada.call("HEAD", path)
        assert (head.status_code, head.data) == (200, b"")
        for name in ("ETag", "Content-Type", "Content-Length", "X-Pagination", "Link", "Cache-Control"):
            assert head.headers.get(name) == got.headers.get(name), name
    assert ada.call("HEAD", f"/tasks/{NOBODY}").status_code == 404
    assert ada.call("HEAD", f"/tasks/{task['id']}", headers={"If-None-Match": "*"}).status_code == 304


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"])
def test_no_header_changes_the_method(ada, header):
    task = ada.task()
    path = f"/tasks/{task['id']}"
    problem(ada.post(path, {}, headers={header: "DELETE"}), 405)
    assert ada.get(path, headers={header: "DELETE"}).status_code == 200
    assert ada.get(path).status_code == 200


def test_the_root_leads_to_the_docs(app):
    answer = app.test_client().get("/")
    assert answer.status_code in (301, 302, 303, 307, 308)
    assert app.test_client().get(answer.headers["Location"]).status_code == 200
    assert answer.headers["Location"].startswith("/api/v1/docs")
