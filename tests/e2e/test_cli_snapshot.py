"""``snapshot`` and ``plan --snapshot``: offline, the same plan; what it cannot tell is said."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.documents import envelope
from tests.support.run_cli import EXAMPLE, copy_example, run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_example(tmp_path)


@pytest.fixture
def saved(root: Path, tmp_path: Path) -> Path:
    file = tmp_path / "snapshot.json"
    ran = call("snapshot", root, "--sandbox", "--out", file)
    assert ran.code == 0, ran.stderr
    return file


def call(*arguments: str | Path):
    return run(*arguments, cwd=EXAMPLE.parent)


def rewrite(file: Path, change) -> None:
    """Edit a snapshot as somebody would who computes the checksum anew."""
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    document["checksum"] = envelope.checksum(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def aged(by: timedelta):
    moment = datetime.now(UTC) - by

    def change(document):
        document["created_at"] = moment.isoformat()

    return change


def test_progress_does_not_say_that_an_offline_plan_reads_the_tenant(root, saved):
    offline = call("plan", root, "--snapshot", saved)
    assert offline.stderr.splitlines()[1:] == ["Reading the snapshot..."]


def test_the_offline_plan_has_the_online_plans_changes_and_digest(root, saved):
    offline = call("plan", root, "--snapshot", saved, "--format", "json").json
    online = call("plan", root, "--sandbox", "--no-impact", "--format", "json").json
    for moment in ("created_at", "checksum"):
        del online[moment], offline[moment]
    assert offline == online
    assert len(online["changes"]) == 9


def test_a_snapshot_is_for_its_owner_and_holds_what_a_plan_needs_alone(saved):
    if os.name == "posix":
        assert saved.stat().st_mode & 0o077 == 0
    document = json.loads(saved.read_text(encoding="utf-8"))
    assert document["kind"] == "snapshot"
    assert "description" not in json.dumps(document["graph"])
    names = {group["displayName"] for group in document["graph"]["groups"]}
    assert "Sales laptops" in names
    assert "iPhone users" not in names


def test_with_all_groups_every_name_is_covered(root, tmp_path):
    file = tmp_path / "all.json"
    call("snapshot", root, "--sandbox", "--out", file, "--all-groups")
    assert call("who", "iPhone users", root, "--snapshot", file).code == 0
    name_a_group(root, "iPhone users")
    assert call("plan", root, "--snapshot", file).code == 0
    name_a_group(root, "No such group")
    ran = call("plan", root, "--snapshot", file)
    assert 'no group is called "No such group"' in ran.stdout


def name_a_group(root: Path, name: str) -> None:
    text = f"policies:\n  - name: macOS - Testing\n    include: [{{group: {name}}}]\n"
    root.joinpath("policies", "new.yaml").write_text(text.replace("Testing", "Baseline"), "utf-8")
    root.joinpath("policies", "apple.yaml").unlink(missing_ok=True)


def test_a_name_that_it_does_not_cover_is_unknown_and_never_missing(root, saved):
    name_a_group(root, "iPhone users")
    ran = call("plan", root, "--snapshot", saved)
    assert ran.code == 1
    assert 'the snapshot does not cover the group "iPhone users"' in ran.stdout
    assert "no group is called" not in ran.stdout
    asked = call("who", "iPhone users", root, "--snapshot", saved)
    assert asked.code == 1
    assert "whether there is one is unknown" in " ".join(asked.stderr.split())


@pytest.mark.parametrize(
    ("age", "option", "code"),
    [
        (timedelta(hours=25), (), 1),
        (timedelta(hours=23), (), 0),
        (timedelta(hours=25), ("--max-snapshot-age", "2d"), 0),
        (timedelta(minutes=31), ("--max-snapshot-age", "30m"), 1),
        (timedelta(hours=-1), (), 1),
    ],
)
def test_one_that_is_too_old_or_from_the_future_is_refused(root, saved, age, option, code):
    rewrite(saved, aged(age))
    ran = call("plan", root, "--snapshot", saved, *option)
    assert ran.code == code, ran.stderr


@pytest.mark.parametrize("form", ["24", "1w", "h", "-1h", ""])
def test_another_form_of_duration_is_a_usage_error(root, saved, form):
    assert call("plan", root, "--snapshot", saved, "--max-snapshot-age", form).code == 64


def test_one_that_was_altered_cut_off_or_is_something_else_is_refused(root, saved, tmp_path):
    text = saved.read_text(encoding="utf-8")
    for content in (text.replace("Kiosks", "Kiosk"), text[:500], "{}", "[]", ""):
        saved.write_text(content, encoding="utf-8")
        ran = call("plan", root, "--snapshot", saved)
        assert ran.code == 1
        assert ran.stdout == ""
        assert "Traceback" not in ran.stderr
        assert "snapshot" in ran.stderr
    assert call("plan", root, "--snapshot", tmp_path / "missing.json").code == 1


def test_one_of_another_tenant_or_cloud_is_refused(root, saved):
    tenant_file = root / "tenant.yaml"
    text = tenant_file.read_text(encoding="utf-8")
    other = "00000000-51d8-4c0e-9b57-0c1f5d6c7a11"
    tenant_file.write_text(text.replace("7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11", other), "utf-8")
    ran = call("plan", root, "--snapshot", saved)
    assert (ran.code, ran.stdout) == (1, "")
    assert other in ran.stderr
    tenant_file.write_text(
        f"{text}\ncloud: china\n"
        if "cloud:" not in text
        else text.replace("cloud: global", "cloud: china"),
        "utf-8",
    )
    assert "in the cloud global" in call("plan", root, "--snapshot", saved).stderr


def test_a_snapshot_and_a_sandbox_exclude_each_other(root, saved):
    assert call("plan", root, "--snapshot", saved, "--sandbox").code == 64


def test_files_with_errors_leave_no_snapshot(root, tmp_path):
    root.joinpath("policies", "windows.yaml").write_text("policies: []\n", encoding="utf-8")
    file = tmp_path / "none.json"
    assert call("snapshot", root, "--sandbox", "--out", file).code == 1
    assert not file.exists()
