"""The real thing: gunicorn with two workers (one on the embedded database) beside a process that does the jobs."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from ..core.test_limits import somewhere
from ..live import serving, working
from ..people import PASSWORD, new_person, path_of
from ..servers import wait_for
from .test_refresh import used
from .tokens import claims_of

ME = ("GET", "/users/me")


@dataclass
class Service:
    """The service, and which of its workers have answered."""

    url: str
    log: Path
    workers: int

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Status and body, over a connection of its own and from an address of its own."""
        headers = {"Content-Type": "application/json", "X-Forwarded-For": somewhere()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path_of(path), data, headers, method=method), timeout=20) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def at_once(self, number: int, *request: Any, **kwargs: Any) -> list[tuple[int, Any]]:
        """The answers to the same request from so many threads, none of which begins before the last is ready."""
        ready = Barrier(number)
        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(lambda _: ready.wait() is None or self.ask(*request, **kwargs), range(number)))

    def everywhere(self, *request: Any, **kwargs: Any) -> set[int]:
        """The status of the same request in every worker."""
        before, asked, statuses = self.answered(), 0, set()
        while asked < 200:
            statuses |= {status for status, _ in self.at_once(10, *request, **kwargs)}
            asked += 10
            wait_for(lambda asked=asked: len(self.answered()) >= len(before) + asked, "the log")
            if len(set(self.answered()[len(before) :])) == self.workers:
                return statuses
        pytest.fail("One worker answers nothing.")

    def shared_by_all(self, requests: Callable[[], Any]) -> Any:
        """What comes of requests that every worker has had some of."""
        before = len(self.answered())
        done = requests()
        assert len(set(self.answered()[before:])) == self.workers
        return done

    def answered(self) -> list[str]:
        """The process that gave each answer."""
        return self.log.read_text().split()


@pytest.fixture(scope="module")
def service(environment, app, tmp_path_factory):
    log = tmp_path_factory.mktemp("live") / "access"
    log.touch()
    settings = {**environment, "RATELIMIT_ENABLED": "true", "TRUSTED_PROXIES": "1", "WEB_CONCURRENCY": "2"}
    with working(settings), serving(settings, "--access-logfile", str(log), "--access-logformat", "%(p)s") as url:
        yield Service(url, log, 1 if app.config["SETTINGS"].is_sqlite else 2)


def log_in(service, person, password=PASSWORD):
    return service.ask("POST", "/auth/login", {"username": person.username, "password": password})


def test_after_a_logout_no_worker_accepts_a_token_of_the_session(service, ada, bob):
    _, first = log_in(service, ada)
    _, second = service.ask("POST", "/auth/refresh", {"refresh_token": first["refresh_token"]})
    tokens = [pair["access_token"] for pair in (first, second)]
    for token in tokens:
        assert service.everywhere(*ME, token=token) == {200}  # By now every worker knows that the session lives.
    assert service.ask("POST", "/auth/logout", token=tokens[0]) == (204, None)
    for token in tokens:
        assert service.everywhere(*ME, token=token) == {401}
    for pair in (first, second):
        assert service.everywhere("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]}) == {401}
    assert service.everywhere(*ME, token=ada.access_token) == {200}  # Another session of hers.


def test_a_refresh_token_that_20_use_at_once_serves_them_all_and_later_ends_the_session(service, app, ada):
    refresh = ("POST", "/auth/refresh")
    answers = service.shared_by_all(lambda: service.at_once(20, *refresh, {"refresh_token": ada.refresh_token}))
    assert [status for status, _ in answers] == [200] * 20
    pairs = [pair for _, pair in answers]
    assert {claims_of(pair["access_token"])["sid"] for pair in pairs} == {claims_of(ada.access_token)["sid"]}
    assert len({pair["refresh_token"] for pair in pairs}) == 20
    for pair in pairs:
        assert service.ask(*ME, token=pair["access_token"])[0] == 200
    status, newest = service.ask(*refresh, {"refresh_token": pairs[7]["refresh_token"]})
    assert status == 200

    used(app, ada.refresh_token, 11)
    assert service.ask(*refresh, {"refresh_token": ada.refresh_token})[0] == 401
    for pair in (*pairs, newest):
        assert service.ask(*ME, token=pair["access_token"])[0] == 401
    assert service.everywhere(*ME, token=newest["access_token"]) == {401}
    assert service.ask(*refresh, {"refresh_token": newest["refresh_token"]})[0] == 401


def test_of_guesses_at_once_exactly_as_many_as_allowed_are_judged(service, ada):
    guess = {"username": ada.username, "password": "wrong"}
    answers = service.shared_by_all(lambda: service.at_once(30, "POST", "/auth/login", guess))
    assert sorted(status for status, _ in answers) == [401] * 10 + [429] * 20
    assert {body["code"] for status, body in answers if status == 429} == {"rate_limited"}
    assert log_in(service, ada)[0] == 429
    assert service.everywhere(*ME, token=ada.access_token) == {200}


def test_a_password_is_reset_by_a_mail_and_every_session_ends_in_every_worker(service, app, office):
    ada = new_person(app, "ada")
    _, pair = log_in(service, ada)
    assert service.everywhere(*ME, token=pair["access_token"]) == {200}
    assert service.ask("POST", "/auth/forgot-password", {"email": ada.email})[0] == 202
    wait_for(lambda: office.to(ada.email), "the mail")
    body = {"token": office.to(ada.email)[0].token, "password": "another horse battery staple"}
    assert sorted(status for status, _ in service.at_once(6, "POST", "/auth/reset-password", body)) == [204] + [422] * 5
    for token in (ada.access_token, pair["access_token"]):
        assert service.everywhere(*ME, token=token) == {401}
    assert service.ask("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})[0] == 401
    assert log_in(service, ada)[0] == 401
    assert log_in(service, ada, body["password"])[0] == 200
