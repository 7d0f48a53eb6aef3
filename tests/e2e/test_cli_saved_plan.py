"""A plan that is saved, shown, reviewed, and applied later."""

from __future__ import annotations

import json

import pytest

from tests.support.run_cli import copy_example, kept_tenant, run, served


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


@pytest.fixture(scope="module")
def plan_text(tmp_path_factory):
    """The plan of the example, which is the same for every test here."""
    folder = tmp_path_factory.mktemp("plan")
    copy_example(folder)
    assert run("plan", "--sandbox", "--out", "p.json", "-q", cwd=folder).code == 0
    return (folder / "p.json").read_text(encoding="utf-8")


@pytest.fixture
def saved(tmp_path, root, plan_text):
    (tmp_path / "p.json").write_text(plan_text, encoding="utf-8")
    return tmp_path / "p.json"


def edit_tenant(root, change):
    """Let somebody else edit the tenant: what is kept is the tenant as it stands now."""
    run("apply", "--sandbox", "--auto-approve", "--policy", "Linux*", cwd=root.parent)
    [kept] = (root / ".reconciler").glob("sandbox-*.json")
    tenant = json.loads(kept.read_text())
    change(tenant)
    kept.write_text(json.dumps(tenant))


def named(tenant, name):
    return next(each for each in tenant["deviceCompliancePolicies"] if each["displayName"] == name)


def test_out_saves_what_stdout_shows_and_makes_the_folder(tmp_path, root):
    ran = run("plan", "--sandbox", "--format", "json", "--out", "plans/today/p.json", cwd=tmp_path)
    assert ran.code == 0
    assert (tmp_path / "plans/today/p.json").read_text() == ran.stdout


def test_out_into_a_folder_names_the_file_after_the_label(tmp_path, root):
    (tmp_path / "plans").mkdir()
    assert run("plan", "--sandbox", "--out", "plans", cwd=tmp_path).code == 0
    assert [file.name for file in (tmp_path / "plans").iterdir()] == ["contoso-prod.json"]


def test_out_into_a_file_that_cannot_be_is_an_error_and_leaves_nothing_behind(tmp_path, root):
    (tmp_path / "file").touch()
    ran = run("plan", "--sandbox", "--out", "file/p.json", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error == "file/p.json cannot be written (file is not a folder)"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["desired-state", "file"]


def test_a_link_or_a_device_given_as_out_is_written_into_and_not_replaced(tmp_path, root):
    (tmp_path / "real.json").touch()
    (tmp_path / "link.json").symlink_to("real.json")
    assert run("plan", "--sandbox", "--out", "link.json", cwd=tmp_path).code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["format_version"] == "1.0"


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("text", "Tenant contoso-prod (Contoso, "),
        ("json", '{\n  "kind": "plan",\n  "format_version": "1.0",'),
        ("markdown", "<!-- reconciler:plan tenant=contoso-prod "),
        ("html", "<!doctype html>"),
        ("github", "::warning file="),
        ("sarif", "{"),
    ],
)
def test_show_renders_a_saved_plan_in_every_form_without_a_tenant(tmp_path, saved, form, beginning):
    ran = run("show", "p.json", "--format", form, cwd=tmp_path)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(beginning)


def test_show_writes_into_the_file_that_is_named(tmp_path, saved):
    ran = run("show", "p.json", "--format", "json", "--out", "shown", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, "")
    assert (tmp_path / "shown").read_text() == saved.read_text()


def test_show_shows_what_plan_showed(tmp_path, root):
    planned = run("plan", "--sandbox", "--out", "p.json", "--format", "json", cwd=tmp_path)
    assert run("show", "p.json", "--format", "json", cwd=tmp_path).stdout == planned.stdout


@pytest.mark.parametrize(
    ("command", "content", "complaint"),
    [
        (["show"], b"", "is not a plan: it is not JSON"),
        (["show"], b"\xff\xfe\x00", "is neither UTF-8 nor UTF-16 text"),
        (["show"], b"[]", "is not a plan of reconciler"),
        (["show"], b'{"format_version": "9.0"}', "has plan format 9.0"),
        (["apply", "--sandbox", "--auto-approve"], b"{}", "is not a plan of reconciler"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path, root, command, content, complaint):
    (tmp_path / "p.json").write_bytes(content)
    ran = run(*command, "p.json", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert complaint in ran.error


@pytest.mark.parametrize("command", [["show"], ["apply", "--sandbox", "--auto-approve"]])
def test_a_plan_file_that_is_missing_is_named_with_the_way_to_make_it(tmp_path, root, command):
    ran = run(*command, "p.json", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error == (
        "there is no plan file p.json; make one with: reconciler plan --out p.json"
    )


@pytest.mark.parametrize("command", [["show"], ["apply", "--sandbox", "--auto-approve"]])
@pytest.mark.parametrize(
    "edit", [("Sales laptops", "Everybody"), ('"max_creates": 50', '"max_creates": 999')]
)
def test_a_plan_that_was_altered_exits_3(tmp_path, root, saved, command, edit):
    text = saved.read_text()
    assert edit[0] in text
    saved.write_text(text.replace(*edit))
    ran = run(*command, "p.json", cwd=tmp_path)
    assert ran.code == 3
    assert "p.json was altered" in ran.error
    assert not (root / ".reconciler").exists()


def test_a_saved_plan_is_shown_applied_and_applied_again_without_a_second_write(
    tmp_path, root, saved
):
    first = run("apply", "p.json", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert first.code == 0
    assert first.stdout.startswith("Tenant contoso-prod (Contoso, ")
    assert first.stdout.endswith("Apply complete: 8 added, 1 changed, 0 removed.\n")
    written = kept_tenant(root)
    again = run("apply", "p.json", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert again.code == 0
    assert "\nAlready as declared:\n" in again.stdout
    assert again.stdout.endswith("Apply complete: 0 added, 0 changed, 0 removed.\n")
    assert kept_tenant(root) == written


def test_a_second_editor_makes_the_plan_stale_and_each_difference_is_named(tmp_path, root, saved):
    def somebody_else(tenant):
        policy = named(tenant, "Windows 11 - Disk encryption")
        kiosks = next(each for each in tenant["groups"] if each["displayName"] == "Kiosk devices")
        policy["assignments"].append(
            {
                **policy["assignments"][0],
                "id": f"{policy['id']}_{kiosks['id']}",
                "target": {
                    **policy["assignments"][0]["target"],
                    "@odata.type": "#microsoft.graph.groupAssignmentTarget",
                    "groupId": kiosks["id"],
                },
            }
        )

    edit_tenant(root, somebody_else)
    before = kept_tenant(root)
    ran = run("apply", "p.json", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert ran.code == 3
    assert "the tenant has changed since this plan was made, so nothing was written:" in ran.stderr
    assert '  "Windows 11 - Disk encryption": ' in ran.stderr
    assert 'group "Kiosk devices" was added\n' in ran.stderr
    assert '"macOS - Baseline"' not in ran.stderr
    assert kept_tenant(root) == before


def test_a_policy_that_is_gone_makes_the_plan_stale(tmp_path, root, saved):
    def somebody_else(tenant):
        tenant["deviceCompliancePolicies"].remove(named(tenant, "macOS - Baseline"))

    edit_tenant(root, somebody_else)
    ran = run("apply", "p.json", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert ran.code == 3
    assert '  "macOS - Baseline": the policy is gone\n' in ran.stderr


def test_limits_on_the_command_line_can_tighten_those_of_a_saved_plan(tmp_path, root, saved):
    ran = run("apply", "p.json", "--sandbox", "--auto-approve", "--max-creates=3", cwd=tmp_path)
    assert ran.code == 5
    assert not (root / ".reconciler").exists()


def test_limits_on_the_command_line_cannot_loosen_those_of_a_saved_plan(tmp_path, root):
    run("plan", "--sandbox", "--max-creates=3", "--out", "p.json", cwd=tmp_path)
    ran = run("apply", "p.json", "--sandbox", "--auto-approve", "--max-creates=99", cwd=tmp_path)
    assert ran.code == 5
    assert "over the limit of 3" in ran.error
    assert ran.error.endswith("A saved plan keeps its limits: a change of them needs a new plan")
    assert "--" not in ran.error


def test_no_advice_for_a_broad_target_in_a_saved_plan_names_an_option(tmp_path, root):
    windows = root / "policies" / "windows.yaml"
    windows.write_text(windows.read_text().replace("- group: Sales laptops", "- all_devices", 1))
    assert run("plan", "--sandbox", "--out", "p.json", cwd=tmp_path).code == 0
    ran = run("apply", "p.json", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert ran.code == 5
    assert "would reach every device" in ran.error
    assert "--" not in ran.error


@pytest.mark.parametrize("option", [("--policy", "Linux*"), ("--allow-broad",)])
def test_what_belongs_to_planning_is_refused_with_a_saved_plan(tmp_path, root, saved, option):
    ran = run("apply", "p.json", "--sandbox", "--auto-approve", *option, cwd=tmp_path)
    assert ran.code == 64
    assert f"{option[0]} goes with making a plan" in ran.error


def test_an_incomplete_saved_plan_is_shown_with_its_errors_and_refused(tmp_path, root):
    windows = root / "policies" / "windows.yaml"
    windows.write_text(windows.read_text().replace("group: Sales laptops", "group: Nobody"))
    assert run("plan", "--sandbox", "--out", "p.json", cwd=tmp_path).code == 1
    ran = run("apply", "p.json", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert ran.code == 1
    assert 'error: no group is called "Nobody"' in ran.stdout
    assert "fix the errors above; then make a new plan: reconciler plan --out" in ran.error
    assert "--policy" not in ran.error


def test_a_saved_plan_holds_no_token(tmp_path, root):
    with served(root / "sandbox.json", cwd=tmp_path) as way:
        secret = {**way, "RECONCILER_ACCESS_TOKEN": "c4n4ry-t0k3n"}
        ran = run("plan", "--out", "p.json", "-vv", cwd=tmp_path, env=secret)
    assert ran.code == 0
    assert "c4n4ry" not in (tmp_path / "p.json").read_text() + ran.stdout + ran.stderr


def test_show_renders_a_result_and_a_validation_too(tmp_path, root):
    applied = run("apply", "--sandbox", "--auto-approve", "--format", "json", cwd=tmp_path)
    checked = run("validate", "--format", "json", cwd=tmp_path)
    (tmp_path / "result.json").write_text(applied.stdout, encoding="utf-8")
    (tmp_path / "validation.json").write_text(checked.stdout, encoding="utf-8")
    result = run("show", "result.json", cwd=tmp_path)
    assert (result.code, "\nApply complete: 8 added" in result.stdout) == (0, True)
    assert run("show", "result.json", "--format", "json", cwd=tmp_path).stdout == applied.stdout
    validation = run("show", "validation.json", cwd=tmp_path)
    assert (validation.code, validation.stdout) == (0, "Valid: 0 warnings.\n")
    refused = run("show", "validation.json", "--format", "html", cwd=tmp_path)
    assert (refused.code, "not as html" in refused.error) == (64, True)
