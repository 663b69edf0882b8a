"""Every route is closed unless it is listed here, and finds what its path names before it does anything else."""

import pytest

from .people import NOBODY

PUBLIC = {
    "GET /",
    "GET /healthz",
    "GET /readyz",
    "GET /api/v1/openapi.json",
    "GET /api/v1/docs/",
    "GET /api/v1/docs/start.js",
    "GET /api/v1/docs/assets/<name>",
    "GET /verify-email",
    "GET /reset-password",
    "GET /pages/<name>",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/verify-email",
    "POST /api/v1/auth/resend-verification",
    "POST /api/v1/auth/forgot-password",
    "POST /api/v1/auth/reset-password",
}


@pytest.fixture
def routes(app):
    """Method and rule of each route, with its rule of Werkzeug."""
    rules = list(app.url_map.iter_rules())
    return {f"{method} {rule.rule}": rule for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}}


def request(app, route, rule, **kwargs):
    method, path = route.split()
    for name in rule.arguments:
        path = next(path.replace(part, NOBODY) for part in (f"<id:{name}>", f"<{name}>") if part in path)
    return app.test_client().open(path, method=method, **kwargs)


def test_the_open_routes_are_those_of_the_list(app, routes):
    assert {route for route, rule in routes.items() if getattr(app.view_functions[rule.endpoint], "is_public", False)} == PUBLIC


def test_every_other_route_needs_a_token(app, routes):
    closed = routes.keys() - PUBLIC
    assert len(closed) > 20
    for route in closed:
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            answer = request(app, route, routes[route], json={}, headers=headers)
            assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (401, "Bearer"), route
            assert answer.json["code"] == "not_authenticated"


def test_open_routes_need_no_token(app, routes):
    for route in PUBLIC:
        posts = route.startswith("POST")
        answer = request(app, route, routes[route], json={} if posts else None)
        assert answer.status_code in ({422} if posts else {200, 302, 404}), route


def test_other_methods_of_closed_routes_tell_nothing(app, routes):
    for route in routes.keys() - PUBLIC:
        _, path = route.split()
        assert request(app, f"OPTIONS {path}", routes[route]).data == b"", route
        head = request(app, f"HEAD {path}", routes[route])
        assert head.status_code in (401, 405), route


def test_every_route_with_an_id_finds_what_it_names(app, routes):
    with_id = {route: rule for route, rule in routes.items() if rule.arguments and route not in PUBLIC}
    assert len(with_id) > 15
    for route, rule in with_id.items():
        assert app.view_functions[rule.endpoint].policy.finds, route
        assert "<id:" in route, f"{route}: an id that is no UUID must look like one that does not exist"


def test_every_closed_route_states_its_policy(app, routes):
    for route in routes.keys() - PUBLIC:
        policy = app.view_functions[routes[route].endpoint].policy
        assert policy.public is False, route
        assert policy.conditional == route.startswith(("PATCH", "PUT", "DELETE")), route
