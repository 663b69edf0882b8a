"""The README's commands work when they are pasted."""

import re
import subprocess
from pathlib import Path

import pytest

from config import names

from .conftest import SECRETS
from .live import flask, serving


@pytest.fixture
def service(tmp_path: Path):
    environment = {"APP_ENV": "development", "INSTANCE_PATH": str(tmp_path), "LOG_LEVEL": "WARNING", **SECRETS}
    flask(environment, "db", "upgrade")
    flask(environment, "seed", "--users", "4", "--projects", "4", "--tasks", "40", "--tags", "2")
    with serving(environment) as url:
        yield url


def test_shell_blocks(service, root):
    readme = (root / "README.md").read_text()
    script = "\n".join(re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)).replace("http://127.0.0.1:8000", service)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=True)
    assert '"title":"Buy a tree"' in done.stdout
    assert re.search(r"x-pagination: \{.total.:\d+", done.stdout, re.IGNORECASE)
    assert done.stdout.count('"title":"Buy a tree"') >= 2, "made, and found again"
    assert '{"location":"body","pointer":"/due","message":"Unknown field."}' in done.stdout


def test_links_lead_somewhere(root):
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", (root / document).read_text()):
            assert (root / target).exists(), f"{document}: {target}"


def test_every_make_target_in_the_documents_exists(root):
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md"):
        assert set(re.findall(r"`make ([a-z]+)", (root / document).read_text())) <= targets


def test_example_environment_lists_every_setting(root):
    listed = re.findall(r"^#?([A-Z_]+)=", (root / ".env.example").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(names())
