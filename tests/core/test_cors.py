"""Pages of other origins: shut out unless CORS_ORIGINS names them."""

import pytest

from .another import another

ORIGIN = "https://app.company.test"
OTHER = "http://localhost:5173"
FOREIGN = ["https://app.company.test.evil.test", "https://evil-app.company.test", "https://sub.app.company.test", "null",
           "http://app.company.test", "https://app.company.test:8443", "https://appxcompany.test", "https://company.test",
           "https://app.company.test/", "*", "https://app.company.testx", f"{ORIGIN}, https://evil.test"]  # fmt: skip


@pytest.fixture(scope="module", params=[ORIGIN, f"{ORIGIN}, {OTHER}"], ids=["one", "two"])
def open_app(request, environment, app):
    with another(environment, CORS_ORIGINS=request.param) as application:
        yield application


def get(application, origin, path="/api/v1/tasks", **headers):
    return application.test_client().get(path, headers={**headers, **({} if origin is None else {"Origin": origin})})


def test_cors_is_off_by_default(app):
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    answers = [get(app, ORIGIN), get(app, ORIGIN, "/healthz"), app.test_client().options("/api/v1/tasks", headers=preflight)]
    for answer in answers:
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


def test_a_listed_origin_may_read_answers_errors_and_headers(open_app, ada):
    token = f"Bearer {ada.access_token}"
    for answer, status in (
        (get(open_app, ORIGIN, Authorization=token), 200),
        (get(open_app, ORIGIN), 401),
        (get(open_app, ORIGIN, "/api/v1/nope"), 404),
        (get(open_app, ORIGIN, "/api/v1/tasks?page=0", Authorization=token), 422),
    ):
        assert answer.status_code == status
        assert answer.headers.getlist("Access-Control-Allow-Origin") == [ORIGIN]
        assert "Access-Control-Allow-Credentials" not in answer.headers  # There are no cookies.
        exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
        assert exposed >= {"x-pagination", "link", "etag", "location", "retry-after", "x-request-id", "ratelimit-limit",
                           "ratelimit-remaining", "ratelimit-reset"}  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_origin_may_not(open_app, origin):
    answer = get(open_app, origin)
    assert "Access-Control-Allow-Origin" not in answer.headers
    preflight = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
    answer = open_app.test_client().options("/api/v1/tasks", headers=preflight)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.test", None])
def test_a_cache_keeps_the_answers_for_origins_apart(open_app, origin):
    answer = get(open_app, origin)
    assert "origin" in {name.strip().lower() for value in answer.headers.getlist("Vary") for name in value.split(",")}


def test_without_an_origin_no_list_of_them_is_given_away(open_app):
    assert len(get(open_app, None).headers.getlist("Access-Control-Allow-Origin")) <= 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_needs_no_login_and_allows_what_the_api_has(open_app, method):
    asked = "authorization, content-type, if-match, if-none-match, idempotency-key, x-request-id"
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
    answer = open_app.test_client().options("/api/v1/tasks", headers=headers)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed >= set(asked.split(", "))
