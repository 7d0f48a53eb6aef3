"""``lock``: a name that leads to another object than at the last review stops everything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.run_cli import EXAMPLE, copy_example, run

LOCK = "reconciler.lock.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_example(tmp_path)


def call(*arguments: str | Path):
    return run(*arguments, cwd=EXAMPLE.parent)


def lock(root: Path) -> None:
    ran = call("lock", root, "--sandbox")
    assert ran.code == 0, ran.stderr


def edit_tenant(root: Path, edit) -> None:
    path = root / "sandbox.json"
    tenant = json.loads(path.read_text(encoding="utf-8"))
    edit(tenant)
    path.write_text(json.dumps(tenant), encoding="utf-8")


def take_over(tenant) -> None:
    """Somebody renames a group away, and another one takes its name."""
    by_name = {group["displayName"]: group for group in tenant["groups"]}
    by_name["Kiosk devices"]["displayName"] = "Kiosk devices (old)"
    by_name["Executives"]["displayName"] = "Kiosk devices"


def test_the_lock_holds_every_name_sorted_and_is_the_same_every_time(root):
    lock(root)
    text = root.joinpath(LOCK).read_text(encoding="utf-8")
    content = YAML(typ="safe").load(text)
    assert content["version"] == 1
    assert [len(content[key]) for key in ("groups", "filters", "policies")] == [16, 7, 12]
    for key in ("groups", "filters", "policies"):
        assert content[key] == sorted(content[key], key=lambda each: each["name"])
        assert all(set(each) == {"name", "id"} for each in content[key])
    lock(root)
    assert root.joinpath(LOCK).read_text(encoding="utf-8") == text
    assert call("lock", root, "--sandbox", "--check").code == 0
    assert call("plan", root, "--sandbox").code == 0


def test_a_name_that_was_taken_over_stops_plan_and_apply_with_both_ids(root):
    lock(root)
    edit_tenant(root, take_over)
    planned = call("plan", root, "--sandbox")
    assert planned.code == 1
    output = planned.stdout
    assert 'the group "Kiosk devices" is ' in output
    assert "8a119b9e-16bc-4732-8f7b-7676d015b0dc when it was locked" in " ".join(output.split())
    applied = call("apply", root, "--sandbox", "--auto-approve")
    assert applied.code == 1
    assert not root.joinpath(".reconciler").exists() or "wrote" not in applied.stdout
    checked = call("lock", root, "--sandbox", "--check")
    assert checked.code == 1
    assert 'group "Kiosk devices": was 8a119b9e-16bc-4732-8f7b-7676d015b0dc' in checked.stdout
    lock(root)
    assert call("plan", root, "--sandbox").code == 0


def test_a_name_that_the_lock_lacks_is_an_error(root):
    lock(root)
    path = root / LOCK
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "Kiosks" not in line), encoding="utf-8")
    planned = call("plan", root, "--sandbox")
    assert planned.code == 1
    assert 'the lock has no filter called "Kiosks"' in planned.stdout


def test_a_missing_lock_fails_the_check_alone(root):
    checked = call("lock", root, "--sandbox", "--check")
    assert checked.code == 1
    assert "is missing or cannot be read" in checked.stdout
    assert not root.joinpath(LOCK).exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "lock-empty"),
        ("version: 2\n", "version"),
        ("version: 1\n", "lock-empty"),
        ("version: 1\ngroups: [{name: A}]\n", "id"),
        ("version: 1\ngroups: [{name: A, id: x}]\n", "not an object id"),
        ("[", ""),
    ],
)
def test_a_broken_lock_stops_everything_but_writing_it_anew(root, text, code):
    root.joinpath(LOCK).write_text(text, encoding="utf-8")
    ran = call("validate", root, "--format", "json")
    assert ran.code == 1
    assert LOCK in ran.stdout
    assert code in ran.stdout
    lock(root)
    assert call("validate", root).code == 0


def test_files_with_an_unknown_name_are_not_locked(root):
    path = root / "policies" / "windows.yaml"
    path.write_text(path.read_text("utf-8").replace("Kiosk devices", "Kiosk device"), "utf-8")
    ran = call("lock", root, "--sandbox")
    assert ran.code == 1
    assert 'no group is called "Kiosk device"' in ran.stderr
    assert not root.joinpath(LOCK).exists()


def test_import_adds_its_names_to_the_lock_and_stops_where_one_leads_elsewhere(root):
    root.joinpath("policies", "linux.yaml").unlink()
    lock(root)
    ran = call("import", root, "--sandbox")
    assert ran.code == 0, ran.stderr
    assert f"added to {LOCK}" in ran.stdout
    assert call("plan", root, "--sandbox").code == 0
    shutil.rmtree(root / "policies")
    edit_tenant(root, take_over)
    refused = call("import", root, "--sandbox")
    assert refused.code == 1
    assert "when it was locked" in refused.stderr
    assert not root.joinpath("policies").exists()
