"""`Idempotency-Key`: what is sent twice is done once and answered twice."""

import secrets
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import event, select, update

from tasktracker.core import idempotency
from tasktracker.core.database import Overtaken, session
from tasktracker.core.idempotency import KeptAnswer
from tasktracker.core.jobs import Job
from tasktracker.core.models import now
from tasktracker.extensions import db

from ..people import NOBODY, PASSWORD, path_of, pointers, problem
from ..queue import execute, waiting
from ..racing import at_once, statuses
from .another import another

REPLAYED = "Idempotent-Replayed"


@pytest.fixture
def key():
    return {"Idempotency-Key": secrets.token_hex(8)}


@pytest.fixture
def project(ada):
    return ada.project()


def requests(project):
    """A good request for every route that takes a key."""
    return {
        "/projects": {"name": "Website"},
        "/projects/{project_id}/tasks": {"title": "Do it"},
        "/projects/{project_id}/tags": {"name": "bug"},
        "/tasks": {"title": "Do it", "project_id": project["id"]},
        "/tags": {"name": "feature", "project_id": project["id"]},
        "/teams": {"name": "Team"},
        "/users/me/email": {"email": f"{secrets.token_hex(6)}@example.com", "password": PASSWORD},
    }


ROUTES = list(requests({"id": NOBODY}))


def send(person, route, project, headers, body=None):
    return person.post(route.format(project_id=project["id"]), body or requests(project)[route], headers=headers)


def kept(app, person):
    with app.app_context():
        return session().execute(select(KeptAnswer.__table__).where(KeptAnswer.user_id == person.id)).all()


def titles(person, project):
    return [task["title"] for task in person.get(f"/projects/{project['id']}/tasks").json]


def test_every_post_outside_auth_takes_a_key_and_nothing_else_does(app):
    paths = app.test_client().get("/api/v1/openapi.json").json["paths"]
    takes = {
        (method, path.removeprefix("/api/v1"))
        for path, item in paths.items()
        for method, operation in item.items()
        if method != "parameters" and {"$ref": "#/components/parameters/IDEMPOTENCY_KEY"} in operation["parameters"]
    }
    posts = {("post", path.removeprefix("/api/v1")) for path, item in paths.items() if "post" in item}
    assert takes == {(method, path) for method, path in posts if not path.startswith("/auth/")}
    assert takes == {("post", route) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES)
def test_the_same_request_with_the_same_key_is_done_once_and_answered_alike(app, ada, project, key, route):
    body = requests(project)[route]
    first = send(ada, route, project, key, body)
    assert first.status_code in (201, 202), first.text
    assert REPLAYED not in first.headers
    jobs = len(waiting(app, Job.key.contains(ada.id)))
    for _ in range(2):
        again = send(ada, route, project, key, body)
        assert again.headers.pop(REPLAYED) == "true"
        assert (again.status_code, again.data) == (first.status_code, first.data)
        assert {n: v for n, v in again.headers if n not in ("X-Request-ID", "Date")} == {
            n: v for n, v in first.headers if n not in ("X-Request-ID", "Date")
        }
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    if "Location" in first.headers:
        found = ada.get(first.headers["Location"])
        assert found.json == first.json
        assert found.headers["ETag"] == first.headers["ETag"]
    assert len(waiting(app, Job.key.contains(ada.id))) == jobs
    assert len(kept(app, ada)) == 1


def test_without_a_key_each_request_is_done(ada, project):
    for _ in range(2):
        assert REPLAYED not in send(ada, "/tasks", project, {}).headers
    assert len(titles(ada, project)) == 2


def test_the_answer_stays_the_first_one_whatever_became_of_the_resource(ada, project, key):
    first = send(ada, "/tasks", project, key)
    path = f"/tasks/{first.json['id']}"
    assert ada.patch(path, {"title": "Other"}).status_code == 200
    assert send(ada, "/tasks", project, key).json == first.json
    assert ada.delete(path).status_code == 204
    assert send(ada, "/tasks", project, key).json == first.json
    assert ada.patch(f"/projects/{project['id']}", {"archived": True}).status_code == 200
    assert send(ada, "/tasks", project, key).json == first.json
    problem(ada.get(path), 404)


def test_how_the_body_is_written_does_not_matter(ada, project, key):
    spellings = (
        '{"title": "Café", "priority": "high"}',
        '{"priority":"high","title":"Caf\\u00e9"}',
        '{\n  "title": "Café",\n  "priority": "high"\n}',
    )
    path, headers = f"/projects/{project['id']}/tasks", {**key, "Content-Type": "application/json"}
    answers = [ada.post(path, data=text.encode(), headers=headers) for text in spellings]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert [REPLAYED in answer.headers for answer in answers] == [False, True, True]
    assert REPLAYED in ada.post(f"{path}/", data=spellings[0].encode(), headers=headers).headers


def test_a_key_is_for_one_request(ada, project, key):
    assert send(ada, "/tasks", project, key).status_code == 201
    other = ada.project()
    before = len(ada.get("/projects", query={"page_size": 100}).json)
    for path, body in (
        ("/tasks", {"title": "Other", "project_id": project["id"]}),
        ("/tasks", {"title": "Do it", "project_id": other["id"]}),
        ("/tasks", {"title": "Do it", "project_id": project["id"], "description": ""}),
        (f"/projects/{project['id']}/tasks", {"title": "Do it"}),
        ("/projects", {"name": "Do it"}),
    ):
        problem(ada.post(path, body, headers=key), 422, "idempotency_key_reused")
    assert titles(ada, project) == ["Do it"]
    assert titles(ada, other) == []
    assert len(ada.get("/projects", query={"page_size": 100}).json) == before


def test_each_user_has_keys_of_their_own(ada, bob, project, key):
    ada.add(project, bob)
    answers = [send(person, "/tasks", project, key) for person in (ada, bob)]
    assert [REPLAYED in answer.headers for answer in answers] == [False, False]
    assert answers[0].json["id"] != answers[1].json["id"]


def test_what_was_refused_is_judged_anew(ada, bob, project, key):
    path = f"/projects/{project['id']}/tasks"
    problem(ada.post(path, {}, headers=key), 422)
    problem(ada.post(path, data=b"{", headers={**key, "Content-Type": "application/json"}), 400)
    problem(ada.post(path, data=b"x", headers={**key, "Content-Type": "text/plain"}), 415)
    problem(bob.post(path, {"title": "Hers"}, headers=key), 404)
    ada.add(project, bob, "viewer")
    problem(bob.post(path, {"title": "Hers"}, headers=key), 403)
    ada.add(project, bob, "member")
    assert bob.post(path, {"title": "Hers"}, headers=key).status_code == 201
    assert ada.patch(f"/projects/{project['id']}", {"archived": True}).status_code == 200
    problem(ada.post(path, {"title": "Mine"}, headers=key), 409, "project_archived")
    assert ada.patch(f"/projects/{project['id']}", {"archived": False}).status_code == 200
    assert ada.post(path, {"title": "Mine"}, headers=key).status_code == 201
    assert REPLAYED in ada.post(path, {"title": "Mine"}, headers=key).headers


REFUSED = [
    *(
        '{"title": "a\\ud800"}',
        '{"title": "\\u0000"}',
        '{"title": "a", "x": ["\\udfff", 1.5, true]}',
        "\ufeff{}",
        "[]",
        "{}",
        "",
    ),
    *('{"title": 1e400}', '{"title": "a", "title": "b"}', '{"priority": 12345678901234567890}'),
    '{"title": ' + "[" * 40 + "]" * 40 + "}",
]


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_refused_without_a_key_is_refused_alike_with_one(ada, key, body):
    def refusal(headers):
        answer = ada.post("/tasks", data=body.encode(), headers={"Content-Type": "application/json", **headers})
        assert answer.status_code in (400, 422)
        return {name: value for name, value in problem(answer, answer.status_code).items() if name != "request_id"}

    assert refusal(key) == refusal({})
    assert ada.post("/tasks", {"title": "a"}, headers=key).status_code == 201


def test_a_key_is_no_way_to_try_passwords(environment, ada, project, key):
    """Also where it has been used: each wrong password is refused and counted as ever."""
    with another(environment, RATELIMIT_ENABLED="true") as limited:
        body, headers = requests(project)["/users/me/email"], {**key, "Authorization": f"Bearer {ada.access_token}"}
        client, path = limited.test_client(), path_of("/users/me/email")
        first = client.post(path, json=body, headers=headers)
        assert first.status_code == 202
        remaining = int(first.headers["RateLimit-Remaining"])
        statuses = [
            client.post(path, json={**body, "password": f"{n}"}, headers=headers).status_code for n in range(remaining + 5)
        ]
        assert statuses == [403] * (len(statuses) - statuses.count(429)) + [429] * statuses.count(429)
        assert statuses.count(429) >= 5
        assert REPLAYED in client.post(path, json=body, headers=headers).headers


def test_another_body_with_the_right_password_is_refused_and_does_nothing(app, ada, project, key):
    body = requests(project)["/users/me/email"]
    assert send(ada, "/users/me/email", project, key, body).status_code == 202
    before = waiting(app, Job.key.contains(ada.id))
    problem(send(ada, "/users/me/email", project, key, {**body, "email": "other@example.com"}), 422, "idempotency_key_reused")
    assert waiting(app, Job.key.contains(ada.id)) == before


def test_a_name_that_was_taken_is_judged_anew(ada, project, key):
    tag = ada.tag(project, "Bug")
    path = f"/projects/{project['id']}/tags"
    problem(ada.post(path, {"name": "bug"}, headers=key), 409, "tag_name_taken")
    assert ada.delete(f"/tags/{tag['id']}").status_code == 204
    assert REPLAYED not in ada.post(path, {"name": "bug"}, headers=key).headers
    answer = ada.post(path, {"name": "bug"}, headers=key)
    assert (answer.status_code, answer.headers[REPLAYED]) == (201, "true")


GOOD_KEYS = ["a", "!", "~", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a:b/c?d=e&f", "';--"]
BAD_KEYS = ["", "x" * 256, "a b", "a\tb", "é", "\u00a0", "\x7f", "a\x00b", "\x1b[0m"]


@pytest.mark.parametrize("value", GOOD_KEYS)
def test_any_visible_ascii_is_a_key(ada, value):
    for replayed in (False, True):
        answer = ada.post("/tasks", {"title": "a"}, headers={"Idempotency-Key": value})
        assert (answer.status_code, REPLAYED in answer.headers) == (201, replayed)


@pytest.mark.parametrize("value", BAD_KEYS)
def test_anything_else_is_no_key(ada, bob, value):
    project, headers = bob.project(), {"Idempotency-Key": value}
    before = ada.get("/tasks").headers["X-Pagination"]
    assert pointers(ada.post("/tasks", {"title": "a"}, headers=headers), "headers") == {"/Idempotency-Key"}
    assert ada.get("/tasks").headers["X-Pagination"] == before
    problem(ada.post(f"/projects/{project['id']}/tasks", {"title": "a"}, headers=headers), 404)


def test_what_may_not_be_seen_looks_like_what_does_not_exist_with_a_key_too(ada, bob, project, key):
    def answer(project_id):
        body = problem(bob.post(f"/projects/{project_id}/tasks", {"title": "a"}, headers=key), 404)
        return {name: value for name, value in body.items() if name != "request_id"}

    assert answer(project["id"]) == answer(NOBODY)
    assert send(bob, "/tasks", project, key).status_code == 422


def test_who_has_lost_sight_of_a_project_gets_404_and_not_the_kept_answer(ada, bob, project, key):
    ada.add(project, bob)
    path = f"/projects/{project['id']}/tasks"
    assert bob.post(path, {"title": "a"}, headers=key).status_code == 201
    assert ada.delete(f"/projects/{project['id']}/members/{bob.id}").status_code == 204
    problem(bob.post(path, {"title": "a"}, headers=key), 404)


def test_nobody_gets_an_answer_without_a_login(app, ada, project, key):
    assert send(ada, "/tasks", project, key).status_code == 201
    answer = app.test_client().post(path_of("/tasks"), json=requests(project)["/tasks"], headers=key)
    problem(answer, 401)


def test_a_key_is_kept_for_24_hours(app, ada, project, key):
    def age(**time):
        mine = update(KeptAnswer).where(KeptAnswer.user_id == ada.id)
        execute(app, mine.values(created_at=now() - timedelta(**time)))

    first = send(ada, "/tasks", project, key)
    age(hours=23, minutes=59)
    assert send(ada, "/tasks", project, key).json == first.json
    age(hours=24)
    anew = send(ada, "/tasks", project, key)
    assert (anew.status_code, REPLAYED in anew.headers, anew.json["number"]) == (201, False, 2)
    assert send(ada, "/tasks", project, key).json == anew.json


def test_a_key_whose_time_is_over_may_be_used_for_something_else(app, ada, project, key):
    assert send(ada, "/tasks", project, key).status_code == 201
    execute(app, update(KeptAnswer).where(KeptAnswer.user_id == ada.id).values(created_at=now() - timedelta(days=2)))
    assert REPLAYED not in send(ada, "/projects", project, key).headers
    assert REPLAYED in send(ada, "/projects", project, key).headers


def test_what_is_over_is_deleted_and_nothing_else(app, ada, bob, project, key):
    for person in (ada, bob):
        assert person.post("/tasks", {"title": "a"}, headers=key).status_code == 201
    execute(app, update(KeptAnswer).where(KeptAnswer.user_id == ada.id).values(created_at=now() - timedelta(hours=25)))
    with app.app_context():
        idempotency.prune(None)
    assert kept(app, ada) == []
    assert len(kept(app, bob)) == 1
    assert REPLAYED in bob.post("/tasks", {"title": "a"}, headers=key).headers


def test_kept_answers_go_with_the_account(app, ada, key):
    assert ada.post("/tasks", {"title": "a"}, headers=key).status_code == 201
    assert len(kept(app, ada)) == 1
    assert ada.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    assert kept(app, ada) == []


def test_a_password_in_a_request_is_kept_in_no_form_that_can_be_guessed_from(app, ada, project, key):
    assert send(ada, "/users/me/email", project, key).status_code == 202
    (row,) = kept(app, ada)
    assert PASSWORD not in str(row)
    other = ada.post("/users/me/email", {"email": "x@example.com", "password": "wrong"}, headers=key)
    problem(other, 403, "password_wrong")


def test_one_still_running_is_409_and_done_once(app, ada, project, key, overtake):
    request = partial(send, ada, "/tasks", project, key)
    first, second = overtake(request, request)
    assert (first.status_code, REPLAYED in first.headers) == (201, False)
    if app.config["SETTINGS"].is_sqlite:  # One writer at a time: the second waits, and finds the answer of the first.
        assert (second.json, second.headers[REPLAYED]) == (first.json, "true")
    else:
        problem(second, 409, "idempotency_key_in_use")
        assert int(second.headers["Retry-After"]) == 1
    assert request().headers[REPLAYED] == "true"
    assert titles(ada, project) == ["Do it"]


def test_other_keys_do_not_wait(ada, project, overtake):
    ways = [partial(ada.post, "/projects", {"name": f"P{n}"}, headers={"Idempotency-Key": f"k{n}"}) for n in range(2)]
    assert [answer.status_code for answer in overtake(*ways)] == [201, 201]


def test_of_20_equal_requests_at_once_one_is_done(app, ada, project, key):
    answers = at_once([partial(send, ada, "/tasks", project, key)] * 20)
    assert set(statuses(answers)) <= {201, 409}
    done = [answer for answer in answers if answer.status_code == 201]
    assert [REPLAYED in answer.headers for answer in done].count(False) == 1
    assert len({answer.data for answer in done}) == 1
    if app.config["SETTINGS"].is_sqlite:
        assert len(done) == 20
    assert send(ada, "/tasks", project, key).json == done[0].json
    assert titles(ada, project) == ["Do it"]


def test_a_use_case_that_is_run_again_reads_its_request_again(app, ada, project, key):
    """A race that is lost once: what the first run took from the body must be there for the second."""
    lost = []

    def lose(_):
        if not lost:
            lost.append(True)
            raise Overtaken

    with app.app_context():
        engine = db.engine
    event.listen(engine, "commit", lose)
    try:
        answer = send(ada, "/tasks", project, key)
    finally:
        event.remove(engine, "commit", lose)
    assert lost
    assert (answer.status_code, answer.json["project_id"]) == (201, project["id"])
    assert titles(ada, project) == ["Do it"]
    assert len(kept(app, ada)) == 1
