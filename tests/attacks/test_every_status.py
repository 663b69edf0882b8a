"""What every answer carries, whatever its status and whoever asks; with the defaults, and with https and other origins."""

import re
import secrets

import pytest

from ..core.another import another
from ..people import NOBODY, PREFIX, new_person, problem
from .document import Document
from .stage import INSIDE

ORIGIN, FOREIGN = "https://app.company.test", "https://app.company.test.evil.test"
OPEN = {"PUBLIC_URL": "https://tracker.company.test", "CORS_ORIGINS": f"{ORIGIN}, https://other.company.test"}
EXPOSED = {"x-pagination", "link", "etag", "location", "retry-after", "x-request-id", "ratelimit-limit", "ratelimit-remaining",
           "ratelimit-reset"}  # fmt: skip
TITLES = {400: "Bad Request", 404: "Not Found", 413: "Content Too Large", 422: "Unprocessable Content"}
NOT_KEPT = {202, 401, 429, 500, 503}  # And 405, where nobody has asked yet who calls.


def somewhere():
    """The address of a network that nobody else is in."""
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


class Service:
    """A service with these settings, and the same without a database; what to ask it for each status."""

    def __init__(self, name, application, without_database, person):
        self.name, self.is_open = name, name == "https and origins"
        self.application, self.without_database, self.ada, bob = application, without_database, person, new_person(application)
        project = bob.project()
        bob.add(project, person, "viewer")
        mine = person.project()
        self.task, self.gone = person.task(mine)["id"], None
        self.busy = somewhere()
        large = {"data": b"a" * (2**20 + 1), "content_type": "application/json"}
        self.requests = {
            200: ("GET", f"/tasks/{self.task}", {}),
            201: ("POST", "/tasks", {"json": {"title": "a"}}),
            202: ("POST", "/auth/forgot-password", lambda someone: {"json": {"email": someone}}),
            204: ("DELETE", "/auth/sessions", {}),
            304: ("GET", "/tasks", {"headers": {"If-None-Match": "*"}}),
            400: ("POST", "/tasks", {"data": "{", "content_type": "application/json"}),
            401: ("POST", "/auth/login", lambda someone: {"json": {"username": someone, "password": "wrong"}}),
            403: ("PATCH", f"/projects/{project['id']}", {"json": {"name": "a"}}),
            404: ("GET", f"/tasks/{NOBODY}", {}),
            405: ("PUT", "/tasks", {}),
            409: ("POST", "/projects", {"json": {"name": "a", "key": mine["key"]}}),
            412: ("PATCH", f"/tasks/{self.task}", {"json": {"title": "b"}, "headers": {"If-Match": '"0-0"'}}),
            413: ("POST", "/tasks", large),
            415: ("POST", "/tasks", {"data": b"a", "content_type": "text/plain"}),
            422: ("POST", "/tasks", {"json": {}}),
            429: ("POST", "/auth/forgot-password", {"json": {"email": "often@example.com"}}),
            500: ("GET", "/broken", {}),
            503: (
                "POST",
                "/auth/reset-password",
                lambda someone: {"json": {"token": someone, "password": "correct horse battery"}},
            ),
        }
        while self.get(429).status_code != 429:
            pass

    def get(self, status, method=None, **headers):
        """The answer of this status, also where another method is asked for."""
        usual, path, request = self.requests[status]
        if callable(request):
            request = request(f"{secrets.token_hex(8)}@example.com")
        application = self.without_database if status == 503 else self.application
        token = {} if "/auth/" in path and status != 204 else {"Authorization": f"Bearer {self.ada.access_token}"}
        headers = {**token, **request.get("headers", {}), **{name.replace("_", "-"): value for name, value in headers.items()}}
        return application.test_client().open(
            PREFIX + path,
            method=method or usual,
            environ_base={"REMOTE_ADDR": self.busy if status == 429 else somewhere()},
            **{**request, "headers": headers},
        )


@pytest.fixture(scope="module", params=["the defaults", "https and origins"])
def service(request, environment, app):
    settings = {"RATELIMIT_ENABLED": "true", **(OPEN if request.param == "https and origins" else {})}
    dead = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with another(environment, **settings) as application, another(environment, **settings, **dead) as without_database:

        @application.get(f"{PREFIX}/broken")
        def fail():
            raise RuntimeError("SELECT secret FROM /etc/passwd")

        fail.is_public = True
        yield Service(request.param, application, without_database, new_person(app, "ada"))


def every(service):
    """All answers, each with its status."""
    for status in service.requests:
        answer = service.get(status)
        assert answer.status_code == status, answer.text
        yield status, answer


def test_every_answer_has_a_request_id_and_the_security_headers(service):
    for status, answer in every(service):
        headers = answer.headers
        assert re.fullmatch("[A-Za-z0-9._-]{1,128}", headers["X-Request-ID"]), status
        assert headers["X-Content-Type-Options"] == "nosniff", status
        assert headers["Referrer-Policy"] == "no-referrer", status
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'", status
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin", status
        transport = headers.get("Strict-Transport-Security", "")
        assert re.fullmatch(r"max-age=\d{8,}; includeSubDomains", transport) if service.is_open else not transport, status
        assert not {"Set-Cookie", "Server", "X-Powered-By", "Access-Control-Allow-Credentials"} & set(headers.keys()), status
        for name in {name for name, _ in headers}:
            assert len(headers.getlist(name)) == 1, (status, name)


def test_every_error_is_a_problem_and_tells_nothing_about_the_inside(service):
    for status, answer in every(service):
        if status >= 400:
            body = problem(answer, status)
            assert body["title"] == TITLES.get(status, body["title"])
            for secret in (*INSIDE, "secret", "/etc", "127.0.0.1"):
                assert secret not in answer.text.lower(), (status, secret)
        elif status in (204, 304):
            assert (answer.data, answer.headers.get("Content-Type")) == (b"", None), status
        else:
            assert answer.headers["Content-Type"] == "application/json", status


def test_errors_carry_what_their_status_asks_for(service):
    for status, answer in every(service):
        assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None), status
        assert (int(answer.headers.get("Retry-After", 0)) > 0) == (status in (429, 503)), status
        assert ("Allow" in answer.headers) == (status == 405), status
        assert ("ETag" in answer.headers) == (status in (200, 201, 304)), status
        assert ("Location" in answer.headers) == (status == 201), status


def test_answers_to_a_caller_are_private_and_the_rest_is_not_kept(service):
    for status, answer in every(service):
        if status != 405:
            expected = "no-store" if status in NOT_KEPT else "private, no-cache"
            assert answer.headers["Cache-Control"] == expected, status
    for path, status in (("/api/v1/tasks", 401), ("/nope", 404), ("/healthz", 200)):
        answer = service.application.test_client().get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (status, "no-store")


def test_a_request_id_comes_back_with_every_status(service):
    for sent in ("a", "x" * 128):
        assert service.get(200, X_Request_ID=sent).headers["X-Request-ID"] == sent
    for status in service.requests:
        assert service.get(status, X_Request_ID="A-1_b.c").headers["X-Request-ID"] == "A-1_b.c", status
        assert "<" not in service.get(status, X_Request_ID="<b>").headers["X-Request-ID"], status


def test_only_a_listed_origin_may_read_an_answer_whatever_its_status(service):
    for status in service.requests:
        for origin in (ORIGIN, FOREIGN, "null", "*"):
            headers = service.get(status, Origin=origin).headers
            assert "Access-Control-Allow-Credentials" not in headers, status
            allowed = headers.getlist("Access-Control-Allow-Origin")
            assert allowed == ([origin] if service.is_open and origin == ORIGIN else []), (status, origin)
            if allowed:
                exposed = {name.strip().lower() for name in headers["Access-Control-Expose-Headers"].split(",")}
                assert exposed >= EXPOSED, status
            assert ("origin" in headers.get("Vary", "").lower()) == service.is_open, (status, origin)


def test_head_has_the_headers_of_get_and_no_body(service):
    for status in (200, 304, 404, 500):
        got, head = service.get(status), service.get(status, method="HEAD")
        assert (head.status_code, head.data) == (status, b"")
        own = {"X-Request-ID", "Content-Length"} if status >= 400 else {"X-Request-ID"}
        left = [{name: value for name, value in answer.headers.items() if name not in own} for answer in (got, head)]
        assert left[0] == left[1], status


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "QUERY", "NOPE")


def test_every_method_that_a_path_has_not_is_405_and_names_those_that_it_has(app, ada):
    has: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        has.setdefault(re.sub("<[^>]+>", NOBODY, rule.rule), set()).update(rule.methods)
    asked = 0
    for path, methods in has.items():
        for method in set(METHODS) - methods:
            for headers in ({}, {"Authorization": f"Bearer {ada.access_token}"}):
                answer = app.test_client().open(path, method=method, headers=headers)
                problem(answer, 405, "method_not_allowed")
                assert set(answer.headers["Allow"].split(", ")) == methods, (method, path)
                asked += 1
        options = app.test_client().options(path)
        assert (options.status_code, options.data) == (200, b""), path
        assert set(options.headers["Allow"].split(", ")) == methods, path
    assert asked > 500


def test_a_preflight_is_answered_for_every_path_and_gives_nothing_away(service):
    headers = {
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization, if-match, idempotency-key",
    }
    for operation in Document(service.application).operations:
        path = PREFIX + operation.path.format_map(dict.fromkeys(operation.ids, NOBODY))
        for origin in (ORIGIN, FOREIGN):
            answer = service.application.test_client().options(path, headers={**headers, "Origin": origin})
            assert (answer.status_code, answer.data) == (200, b""), operation
            told = {name for name, _ in answer.headers if name.startswith("Access-Control-")}
            assert ("Access-Control-Allow-Origin" in told) == (service.is_open and origin == ORIGIN), operation
            if "Access-Control-Allow-Origin" in told:
                assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
                assert "if-match" in answer.headers["Access-Control-Allow-Headers"].lower()
            assert "Access-Control-Allow-Credentials" not in told
