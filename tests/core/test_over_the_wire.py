"""Requests that only a socket can make, sent to a real gunicorn."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from ..conftest import SECRETS
from ..live import serving

MIB = 2**20


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where a service listens whose database is empty: what is sent here is refused before it is asked."""
    instance = tmp_path_factory.mktemp("wire")
    with serving({"APP_ENV": "testing", "INSTANCE_PATH": str(instance), "LOG_LEVEL": "ERROR", **SECRETS}) as url:
        parts = urlsplit(url)
        yield parts.hostname, parts.port


def send(address, *parts):
    """The status, the headers and the body of the answer to these bytes."""
    with socket.create_connection(address, timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = connection.makefile("rb")
        status = int(answer.readline().split()[1])
        headers = {}
        while line := answer.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, answer.read(int(headers.get("content-length", 0)))


def head(method, path, *headers):
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def is_problem(answer, status):
    got, headers, body = answer
    assert got == status, body
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert headers["x-request-id"] == json.loads(body)["request_id"]


def chunks(data, size=65536):
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


LOGIN = (b"POST", b"/api/v1/auth/login", b"Content-Type: application/json")


@pytest.mark.parametrize("length", [MIB + 1, 3 * MIB])
def test_more_than_1_mib_is_413_also_in_chunks(address, length):
    is_problem(send(address, head(*LOGIN, b"Content-Length: %d" % length), b"a" * length), 413)
    is_problem(send(address, head(*LOGIN, b"Transfer-Encoding: chunked"), *chunks(b"a" * length)), 413)
    is_problem(send(address, head(*LOGIN, b"Transfer-Encoding: chunked"), *chunks(b"a" * length, 7000)), 413)


def test_a_body_over_1_mib_is_never_cut_to_one_that_can_be_read(address):
    body = b'{"username": "a", "password": "b"}'.ljust(MIB) + b"}" * 100
    is_problem(send(address, head(*LOGIN, b"Transfer-Encoding: chunked"), *chunks(body)), 413)


def test_1_mib_is_read_also_in_chunks(address):
    body = b'{"username": "' + b"a" * (MIB - 16) + b'"}'
    assert len(body) == MIB
    is_problem(send(address, head(*LOGIN, b"Content-Length: %d" % MIB), body), 422)
    is_problem(send(address, head(*LOGIN, b"Transfer-Encoding: chunked"), *chunks(body)), 422)


def test_a_chunked_body_is_judged_like_another(address):
    chunked = b"Transfer-Encoding: chunked"
    is_problem(send(address, head(*LOGIN, chunked), *chunks(b"{")), 400)
    is_problem(send(address, head(*LOGIN, chunked), *chunks(b"")), 422)
    is_problem(send(address, head(*LOGIN, chunked), *chunks(b'{"nope": 1}', 2)), 422)
    is_problem(send(address, head(*LOGIN[:2], b"Content-Type: text/plain", chunked), *chunks(b"{}")), 415)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/api/v1/auth/login?x=%FF", 400),
        (b"/api/v1/auth/login?%C0%AF=1", 400),
        (b"/api/v1/auth/login?%C3%A9=1", 422),
        (b"/api/v1/%FF", 404),
        (b"/api/v1/%00", 404),
        (b"/api/v1/%2e%2e/healthz", 404),
        (b"/api/v1//auth/login", 404),
        (b"/api/v1/auth//login", 404),
        (b"/api/v1/auth/login//", 404),
    ],
)
def test_bytes_in_a_url(address, path, status):
    is_problem(send(address, head(b"POST", path, b"Content-Type: application/json", b"Content-Length: 2"), b"{}"), status)


@pytest.mark.parametrize(
    "header", [b"Bearer", b"Bearer \xff", b"Bearer a b", b",", b"   ,  ,", b"Basic eDp5", b"Bearer " + b"a" * 8000]
)
def test_bytes_in_the_authorization_header(address, header):
    answer = send(address, head(b"GET", b"/api/v1/tasks", b"Authorization: " + header))
    is_problem(answer, 401)
    assert answer[1]["www-authenticate"] == "Bearer"


def test_two_authorization_headers_are_none(address):
    answer = send(address, head(b"GET", b"/api/v1/tasks", b"Authorization: Bearer a", b"Authorization: Bearer b"))
    is_problem(answer, 401)
