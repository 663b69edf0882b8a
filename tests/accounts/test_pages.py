"""The pages that links in mails open: opening them does nothing, and the token stays where it belongs."""

import json
import re
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ..browser import browser, complaints, requests
from ..live import serving
from ..people import PASSWORD, new_person, problem
from ..post import do_jobs
from ..servers import free_port

TOKEN = "tests-only-mailed-token"
PAGES = ["/verify-email", "/reset-password"]
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def loaded_by(page):
    """The paths of all that a page loads."""
    return set(re.findall(r'(?:src|href)="([^"]+)"', page))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_load_what_is_served_here_and_is_kept_nowhere(app, path):
    client = app.test_client()
    answer = client.get(path, query_string={"token": TOKEN})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; ")) == POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"Set-Cookie", "ETag", "Last-Modified"} & set(answer.headers.keys())
    head = client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]
    problem(client.post(path, json={"token": TOKEN}), 405)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_the_same_whatever_stands_in_its_link(app, path):
    plain = app.test_client().get(path).data
    for query in (f"token={TOKEN}&utm_source=mail", "token=a&token=b", "token=%22%3E%3Cscript%3E", "%7B%7B1%7D%7D"):
        assert app.test_client().get(f"{path}?{query}").data == plain
    assert app.test_client().get(f"{path}/").data == plain


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_loads_is_served_here_and_nothing_stands_inline(app, path):
    client = app.test_client()
    page = client.get(path).text
    assert {"/pages/page.css", "/pages/page.js", "/pages/icon.svg"} <= loaded_by(page)
    for name in loaded_by(page):
        assert name.startswith("/pages/")
        with client.get(name) as answer:
            assert answer.status_code == 200, name
            kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
            assert answer.headers["Content-Type"].startswith(kinds[name.rpartition(".")[2]])
            assert answer.headers["Cache-Control"] == "no-cache"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]* src=)", page)


def test_nothing_else_of_the_folder_is_served(app):
    for name in ("layout.html", "verify-email.html", "..%2fpages.py", "../pages.py", "%2e%2e/pages.py", "", "nothing"):
        problem(app.test_client().get(f"/pages/{name}"), 404, "not_found")


def test_the_form_says_how_long_a_password_must_be(app):
    shortest = app.config["SETTINGS"].password_min_length
    assert f"{shortest} characters or more" in app.test_client().get("/reset-password").text


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """The file that the service logs to."""
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def base(environments, applications, log):
    """Where the service is. A browser sees no difference between the databases, so one of them is enough."""
    applications("sqlite")  # Which makes the tables.
    environment = {**environments("sqlite"), "LOG_LEVEL": "INFO"}
    with serving(environment, "--capture-output", "--error-logfile", str(log)) as url:
        yield url


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    """A browser."""
    with browser(tmp_path_factory.mktemp("pages") / "profile") as driver:
        yield driver


class Page:
    """A page, as a person who followed a link uses it."""

    def __init__(self, chrome, url):
        self.chrome, self.wait = chrome, WebDriverWait(chrome, 20)
        chrome.get(url)

    def find(self, selector):
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def press(self):
        """Presses the button and returns what the page says when it is done."""
        self.find("button").click()
        self.wait.until(lambda _: self.says() != "One moment, please.")
        return self.says()

    def says(self):
        """What the page says of how it went."""
        return self.find("#status").text

    def is_ready(self):
        """Whether there is a button that can be pressed."""
        return self.find("button").is_displayed() and self.find("button").is_enabled()


@pytest.mark.parametrize("path", PAGES)
def test_opening_a_link_sends_nothing_and_takes_the_token_out_of_sight(base, chrome, log, path):
    chrome.execute_cdp_cmd("Page.resetNavigationHistory", {})
    complaints(chrome), requests(chrome)
    page = Page(chrome, f"{base}{path}?token={TOKEN}&utm_source=mail#top")
    assert page.is_ready()
    assert page.says() == ""
    assert chrome.current_url == f"{base}{path}"
    entries = chrome.execute_cdp_cmd("Page.getNavigationHistory", {})["entries"]
    assert not [entry["url"] for entry in entries if TOKEN in entry["url"]]

    first, *others = requests(chrome)
    assert first["url"].startswith(f"{base}{path}?token={TOKEN}")
    assert {urlsplit(sent["url"]).path for sent in others} == loaded_by(chrome.page_source)
    for sent in others:
        assert sent["method"] == "GET"
        assert TOKEN not in str(sent)
    assert complaints(chrome) == []
    assert f'"{path}"' in log.read_text()
    assert TOKEN not in log.read_text()


@pytest.mark.parametrize("path", PAGES)
def test_a_link_without_its_token_is_incomplete(base, chrome, path):
    complaints(chrome)
    page = Page(chrome, f"{base}{path}?token=")
    assert page.says().startswith("This link is incomplete.")
    assert not page.is_ready()
    assert chrome.switch_to.active_element.get_attribute("id") == "status"

    # The token stood in the link alone, so a page that is loaded again has lost it.
    page = Page(chrome, f"{base}{path}?token={TOKEN}")
    assert page.is_ready()
    chrome.refresh()
    assert page.says().startswith("This link is incomplete.")
    assert complaints(chrome) == []


@pytest.mark.parametrize("path", PAGES)
def test_without_javascript_a_page_says_that_it_needs_it(base, chrome, path):
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = Page(chrome, f"{base}{path}?token={TOKEN}")
        assert page.find("noscript").text.startswith("This page needs JavaScript.")
        assert not page.is_ready()
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_the_network_nothing_is_lost_and_the_button_keeps_working(base, chrome):
    page = Page(chrome, f"{base}/reset-password?token={TOKEN}")
    page.find("#password").send_keys(PASSWORD)
    page.find("#show").click()
    assert page.find("#password").get_attribute("type") == "text"
    away = "The service cannot be reached."
    chrome.set_network_conditions(offline=True, latency=0, throughput=0)
    try:
        assert page.press().startswith(away)
    finally:
        chrome.delete_network_conditions()
    assert page.is_ready()
    # Browsers remember what stands in a text field as it is sent.
    assert page.find("#password").get_attribute("type") == "password"

    requests(chrome)
    assert not page.press().startswith(away)
    (sent,) = [each for each in requests(chrome) if each["method"] == "POST"]
    assert sent["url"] == f"{base}/api/v1/auth/reset-password"
    assert json.loads(sent["postData"]) == {"token": TOKEN, "password": PASSWORD}


def mailed_token(app, office, person, route):
    """The token that a person gets by mail after a request to this route."""
    answer = app.test_client().post(f"/api/v1/auth/{route}", json={"email": person.email})
    assert answer.status_code == 202
    do_jobs(app)
    return office.to(person.email)[-1].token


@pytest.fixture
def sqlite_app(applications):
    """The application whose service the browser asks."""
    return applications("sqlite")


def log_in(app, person, password):
    return app.test_client().post("/api/v1/auth/login", json={"username": person.username, "password": password})


def post_json(url, body):
    """The status of the answer to a POST from the address that the browser has too."""
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def refusals(chrome):
    """The errors in the console other than that a request was refused, which Chromium counts as one."""
    return [text for text in complaints(chrome) if "the server responded with a status of 4" not in text]


def test_an_address_is_confirmed_by_the_button_and_once(base, chrome, sqlite_app, office):
    ada = new_person(sqlite_app, "ada", verified=False)
    assert ada.get("/users/me").json["email_verified"] is False
    link = f"{base}/verify-email?token={mailed_token(sqlite_app, office, ada, 'resend-verification')}"
    complaints(chrome)
    Page(chrome, link)  # Opening it, however often, does not use it up.
    page = Page(chrome, link)
    assert page.press().startswith("Your address is confirmed. You can log in now.")
    assert not page.is_ready()
    assert chrome.switch_to.active_element.get_attribute("id") == "status"
    assert ada.get("/users/me").json["email_verified"] is True

    page = Page(chrome, link)
    said = page.press()
    assert said.startswith("This link does not work any more.")
    assert "ask for another mail" in said
    assert not page.is_ready()
    assert refusals(chrome) == []


def test_a_new_password_is_set_once_it_is_a_good_one(base, chrome, sqlite_app, office):
    ada = new_person(sqlite_app, "ada")
    link = f"{base}/reset-password?token={mailed_token(sqlite_app, office, ada, 'forgot-password')}"
    complaints(chrome)
    page = Page(chrome, link)
    field = page.find("#password")
    assert field.accessible_name == "New password"

    # What is wrong with a password stands beside the field, and the link can still be used.
    field.send_keys("short")
    page.find("button").click()
    page.wait.until(lambda _: page.find("#password-fault").text)
    assert page.says() == ""
    assert field.get_attribute("aria-invalid") == "true"
    assert "password-fault" in field.get_attribute("aria-describedby").split()
    assert chrome.switch_to.active_element == field
    assert page.is_ready()

    better = "a pässword with <b>spaces</b> "
    field.clear()
    field.send_keys(better)
    assert page.press().startswith("Your new password is set.")
    assert "logged out everywhere" in page.says()
    assert not page.is_ready()
    assert field.get_attribute("value") == ""
    problem(ada.get("/users/me"), 401)
    problem(log_in(sqlite_app, ada, PASSWORD), 401)
    assert log_in(sqlite_app, ada, better).status_code == 200

    page = Page(chrome, link)
    page.find("#password").send_keys("one more good password\n")
    page.wait.until(lambda _: page.says().startswith("This link does not work any more."))
    assert "ask for another mail" in page.says()
    assert log_in(sqlite_app, ada, better).status_code == 200
    assert refusals(chrome) == []


def test_after_too_many_attempts_the_page_says_when_to_try_again(environments, sqlite_app, chrome):
    with serving({**environments("sqlite"), "RATELIMIT_ENABLED": "true"}) as base:
        page = Page(chrome, f"{base}/verify-email?token={TOKEN}")
        for _ in range(200):
            if post_json(f"{base}/api/v1/auth/verify-email", {"token": TOKEN}) == 429:
                break
        assert re.match(r"There were too many attempts\. Please try again in [0-9]+ (second|minute)s?\.", page.press())
        assert page.is_ready()


def test_without_its_database_the_page_says_that_the_service_is_away(environments, chrome):
    away = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none", "REDIS_URL": ""}
    with serving({**environments("sqlite"), **away}) as base:
        page = Page(chrome, f"{base}/verify-email?token={TOKEN}")
        assert re.match(r"The service does not answer at the moment\. Please try again in [0-9]+ seconds\.", page.press())
        assert page.is_ready()
