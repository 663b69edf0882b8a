"""Writes the bill of materials (CycloneDX, JSON) of what TaskTracker runs on, in the versions of requirements.lock.

cyclonedx-py takes names, versions and hashes from the lock file; licences, and what needs what, come from the metadata of the
packages that are installed. The same lock file and the same packages give the same document, byte by byte.
"""

import json
import subprocess  # nosec B404
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasktracker.version import VERSION

ROOT = Path(__file__).parents[1]
_TOOL = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "requirements.lock"]
_OPTIONS = ["--pyproject", "pyproject.toml", "--sv", "1.6", "--output-reproducible", "--short-PURLs", "--no-validate"]


def bill() -> dict[str, Any]:
    """The bill of materials."""
    made = subprocess.run([*_TOOL, *_OPTIONS], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 # nosec B603
    document: dict[str, Any] = json.loads(made.stdout)
    document["metadata"]["component"]["version"] = VERSION
    components = {canonicalize_name(component["name"]): component for component in document["components"]}
    refs = {name: component["bom-ref"] for name, component in components.items()}
    needs = {document["metadata"]["component"]["bom-ref"]: _direct()}
    for name, component in components.items():
        del component["description"]  # The line of the lock file, whose hashes stand below.
        for reference in component["externalReferences"]:
            reference["comment"] = "hashes of the files that may be installed"
        if licences := _licences(name):
            component["licenses"] = licences
        needs[component["bom-ref"]] = _needed_by(name)
    document["dependencies"] = [
        {"ref": ref, "dependsOn": sorted(refs[name] for name in names if name in refs)} for ref, names in sorted(needs.items())
    ]
    return document


def _direct() -> set[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return {canonicalize_name(Requirement(line).name) for line in lines if line}


def _needed_by(name: str) -> set[str]:
    try:
        needed = [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:  # Another platform's.
        return set()
    extras = ["", *metadata(name).get_all("Provides-Extra", [])]  # What is locked has been asked for.
    return {
        canonicalize_name(each.name)
        for each in needed
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    }


def _licences(name: str) -> list[dict[str, Any]]:
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return []
    if expression := told.get("License-Expression"):
        return [{"expression": expression, "acknowledgement": "declared"}]
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License ::")]
    names = classifiers or [line for line in [told.get("License", "")] if line and "\n" not in line]
    return [{"license": {"name": each, "acknowledgement": "declared"}} for each in names]


def main() -> None:
    """Writes the file that is named, if it is valid."""
    text = json.dumps(bill(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"The bill of materials is not valid: {fault}")
    Path(sys.argv[1]).write_text(text)
    print(f"{sys.argv[1]}: {len(json.loads(text)['components'])} components")  # noqa: T201


if __name__ == "__main__":
    main()
