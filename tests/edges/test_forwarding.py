"""Where a request comes from and what it asks for is believed from as many proxies as are set, and no more."""

import json
from urllib.parse import urlsplit

import pytest

from ..live import serving
from ..people import PASSWORD, new_person
from .conftest import HOST, Service
from .sockets import ask, is_problem, talk

# What proxies of other makers, and other libraries, would believe.
FORGED = (
    "Forwarded: for=203.0.113.66;proto=https;host=evil.test",
    "X-Real-IP: 203.0.113.66",
    "X-Client-IP: 203.0.113.66",
    "True-Client-IP: 203.0.113.66",
    "CF-Connecting-IP: 203.0.113.66",
    "X-Forwarded-Port: 8443",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Server: evil.test",
    "X-Forwarded-Ssl: on",
    "X-Forwarded-Protocol: ssl",
    "Front-End-Https: on",
    "X-Script-Name: /evil",
    "Script-Name: /evil",
    "SCRIPT_NAME: /evil",
    "REMOTE_ADDR: 203.0.113.66",
    "X_FORWARDED_FOR: 203.0.113.66",
    "X-Original-URL: /api/v1/openapi.json",
    "X-Rewrite-URL: /api/v1/openapi.json",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "X-Original-Host: evil.test",
)
ADDRESSES = {
    0: [(None, "127.0.0.1"), ("203.0.113.7", "127.0.0.1"), ("203.0.113.7, 198.51.100.9", "127.0.0.1")],
    1: [(None, "127.0.0.1"), ("203.0.113.7, 198.51.100.9", "198.51.100.9"), ("2001:db8::7", "2001:db8::7"), ("evil", None)],
    2: [("198.51.100.9", "127.0.0.1"), ("203.0.113.7, 198.51.100.9", "203.0.113.7"),
        ("127.0.0.1, 203.0.113.7, ::1", "203.0.113.7")],
}  # fmt: skip


@pytest.fixture(scope="module")
def behind_two(environments, applications):
    """The service behind two proxies."""
    settings = {**environments("sqlite"), "TRUSTED_PROXIES": "2", "TRUSTED_HOSTS": HOST, "WEB_CONCURRENCY": "1"}
    with serving(settings) as url:
        parts = urlsplit(url)
        yield Service(applications("sqlite"), (parts.hostname, parts.port), "gthread")


def logged_in_from(service, person, *headers):
    """The address that a login with these headers is kept under, as its owner sees it."""
    body = json.dumps({"username": person.username, "password": PASSWORD}).encode()
    (answer,) = talk(service.address, ask("POST", "/api/v1/auth/login", *headers, body=body, host=HOST))
    assert answer.status == 200, answer
    token = f"Authorization: Bearer {answer.json['access_token']}"
    (answer,) = talk(service.address, ask("GET", "/api/v1/auth/sessions", token, host=HOST))
    return next(session["ip_address"] for session in answer.json if session["current"])


def check_addresses(service, hops):
    person = new_person(service.app, "ada")
    for said, expected in ADDRESSES[hops]:
        headers = FORGED + ((f"X-Forwarded-For: {said}",) if said else ())
        assert logged_in_from(service, person, *headers) == expected, said
        # As two lines they are one list (RFC 9110, 5.3).
        if said and ", " in said:
            lines = [f"X-Forwarded-For: {each}" for each in said.split(", ")]
            assert logged_in_from(service, person, *FORGED, *lines) == expected, said


def test_an_address_is_believed_from_so_many_proxies(service, behind_two):
    check_addresses(service, 0 if service.kind == "gthread" else 1)
    if service.kind == "gthread":
        check_addresses(behind_two, 2)


def test_forged_headers_change_no_answer(service):
    """Neither path, method, host nor scheme of a request is taken from them, and nothing of them comes back."""
    more = (*FORGED, "X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.66")
    for method, path in [
        ("GET", "/"),
        ("GET", "/nope"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/api/v1/tasks"),
        ("POST", "/api/v1/tasks"),
        ("POST", "/api/v1/auth/sessions"),
        ("OPTIONS", "/api/v1/tasks"),
        ("GET", "/healthz"),
    ]:
        ((plain,), (forged,)) = (
            talk(service.address, ask(method, path, "X-Request-ID: same", *headers)) for headers in ((), more)
        )
        for answer in (plain, forged):
            del answer.headers["date"]
        assert (forged.status, forged.headers, forged.body) == (plain.status, plain.headers, plain.body), path


def test_an_override_of_the_method_deletes_nothing(service):
    person = new_person(service.app, "ada")
    task = person.task()
    token = f"Authorization: Bearer {person.access_token}"
    for method, body in (("GET", b""), ("POST", b"{}"), ("PATCH", b'{"title": "still here"}')):
        for header in ("X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"):
            (answer,) = talk(
                service.address, ask(method, f"/api/v1/tasks/{task['id']}?_method=DELETE", token, header, body=body)
            )
            assert answer.status in (405, 422, 200), answer
            assert method != "POST" or answer.status == 405
    assert person.get(f"/tasks/{task['id']}").status_code == 200


def test_the_host_of_a_client_counts_where_no_proxy_does(service, behind_two):
    forwarded = ask("GET", "/api/v1/openapi.json", f"X-Forwarded-Host: {HOST}", host="10.0.0.1")
    foreign = ask("GET", "/api/v1/openapi.json", "X-Forwarded-Host: evil.test", host=HOST)
    two = ask("GET", "/api/v1/openapi.json", f"X-Forwarded-Host: {HOST}, 10.0.0.2", host="10.0.0.1")
    lines = ask("GET", "/api/v1/openapi.json", "X-Forwarded-Host: evil.test", f"X-Forwarded-Host: {HOST}", host="10.0.0.1")
    expected = [400, 200, 400, 400] if service.kind == "gthread" else [200, 400, 400, 200]
    for sent, status in zip((forwarded, foreign, two, lines), expected, strict=True):
        (answer,) = talk(service.address, sent)
        assert answer.status == status, (sent, answer)
        if status == 400:
            is_problem(answer, 400, "host_not_trusted")
    if service.kind == "gthread":
        (answer,) = talk(behind_two.address, two)
        assert answer.status == 200
        for sent in (forwarded, lines):
            (answer,) = talk(behind_two.address, sent)
            is_problem(answer, 400, "host_not_trusted")
