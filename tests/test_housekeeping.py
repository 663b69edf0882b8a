"""What surrounds the code holds together: the version, the changelog, the workflow, and what GitHub and pre-commit read."""

import re
import shlex
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tasktracker.version import VERSION

MANIFESTS = {
    "pip": ("requirements.txt",),
    "npm": ("package.json", "package-lock.json"),
    "github-actions": (".github/workflows/ci.yml",),
    "docker": ("Dockerfile",),
    "docker-compose": ("docker-compose.yml",),
}
KINDS_OF_CHANGE = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
KINDS_OF_FIELD = {"markdown": {"value"}, "textarea": {"label"}, "input": {"label"}, "dropdown": {"label", "options"}}


def read(root, name):
    return yaml.safe_load((root / name).read_text())


def files(root, *patterns):
    """Files that belong to the project, or are about to."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    return subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture
def workflow(root):
    return read(root, ".github/workflows/ci.yml")


@pytest.fixture
def sections(root):
    """The headings of the changelog with what stands below them."""
    _, *parts = re.split(r"^## ", (root / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def test_every_yaml_file_can_be_read(root):
    found = files(root, "*.yml", "*.yaml")
    assert {".github/workflows/ci.yml", ".github/dependabot.yml", ".pre-commit-config.yaml", "docker-compose.yml"} <= set(found)
    assert [name for name in found if not isinstance(read(root, name), dict)] == []


def test_the_version_stands_in_one_place(root, project, app):
    assert "version" in project["project"]["dynamic"]
    assert "version" not in project["project"]
    assert app.test_client().get("/api/v1/openapi.json").json["info"]["version"] == VERSION
    spelled = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
    found = [name for name in files(root, "*.py", "*.toml", "*.md", "Makefile") if spelled.search((root / name).read_text())]
    assert set(found) - {"CHANGELOG.md"} == {"tasktracker/version.py"}


def test_the_changelog_has_its_form_and_knows_no_later_version(sections):
    names = list(sections)
    assert names[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", name) for name in names[1:]]
    assert None not in released
    versions, days = [Version(each[1]) for each in released], [date.fromisoformat(each[2]) for each in released]
    assert versions == sorted(set(versions), reverse=True)
    assert days == sorted(days, reverse=True)
    assert all(version <= Version(VERSION) for version in versions)
    for text in sections.values():
        kinds = re.findall(r"^### (.*)$", text, re.MULTILINE)
        assert set(kinds) <= KINDS_OF_CHANGE
        assert len(set(kinds)) == len(kinds)


def test_the_workflow_runs_on_every_python_that_is_promised(project, workflow):
    check = workflow["jobs"]["check"]
    versions = check["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert all(version in SpecifierSet(project["project"]["requires-python"]) for version in versions)
    assert "3.10" not in SpecifierSet(project["project"]["requires-python"])
    (setup,) = [step for step in check["steps"] if "setup-python" in step.get("uses", "")]
    assert setup["with"]["python-version"] == "${{ matrix.python }}"


def test_what_the_workflow_runs_exists_and_every_action_has_its_version(root, workflow):
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"[\w/-]+@(v\d+(\.\d+)*|[0-9a-f]{40})", step["uses"]), step
            continue
        program, *words = shlex.split(step["run"])
        if program == "make":
            assert set(words) <= targets, step
        elif "/" in program:
            assert (root / program).stat().st_mode & 0o111, step
        assert all((root / word).exists() for word in words if word.endswith((".lock", ".txt"))), step


def test_each_hook_runs_a_program_of_the_virtual_environment(root):
    (repository,) = read(root, ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        program, *words = shlex.split(hook["entry"])
        for path in (program, *(word for word in words if word.startswith(".venv"))):
            assert path.startswith(".venv/bin/")
            assert Path(sys.executable).with_name(Path(path).name).exists(), path


def test_dependabot_looks_where_dependencies_stand(root):
    updates = read(root, ".github/dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == set(MANIFESTS)
    for update in updates:
        folders = [root / place.strip("/") for place in update.get("directories") or [update["directory"]]]
        for name in MANIFESTS[update["package-ecosystem"]]:
            assert any((folder / name).exists() for folder in folders), name
    composed = next(update for update in updates if update["package-ecosystem"] == "docker-compose")
    places = {place.strip("/") or "." for place in composed["directories"]}
    assert {str(Path(name).parent) for name in files(root, "*compose*.yml")} == places
    assert composed["ignore"] == [{"dependency-name": "postgres", "update-types": ["version-update:semver-major"]}]
    lists = {str(Path(name).parent) for name in files(root, "*package.json", "*requirements*.txt")}
    assert lists == {
        update["directory"].strip("/") or "." for update in updates if update["package-ecosystem"] in ("pip", "npm")
    }


def test_forms_of_issues_are_as_github_takes_them(root):
    forms = [name for name in files(root, ".github/ISSUE_TEMPLATE/*") if not name.endswith("config.yml")]
    assert len(forms) == 2
    for name in forms:
        form = read(root, name)
        assert {"name", "description", "body"} <= form.keys()
        ids = [each["id"] for each in form["body"] if each["type"] != "markdown"]
        assert len(set(ids)) == len(ids)
        assert all(KINDS_OF_FIELD[each["type"]] <= each["attributes"].keys() for each in form["body"])


@pytest.mark.parametrize("name", [".github/SECURITY.md", "docs/clients.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(root, name):
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", (root / name).read_text())
    assert targets
    assert [target for target in targets if not (root / name).parent.joinpath(target).exists()] == []


def test_what_templates_name_exists(root):
    """Links of a pull request's text are read from its own page, OWNER/PROJECT/pull/NUMBER."""
    text = (root / ".github" / "pull_request_template.md").read_text() + (root / ".github" / "SECURITY.md").read_text()
    targets = re.findall(r"\]\(([^)#]+)\)", (root / ".github" / "pull_request_template.md").read_text())
    assert targets
    for target in targets:
        assert target.startswith("../blob/main/"), target
        assert (root / target.removeprefix("../blob/main/")).exists(), target
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets
