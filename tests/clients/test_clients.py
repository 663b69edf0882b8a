"""Clients that are generated from the OpenAPI document do a day's work, as docs/clients.md says."""

import json
import re
import secrets

import pytest

from ..live import flask
from ..people import PASSWORD, new_person

RUN = {"py": ("python",), "ts": ("node",)}
DAY = {
    "shared": 200,
    "refs": ["WEB-1", "WEB-100"],
    "again": [True, "true"],
    "found": {"status": 60, "priority": 25, "both": 5, "tag": 25, "due": 10, "search": 10, "nobody's": 100},
    "pages": [[100, 30], [100, 30], [100, 30], [100, 10], [100, 0]],
    "distinct": 100,
    "first": ["Task 003", "high"],
    "seen": "Task 007",
    "changed": [304, "done", None, "Task 000", None, [412, "precondition_failed", []]],
    "deleted": 204,
    "archived": True,
    "logged out": 204,
    "refused": {
        "stranger": [401, "invalid_credentials", []],
        "key": [409, "key_taken", []],
        "title": [422, "validation_failed", ["/title"]],
        "page": [422, "validation_failed", ["/page"]],
        "viewer": [403, "forbidden", []],
        "unseen": [404, "not_found", []],
        "deleted": [404, "not_found", []],
        "archived": [409, "project_archived", []],
        "logged out": [401, "not_authenticated", []],
    },
}


def test_generators_and_compiler_have_nothing_to_say_against_the_document(workshop):
    assert "openapi.json → api.d.ts" in workshop.said
    assert not re.search("warn|error|unsupported|skip", workshop.said, re.IGNORECASE), workshop.said


def test_what_clients_are_generated_from_is_what_the_command_writes(workshop, environments, tmp_path):
    flask(environments("sqlite"), "openapi", "write", str(tmp_path / "openapi.json"))
    written, published = (json.loads((folder / "openapi.json").read_text()) for folder in (tmp_path, workshop.folder))
    assert written == published


def test_every_operation_and_schema_has_its_place_in_the_python_client(workshop):
    document = json.loads((workshop.folder / "openapi.json").read_text())
    package = workshop.folder / "client" / "task_tracker_client"
    operations = {
        each["operationId"] for item in document["paths"].values() for name, each in item.items() if name != "parameters"
    }
    assert {file.stem for file in package.glob("api/*/*.py")} - {"__init__"} == operations
    exported = (package / "models" / "__init__.py").read_text()
    assert [name for name in document["components"]["schemas"] if f'"{name}"' not in exported] == []


def test_work_through_the_python_client_is_typed(workshop):
    options = {"include": ["day.py", "example.py"], "extraPaths": ["client"], "typeCheckingMode": "standard"}
    (workshop.folder / "pyrightconfig.json").write_text(json.dumps(options))
    assert "0 errors, 0 warnings" in workshop.run("basedpyright")


@pytest.mark.parametrize("language", RUN)
def test_a_day_s_work(workshop, serve, backend, language):
    said = workshop.run(*RUN[language], f"day.{language}", serve(backend), f"{language}-{secrets.token_hex(4)}")
    assert json.loads(said) == DAY


@pytest.mark.parametrize("language", RUN)
def test_the_example_of_the_document_works(workshop, serve, app, backend, language):
    person = new_person(app)
    text = (workshop.folder / f"example.{language}").read_text()
    for theirs, ours in (
        ("http://127.0.0.1:8000", serve(backend)),
        ('"demo"', f'"{person.username}"'),
        ("demo-password-please-change", PASSWORD),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    example = workshop.folder / f"example-{backend}.{language}"
    example.write_text(text)
    try:
        ref, pagination = workshop.run(*RUN[language], example.name).split(maxsplit=1)
    finally:
        example.unlink()
    assert ref.endswith("-1")
    assert json.loads(pagination)["total"] == 1
