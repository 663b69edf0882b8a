"""The documents for users of the API: everything in them can be pasted, and answers as it stands there."""

import ast
import re
import shutil

import pytest

from tasktracker.core import errors, http, idempotency, wire

from .live import ROOT
from .pasting import differences, migrate, new_service, paste, steps, unlike

DOCS = ROOT / "docs"
PAGES = [DOCS / "first-steps.md", DOCS / "filters.md", DOCS / "errors.md", *sorted((DOCS / "api").glob("*.md"))]
STATUS = re.compile(r"^HTTP/1\.1 (\d{3})", re.MULTILINE)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("migrated")
    migrate(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_can_be_pasted_and_answers_as_shown(page, migrated, tmp_path):
    folder = shutil.copytree(migrated, tmp_path / "service")
    assert differences(page.read_text(), folder) == []


def test_the_pages_can_be_pasted_one_after_the_other(migrated, tmp_path):
    folder = shutil.copytree(migrated, tmp_path / "service")
    order = [DOCS / name for name in re.findall(r"\]\(([\w/-]+\.md)\)", (DOCS / "index.md").read_text())]
    pages = sorted(PAGES, key=order.index)
    assert pages[0].stem == "first-steps"
    with new_service(folder) as url:
        for page in pages:
            there = steps(page.read_text())
            # What is in the service already changes what lists show, and not whether a request succeeds.
            shown = [STATUS.findall(step.shown) for step in there]
            assert [STATUS.findall(text) for text in paste(there, url, folder)] == shown, page.stem


ANSWER = """HTTP/1.1 201 CREATED
ETag: "1-000102030405060708090a0b"

{"id": "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57", "by": "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57", "title": "Buy a tree",
 "created_at": "2026-12-24T18:00:00Z"}
"""
PAGE = f"```sh\ncurl\n```\n\n```http\n{ANSWER}```\n"
OTHER_ID = "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a58"


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("201 CREATED", "200 OK"),
        ("1-00", "2-00"),
        ("ETag", "Etags"),
        ('"Buy a tree"', '"Sell a tree"'),
        ('"Buy a tree"', '"Buy a tree", "number": 1'),
        ('"title"', '"name"'),
        ('"created_at": "2026-12-24T18:00:00Z"', '"created_at": null'),
        ('"by": "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57"', f'"by": "{OTHER_ID}"'),
    ],
)
def test_another_answer_than_the_one_that_is_shown_is_found(shown, came):
    assert shown in ANSWER
    assert unlike(steps(PAGE), [ANSWER.replace(shown, came)])


def test_what_differs_each_time_is_no_other_answer():
    came = ANSWER.replace("0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57", OTHER_ID).replace("0a0b", "ffff").replace("18:00", "19:01")
    assert came != ANSWER
    assert unlike(steps(PAGE), [came]) == []


def test_what_is_printed_and_not_shown_is_found():
    assert unlike(steps("```sh\ncurl\n```\n"), [ANSWER])


def test_an_answer_without_code_is_refused():
    with pytest.raises(AssertionError, match="No code before this"):
        steps("Some words.\n\n```json\n{}\n```\n")


@pytest.mark.parametrize(("language", "code"), [("sh", "false"), ("python", "0 / 0"), ("js", "throw Error()")])
def test_code_that_fails_is_found(language, code, tmp_path):
    with pytest.raises(AssertionError, match=code.replace("(", r"\(").replace(")", r"\)")):
        paste(steps(f"```{language}\n{code}\n```\n"), "http://127.0.0.1:1", tmp_path)


def test_every_page_with_requests_is_pasted():
    with_requests = {
        file for file in DOCS.rglob("*.md") if re.search(r"^```(python|js)$|^API=", file.read_text(), re.MULTILINE)
    }
    # The commands of these have tests of their own in test_docs.py.
    assert with_requests - {DOCS / "authentication.md", DOCS / "reliability.md", DOCS / "clients.md"} <= set(PAGES)


def test_every_route_has_a_request(app):
    paths = app.test_client().get("/api/v1/openapi.json").json["paths"]
    routes = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path.removeprefix("/api/v1")))
        for path, item in paths.items()
        for method in item.keys() - {"parameters"}
    }
    code = "".join(step.code for page in PAGES for step in steps(page.read_text()) if step.language == "sh")
    sent = set()
    for request in re.findall(r"curl .*", code):
        path = re.search(r'\$API(/[^\s"?]*)', request)[1]
        method = re.search(r"-X (\w+)", request)
        sent.add((method[1] if method else "POST" if "--json" in request else "GET", re.sub(r"\$\w+", "{}", path)))
    assert routes <= sent


def test_every_code_is_explained_and_no_other():
    explained = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(set(explained))
    assert {(int(status), code) for status, code in explained} == refused_with()


def refused_with():
    """Every status with its codes: those that the kinds of refusals have, those that are given where one is raised, and
    those of answers that no use case gives."""
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Refusal)}
    found = {(http._STATUS[kind], kind.code) for kind in http._STATUS} - {(409, errors.Conflict.code)}
    for file in (ROOT / "tasktracker").rglob("*.py"):
        if file.parent.name == "cli":
            continue
        for call in filter(lambda node: isinstance(node, ast.Call), ast.walk(ast.parse(file.read_text()))):
            name = ast.unparse(call.func).split(".")[-1]
            if name == "taken":
                found.add((409, call.args[1].value))
            elif name in kinds and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
                found.add((http._STATUS[kinds[name]], call.args[1].value))
            elif name == "problem" and isinstance(call.args[0], ast.Constant):
                found.add((call.args[0].value, call.args[1].value))
    found |= {(409, idempotency.IN_USE), (422, idempotency.REUSED), (405, http.code_of(405))}
    return found | {(status, http.code_of(status)) for status in wire._STATUS.values()}
