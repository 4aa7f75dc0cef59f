"""What is shipped, checked without a container engine."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
GROUPS: dict[str, list[Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]


def requirements(group: str) -> set[str]:
    """All requirements of a dependency group, those of included groups too."""
    found = set()
    for entry in GROUPS[group]:
        found |= requirements(entry["include-group"]) if isinstance(entry, dict) else {entry}
    return found


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_bento_has_the_packages_of_the_cpu_image():
    bentofile = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    assert set(bentofile["python"]["packages"]) == requirements("serve-cpu")


@pytest.mark.parametrize("group", ["serve-cpu", "serve-cuda", "serve"])
def test_no_deep_learning_framework_is_served(group: str):
    names = {Requirement(entry).name for entry in requirements(group)}
    assert not names & {"torch", "torchvision", "tensorflow", "jax", "captum", "timm"}


@pytest.mark.parametrize("group", ["serve", "test", "ray"])
def test_every_direct_requirement_is_pinned_within_its_range(group: str):
    versions = pinned()
    for entry in requirements(group):
        requirement = Requirement(entry)
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(versions[requirement.name.lower()]), entry


def test_the_dockerfile_has_no_lint():
    lint = subprocess.run(
        [Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (lint.returncode, lint.stdout) == (0, "")


def test_the_dockerfile_copies_only_what_the_context_sends():
    """.dockerignore lets through by name; a COPY of anything else fails only at build time."""
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = set()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    assert copied <= sent
    assert all((ROOT / name).exists() for name in copied)


def test_the_make_targets_that_the_readme_names_exist():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("demo", "serve", "test"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile
    if shutil.which("make"):
        subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, check=True, capture_output=True)
