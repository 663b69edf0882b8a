"""Requests to what runs, and the form that every refusal has."""

import json
import socket
from http.client import HTTPConnection, HTTPResponse
from types import SimpleNamespace


def post(port, path, body, headers=None):
    return request(HTTPConnection("127.0.0.1", port, timeout=20), "POST", path, json.dumps(body), headers)


def request(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    found = SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())
    connection.close()
    return found


def send(port, sent):
    """The answer to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())


def is_problem(answer, status, code):
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code), answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"] == problem["request_id"]
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
    for name in ("X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Cache-Control"):
        assert answer.headers[name]
    return problem
