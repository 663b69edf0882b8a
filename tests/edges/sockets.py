"""Bytes sent to a service, and what comes back: every answer that stands on the connection."""

import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Address = tuple[str, int]


@dataclass
class Answer:
    """An answer as it stood on the wire; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def keeps(self) -> bool:
        return self.headers["connection"] == "keep-alive"


def talk(address: Address, *parts: bytes, timeout: float = 20, end: bool = False) -> list[Answer]:
    """Sends these bytes on one connection and reads until the service closes it.

    Args:
        address: of the service.
        parts: what is sent, as far as the service takes it.
        timeout: within which the service must go on.
        end: whether the client says that it sends no more.
    """
    with socket.create_connection(address, timeout=timeout) as connection:
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
            if end:
                connection.shutdown(socket.SHUT_WR)
        return parse(read_all(connection))


def read_all(connection: socket.socket) -> bytes:
    read = b""
    with suppress(ConnectionError):
        while more := connection.recv(65536):
            read += more
    return read


def parse(data: bytes) -> list[Answer]:
    """The answers, none of which may be cut, have a header twice, or be followed by something else."""
    answers = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        assert end, data[-200:]
        first, *lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.\d (\d{3}) [\w ]+", first)
        assert found, first
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), lines
        length = int(headers.get("content-length", 0))
        assert len(rest) >= length, "an answer was cut"
        answers.append(Answer(int(found[1]), headers, rest[:length]))
        data = rest[length:]
    return answers


def read_one(stream: Any) -> Answer:
    """The next answer of a connection that stays open."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        assert line, head
        head += line
    (answer,) = parse(re.sub(rb"(?i)content-length: \d+", b"Content-Length: 0", head))
    length = re.search(rb"(?i)content-length: (\d+)", head)
    answer.body = stream.read(int(length[1])) if length else b""
    return answer


def ask(method: str, path: str, *headers: str, body: bytes = b"", host: str = "localhost", keep: bool = False) -> bytes:
    """A well-formed request; a body gets its length."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if not keep:
        lines.append("Connection: close")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def is_problem(answer: Answer, status: int, code: str | None = None) -> None:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert code is None or body["code"] == code, body
