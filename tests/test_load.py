"""What `make load` sends is a team's day, and docs/performance.md tells of all of it."""

import ast
import re

import pytest


@pytest.fixture
def weights(root):
    """The weight of each task of the Locust file, which is not imported: Locust has an environment of its own."""
    tree = ast.parse((root / "tools" / "locustfile.py").read_text())
    (person,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [node for node in person.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    return {method.name: ast.literal_eval(method.decorator_list[0].args[0]) for method in methods}


def test_four_of_five_requests_read(weights):
    writes = {"patch", "create", "delete"}
    assert writes < weights.keys()
    assert sum(weights.values()) == 100
    assert sum(weight for name, weight in weights.items() if name in writes) == 20


def test_the_base_line_tells_of_every_request(root, weights):
    section = (root / "docs" / "performance.md").read_text().partition("\n## Under a team's load\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| (\d+)% \| ([\d.]+) \| ([\d.]+) \|$", section, re.MULTILINE)
    assert {name for name, *_ in rows} == weights.keys()
    for name, share, median, most in rows:
        assert abs(int(share) - weights[name]) <= 3, name
        assert float(median) <= float(most), name
