"""``reconciler apply`` on the embedded Graph: what it writes, and what keeps it from writing."""

from __future__ import annotations

import json

import pytest

from tests.support.run_cli import copy_example, kept_tenant, run, served

OTHER_DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


def assignments(tenant):
    """Every assignment of every policy, by what identifies it."""
    return {
        (policy["id"], json.dumps(each["target"], sort_keys=True))
        for family in ("deviceCompliancePolicies", "compliancePolicies")
        for policy in tenant[family]
        for each in policy["assignments"]
    }


def test_apply_then_plan_then_apply_finds_nothing_left_to_do(tmp_path, root):
    first = run("apply", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert first.code == 0
    assert first.stdout.startswith("Tenant contoso-prod (Contoso, ")
    assert "\nApplied and read back:\n  Android - Warehouse scanners\n" in first.stdout
    assert first.stdout.endswith("\nApply complete: 8 added, 1 changed, 0 removed.\n")
    assert run("plan", "--sandbox", "--detailed-exitcode", cwd=tmp_path).code == 0
    written = kept_tenant(root)
    again = run("apply", "--sandbox", cwd=tmp_path)
    assert again.code == 0
    assert "No changes." in again.stdout
    assert "Appl" not in again.stdout.partition("Digest: ")[2] + again.stderr
    assert kept_tenant(root) == written


def test_everything_that_was_there_and_not_changed_is_there_afterwards(tmp_path, root):
    before = assignments(kept_tenant(root))
    plan = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).json
    run("apply", "--sandbox", "--auto-approve", cwd=tmp_path)
    after = assignments(kept_tenant(root))
    [update] = [change for change in plan["changes"] if change["action"] == "update"]
    lost = before - after
    assert [(policy, json.loads(target)["groupId"]) for policy, target in lost] == [
        (update["policy"]["id"], update["after"]["id"])
    ]
    assert len(after - before) == 9


def test_in_documented_mode_the_documented_create_call_does_it(tmp_path, root):
    """One of the six policies needs a change too, and so is sent whole."""
    options = ("--sandbox", "--sandbox-mode", "documented", "--auto-approve", "-vv")
    ran = run("apply", *options, cwd=tmp_path)
    assert ran.code == 0
    requests = [line for line in ran.stderr.splitlines() if line.startswith("debug: ")]
    assert sum("POST /" in line and "/assignments: 201" in line for line in requests) == 5
    assert sum("/assign: 2" in line for line in requests) == 1
    assert run("plan", "--sandbox", "--detailed-exitcode", cwd=tmp_path).code == 0
    production = copy_example(tmp_path / "other")
    run("apply", production, "--sandbox", "--auto-approve", cwd=tmp_path)
    assert assignments(kept_tenant(root)) == assignments(kept_tenant(production))


def test_in_production_mode_the_missing_route_is_met_and_said_once(tmp_path, root):
    ran = run("apply", "--sandbox", "--auto-approve", "--parallelism", "1", "-vv", cwd=tmp_path)
    assert ran.code == 0
    assert ran.stderr.count("no create call (POST .../assignments), as is usual") == 1
    assert ran.stderr.count("/assignments: 400") + ran.stderr.count("/assignments: 404") == 1


def test_without_a_terminal_there_is_nobody_to_ask(tmp_path, root):
    ran = run("apply", "--sandbox", cwd=tmp_path, stdin="yes\n")
    assert ran.code == 64
    assert "Plan: 8 to add" in ran.stdout
    assert "use --auto-approve" in ran.error
    assert not (root / ".reconciler").exists()


def test_without_a_terminal_and_with_nothing_to_do_nobody_need_be_asked(tmp_path, root):
    run("apply", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert run("apply", "--sandbox", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (("--max-creates", "7"), "over the limit of 7"),
        (("--max-updates", "0"), "over the limit of 0"),
    ],
)
def test_a_guardrail_stops_apply_before_its_first_write(tmp_path, root, option, complaint):
    ran = run("apply", "--sandbox", "--auto-approve", *option, cwd=tmp_path)
    assert ran.code == 5
    assert complaint in ran.error
    assert not (root / ".reconciler").exists()


def test_a_deletion_needs_the_guardrail_to_allow_it(tmp_path, root):
    kiosks = root / "policies" / "windows.yaml"
    kiosks.write_text(
        kiosks.read_text().replace(
            "- name: Windows 11 - Kiosks\n",
            "- name: Windows 11 - Kiosks\n    ownership: authoritative\n",
        )
    )
    limited = ("apply", "--sandbox", "--auto-approve", "--policy", "Windows 11 - Kiosks")
    assert run(*limited, cwd=tmp_path).code == 5
    ran = run(*limited, "--max-deletes", "1", cwd=tmp_path)
    assert ran.code == 0
    assert ran.stdout.endswith("Apply complete: 0 added, 0 changed, 1 removed.\n")


def test_another_digest_than_the_approved_one_is_not_applied(tmp_path, root):
    options = ("apply", "--sandbox", "--auto-approve", "--expect-digest")
    ran = run(*options, OTHER_DIGEST, cwd=tmp_path)
    assert ran.code == 3
    assert not (root / ".reconciler").exists()
    digest = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).json["digest"]
    assert run(*options, digest, cwd=tmp_path).code == 0


def test_an_incomplete_plan_is_shown_and_not_applied(tmp_path, root):
    windows = root / "policies" / "windows.yaml"
    windows.write_text(windows.read_text().replace("group: Sales laptops", "group: Nobody"))
    ran = run("apply", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert ran.code == 1
    assert 'error: no group is called "Nobody"' in ran.stdout
    assert "nothing was written" in ran.error
    assert not (root / ".reconciler").exists()


def test_one_failure_hides_no_other_policy_and_exits_1(tmp_path, root):
    faults = [
        {"kind": "status", "code": 403, "method": "POST", "path": "/assign$", "message": "No."}
    ]
    (tmp_path / "faults.json").write_text(json.dumps(faults))
    options = ("--faults", "faults.json", "--keep", "kept.json")
    with served(root / "sandbox.json", *options, cwd=tmp_path) as way:
        ran = run("apply", "--auto-approve", "--format", "json", cwd=tmp_path, env=way)
        again = run("apply", "--auto-approve", "--format", "json", cwd=tmp_path, env=way)
        plan = run("plan", "--detailed-exitcode", cwd=tmp_path, env=way)
    assert (ran.code, ran.json["complete"]) == (1, False)
    statuses = [outcome["status"] for outcome in ran.json["outcomes"]]
    assert (statuses.count("failed"), statuses.count("applied")) == (1, 5)
    [failed] = [outcome for outcome in ran.json["outcomes"] if outcome["status"] == "failed"]
    assert "No." in failed["error"]
    assert failed["request_id"]
    assert (again.code, plan.code) == (0, 0)


def test_the_table_says_what_failed_and_that_apply_may_be_run_again(tmp_path, root):
    faults = [{"kind": "status", "code": 403, "method": "POST", "path": "/assign$", "times": None}]
    (tmp_path / "faults.json").write_text(json.dumps(faults))
    with served(root / "sandbox.json", "--faults", "faults.json", cwd=tmp_path) as way:
        ran = run("apply", "--auto-approve", "--policy", "Linux*", cwd=tmp_path, env=way)
    assert ran.code == 1
    assert "\nFailed:\n  Linux - Build servers\n    + include group " in ran.stdout
    assert ran.stdout.endswith(
        "Apply incomplete: 0 added, 0 changed, 0 removed.\nPolicies: 1 failed.\n"
        "Run plan to see what is left. It is safe to run apply again.\n"
    )


def test_a_write_that_waits_for_a_second_administrator_exits_4(tmp_path, root):
    tenant = json.loads((root / "sandbox.json").read_text())
    tenant["multiAdminApproval"] = {"form": "documented"}
    (root / "sandbox.json").write_text(json.dumps(tenant))
    options = ("apply", "--sandbox", "--auto-approve", "--justification", "CHG-1")
    ran = run(*options, "--policy", "Linux*", cwd=tmp_path)
    assert ran.code == 4
    assert "Waiting for a second administrator" in ran.stdout
    assert "approval code " in ran.stdout
    assert "Policies: 1 waiting for approval.\n" in ran.stdout


def test_the_journal_says_what_was_before_each_write(tmp_path, root):
    ran = run("apply", "--sandbox", "--auto-approve", "--journal", "log/j.jsonl", cwd=tmp_path)
    assert ran.code == 0
    lines = [json.loads(line) for line in (tmp_path / "log/j.jsonl").read_text().splitlines()]
    assert lines[0]["event"] == "run"
    assert sum(line["event"] == "write" for line in lines) >= 6
    assert all("at" in line for line in lines)


def test_a_result_that_cannot_be_saved_is_told_all_the_same(tmp_path, root):
    (tmp_path / "file").touch()
    options = ("--format", "json", "--out", "file/result.json", "-q")
    ran = run("apply", "--sandbox", "--auto-approve", *options, cwd=tmp_path)
    assert ran.code == 1
    assert ran.error == "file/result.json cannot be written (file is not a folder)"
    assert '"status": "applied"' in ran.stderr
