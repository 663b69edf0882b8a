"""What is installed is what was read: every version and every file of it is locked, and known where it comes from."""

import json
import re
import subprocess
import sys

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasktracker.version import VERSION

FILES = ["requirements", "requirements-dev", "requirements-load", "requirements-telemetry"]


def direct(root, name):
    """The lines of a file of direct dependencies that name one, with their reasons."""
    lines = (root / f"{name}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


def locked(root, name):
    """Each package of a lock file with its version and hashes; one may stand there for several platforms."""
    entries = (root / f"{name}.lock").read_text().replace("\\\n", " ").splitlines()
    found = {}
    for entry in entries:
        requirement, *hashes = entry.split(" --hash=")
        parsed = Requirement(requirement.strip())
        (specifier,) = parsed.specifier
        assert specifier.operator == "==", entry
        assert parsed.url is None, entry
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64} *", each) for each in hashes), entry
        found.setdefault(canonicalize_name(parsed.name), {})[specifier.version] = {each.strip() for each in hashes}
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_package_is_locked_to_a_version_and_to_hashes_that_satisfy_what_was_asked_for(root, name):
    versions = locked(root, name)
    assert len(versions) > (40 if name != "requirements-telemetry" else 10)  # It is installed beside the first.
    for line in direct(root, name):
        wanted = Requirement(line.partition("#")[0])
        found = versions[canonicalize_name(wanted.name)]
        assert all(version in wanted.specifier for version in found), line


def test_what_runs_is_what_is_tested(root):
    running, testing = (locked(root, name) for name in FILES[:2])
    assert running.items() <= testing.items()


def test_what_is_installed_beside_it_replaces_nothing(root):
    running, beside = (locked(root, name) for name in ("requirements", "requirements-telemetry"))
    both = running.keys() & beside.keys()
    assert both
    assert {name: running[name] for name in both} == {name: beside[name] for name in both}


@pytest.mark.parametrize("name", FILES)
def test_every_direct_dependency_has_its_reason_and_no_other_source(root, name):
    text = (root / f"{name}.txt").read_text() + (root / f"{name}.lock").read_text()
    assert not re.search(r"^ *(--?(i|index|extra|find|trusted)|-e|git\+|\S+ @ )", text, re.MULTILINE)
    for line in direct(root, name):
        _, _, reason = line.partition("# ")
        assert reason, line


def test_every_package_of_npm_is_locked_to_a_version_and_to_a_hash_and_runs_nothing_when_it_is_installed(root):
    folder = root / "tests" / "clients"
    package, lock = (json.loads((folder / name).read_text()) for name in ("package.json", "package-lock.json"))
    asked = {**package["dependencies"], **package["devDependencies"]}
    assert len(asked) == 3
    own, *others = lock["packages"].values()
    assert {**own["dependencies"], **own["devDependencies"]} == asked
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
    assert all(re.fullmatch(r"sha512-[\w+/]{86}==", each["integrity"]) and "resolved" not in each for each in others)
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in asked} == asked
    assert "ignore-scripts=true" in (folder / ".npmrc").read_text().split()


def test_no_file_names_a_package_registry(root):
    """Where packages come from is for those to say who install them."""
    registries = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(org|com)", "index" + "-url="]))
    files = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    assert len(files) > 100
    for file in files:
        found = registries.search((root / file).read_bytes().decode(errors="replace"))
        assert not found, f"{file}: {found}"


def test_the_bill_of_materials_is_valid_and_names_all_that_is_locked(root, tmp_path):
    written = tmp_path / "sbom.json"
    made = subprocess.run([sys.executable, "-m", "tools.sbom", written], cwd=root, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr  # It refuses what CycloneDX's schema does.
    bill = json.loads(written.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert "timestamp" not in bill["metadata"]
    assert bill["metadata"]["component"]["version"] == VERSION
    found = {}
    for component in bill["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        (source,) = component["externalReferences"]
        hashes = {f"sha256:{each['content']}" for each in source["hashes"]}
        found.setdefault(canonicalize_name(component["name"]), {})[component["version"]] = hashes
    assert found == locked(root, "requirements")
    without = {component["name"] for component in bill["components"] if not component.get("licenses")}
    assert len(without) < 5  # Those of other platforms.
    needs = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    top = bill["metadata"]["component"]["bom-ref"]
    assert len(needs[top]) == len(direct(root, "requirements"))
    reached, ahead = set(), [top]
    while ahead:
        ref = ahead.pop()
        if ref not in reached:
            reached.add(ref)
            ahead += needs[ref]
    assert {component["bom-ref"] for component in bill["components"] if component["name"] not in without} <= reached


def test_known_vulnerabilities_stop_the_workflow(root):
    workflow = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    (audit,) = [step for step in steps if "pip-audit --strict" in step]
    for name in FILES:
        assert f"--requirement {name}.lock" in audit
    assert "make sbom" in steps
    assert not any("continue-on-error" in step for job in workflow["jobs"].values() for step in job["steps"])
