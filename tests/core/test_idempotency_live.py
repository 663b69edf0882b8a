"""`Idempotency-Key` over real processes, some of which are killed between the write and the answer."""

import json
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from ..live import serving
from ..people import new_person

TIMES = int(os.environ.get("KILLS", "2"))  # A worker comes back within seconds.


@pytest.fixture(scope="module")
def url(environment, app):
    with serving({**environment, "WEB_CONCURRENCY": "2"}, app="tests.dying:app") as running:
        yield running


@pytest.fixture
def person(app):
    return new_person(app)


def post(url, person, body, key, *, die="", path="/tasks"):
    """Status, whether it is an earlier answer, and the body; nothing where the connection broke."""
    headers = {"Authorization": f"Bearer {person.access_token}", "Content-Type": "application/json", "Idempotency-Key": key}
    request = Request(f"{url}/api/v1{path}", json.dumps(body).encode(), {**headers, "X-Die": die})
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.status, "Idempotent-Replayed" in answer.headers, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, False, json.load(error)
    except OSError:
        return None


def until_answered(*request, **kwargs):
    """The answer, asked for again while the server is on its way back or still busy with the first."""
    for _ in range(200):
        answer = post(*request, **kwargs)
        if answer and answer[0] != 409:
            return answer
    raise AssertionError("No answer.")


@pytest.mark.parametrize(("die", "replayed"), [("before", False), ("after", True)])
def test_a_worker_that_is_killed_around_the_commit_does_nothing_twice(url, person, die, replayed):
    answered = []
    for n in range(TIMES):
        key, body = secrets.token_hex(8), {"title": f"{n}"}
        assert post(url, person, body, key, die=die) is None
        status, again, task = until_answered(url, person, body, key)
        assert (status, again) == (201, replayed)
        answered.append(task)
    there = person.get("/tasks", query={"page_size": 100}).json
    assert sorted(task["id"] for task in there) == sorted(task["id"] for task in answered)
    assert [task["number"] for task in answered] == list(range(1, TIMES + 1))


def test_of_20_equal_requests_at_once_over_all_workers_one_is_done(url, person):
    requests = {"/tasks": {"title": "Once"}, "/projects": {"name": "Once"}, "/teams": {"name": "Once"}}
    for path, body in requests.items():
        ready, key = Barrier(20), secrets.token_hex(8)

        def send(_, path=path, body=body, ready=ready, key=key):
            ready.wait()
            return post(url, person, body, key, path=path)

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(send, range(20)))
        assert {status for status, *_ in answers} <= {201, 409}
        done = [answer for answer in answers if answer[0] == 201]
        assert [again for _, again, _ in done].count(False) == 1
        assert len({answer["id"] for *_, answer in done}) == 1
        assert until_answered(url, person, body, key, path=path)[1:] == (True, done[0][2])
        assert [row["id"] for row in person.get(path).json if "Once" in (row.get("name"), row.get("title"))] == [
            done[0][2]["id"]
        ]
