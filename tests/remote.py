"""People who call a service over the wire, as other machines do; else they are those of `people`."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPMessage
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask

from .people import Person, new_person, path_of

UNKNOWN = (OSError, HTTPException)  # No whole answer came; what was asked may have been done or not.


@dataclass(frozen=True)
class Answer:
    """What came back, under the names that Werkzeug's test client has for it."""

    status_code: int
    headers: HTTPMessage
    data: bytes

    @cached_property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def text(self) -> str:
        return self.data.decode()


def ask(url: str, method: str, path: str, body: Any = None, *, headers: Any = None, timeout: float = 30) -> Answer:
    """A request over a connection of its own.

    Raises:
        OSError, HTTPException: no whole answer came in time.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=timeout)
    sent = {"Connection": "close", **(headers or {})}
    data = None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path_of(path), data, {**sent, "Content-Type": "application/json"} if data else sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


@dataclass
class Remote(Person):
    """A logged-in user whose calls go to these services in turn."""

    urls: Iterator[str] = field(default_factory=lambda: itertools.repeat(""))

    def call(self, method: str, path: str, /, *, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
        if query := kwargs.get("query"):
            path = f"{path}?{urlencode(query, doseq=True)}"
        merged = {"Authorization": f"Bearer {self.access_token}", **(headers or {})}
        return ask(next(self.urls), method, path, kwargs.get("json"), headers=merged)


def remote(app: Flask, urls: Sequence[str], name: str = "user") -> Remote:
    """A new user of the services on the application's database."""
    made = new_person(app, name)
    return Remote(**{each.name: getattr(made, each.name) for each in fields(made)}, urls=itertools.cycle(urls))


def together(requests: Sequence[Callable[[], Any]]) -> list[Any]:
    """What comes of all requests, each in a thread of its own, none of which begins before the last is ready."""
    ready = threading.Barrier(len(requests))
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(lambda request: (ready.wait(30), request())[1], requests))
