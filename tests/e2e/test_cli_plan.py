"""``reconciler plan`` on the embedded Graph: exit codes, forms, options."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from tests.support.run_cli import copy_example, kept_tenant, run, served

OTHER_DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


def test_a_plan_with_changes_exits_0_and_writes_nothing(tmp_path, root):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ran = run("plan", "--sandbox", cwd=tmp_path)
    assert ran.code == 0
    assert "Plan: 8 to add, 1 to change, 0 to remove.\n" in ran.stdout
    [line] = [line for line in ran.stdout.splitlines() if '+ include group "Sales laptops"' in line]
    assert line.endswith("   desired-state/policies/windows.yaml:23")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_detailed_exitcode_tells_changes_from_none(tmp_path, root):
    assert run("plan", "--sandbox", "--detailed-exitcode", cwd=tmp_path).code == 2
    assert run("apply", "--sandbox", "--auto-approve", cwd=tmp_path).code == 0
    after = run("plan", "--sandbox", "--detailed-exitcode", cwd=tmp_path)
    assert after.code == 0
    assert "No changes. The tenant has everything that the files declare.\n" in after.stdout
    assert "Apply would do this" not in after.stdout


def test_the_json_of_a_plan_fits_the_schema_that_the_program_prints(tmp_path, root):
    schema = run("schema", "plan", cwd=tmp_path).json
    plan = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).json
    jsonschema.Draft202012Validator(schema).validate(plan)
    assert plan["format_version"] == "1.0"
    assert (plan["complete"], plan["applyable"]) == (True, True)
    assert plan["summary"] == {
        "create": 8,
        "update": 1,
        "delete": 0,
        "unchanged": 12,
        "unmanaged": 7,
        "inherited": 2,
        "held": 0,
        "scheduled": 0,
    }
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({**plan, "digest": 5}))


def test_the_same_operations_have_the_same_digest_on_every_run_and_in_every_form(tmp_path, root):
    plan = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).json
    text = run("plan", "--sandbox", "--parallelism", "1", cwd=tmp_path).stdout
    assert re.findall(r"^Digest: (\S+)$", text, re.MULTILINE) == [plan["digest"]]


def test_a_plan_with_another_digest_than_the_expected_exits_3_and_names_both(tmp_path, root):
    ran = run("plan", "--sandbox", "--expect-digest", OTHER_DIGEST, cwd=tmp_path)
    assert ran.code == 3
    assert OTHER_DIGEST in ran.error
    digest = re.findall(r"^Digest: (\S+)$", ran.stdout, re.MULTILINE)[0]
    assert digest in ran.error
    assert run("plan", "--sandbox", "--expect-digest", digest, cwd=tmp_path).code == 0


def test_a_guardrail_is_reported_and_the_plan_still_exits_0(tmp_path, root):
    ran = run("plan", "--sandbox", "--max-creates", "2", "--format", "json", cwd=tmp_path)
    assert ran.code == 0
    assert ran.json["applyable"] is False
    assert [stop["code"] for stop in ran.json["guardrails"]["stopped_by"]] == ["max-creates"]
    text = run("plan", "--sandbox", "--max-creates", "2", "--detailed-exitcode", cwd=tmp_path)
    assert text.code == 2
    assert "Apply would stop at a guardrail:\n  ! 8 assignments" in text.stdout


def test_a_broad_target_without_consent_is_reported_at_its_line(tmp_path, root):
    windows = root / "policies" / "windows.yaml"
    windows.write_text(
        windows.read_text().replace("- group: Sales laptops", "- all_devices", 1), encoding="utf-8"
    )
    stopped = run("plan", "--sandbox", cwd=tmp_path)
    assert stopped.code == 0
    assert "  ! desired-state/policies/windows.yaml:23:9: " in stopped.stdout
    allowed = run("plan", "--sandbox", "--allow-broad", "--format", "json", cwd=tmp_path)
    assert allowed.json["applyable"] is True


def test_mistakes_in_the_files_are_shown_and_nothing_is_planned(tmp_path, root):
    (root / "policies" / "linux.yaml").write_text("policies: []\n")
    ran = run("plan", "--sandbox", "--format", "json", "--out", "p.json", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert "desired-state/policies/linux.yaml:1:1: error: " in ran.stderr
    assert ran.error == "the files have errors, shown above; nothing was done"
    assert not (tmp_path / "p.json").exists()


def test_an_unknown_group_makes_the_plan_incomplete_and_the_nearest_name_is_given(tmp_path, root):
    windows = root / "policies" / "windows.yaml"
    windows.write_text(windows.read_text().replace("group: Sales laptops", "group: Sales laptop"))
    ran = run("plan", "--sandbox", cwd=tmp_path)
    assert ran.code == 1
    assert (
        'desired-state/policies/windows.yaml:23:16: error: no group is called "Sales laptop"'
        in (ran.stdout)
    )
    assert '"Sales laptops"' in ran.stdout
    assert "Changes (blocked by the errors below, risk: at least review):\n" in ran.stdout
    assert "This plan is incomplete" in ran.stdout
    found = run("plan", "--sandbox", "--format", "json", cwd=tmp_path)
    assert (found.code, found.json["complete"], found.json["applyable"]) == (1, False, False)


def test_policy_limits_the_plan_and_says_so(tmp_path, root):
    ran = run("plan", "--sandbox", "--policy", "Linux*", "--policy", "macOS - B*", cwd=tmp_path)
    assert ran.code == 0
    assert 'Limited to policies matching "Linux*", "macOS - B*"' in ran.stdout
    assert "Plan: 2 to add, 0 to change, 0 to remove.\n" in ran.stdout
    assert "Windows 11" not in ran.stdout


def test_a_glob_that_matches_no_policy_is_an_error(tmp_path, root):
    ran = run("plan", "--sandbox", "--policy", "linux*", cwd=tmp_path)
    assert ran.code == 1
    assert 'error: --policy "linux*" matches no declared policy' in ran.stdout


def test_verbose_lists_what_is_left_alone(tmp_path, root):
    brief = run("plan", "--sandbox", cwd=tmp_path).stdout
    full = run("plan", "--sandbox", "--verbose", cwd=tmp_path).stdout
    assert ("unmanaged include group" in brief, "(--verbose lists them)" in brief) == (False, True)
    assert ("unmanaged include group" in full, "(--verbose lists them)" in full) == (True, False)


def test_a_sandbox_file_that_is_missing_is_named(tmp_path, root):
    ran = run("plan", "--sandbox", "--sandbox-file", "nope.json", cwd=tmp_path)
    assert ran.code == 1
    assert ran.error.startswith("the sandbox file nope.json cannot be read (")


def test_another_tenant_than_the_declared_one_is_refused(tmp_path, root):
    tenant = root / "tenant.yaml"
    tenant.write_text(tenant.read_text().replace("7d2f9a54-", "00000000-"))
    ran = run("plan", "--sandbox", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert "signed in to the tenant" in ran.error


def test_without_a_way_to_sign_in_the_ways_are_listed(tmp_path, root):
    ran = run("plan", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert "RECONCILER_ACCESS_TOKEN" in ran.stderr
    assert "AZURE_CLIENT_ID" in ran.stderr


def test_neither_a_home_nor_a_terminal_type_is_needed(tmp_path, root):
    ran = run("plan", "--sandbox", cwd=tmp_path, env={"HOME": "/nonexistent", "TERM": ""})
    assert ran.code == 0


def test_the_same_plan_comes_over_a_socket_with_small_pages(tmp_path, root):
    """The impact is read without following pages, so small ones make some of it unknown."""
    direct = run("plan", "--sandbox", "--no-impact", cwd=tmp_path)
    with served(root / "sandbox.json", "--page-size", "2", cwd=tmp_path) as way:
        online = run("plan", "--no-impact", cwd=tmp_path, env=way)
    assert (online.code, online.stdout) == (0, direct.stdout)


def test_throttled_reading_waits_and_gives_the_same_plan(tmp_path, root):
    faults = [{"kind": "status", "code": 429, "retry_after": "0", "method": "GET", "times": 3}]
    (tmp_path / "faults.json").write_text(json.dumps(faults))
    direct = run("plan", "--sandbox", cwd=tmp_path)
    with served(root / "sandbox.json", "--faults", "faults.json", cwd=tmp_path) as way:
        ran = run("plan", "-v", cwd=tmp_path, env=way)
    assert (ran.code, "429" in ran.stderr) == (0, True)
    assert ran.stdout.splitlines()[-1] == direct.stdout.splitlines()[-1]


def test_a_read_that_graph_refuses_is_an_error_with_its_request_id(tmp_path, root):
    faults = [{"kind": "status", "code": 403, "path": "deviceCompliancePolicies", "times": None}]
    (tmp_path / "faults.json").write_text(json.dumps(faults))
    with served(root / "sandbox.json", "--faults", "faults.json", cwd=tmp_path) as way:
        ran = run("plan", cwd=tmp_path, env=way)
    assert (ran.code, ran.stdout) == (1, "")
    assert "403" in ran.error
    assert "request-id" in ran.error


def test_what_apply_wrote_is_forgotten_with_sandbox_reset_alone(tmp_path, root):
    run("apply", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert kept_tenant(root) != json.loads((root / "sandbox.json").read_text())
    kept = run("plan", "--sandbox", "--detailed-exitcode", cwd=tmp_path)
    reset = run("plan", "--sandbox", "--sandbox-reset", "--detailed-exitcode", cwd=tmp_path)
    assert (kept.code, reset.code) == (0, 2)


def test_a_held_tenant_is_planned_and_nothing_of_it_is_a_change(tmp_path, root):
    with (root / "tenant.yaml").open("a", encoding="utf-8") as file:
        file.write("hold: {until: 2999-12-31, reason: Change freeze CHG-4711}\n")
    plan = run("plan", "--sandbox", "--detailed-exitcode", "--format", "json", cwd=tmp_path)
    assert plan.code == 0
    assert plan.json["changes"] == []
    assert plan.json["summary"]["held"] == len(plan.json["held"]) == 9
    assert {json.dumps(each["hold"]) for each in plan.json["held"]} == {
        '{"until": "2999-12-31", "reason": "Change freeze CHG-4711"}'
    }
    jsonschema.Draft202012Validator(run("schema", "plan", cwd=tmp_path).json).validate(plan.json)
    applied = run("apply", "--sandbox", cwd=tmp_path)
    assert applied.code == 0
    assert "Held: 9 changes are held and not written." in applied.stdout
    assert not (root / ".reconciler" / "sandbox.json").exists()


@pytest.mark.parametrize(("form", "is_demanded"), [(None, False), ("documented", True)])
def test_a_plan_says_that_the_tenant_demands_multi_admin_approval(tmp_path, form, is_demanded):
    root = copy_example(tmp_path)
    file = root / "sandbox.json"
    tenant = json.loads(file.read_text(encoding="utf-8"))
    tenant["multiAdminApproval"] = form and {"form": form}
    file.write_text(json.dumps(tenant), encoding="utf-8")
    planned = run("plan", root, "--sandbox", "--format", "json", cwd=tmp_path).json
    codes = [warning["code"] for warning in planned["warnings"]]
    assert ("multi-admin-approval" in codes) is is_demanded


def test_lines_that_are_not_in_force_yet_are_shown_as_scheduled(tmp_path, root):
    windows = root / "policies" / "windows.yaml"
    line = "      - group: Sales laptops\n"
    windows.write_text(
        windows.read_text("utf-8").replace(line, f"{line}        from: 2999-01-01\n", 1), "utf-8"
    )
    plan = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).json
    jsonschema.Draft202012Validator(run("schema", "plan", cwd=tmp_path).json).validate(plan)
    [scheduled] = plan["scheduled"]
    assert (scheduled["from"], scheduled["target"]["name"]) == ("2999-01-01", "Sales laptops")
    assert (plan["summary"]["scheduled"], plan["summary"]["create"]) == (1, 7)
    assert run("plan", "--sandbox", "--out", "p.json", cwd=tmp_path).code == 0
    for form, words in (
        ("text", "Scheduled: not in force yet (UTC):\n"),
        ("markdown", "1 line scheduled: declared, and not in force yet"),
        ("html", "Scheduled: not in force yet"),
    ):
        shown = run("show", "p.json", "--format", form, cwd=tmp_path).stdout
        assert words in shown
        assert "2999-01-01" in shown
