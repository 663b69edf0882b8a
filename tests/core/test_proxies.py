"""What of a request is believed: the names that the service answers for, and what proxies say."""

import jwt
import pytest
from sqlalchemy import select

from tasktracker.accounts.models import Session
from tasktracker.core.database import session

from ..people import PASSWORD, problem
from .another import another

NAMES = "tracker.company.test, .internal.test, 192.0.2.7"


@pytest.fixture(scope="module")
def named(environment, app):
    with another(environment, TRUSTED_HOSTS=NAMES) as application:
        yield application


@pytest.mark.parametrize(
    "host", ["tracker.company.test", "tracker.company.test:8443", "TRACKER.company.test", "a.internal.test", "192.0.2.7:80"]
)
def test_the_service_answers_for_its_names_with_any_port(named, host):
    assert named.test_client().get("/api/v1/openapi.json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.test", "localhost", "127.0.0.1:8000", "tracker.company.test.evil.test", "xtracker.company.test",
     "a.tracker.company.test", "tracker.company.test@evil.test", "tracker.company.test:80@evil.test", "192.0.2.70",
     "evil.test/tracker.company.test", "é", "[", ""],
)  # fmt: skip
def test_another_host_is_400_but_for_the_probes(named, host):
    for path in ("/api/v1/tasks", "/api/v1/openapi.json", "/api/v1/docs/", "/", "/nope", "/healthz/x"):
        problem(named.test_client().get(path, headers={"Host": host}), 400)
    problem(named.test_client().post("/api/v1/auth/login", json={}, headers={"Host": host}), 400)
    for path in ("/healthz", "/readyz"):
        assert named.test_client().get(path, headers={"Host": host}).status_code == 200


def test_any_host_will_do_where_none_is_named(app):
    for host in ("evil.test", "127.0.0.1:8000"):
        assert app.test_client().get("/api/v1/openapi.json", headers={"Host": host}).status_code == 200


def test_what_a_client_says_about_its_host_is_believed_from_a_proxy_only(environment, app, named):
    forwarded = {"Host": "10.0.0.1", "X-Forwarded-Host": "tracker.company.test"}
    problem(named.test_client().get("/api/v1/openapi.json", headers=forwarded), 400)
    with another(environment, TRUSTED_HOSTS=NAMES, TRUSTED_PROXIES="1") as behind:
        assert behind.test_client().get("/api/v1/openapi.json", headers=forwarded).status_code == 200
        forwarded = {"Host": "tracker.company.test", "X-Forwarded-Host": "tracker.company.test, evil.test"}
        problem(behind.test_client().get("/api/v1/openapi.json", headers=forwarded), 400)


ADDRESSES = {
    "0": [("203.0.113.7, 198.51.100.9", "127.0.0.1")],
    "1": [(None, "127.0.0.1"), ("203.0.113.7, 198.51.100.9", "198.51.100.9"), ("2001:db8::7", "2001:db8::7")],
    "2": [("203.0.113.7, 198.51.100.9", "203.0.113.7"), ("1.1.1.1, 203.0.113.7, 198.51.100.9", "203.0.113.7"),
          ("198.51.100.9", "127.0.0.1")],
}  # fmt: skip


@pytest.mark.parametrize("proxies", ADDRESSES)
def test_the_clients_address_is_what_the_trusted_proxies_say(environment, ada, proxies):
    with another(environment, TRUSTED_PROXIES=proxies) as behind:
        for sent, expected in ADDRESSES[proxies]:
            assert address_of_a_login(behind, ada, sent) == expected, sent


def test_whatever_a_proxy_says_breaks_no_login(environment, ada):
    with another(environment, TRUSTED_PROXIES="1") as behind:
        for sent in ("unknown", "é", "203.0.113.7:51234", "_hidden", "x" * 46, "fe80::1%" + "e" * 60, "x" * 8000):
            address_of_a_login(behind, ada, sent)


def address_of_a_login(application, person, sent):
    """The address that a login with this X-Forwarded-For is kept under."""
    answer = application.test_client().post(
        "/api/v1/auth/login",
        json={"username": person.username, "password": PASSWORD},
        headers={"User-Agent": "é" * 1000, **({"X-Forwarded-For": sent} if sent else {})},
    )
    assert answer.status_code == 200, answer.text
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    with application.app_context():
        return session().scalar(select(Session.ip_address).where(Session.id == claims["sid"]))
