"""nginx with the files of `deploy/nginx`, in front of the service."""

import json
import signal
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPSConnection

import pytest

from tasktracker.core.errors import TooLarge, Unavailable
from tasktracker.core.http import code_of, title_of

from ..servers import free_port, wait_for
from .asking import is_problem, post, request, send
from .nginx import Nginx


def test_a_body_that_is_too_large_never_reaches_the_service(machine, proxy):
    before = machine.log.read_text().count('"status": 413')
    large = b'{"title": "' + b"x" * 2**20 + b'"}'
    sized = f"Content-Length: {len(large)}\r\n\r\n".encode() + large
    chunked = b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(large) + large + b"\r\n0\r\n\r\n"
    for body in (sized, chunked):
        head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Request-ID: mine\r\n"
        answer = send(proxy.port, head + body)
        problem = is_problem(answer, 413, TooLarge.code)
        assert (problem["request_id"], problem["detail"]) == ("mine", TooLarge.detail)
    exact = b'{"title": "' + b"x" * (2**20 - 13) + b'"}'
    assert len(exact) == 2**20
    answer = request(HTTPConnection("127.0.0.1", proxy.port), "POST", "/api/v1/tasks", exact)
    assert answer.status == 401, "1 MiB itself reaches the service, which asks who that is"
    assert machine.log.read_text().count('"status": 413') == before


FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "https",
    "Forwarded": "for=203.0.113.66;host=evil.test",
    "X-Real-IP": "203.0.113.66",
}


def test_a_forged_origin_is_not_believed(machine, proxy, account):
    login = post(proxy.port, "/api/v1/auth/login", account, FORGED)
    assert login.status == 200, login.body
    token = {"Authorization": f"Bearer {json.loads(login.body)['access_token']}", **FORGED}
    sessions = request(HTTPConnection("127.0.0.1", proxy.port), "GET", "/api/v1/auth/sessions", headers=token)
    assert {each["ip_address"] for each in json.loads(sessions.body)} == {"127.0.0.1"}
    foreign = request(
        HTTPConnection("127.0.0.1", proxy.port), "GET", "/", headers={"Host": "evil.test", "X-Forwarded-Host": "127.0.0.1"}
    )
    assert (foreign.status, json.loads(foreign.body)["code"]) == (400, "host_not_trusted")
    # The same sent past the proxy is believed, so it is the proxy that does it.
    past = post(machine.port, "/api/v1/auth/login", account, FORGED | {"X-Forwarded-Host": "127.0.0.1"})
    token = {"Authorization": f"Bearer {json.loads(past.body)['access_token']}"}
    sessions = request(HTTPConnection("127.0.0.1", machine.port), "GET", "/api/v1/auth/sessions", headers=token)
    assert {each["ip_address"] for each in json.loads(sessions.body)} == {"127.0.0.1", "203.0.113.66"}


def test_etags_come_through_as_strong_as_they_were(proxy, account):
    login = post(proxy.port, "/api/v1/auth/login", account)
    headers = {"Authorization": f"Bearer {json.loads(login.body)['access_token']}", "Accept-Encoding": "gzip"}
    me = request(HTTPConnection("127.0.0.1", proxy.port), "GET", "/api/v1/users/me", headers=headers)
    assert me.status == 200
    assert me.headers["ETag"].startswith('"')
    headers["If-None-Match"] = me.headers["ETag"]
    assert request(HTTPConnection("127.0.0.1", proxy.port), "GET", "/api/v1/users/me", headers=headers).status == 304


def test_the_id_comes_through_and_no_query_string_is_logged(proxy):
    connection = HTTPConnection("127.0.0.1", proxy.port)
    answer = request(connection, "GET", "/api/v1/openapi.json?token=never", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.headers["X-Request-ID"]) == (200, "abc")
    # The line is written when the answer is sent, so a client may be faster.
    wait_for(lambda: any(each["request_id"] == "abc" for each in proxy.log()), "the line in the log")
    text = (proxy.folder / "access.log").read_text()
    assert "never" not in text + (proxy.folder / "log").read_text()
    (line,) = [each for each in proxy.log() if each["request_id"] == "abc"]
    assert (line["path"], line["status"], line["method"]) == ("/api/v1/openapi.json", 200, "GET")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /.problems/503 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (b"GET /metrics/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (b"GET /metrics%2F HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (b"GET //%6detrics?a=b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (b"TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 505),
    ],
)
def test_what_the_proxy_refuses_itself_is_a_problem_too(proxy, sent, status):
    answer = send(proxy.port, sent)
    problem = is_problem(answer, status, code_of(status))
    assert problem["title"] == title_of(status)


def test_clients_that_dribble_hold_no_process_of_the_service(machine, proxy):
    """More of them than there are web processes, and each has sent all of its request but the last byte."""
    head = (
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    dribblers = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(20)]
    try:
        for each in dribblers:
            each.sendall(head)
        began = time.monotonic()
        assert request(HTTPConnection("127.0.0.1", proxy.port, timeout=5), "GET", "/readyz").status == 200
        assert time.monotonic() - began < 2
    finally:
        for each in dribblers:
            each.close()


def test_a_service_that_is_away_is_503_with_a_word_on_when_to_come_again():
    nginx = Nginx(f"http://127.0.0.1:{free_port()}")
    try:
        answer = request(HTTPConnection("127.0.0.1", nginx.port), "GET", "/healthz")
        is_problem(answer, 503, Unavailable.code)
        assert answer.headers["Retry-After"] == "2"
        assert "Strict-Transport-Security" not in answer.headers
    finally:
        nginx.remove()


def test_without_tls_at_the_port_for_it_where_another_server_sends_people_on():
    """As in site.conf, which has a server of its own for port 80."""
    nginx = Nginx(f"http://127.0.0.1:{free_port()}", "listen-tls.conf")
    try:
        file = nginx.folder / "listen.conf"
        file.write_text(file.read_text().partition("if (")[0])
        nginx.stop(signal.SIGTERM)
        nginx.start()
        is_problem(request(HTTPConnection("127.0.0.1", nginx.tls_port), "GET", "/readyz"), 400, "bad_request")
    finally:
        nginx.remove()


def test_with_a_certificate_everything_is_said_by_tls(machine):
    nginx = Nginx(f"http://127.0.0.1:{machine.port}", "listen-tls.conf")
    try:
        plain = request(HTTPConnection("127.0.0.1", nginx.port), "GET", "/api/v1/docs/?a=b")
        assert (plain.status, plain.headers["Location"]) == (308, "https://127.0.0.1/api/v1/docs/?a=b")
        context = ssl.create_default_context(cafile=str(nginx.folder / "fullchain.pem"))
        context.check_hostname = False
        answer = request(HTTPSConnection("127.0.0.1", nginx.tls_port, context=context), "GET", "/readyz")
        assert answer.status == 200
        refused = request(HTTPSConnection("127.0.0.1", nginx.tls_port, context=context), "GET", "/.problems/404")
        is_problem(refused, 404, "not_found")
        assert refused.headers["Strict-Transport-Security"]
        at_its_port = request(HTTPConnection("127.0.0.1", nginx.tls_port), "GET", "/readyz")
        assert (at_its_port.status, at_its_port.headers["Location"]) == (308, "https://127.0.0.1/readyz")
    finally:
        nginx.remove()
