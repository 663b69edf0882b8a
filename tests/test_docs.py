"""The documents under docs/ say what the code does, and their commands work when they are pasted."""

import ast
import json
import re
import subprocess
from datetime import timedelta

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from config import load, names
from tasktracker.accounts import limits, mailed_tokens, pruning, sessions
from tasktracker.accounts.models import Purpose
from tasktracker.core.limits import Limit

from .browser import browser, requests
from .conftest import SECRETS
from .live import flask, serving
from .people import new_person


@pytest.fixture(scope="module")
def authentication(root):
    return (root / "docs" / "authentication.md").read_text()


def table(text, heading):
    """The rows of the first table below a heading, without the row of names."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 1, heading
    return rows[1:]


def test_the_requests_can_be_pasted(authentication, tmp_path):
    environment = {"APP_ENV": "development", "INSTANCE_PATH": str(tmp_path), "LOG_LEVEL": "WARNING", **SECRETS}
    flask(environment, "db", "upgrade")
    script = "\n".join(re.findall(r"```sh\n(.*?)```", authentication, re.DOTALL)).replace("instance/mail", f"{tmp_path}/mail")
    with serving(environment) as url:
        script = script.replace("http://127.0.0.1:8000", url)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # One line for each status; what lies between them are answers that are shown.
    assert re.findall(r"^(?:HTTP/1.1 )?(\d{3})\b", done.stdout, re.MULTILINE) == [
        "200",  # The second tab.
        *("204", "401", "200"),  # A changed password.
        *("403", "401"),  # Wrong ones.
        "204",  # A changed address.
        *("204", "401"),  # A password that was reset; between them lies a 422.
        *("204", "401"),  # A logout.
    ]
    assert '{"total":1,' in done.stdout.replace(" ", "")
    assert done.stdout.count('"current":true') == 1
    assert re.findall(r"^RateLimit-Remaining: (\d+)", done.stdout, re.MULTILINE | re.IGNORECASE) == ["8", "9"]
    assert re.findall(r'"code":"(\w+)"', done.stdout) == ["password_wrong", "invalid_credentials", "token_invalid"]
    assert re.search(r"^grace-\d+@example\.org$", done.stdout, re.MULTILINE)
    assert done.stdout.count('{"message":') == 2


def test_the_requests_that_are_sent_again_can_be_pasted(root, tmp_path):
    environment = {"APP_ENV": "development", "INSTANCE_PATH": str(tmp_path), "LOG_LEVEL": "WARNING", **SECRETS}
    flask(environment, "db", "upgrade")
    flask(environment, "seed", "--users", "2", "--projects", "1", "--tasks", "1", "--tags", "1")
    blocks = re.findall(r"```sh\n(.*?)```", (root / "docs" / "reliability.md").read_text(), re.DOTALL)
    with serving(environment) as url:
        script = "\n".join(blocks).replace("http://127.0.0.1:8000", url)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^HTTP/1.1 (\d{3})\b", done.stdout, re.MULTILINE) == ["201", "201", "422", "200", "412"]
    assert done.stdout.lower().count("idempotent-replayed: true") == 1
    assert re.findall(r'"code":"(\w+)"', done.stdout) == ["idempotency_key_reused", "precondition_failed"]
    first, second = re.findall(r'^\{"id":"(.*?)".*"title":"Buy a tree"', done.stdout, re.MULTILINE)[:2]
    assert first == second


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_code_that_refreshes_works_in_two_tabs(authentication, app, environment, tmp_path):
    """The block of docs/authentication.md: requests share a refresh, tabs take turns, and an ended session is forgotten."""
    (code,) = re.findall(r"```js\n(.*?)```", authentication, re.DOTALL)
    token = new_person(app).refresh_token
    with browser(tmp_path / "profile") as chrome, serving(environment) as base:

        def load():
            chrome.get(f"{base}/api/v1/docs")
            chrome.execute_script(code.replace("http://127.0.0.1:8000", base) + "window.call = call;")

        def ask():
            chrome.execute_script("window.told = Promise.all([1, 2, 3].map(() => call('/users/me')))")

        def told():
            return chrome.execute_async_script("told.then((all) => arguments[0](all.map((each) => each?.status ?? null)))")

        def kept(tab):
            chrome.switch_to.window(tab)
            return chrome.execute_script("return localStorage.getItem('refresh_token')")

        def refreshes():
            sent = [each["postData"] for each in requests(chrome) if each["url"].endswith("/auth/refresh")]
            return [json.loads(body) for body in sent]

        load()
        chrome.execute_script("localStorage.setItem('refresh_token', arguments[0])", token)
        first = chrome.current_window_handle
        chrome.switch_to.new_window("tab")
        load()
        requests(chrome)
        ask()
        second = chrome.current_window_handle
        chrome.switch_to.window(first)
        ask()
        for tab in (first, second):
            chrome.switch_to.window(tab)
            assert told() == [200, 200, 200]
        assert len(refreshes()) == 2
        WebDriverWait(chrome, 10).until(lambda _: kept(first) == kept(second))
        newest = kept(second)
        load()
        ask()
        assert told() == [200, 200, 200]
        assert refreshes() == [{"refresh_token": newest}]
        chrome.execute_async_script("call('/auth/logout', {method: 'POST'}).then(arguments[0])")
        ask()
        assert told() == [401, 401, 401]
        assert kept(second) is None


def test_the_table_of_limits_is_what_is_counted(authentication):
    said = {name.strip("`"): (address, account) for name, *_, address, account in table(authentication, "Limits")}
    counted = {
        limit.name: (limit.per_address, limit.per_account) for limit in vars(limits).values() if isinstance(limit, Limit)
    }
    assert said == counted


def test_the_routes_of_the_table_are_those_that_are_limited(app, authentication):
    said = {route for row in table(authentication, "Limits") for route in re.findall(r"`(/[^`]+)`", row[1])}
    paths = app.test_client().get("/api/v1/openapi.json").json["paths"]
    limited = {
        path for path, item in paths.items() for name in item if name != "parameters" and "429" in item[name]["responses"]
    }
    assert {f"/api/v1{route}" for route in said} == limited


def test_the_table_of_lifetimes_is_what_holds(authentication):
    def seconds(words):
        number, unit = words.split()
        return timedelta(**{unit if unit.endswith("s") else f"{unit}s": int(number)})

    assert [seconds(row[1]) for row in table(authentication, "How long things live")] == [
        sessions.ACCESS_LIFETIME,
        sessions.IDLE_LIFETIME,
        sessions.WHOLE_LIFETIME,
        sessions.GRACE,
        mailed_tokens.LIFETIMES[Purpose.verify_address],
        mailed_tokens.LIFETIMES[Purpose.change_address],
        mailed_tokens.LIFETIMES[Purpose.reset_password],
        pruning.UNCONFIRMED_LIFETIME,
    ]
    assert f"may differ by {sessions.LEEWAY.seconds} seconds" in authentication


def test_every_code_that_these_routes_answer_is_explained_and_no_other(app, root, authentication):
    explained = {tuple(row[0].replace("`", "").split()) for row in table(authentication, "What an error means, and what to do")}
    document = app.test_client().get("/api/v1/openapi.json").json
    accounts = [item for path, item in document["paths"].items() if re.match(r"/api/v1/(auth|users)/", path)]
    answers = {
        (status, word)
        for item in accounts
        for method in item.keys() - {"parameters"}
        for status, answer in item[method]["responses"].items()
        for word in re.findall(r"`(\w+)`", answer.get("description", "").partition("`code`:")[2])
    }
    assert answers
    assert answers <= explained
    code = "".join(file.read_text() for file in (root / "tasktracker").rglob("*.py"))
    assert not [word for _, word in explained if f'"{word}"' not in code]


def test_every_setting_that_is_named_exists(authentication):
    named = {word for row in table(authentication, "Settings that matter") for word in re.findall(r"`([A-Z_]{4,})`", row[0])}
    assert named == named & set(names())
    assert len(named) > 4


def test_every_event_that_is_logged_for_security_is_in_the_table(root):
    rows = table((root / "docs" / "security.md").read_text(), "What is logged")
    told = [event for row in rows for event in re.findall(r"`(\w+)`", row[0])]
    logged = {event for file in sorted((root / "tasktracker").rglob("*.py")) for event in audited(file)}
    assert sorted(told) == sorted(logged)


def audited(file):
    """The events that a module hands to `audit`, itself or by a function of its own with a parameter `happened`."""
    tree = ast.parse(file.read_text())
    functions = {each.name: [arg.arg for arg in each.args.args] for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    for call in ast.walk(tree):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name("audit"), attr="record" | "refused"), args=[what]):
                yield from literals(what)
            case ast.Call(func=ast.Name(name)) if "happened" in functions.get(name, ()):
                yield from literals(call.args[functions[name].index("happened")])


def literals(node):
    """What an argument may be; nothing where it is the parameter of that name."""
    if isinstance(node, ast.IfExp):
        return [*literals(node.body), *literals(node.orelse)]
    if isinstance(node, ast.Name):
        assert node.id == "happened"
        return []
    assert isinstance(node, ast.Constant), ast.dump(node)
    return [node.value]


def test_every_promise_names_tests_that_exist(root):
    rows = table((root / "docs" / "security.md").read_text(), "Requirements")
    rows = [row for row in rows if row[0].startswith("A")]
    assert [row[0] for row in rows] == [f"A{number:02}" for number in range(1, 63)]
    for row in rows:
        assert named(root, row[-1]), row[0]


def named(root, text):
    """The tests that a text names, all of which exist."""
    tests = re.findall(r"`([\w/.]+)::(\w+)`", text)
    for file, name in tests:
        assert f"\ndef {name}(" in (root / "tests" / file).read_text(), f"{file}::{name}"
    return tests


def test_every_promise_of_reliability_names_tests_that_exist(root):
    text = (root / "docs" / "reliability.md").read_text().partition("\n## What is promised")[2].partition("\n## ")[0]
    sections = re.split(r"\n### ", text)[1:]
    assert len(sections) == 6
    for section in sections:
        rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
        assert rows, section[:20]
        for row in rows:
            assert named(root, row) or "`make " in row, row


def test_the_table_of_time_outs_is_what_holds(root, tmp_path):
    section = (root / "docs" / "reliability.md").read_text().partition("\n### Time-outs\n")[2].partition("\n## ")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", section, re.MULTILINE))
    settings = load({"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path)})
    assert set(said) == {name for name in names() if name.endswith("_TIMEOUT")}
    assert {name: float(seconds) for name, seconds in said.items()} == {name: getattr(settings, name.lower()) for name in said}


def test_every_flow_is_drawn_with_parts_that_fit(authentication):
    drawings = re.findall(r"```mermaid\n(.*?)```", authentication, re.DOTALL)
    assert len(drawings) == 7
    for drawing in drawings:
        first, *lines = drawing.splitlines()
        assert first == "sequenceDiagram"
        people = set(re.findall(r"^ +(?:actor|participant) (\w+)", drawing, re.MULTILINE))
        depth = 0
        for line in map(str.strip, lines):
            word = line.split()[0]
            depth += (word in ("alt", "opt", "loop")) - (word == "end")
            assert depth >= (word == "else"), line
            if found := re.fullmatch(r"(\w+)--?>>(\w+): \S.*|Note over (\w+)(?:,(\w+))?: \S.*", line):
                assert {name for name in found.groups() if name} <= people, line
            else:
                assert word in ("actor", "participant", "alt", "else", "opt", "loop", "end"), line
        assert depth == 0


def test_links_lead_somewhere(root):
    for document in (root / "docs").glob("*.md"):
        text = document.read_text()
        anchors = {
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)", text, re.MULTILINE)
        }
        for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            assert (document.parent / file).exists(), f"{document.name}: {target}"
            assert file or anchor in anchors, f"{document.name}: {target}"
