"""Keys of projects: given, or made from the name."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasktracker.projects.keys import keys_for

from ..people import pointers, problem
from .asking import KEY

NAMES = {
    "Website": "WEBS",
    "Web Site": "WS",
    "web site": "WS",
    "The new big web site of ours": "TNBWS",
    "Web-Site (2026)": "WS2",
    "Go": "GO",
    "X": "XPRJ",
    "2026": "PRJ",
    "3D Print": "PPRJ",
    "42nd Street": "SPRJ",
    "Überblick": "UBER",
    "Café Olé": "CO",
    "日本語": "PRJ",
    "🚀": "PRJ",
    "!": "PRJ",
}


@pytest.mark.parametrize(("name", "key"), NAMES.items())
def test_a_key_is_made_of_the_name(name, key):
    assert next(keys_for(name)) == key


@given(st.text(min_size=1, max_size=100))
def test_every_name_has_keys_of_the_right_form_and_all_of_them_different(name):
    keys = list(islice(keys_for(name), 120))
    assert all(KEY.fullmatch(key) for key in keys)
    assert len(set(keys)) == len(keys)


def test_there_are_keys_for_very_many_projects_of_one_name():
    last = list(islice(keys_for("The new big web site of ours"), 100_001))[-1]
    assert KEY.fullmatch(last)


def test_projects_of_one_name_get_different_keys(ada, bob):
    assert [ada.project(name="Web Site")["key"] for _ in range(3)] == ["WS", "WS2", "WS3"]
    assert bob.project(name="Web Site")["key"] == "WS"
    assert ada.project(name="Inbox")["key"] == "INBO"
    assert ada.project(name="I n b o x")["key"] == "INBOX2"


def test_a_made_key_goes_around_a_given_one(ada):
    ada.project(key="WS")
    ada.project(key="WS3")
    assert [ada.project(name="Web Site")["key"] for _ in range(2)] == ["WS2", "WS4"]


@pytest.mark.parametrize("key", ["W1", "WEB", "A234567890"])
def test_a_key_can_be_given(ada, key):
    project = ada.project(key=key)
    assert project["key"] == key
    assert ada.task(project)["ref"] == f"{key}-1"


@pytest.mark.parametrize("key", ["", "W", "web", "1A", "A2345678901", "W B", "WÄ", "W-1", "WEB\n\n1", None, 12, ["WEB"]])
def test_other_keys_are_refused(ada, key):
    assert pointers(ada.post("/projects", {"name": "x", "key": key})) == {"/key"}
    assert pointers(ada.patch(f"/projects/{ada.project()['id']}", {"key": key})) == {"/key"}


def test_a_key_is_unique_per_owner(ada, bob):
    ada.project(key="WEB")
    bob.project(key="WEB")
    other = ada.project(key="APP")
    problem(ada.post("/projects", {"name": "x", "key": "WEB"}), 409, "key_taken")
    problem(ada.post("/projects", {"name": "x", "key": "INBOX"}), 409, "key_taken")
    problem(ada.patch(f"/projects/{other['id']}", {"key": "WEB", "name": "y"}), 409, "key_taken")
    assert ada.get(f"/projects/{other['id']}").json == other
    assert ada.patch(f"/projects/{other['id']}", {"key": "APP"}).json == other


def test_a_new_key_renames_the_tasks(ada):
    project = ada.project(key="OLD")
    task = ada.task(project)
    assert ada.patch(f"/projects/{project['id']}", {"key": "NEW"}).json["key"] == "NEW"
    assert ada.get(f"/tasks/{task['id']}").json["ref"] == "NEW-1"
    assert [row["id"] for row in ada.get("/tasks?search=new-1").json] == [task["id"]]
    assert ada.get("/tasks?search=OLD-1").json == []
    assert ada.project(key="OLD")["key"] == "OLD"
