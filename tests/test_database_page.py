"""docs/database.md is about the tables that there are."""

import re

import pytest

from tasktracker.extensions import Base
from tools import draw_database


def test_the_drawing_is_that_of_the_models():
    assert draw_database.draw() == draw_database.FILE.read_text(), "python -m tools.draw_database"


def test_a_table_that_nobody_has_placed_is_named(monkeypatch):
    monkeypatch.setattr(draw_database, "COLUMNS", draw_database.COLUMNS[:-1])
    with pytest.raises(ValueError, match=r": jobs, kept_answers$"):
        draw_database.draw()


def test_the_page_says_what_each_table_is_for(root):
    section = (root / "docs" / "database.md").read_text().partition("\n## The tables\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(Base.metadata.tables)
