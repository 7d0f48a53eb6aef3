"""What is published: the package and nothing else, and the same bytes for whoever builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", ".gitignore", "README.md", "LICENSE", "CHANGELOG.md")
FOLDERS = ("reconciler", "tests", "desired-state")
LITTER = (
    "reconciler/__pycache__/entry.cpython-311.pyc",
    "reconciler/.reconciler/state.json",
    "desired-state/.reconciler/state.json",
    "build/lib/old.py",
    "dist/old.whl",
    "plan.json",
    "notes.txt",
)
DESCRIPTION = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
"""The files that the format of wheels asks for, in the folder NAME-VERSION.dist-info."""


def checkout(folder):
    """The files that a build reads, as a clone brings them."""
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    skip = shutil.ignore_patterns("__pycache__", ".reconciler", ".hypothesis")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    return folder


def work_in(folder):
    """Give a checkout what another machine has: files that are in nobody's way, other times, other rights."""
    for name in LITTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("litter\n")
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


def build(folder, out, **variables):
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(out)]
    environ = {name: text for name, text in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(command, cwd=folder, env=environ | variables, check=True, capture_output=True)
    return {path.name: path for path in out.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    top = tmp_path_factory.mktemp("wheel")
    one = build(checkout(top / "clone"), top / "one", TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1")
    other = build(
        work_in(checkout(top / "elsewhere")),
        top / "other",
        TZ="Asia/Tokyo",
        LC_ALL="C.UTF-8",
        PYTHONHASHSEED="2",
    )
    return one, other


def test_the_wheel_holds_the_package_and_its_type_marker_alone(built):
    for files in built:
        (wheel,) = (path for name, path in files.items() if name.endswith(".whl"))
        names = set(zipfile.ZipFile(wheel).namelist())
        described = {name for name in names if ".dist-info/" in name}
        package = {
            str(path.relative_to(ROOT))
            for path in (ROOT / "reconciler").rglob("*")
            if path.is_file() and not {"__pycache__", ".reconciler"} & set(path.parts)
        }
        assert "reconciler/py.typed" in names
        assert names - described == package
        assert {name.partition(".dist-info/")[2] for name in described} == DESCRIPTION


def test_two_builds_are_equal_byte_for_byte(built):
    one, other = built
    assert {Path(name).suffix for name in one} == {".whl", ".gz"}
    assert {name: path.read_bytes() for name, path in one.items()} == {
        name: path.read_bytes() for name, path in other.items()
    }
