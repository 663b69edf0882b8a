"""docs/decisions: numbered, in one form, and listed; what the pages for operators and maintainers link to is there."""

import re
import tomllib
from pathlib import Path

import pytest

PAGES = ("operation.md", "database.md", "scaling.md", "architecture.md")


@pytest.fixture
def decisions(root: Path) -> list[Path]:
    return sorted((root / "docs" / "decisions").glob("[0-9]*.md"))


def test_each_has_its_number_and_the_same_four_parts(decisions):
    assert len(decisions) > 9
    for number, file in enumerate(decisions, 1):
        assert file.name.startswith(f"{number:04d}-")
        text = file.read_text()
        assert text.startswith(f"# {number}. ")
        assert re.search(r"^Status: (accepted|superseded by \d+), \w+ 20\d\d$", text, re.MULTILINE), file.name
        assert re.findall(r"^## (.+)", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_all_are_listed_under_their_titles(decisions):
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (decisions[0].parent / "README.md").read_text(), re.MULTILINE)
    assert listed == [(file.read_text().splitlines()[0].removeprefix("# "), file.name) for file in decisions]


def anchors(file: Path) -> set[str]:
    """What can be linked to in a page."""
    titles = re.findall(r"^#+ (.+)", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_to_pages_and_to_headings_in_them(root, decisions):
    for page in [*(root / "docs" / name for name in PAGES), *decisions, decisions[0].parent / "README.md"]:
        for target in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


def test_files_that_are_named_are_there(root):
    for name in PAGES:
        text = (root / "docs" / name).read_text()
        for file in re.findall(r"`((?:tests|tasktracker|tools)/[\w/]+(?:\.py)?)`", text):
            assert (root / file).exists(), f"{name}: {file}"
        for file in re.findall(r"`((?:core|accounts|projects|tasks)/\w+\.py)`", text):
            assert (root / "tasktracker" / file).exists(), f"{name}: {file}"


def test_the_floors_that_are_drawn_are_those_that_import_linter_keeps(root):
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (floors,) = [each["layers"] for each in contracts if each["name"].startswith("Floors")]
    drawn = (root / "docs" / "architecture.md").read_text().partition("┌─")[2].partition("└─")[0]
    stories = [re.findall(r"^   │ (\w+)  ", story, re.MULTILINE) for story in drawn.split("├─")]
    kept = [[name.removeprefix("tasktracker.") for name in floor.split(" | ")] for floor in floors]
    assert stories == [["create_app"], *kept]
