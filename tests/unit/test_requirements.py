"""The lock file of what the action installs: whole, within pyproject's bounds, and with no host in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / ".github" / "requirements.txt").read_text()
ENTRY = re.compile(
    r"^([a-z0-9-]+)(?:\[[\w,]+\])?==(\S+) \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
LOCKED = {name: version for name, version, _ in ENTRY.findall(LOCK)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
TESTED_WITH = PROJECT["project"]["optional-dependencies"]["test"]


@pytest.mark.parametrize("text", WANTED)
def test_the_locked_version_is_one_that_the_project_takes(text):
    wanted = Requirement(text)
    assert LOCKED[canonicalize_name(wanted.name)] in wanted.specifier


def test_the_names_to_lock_are_those_of_the_project():
    lines = (ROOT / ".github" / "requirements.in").read_text().splitlines()
    names = [line for line in lines if not line.startswith("#")]
    assert names == sorted(re.split(r"[<>=!~]", text)[0].strip() for text in WANTED)


def test_every_entry_has_its_hashes_and_nothing_else_is_there():
    rest = ENTRY.sub("", LOCK)
    assert re.sub(r"^ *#.*\n", "", rest, flags=re.MULTILINE).strip() == ""
    assert "://" not in LOCK
    assert len(LOCKED) > len(WANTED)


def test_the_bill_of_materials_names_what_is_locked():
    made = subprocess.run(
        [sys.executable, ROOT / ".ci" / "sbom"], capture_output=True, text=True, check=True
    )
    document = json.loads(made.stdout)
    assert document["metadata"]["component"]["name"] == "intune-reconciler"
    assert {each["name"]: each["version"] for each in document["components"]} == LOCKED


def test_the_lowest_versions_are_those_of_every_bound():
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "lowest"], capture_output=True, text=True, check=True
    )
    lowest = [Requirement(line) for line in printed.stdout.splitlines()]
    bounds = [Requirement(text) for text in [*PROJECT["project"]["dependencies"], *TESTED_WITH]]
    assert [(each.name, f">={next(iter(each.specifier)).version}") for each in lowest] == [
        (each.name, str(each.specifier)) for each in bounds
    ]
    assert all(str(each.specifier).startswith("==") for each in lowest)


def test_the_build_that_is_tested_is_the_one_that_is_published():
    assert set(PROJECT["build-system"]["requires"]) <= set(TESTED_WITH)
