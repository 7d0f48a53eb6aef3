"""``import``: what is live becomes YAML, what stands in files stays, and the plan after it is empty."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.run_cli import EXAMPLE, run

TENANT = json.loads((EXAMPLE / "sandbox.json").read_text(encoding="utf-8"))
NOTHING = "0 to add, 0 to change, 0 to remove."
BY_HAND = """# kept by hand
policies:
  - name: "Windows 11 - Baseline"   # ours
    include:
      - all_devices: true
        filter: {exclude: Kiosks}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    folder.joinpath("sandbox.json").write_text(json.dumps(TENANT), encoding="utf-8")
    folder.joinpath("tenant.yaml").write_text("tenant: contoso.example\nlabel: a\n", "utf-8")
    return folder


def call(*arguments: str | Path):
    return run(*arguments, cwd=EXAMPLE.parent)


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*.yaml"))
    }


def own(root: Path, ownership: str) -> None:
    with root.joinpath("tenant.yaml").open("a", encoding="utf-8") as stream:
        stream.write(f"ownership: {ownership}\n")


@pytest.mark.parametrize("ownership", ["additive", "authoritative"])
@pytest.mark.parametrize("layout", ["platform", "per-policy"])
def test_a_plan_after_an_import_is_empty(root, ownership, layout):
    own(root, ownership)
    ran = call("import", root, "--sandbox", "--layout", layout)
    assert ran.code == 0, ran.stderr
    assert ran.stdout.endswith(f"{NOTHING}\n")
    assert "Imported 11 policies with 20 assignments." in ran.stdout
    planned = call("plan", root, "--sandbox", "--detailed-exitcode")
    assert planned.code == 0, planned.stdout
    assert len(files(root)) == (7 if layout == "platform" else 12)


def test_a_second_import_writes_nothing_and_the_first_is_the_same_every_time(root):
    call("import", root, "--sandbox")
    first = files(root)
    again = call("import", root, "--sandbox")
    assert again.code == 0
    assert "Nothing to import." in again.stdout
    assert files(root) == first
    for path in root.joinpath("policies").iterdir():
        path.unlink()
    call("import", root, "--sandbox")
    assert files(root) == first


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_stands_in_a_file_stays_byte_for_byte(root, ends):
    by_hand = BY_HAND.replace("\n", ends).encode()
    there = root / "policies" / "Windows10.yaml"
    there.parent.mkdir()
    there.write_bytes(by_hand)
    ran = call("import", root, "--sandbox")
    assert ran.code == 0, ran.stderr
    assert "added to policies/Windows10.yaml" in ran.stdout
    assert "1 policy is declared already." in ran.stdout
    assert there.read_bytes().startswith(by_hand)
    assert call("plan", root, "--sandbox", "--detailed-exitcode").code == 0


def test_a_file_that_cannot_be_added_to_gets_one_beside_it(root):
    there = root / "policies" / "windows10.yaml"
    there.parent.mkdir()
    there.write_text('policies: [{name: "Windows 11 - Kiosks", include: [{group: Kiosk devices}]}]')
    before = there.read_bytes()
    assert call("import", root, "--sandbox").code == 0
    assert there.read_bytes() == before
    assert root.joinpath("policies", "windows10-imported.yaml").is_file()


def test_a_dry_run_shows_the_diff_and_writes_nothing(root):
    before = files(root)
    ran = call("import", root, "--sandbox", "--dry-run", "--policy", "macOS - B*")
    assert ran.code == 0
    assert "+++ b/policies/macos.yaml\n" in ran.stdout
    assert "+  - name: macOS - Baseline\n" in ran.stdout
    assert "Would import 1 policy with 1 assignment." in ran.stdout
    assert files(root) == before


def test_what_cannot_be_declared_is_a_comment_and_keeps_the_policy_additive(root):
    own(root, "authoritative")
    call("import", root, "--sandbox")
    text = root.joinpath("policies", "windows10.yaml").read_text(encoding="utf-8")
    assert '    # not declared: include group "Finance staff": it comes from a policy set\n' in text
    kiosks = text[text.index("Windows 11 - Kiosks") :]
    assert "    ownership: additive\n" in kiosks
    assert "the group no longer exists in Microsoft Entra" in kiosks
    encryption = text[text.index("Windows 11 - Disk") : text.index("Windows 11 - Kiosks")]
    assert "ownership" not in encryption


def test_a_glob_that_matches_nothing_is_an_error(root):
    ran = call("import", root, "--sandbox", "--policy", "windows*")
    assert ran.code == 1
    assert '--policy "windows*" matches no policy of the tenant' in ran.stderr
    assert not root.joinpath("policies").exists()


def test_errors_in_the_files_are_shown_and_nothing_is_written(root):
    root.joinpath("broken.yaml").write_text("policies:\n  - nam: x\n", encoding="utf-8")
    before = files(root)
    ran = call("import", root, "--sandbox")
    assert ran.code == 1
    assert "broken.yaml:2:5" in ran.stderr
    assert files(root) == before


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_out_of_the_root_is_not_written_through(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root.joinpath("policies").symlink_to(outside)
    ran = call("import", root, "--sandbox")
    assert ran.code == 1
    assert "is a link out of the tenant root" in ran.stderr
    assert list(outside.iterdir()) == []


def test_names_that_yaml_could_misread_come_back_as_they_are(root):
    tricky = ["no", "1.0", "# x", "a: b", "- lead", "trail ", "😀", "{x}", "null"]
    tenant = json.loads(json.dumps(TENANT))
    for group, name in zip(tenant["groups"], tricky, strict=False):
        group["displayName"] = name
    for policy, name in zip(tenant["deviceCompliancePolicies"], tricky, strict=False):
        policy["displayName"] = name
    root.joinpath("sandbox.json").write_text(json.dumps(tenant), encoding="utf-8")
    ran = call("import", root, "--sandbox")
    assert ran.code == 0, ran.stderr
    planned = call("plan", root, "--sandbox", "--detailed-exitcode")
    assert planned.code == 0, planned.stdout


@pytest.mark.parametrize("ownership", ["additive", "authoritative"])
def test_an_import_leaves_the_root_s_defaults_out_where_they_would_change_a_policy(root, ownership):
    own(root, ownership)
    with root.joinpath("tenant.yaml").open("a", encoding="utf-8") as stream:
        stream.write("defaults: {exclude: [{group: Break glass devices}]}\n")
    ran = call("import", root, "--sandbox")
    assert ran.code == 0, ran.stderr
    assert ran.stdout.endswith(f"{NOTHING}\n")
    assert "Imported 11 policies with 20 assignments." in ran.stdout
    written = b"".join(files(root).values())
    assert b"    defaults: false\n" in written
    planned = call("plan", root, "--sandbox", "--detailed-exitcode")
    assert planned.code == 0, planned.stdout


def test_files_with_holds_schedules_and_removals_keep_their_bytes(root):
    by_hand = BY_HAND + (
        "    exclude:\n"
        "      - {group: Executives, from: 2999-01-01}   # later\n"
        "    remove:\n"
        "      - group: Finance staff\n"
        "    hold: {until: 2999-01-01, reason: Freeze}\n"
        "    defaults: false\n"
    )
    root.joinpath("policies").mkdir()
    root.joinpath("policies/windows10.yaml").write_text(by_hand, "utf-8")
    ran = call("import", root, "--sandbox")
    assert ran.code == 0, ran.stderr
    text = root.joinpath("policies/windows10.yaml").read_text("utf-8")
    assert text.startswith(by_hand)
    assert text.count("Windows 11 - Baseline") == 1
