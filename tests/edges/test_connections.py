"""Connections that are kept: an answer that comes early neither corrupts the next one nor gets lost."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from .sockets import ask, is_problem, read_one, talk

MIB = 2**20


def chunked(method, path, size):
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"a" * size)


EARLY = {
    "401, no token": (ask("POST", "/api/v1/tasks", body=b"a" * 900_000, keep=True), 401),
    "401, no token, in chunks": (chunked("POST", "/api/v1/tasks", 900_000), 401),
    "401, over the limit": (ask("POST", "/api/v1/tasks", body=b"a" * 3 * MIB, keep=True), 401),
    "404, an unknown URL": (ask("POST", "/nope", body=b"a" * 3 * MIB, keep=True), 404),
    "404, an unknown URL, in chunks": (chunked("POST", "/nope", 3 * MIB), 404),
    "405": (ask("PUT", "/api/v1/tasks", body=b"a" * 900_000, keep=True), 405),
    "400, a foreign host": (ask("POST", "/api/v1/auth/login", body=b"a" * 900_000, host="evil.test", keep=True), 400),
    "400, malformed": (ask("POST", "/api/v1/auth/login", body=b"{" * 900_000, keep=True), 400),
    "413": (ask("POST", "/api/v1/auth/login", body=b"a" * (3 * MIB), keep=True), 413),
    "413, in chunks": (chunked("POST", "/api/v1/auth/login", 3 * MIB), 413),
    "422": (ask("POST", "/api/v1/auth/login", body=b"{}", keep=True), 422),
    "401, GET with a body": (ask("GET", "/api/v1/tasks", body=b"a" * 900_000, keep=True), 401),
}


@contextmanager
def connected(service):
    with socket.create_connection(service.address, timeout=20) as connection, connection.makefile("rb") as stream:
        yield connection, stream


@pytest.mark.parametrize("sent", EARLY.values(), ids=EARLY)
def test_an_early_answer_arrives_and_the_connection_goes_on(service, sent):
    """Whoever sends first and reads then, as most clients do, gets the answer and not a reset."""
    request, status = sent
    with connected(service) as (connection, stream):
        for n in range(3):
            connection.sendall(request)
            answer = read_one(stream)
            is_problem(answer, status)
            assert answer.keeps == (service.kind == "gthread")
            if not answer.keeps:
                assert stream.read() == b""
                return
            connection.sendall(ask("GET", "/healthz", f"X-Request-ID: after-{n}", keep=True))
            after = read_one(stream)
            assert (after.status, after.headers["x-request-id"]) == (200, f"after-{n}")


def test_requests_that_come_at_once_are_answered_in_their_order(service):
    kinds = [
        ("GET", "/healthz", b""),
        ("GET", "/nope", b""),
        ("GET", "/api/v1/tasks", b""),
        ("POST", "/api/v1/auth/login", b"{}"),
    ]
    sent = [
        ask(method, path, f"X-Request-ID: n{n}", body=body, keep=n < 19) for n, (method, path, body) in enumerate(kinds * 5)
    ]
    answers = talk(service.address, b"".join(sent))
    expected = [([200, 404, 401, 422][n % 4], f"n{n}") for n in range(20 if service.kind == "gthread" else 1)]
    assert [(answer.status, answer.headers["x-request-id"]) for answer in answers] == expected


def test_after_a_broken_request_nothing_else_of_the_connection_is_read(service):
    good = ask("GET", "/healthz", keep=True)
    answers = talk(service.address, good + b"GET nonsense\r\n\r\n" + good + good)
    assert [answer.status for answer in answers] == ([200, 400] if service.kind == "gthread" else [200])
    assert answers[-1].headers["connection"] == "close"


def test_a_body_that_nobody_asked_for_and_that_does_not_come_is_not_waited_for(service):
    head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    with connected(service) as (connection, stream):
        began = time.monotonic()
        connection.sendall(head)
        is_problem(read_one(stream), 401)
        assert time.monotonic() - began < 10
        # What comes now may be the rest of the body, and is never taken for a request.
        connection.sendall(ask("GET", "/healthz", keep=True))
        assert b"HTTP/1.1 200" not in read_rest(stream)


def test_a_body_that_nobody_asked_for_and_that_dribbles_in_is_not_waited_for(service):
    head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    with connected(service) as (connection, stream):
        began = time.monotonic()
        connection.sendall(head)
        answered = threading.Event()

        def dribble():
            with suppress(OSError):
                while not answered.wait(0.3) and time.monotonic() - began < 20:
                    connection.sendall(b" ")

        dribbling = threading.Thread(target=dribble)
        dribbling.start()
        try:
            is_problem(read_one(stream), 401)
            assert time.monotonic() - began < 10
        finally:
            answered.set()
            dribbling.join()


def read_rest(stream):
    try:
        return stream.read()
    except ConnectionError:
        return b""


def test_http_1_0_is_answered_and_closed(service):
    for version in ("1.0", "1.1"):
        sent = f"GET /healthz HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        (answer,) = talk(service.address, sent * 2)
        assert answer.status == 200


def test_head_has_the_headers_of_get_and_no_body(service):
    with connected(service) as (connection, stream):
        connection.sendall(ask("HEAD", "/api/v1/openapi.json"))
        head = stream.read()
    assert head.endswith(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
