"""Requests made from the OpenAPI document, valid and broken ones, and whether every answer is as documented.

`make fuzz` looks longer, and elsewhere each time.
"""

import os
import re
import secrets
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import load_all_checks
from schemathesis.core import NOT_SET
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tasktracker.core.idempotency import HEADER, LONGEST, PATTERN

from .people import PASSWORD, Person, new_team

# Tracing their every line takes long, and shows nothing that other tests do not.
pytestmark = pytest.mark.no_cover

# How many requests `make fuzz` shall try; half of them are those of attacks/test_any_request.py.
FUZZ_CASES = int(os.environ.get("FUZZ_CASES", "0"))
EXAMPLES = 1 + FUZZ_CASES // 400  # Made at random for each operation, beside those for each rule of it.
SEQUENCES = 8 + FUZZ_CASES // 400  # Of 20 requests each.
# What a schema cannot say: a name of the time zone database, dates in their order, a field once in `sort`, a letter, which
# passwords are common, which addresses mail can be sent to.
BEYOND_SCHEMA = {"/timezone", "/start_date", "/due_date", "/sort", "/search", "/password", "/new_password", "/email"}


def document(app: Flask) -> Any:
    """The document, for requests in process."""
    # Each request is sent with a good login, so none is made up; ignored_auth sends some without and with a bad one.
    generation = {"max-examples": EXAMPLES, "database": "none", "with-security-parameters": False}
    generation |= {} if FUZZ_CASES else {"deterministic": True}
    # The document's own examples are sent in test_openapi.py.
    phases = {"examples": {"enabled": False}, "stateful": {"generation": {"mode": "positive"}}}
    # The cases for the rules of their queries are those of `GET /tasks` again; random ones are made.
    again = [
        {"include-operation-id": operation, "phases": {"coverage": {"enabled": False}}}
        for operation in (
            "list_project_tasks", "list_project_tags", "list_members", "list_project_teams", "list_teams", "list_team_members",
            "list_sessions",
        )
    ]  # fmt: skip
    options = {"generation": generation, "phases": phases, "operations": again}
    config = schemathesis.Config.from_dict(options)
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app, config=config)


class World:
    """Who sends the requests, and what there is for them."""

    def __init__(self, app: Flask, me: Person, other: Person) -> None:
        self.app, self.me, self.other = app, me, other
        self.ids: dict[str, str] = {}

    def prepare(self, case: Case) -> dict[str, str]:
        """Lets a request name what is there, where it names something well; returns its headers."""
        if case.body is not NOT_SET:
            case.body = trimmed(case.body)
        make_key_new(case)
        body = case.body if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY) else {}
        path = {} if case.meta.is_negative_at(ParameterLocation.PATH) else case.path_parameters
        if path or any(name.endswith(("_id", "_ids")) for name in body):
            self.ids = self.ids or self.make()
            path |= {name: self.ids[name] for name in path}
            body |= {name: self.ids[name] for name in body if name in self.ids and body[name] is not None}
        if body.get("tag_ids"):
            body["tag_ids"] = [self.ids["tag_id"] for _ in body["tag_ids"]]
            body |= {} if path else {"project_id": self.ids["project_id"]}
        token = self.me.access_token
        if case.path.endswith("/auth/logout"):  # A session of its own, so that the others go on.
            token = self.log_in()
        return {"Authorization": f"Bearer {token}"}

    def log_in(self) -> str:
        """The access token of another session."""
        return self.me.post("/auth/login", {"username": self.me.email, "password": PASSWORD}).json["access_token"]

    def make(self) -> dict[str, str]:
        """New things of each kind, with their ids under the names that requests have for them."""
        project = self.me.project()
        self.me.add(project, self.other)
        team = new_team(self.app, self.me, self.other)
        self.me.add_team(project, team)
        tag = self.me.tag(project)
        task = self.me.task(project, tag_ids=[tag["id"]])
        self.log_in()
        session = next(each for each in self.me.get("/auth/sessions").json if not each["current"])["id"]
        ids = {"project_id": project["id"], "tag_id": tag["id"], "task_id": task["id"], "team_id": team, "session_id": session}
        return {**ids, "user_id": self.other.id, "owner_id": self.other.id, "assigned_to_id": self.me.id}

    def learn(self, case: Case, response: Response) -> None:
        """What was changed may be gone, archived or another's: the next request gets new things."""
        if case.method in ("PATCH", "DELETE") and response.status_code < 300:
            self.ids = {}


def make_key_new(case: Case) -> None:
    """Lets a good Idempotency-Key be one that no other request has had, as each should have."""
    key = case.headers.get(HEADER)
    if isinstance(key, str) and re.fullmatch(PATTERN, key):
        case.headers[HEADER] = f"{secrets.token_hex(8)}{key}"[:LONGEST]


def trimmed(value: Any) -> Any:
    """The value as the server judges it: without white space at the ends of its texts."""
    if isinstance(value, dict):
        return {name: trimmed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [trimmed(inner) for inner in value]
    return value.strip() if isinstance(value, str) else value


def valid_data_is_accepted(ctx: CheckContext, response: Response, case: Case) -> None:
    """A request that is valid by the document is refused for nothing that the document could have said."""
    refused = case.meta.generation.mode.is_positive and response.status_code in (400, 413, 415, 422)
    if refused and response.json()["code"] != "token_invalid":  # A made-up token is none.
        pointers = {error["pointer"] for error in response.json().get("errors", [])}
        assert pointers
        assert pointers <= BEYOND_SCHEMA


def conflicts_are_named(ctx: CheckContext, response: Response, case: Case) -> None:
    """The code of a conflict is one of those that the document has for the operation."""
    if response.status_code == 409:
        assert f"`{response.json()['code']}`" in case.operation.definition.raw["responses"]["409"]["description"]


@pytest.fixture
def world(app, ada, bob):
    load_all_checks()
    return World(app, ada, bob)


def test_every_answer_to_valid_and_broken_requests_is_as_documented(app, world, record_property):
    tried = 0
    wrong: dict[tuple[str, str], str] = {}
    closed: set[str] = set()  # Operations that were seen to need a login.

    def check(case: Case) -> None:
        nonlocal tried
        tried += 1
        headers = world.prepare(case)
        response = case.call(headers=headers)
        # positive_data_acceptance knows nothing beyond the schema; `valid_data_is_accepted` stands in for it.
        # ignored_auth sends each request again without a login; once for each operation is enough.
        excluded = [positive_data_acceptance, *([ignored_auth] if case.operation.label in closed else [])]
        try:
            case.validate_response(
                response,
                headers=headers,
                transport_kwargs={"headers": headers},
                additional_checks=[valid_data_is_accepted, conflicts_are_named],
                excluded_checks=excluded,
            )
        except FailureGroup as failures:
            for failure in failures.exceptions:
                request = f"{case.as_curl_command()}\n{response.status_code} {response.text}"
                wrong.setdefault((case.operation.label, str(failure)), request)
        if response.status_code < 300:
            closed.add(case.operation.label)
        world.learn(case, response)

    for result in get_all_tests(schema=document(app), test_func=check, settings=None, given_kwargs=None):
        _, test = result.ok()
        test()
    record_property("cases", tried)
    assert not wrong, "\n\n".join(f"{label}: {failure}\n{request}" for (label, failure), request in wrong.items())


class Shadow:
    """What a sequence of requests has made and deleted, kept beside the service; an id stays known when it is gone."""

    def __init__(self, person: Person) -> None:
        self.person = person
        inbox = person.inbox()["id"]
        self.project_of: dict[str, dict[str, str]] = {"project_id": {inbox: inbox}, "task_id": {}, "tag_id": {}}
        self.gone: set[str] = set()

    def known(self, name: str, made_up: str) -> str:
        """An id that this sequence knows, in the place of a made-up one."""
        ids = list(self.project_of.get(name, ()))
        return made_up if made_up in ids or not ids else ids[int(made_up[-2:], 16) % len(ids)]

    def prepare(self, case: Case) -> None:
        """Lets a request name what the sequence knows; people and teams are no part of it."""
        for name in ("If-Match", "If-None-Match"):  # Made-up ones would let nothing be changed.
            case.headers.pop(name, None)
        make_key_new(case)
        case.path_parameters |= {name: self.known(name, value) for name, value in case.path_parameters.items()}
        if isinstance(case.body, dict):
            body = {name: value for name, value in case.body.items() if name not in ("assigned_to_id", "tag_ids", "owner_id")}
            case.body = body | {name: self.known(name, body[name]) for name in ("project_id",) if name in body}

    def compare(self, case: Case, response: Response) -> None:
        """What is gone is 404 in all ways, what is there in none; then keeps what the request did."""
        target = next(iter(case.path_parameters.values()), None)
        if target in self.gone:
            assert response.status_code == 404
        elif target and len(case.path_parameters) == 1 and any(target in ids for ids in self.project_of.values()):
            assert response.status_code != 404
        if response.status_code == 201:
            row, kind = response.json(), case.path.rsplit("/", 1)[1].removesuffix("s")
            self.project_of[f"{kind}_id"][row["id"]] = row.get("project_id", row["id"])
        elif case.operation.label == "PATCH /api/v1/tasks/{task_id}" and response.status_code == 200:
            self.project_of["task_id"][target] = response.json()["project_id"]
        elif case.method == "DELETE" and response.status_code == 204 and len(case.path_parameters) == 1:
            self.gone |= {one for ids in self.project_of.values() for one, of in ids.items() if target in (one, of)}


def test_sequences_of_requests_are_answered_as_documented(app, person, record_property):
    """What was made is there, what was deleted is gone, whatever comes between and whatever is asked."""
    tried = 0
    # Logout would end the session that the rest of a sequence needs; the others neither make nor delete what is followed.
    schema = document(app).exclude(path_regex="/auth/|/users/|/members|/teams").exclude(operation_id_regex="^list_")

    class Workflow(schema.as_state_machine()):
        def setup(self) -> None:
            self.shadow = Shadow(person())

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {self.shadow.person.access_token}"}}

        def before_call(self, case: Case) -> None:
            nonlocal tried
            tried += 1
            self.shadow.prepare(case)

        def validate_response(self, response: Response, case: Case, additional_checks: Any = None, **kwargs: Any) -> None:
            case.validate_response(
                response,
                transport_kwargs=kwargs,
                additional_checks=[conflicts_are_named],
                # Ids of what is gone are sent on purpose, so valid requests are refused; logins were checked above.
                excluded_checks=[positive_data_acceptance, ignored_auth],
                recorder=self.recorder,
            )
            self.shadow.compare(case, response)

    Workflow.run(
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=20,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            derandomize=not FUZZ_CASES,
            suppress_health_check=list(HealthCheck),
        )
    )
    record_property("cases", tried)
