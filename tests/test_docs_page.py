"""Swagger UI: served from here alone, and usable in a real browser by someone who has just logged in."""

import json
import re
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as when
from selenium.webdriver.support.ui import WebDriverWait

from tasktracker.accounts.services.users import create_user
from tasktracker.core.errors import Conflict

from .browser import browser, complaints, requests
from .live import serving

DOCS = "/api/v1/docs"
DEMO = ("demo", "demo-password-please-change")


@pytest.mark.parametrize("path", ["/", DOCS, f"{DOCS}/"])
def test_the_root_and_the_page_lead_to_swagger_ui(app, path):
    answer = app.test_client().get(path, follow_redirects=True)
    assert answer.status_code == 200
    assert answer.request.path.rstrip("/") == DOCS
    assert answer.headers["Content-Type"].startswith("text/html")
    assert '<div id="swagger-ui">' in answer.text


def test_the_root_redirects(app):
    answer = app.test_client().get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"].rstrip("/") == DOCS


def test_the_page_allows_scripts_of_this_server_alone(app):
    policy = app.test_client().get(DOCS).headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"


def test_all_that_the_page_loads_is_served_here(app):
    client = app.test_client()
    found = re.findall(r'(?:src|href)="([^"]+)"', client.get(DOCS).text)
    assert len(found) == 4
    for path in found:
        assert path.startswith(f"{DOCS}/")
        with client.get(path) as answer:
            assert answer.status_code == 200, path


def test_nothing_else_of_the_package_is_served(app):
    for name in ("index.html", "swagger-ui.js.map", "..%2f__init__.py", "nothing"):
        assert app.test_client().get(f"{DOCS}/assets/{name}").status_code == 404


class Page:
    """Swagger UI, as a person uses it."""

    def __init__(self, chrome, base):
        self.chrome, self.base, self.wait = chrome, base, WebDriverWait(chrome, 20)
        chrome.get(f"{base}/")
        self.find("#operations-accounts-get_me")

    def find(self, selector):
        return self.wait.until(when.visibility_of_element_located((By.CSS_SELECTOR, selector)))

    def click(self, selector):
        element = self.wait.until(when.presence_of_element_located((By.CSS_SELECTOR, selector)))
        self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        self.wait.until(when.element_to_be_clickable((By.CSS_SELECTOR, selector))).click()

    def try_out(self, operation):
        """Sends a request with what the page offers; returns the status and the body that it shows."""
        at = f"#operations-{operation}"
        self.click(f"{at} .opblock-summary-control")
        self.click(f"{at} .try-out__btn")
        self.click(f"{at} .execute")
        status = self.find(f"{at} .live-responses-table tbody .response-col_status").text
        body = self.find(f"{at} .live-responses-table tbody .response-col_description .microlight").text
        return status.split()[0], json.loads(body)

    def authorize(self, token):
        self.click(".auth-wrapper .authorize")
        self.find(".auth-container input").send_keys(token)
        self.click(".auth-container .authorize")
        self.click(".auth-container .btn-done")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_demo_user_logs_in_authorizes_and_sends_a_request(app, environment, tmp_path):
    with app.app_context(), suppress(Conflict):
        create_user(email="demo@example.com", username=DEMO[0], password=DEMO[1], verified=True)
    with browser(tmp_path / "profile") as chrome, serving(environment) as base:
        page = Page(chrome, base)
        assert urlsplit(chrome.current_url).path.rstrip("/") == DOCS

        # The example of the login is the demo user's, so it is sent as it stands.
        status, tokens = page.try_out("accounts-log_in")
        assert status == "200"

        page.authorize(tokens["access_token"])
        status, me = page.try_out("accounts-get_me")
        assert (status, me["username"]) == ("200", DEMO[0])

        status, task = page.try_out("tasks-create_task")
        assert (status, task["created_by"]["username"]) == ("201", DEMO[0])

        status, tasks = page.try_out("tasks-list_tasks")
        assert (status, tasks[0]["id"]) == ("200", task["id"])

        assert complaints(chrome) == []
        assert {urlsplit(sent["url"]).netloc for sent in requests(chrome)} == {urlsplit(base).netloc}
