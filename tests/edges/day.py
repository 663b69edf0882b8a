"""A day's traffic: every operation, with everything that people send being a secret that no log may show."""

import http.client
import json
import secrets
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ..post import PostOffice
from ..servers import wait_for
from .sockets import Address

API = "/api/v1"


@dataclass
class Day:
    """Sends requests, and remembers which operations they were and every secret in them and in their answers."""

    address: Address
    office: PostOffice
    secrets: set[str] = field(default_factory=set)
    done: set[tuple[str, str]] = field(default_factory=set)
    sent: int = 0
    # Limits count an address; another day comes from another.
    origin: str = field(default_factory=lambda: f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1")

    def secret(self, before: str = "", after: str = "") -> str:
        """Something that stands nowhere else."""
        needle = secrets.token_hex(9)
        self.secrets.add(needle)
        return before + needle + after

    def call(
        self, method: str, template: str, status: int, body: Any = None, *, who: str = "", query: Any = None, raw: bytes = b"",
        kind: str = "application/json", headers: dict[str, str] | None = None, **ids: str,
    ) -> Any:  # fmt: skip
        """A request that must be answered with this status; gives the JSON of the answer."""
        self.done.add((method, template))
        self.sent += 1
        path = API + template.format(**ids) + (f"?{urlencode(query)}" if query else "")
        sent = {
            "Cookie": self.secret("session="),
            "User-Agent": self.secret("agent/"),
            "X-Forwarded-For": self.origin,
            "Content-Type": kind,
            **({"Authorization": f"Bearer {who}"} if who else {}),
            **(headers or {}),
        }
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        data = raw or (b"" if body is None else json.dumps(body).encode())
        connection.request(method, path, data or None, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == status, (method, path, answer.status, text)
        known = json.loads(text) if text else None
        if isinstance(known, dict):
            self.secrets |= {known[name] for name in ("access_token", "refresh_token") if name in known}
        return known

    def send_bytes(self, data: bytes) -> bytes:
        """What no client library would send."""
        self.sent += 1
        with socket.create_connection(self.address, timeout=20) as connection:
            connection.sendall(data)
            return connection.recv(65536)

    def token_from(self, address: str, subject: str = "", *, nth: int = 1) -> str:
        """The token of the nth mail to an address under a subject."""

        def found() -> list[str]:
            letters = [letter for letter in self.office.to(address) if subject in letter.subject]
            return [letter.token for letter in letters if "?token=" in letter.text]

        wait_for(lambda: len(found()) >= nth, f"the mail {subject}")
        self.secrets |= set(found())
        return found()[nth - 1]

    def log_in(self, name: str, password: str) -> dict[str, Any]:
        return self.call("POST", "/auth/login", 200, {"username": name, "password": password})


def live_through(day: Day, bob: Any) -> None:
    """The operations of the API, in an order in which they make sense, with what goes wrong on such a day."""
    secret, call = day.secret, day.call
    name, password, address = secret("u-"), secret("pass "), secret("", "@example.com")
    account = {"username": name, "password": password, "email": address, "display_name": secret()}
    call("POST", "/auth/register", 202, account)
    call("POST", "/auth/register", 409, account)
    call("POST", "/auth/register", 422, {**account, "password": name})
    call("POST", "/auth/login", 401, {"username": name, "password": password})
    day.token_from(address)
    call("POST", "/auth/resend-verification", 202, {"email": address})
    call("POST", "/auth/verify-email", 422, {"token": secret()})
    call("POST", "/auth/verify-email", 204, {"token": day.token_from(address, nth=2)})
    for typed in ({"username": name, "password": secret()}, {"username": secret(), "password": secret()}):
        call("POST", "/auth/login", 401, typed)
    first, ada = day.log_in(name, password), day.log_in(address, password)
    ada = call("POST", "/auth/refresh", 200, {"refresh_token": ada["refresh_token"]})
    call("POST", "/auth/refresh", 401, {"refresh_token": secret()})
    me = ada["access_token"]
    call("GET", "/auth/sessions", 200, who=me)
    live_with_projects(day, me, bob)
    live_with_errors(day, me)
    end_sessions(day, me, first["access_token"], account)


def live_with_projects(day: Day, me: str, bob: Any) -> None:
    secret, call = day.secret, day.call
    call("GET", "/users/me", 200, who=me)
    call("PATCH", "/users/me", 200, {"display_name": secret()}, who=me)
    call("GET", "/users", 200, who=me, query={"search": bob.username})
    call("GET", "/users", 200, who=me, query={"search": secret()})
    team = call("POST", "/teams", 201, {"name": secret(), "description": secret()}, who=me)["id"]
    call("GET", "/teams", 200, who=me)
    call("GET", "/teams/{team}", 200, who=me, team=team)
    call("PATCH", "/teams/{team}", 200, {"name": secret()}, who=me, team=team)
    call("PUT", "/teams/{team}/members/{user}", 200, {"role": "member"}, who=me, team=team, user=bob.id)
    call("GET", "/teams/{team}/members", 200, who=me, team=team)
    project = call("POST", "/projects", 201, {"name": secret(), "description": secret()}, who=me)["id"]
    call("GET", "/projects", 200, who=me, query={"search": secret()})
    call("GET", "/projects/{project}", 200, who=me, project=project)
    call("PATCH", "/projects/{project}", 200, {"name": secret()}, who=me, project=project)
    call("PUT", "/projects/{project}/members/{user}", 200, {"role": "viewer"}, who=me, project=project, user=bob.id)
    call("GET", "/projects/{project}/members", 200, who=me, project=project)
    call("PUT", "/projects/{project}/teams/{team}", 200, {"role": "viewer"}, who=me, project=project, team=team)
    call("GET", "/projects/{project}/teams", 200, who=me, project=project)
    call("GET", "/users/{user}", 200, who=me, user=bob.id)
    call("PATCH", "/projects/{project}", 403, {"name": secret()}, who=bob.access_token, project=project)
    tag = call("POST", "/tags", 201, {"project_id": project, "name": secret()}, who=me)["id"]
    call("POST", "/projects/{project}/tags", 201, {"name": secret()}, who=me, project=project)
    call("GET", "/tags", 200, who=me, query={"search": secret()})
    call("GET", "/projects/{project}/tags", 200, who=me, project=project)
    call("GET", "/tags/{tag}", 200, who=me, tag=tag)
    call("PATCH", "/tags/{tag}", 200, {"name": secret()}, who=me, tag=tag)
    fields = {"title": secret(), "description": secret(), "tag_ids": [tag], "project_id": project}
    task = call("POST", "/tasks", 201, fields, who=me)["id"]
    call("POST", "/projects/{project}/tasks", 201, {"title": secret()}, who=me, project=project)
    call("GET", "/tasks", 200, who=me, query={"search": secret(), "tag": secret()})
    call("GET", "/projects/{project}/tasks", 200, who=me, project=project, query={"search": secret()})
    call("GET", "/tasks/{task}", 200, who=me, task=task)
    call("PATCH", "/tasks/{task}", 200, {"title": secret()}, who=me, task=task)
    call("PATCH", "/tasks/{task}", 412, {"title": secret()}, who=me, task=task, headers={"If-Match": f'"{secret()}"'})
    call("DELETE", "/tasks/{task}", 204, who=me, task=task)
    call("DELETE", "/tags/{tag}", 204, who=me, tag=tag)
    call("DELETE", "/projects/{project}/teams/{team}", 204, who=me, project=project, team=team)
    call("DELETE", "/projects/{project}/members/{user}", 204, who=me, project=project, user=bob.id)
    call("DELETE", "/projects/{project}", 204, who=me, project=project)
    call("DELETE", "/teams/{team}/members/{user}", 204, who=me, team=team, user=bob.id)
    call("DELETE", "/teams/{team}", 204, who=me, team=team)


def live_with_errors(day: Day, me: str) -> None:
    secret, call = day.secret, day.call
    call("GET", "/tasks", 401, who=secret())
    call("GET", "/tasks", 422, who=me, query={secret(): secret()})
    call("GET", "/{nothing}", 404, nothing=secret(), query={"token": secret()})
    call("GET", "/tasks/{task}", 404, who=me, task=secret())
    call("PUT", "/tasks", 405, {"title": secret()}, who=me)
    call("POST", "/tasks", 422, {"title": secret() * 20, secret(): secret()}, who=me)
    call("POST", "/tasks", 400, raw=secret('{"title": "').encode(), who=me)
    call("POST", "/tasks", 415, raw=secret().encode(), kind="text/plain", who=me)
    call("POST", "/tasks", 413, raw=secret().encode() * 70_000, who=me)
    call("GET", "/tasks", 200, who=me, headers={"X-Request-ID": secret("not an id ")})
    for line in (
        f"GET /{secret()} {secret()} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"{secret()} / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET /?{secret()} HTTP/9.1\r\nHost: localhost\r\n\r\n",
        f"GET /?token={secret()}{'a' * 9000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\n{secret()}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {secret()}{'a' * 9000}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: {secret()}\r\n\r\n",
        f"GET /?{secret()} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {secret()}\r\n\r\n",
        f"POST {API}/auth/login?a={secret()} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{secret()}\r\n",
        f"POST {API}/auth/login HTTP/1.1\r\nHost: {secret()}\r\nContent-Length: 2, {secret()}\r\n\r\n",
    ):
        assert day.send_bytes(line.encode()).startswith((b"HTTP/1.1 4", b"HTTP/1.1 501")), line
    for way in ("words", "chain", "unique", "value", "file", "letters"):
        call("POST", "/broken/{way}", 500, raw=secret().encode(), way=way)
    call("POST", "/broken/{way}", 200, raw=secret().encode(), way="job")


def end_sessions(day: Day, me: str, other: str, account: dict[str, str]) -> None:
    secret, call = day.secret, day.call
    name, password, address = account["username"], account["password"], account["email"]
    new, newest = secret("new pass "), secret("newest pass ")
    call("POST", "/auth/change-password", 403, {"current_password": secret(), "new_password": new}, who=me)
    call("POST", "/auth/change-password", 204, {"current_password": password, "new_password": new}, who=me)
    call("GET", "/tasks", 401, who=other)
    moved = secret("", "@example.org")
    call("POST", "/users/me/email", 202, {"email": moved, "password": new}, who=me)
    call("POST", "/auth/verify-email", 204, {"token": day.token_from(moved)})
    call("POST", "/auth/forgot-password", 202, {"email": address})
    call("POST", "/auth/forgot-password", 202, {"email": moved})
    token = day.token_from(moved, "Choose")
    call("POST", "/auth/reset-password", 422, {"token": token, "password": name})
    call("POST", "/auth/reset-password", 204, {"token": token, "password": newest})
    pairs = [day.log_in(moved, newest) for _ in range(4)]
    others = call("GET", "/auth/sessions", 200, who=pairs[0]["access_token"])
    other = next(session["id"] for session in others if not session["current"])
    call("DELETE", "/auth/sessions/{session}", 204, who=pairs[0]["access_token"], session=other)
    call("DELETE", "/auth/sessions", 204, who=pairs[0]["access_token"])
    call("POST", "/auth/logout", 204, who=pairs[0]["access_token"])
    last = day.log_in(moved, newest)["access_token"]
    for _ in range(11):
        answered = call_any(day, {"username": secret("nobody-"), "password": secret()}, name)
    assert answered == 429
    call("DELETE", "/users/me", 403, {"password": secret()}, who=last)
    call("DELETE", "/users/me", 204, {"password": newest}, who=last)


def call_any(day: Day, typed: dict[str, str], name: str) -> int:
    """A login as this name, whatever the answer; its status."""
    try:
        day.call("POST", "/auth/login", 401, {**typed, "username": name})
    except AssertionError as other:
        return other.args[0][2]
    return 401
