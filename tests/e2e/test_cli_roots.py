"""Several tenant roots below one folder."""

from __future__ import annotations

import json
import shutil
import threading
import time

import pytest

from reconciler.cli import entry
from reconciler.operations import planning
from reconciler.sandbox import SandboxApp, SandboxServer, SandboxState
from tests.support.run_cli import (
    OTHER_TENANT,
    TENANT,
    copy_example,
    give_tenant,
    kept_tenant,
    run,
    served,
    terminal,
)


@pytest.fixture
def roots(tmp_path):
    """Two tenant roots, each with its own label, tenant and sandbox."""
    for name, tenant_id in (("eu", TENANT), ("us", OTHER_TENANT)):
        root = copy_example(tmp_path / "made")
        tenant = root / "tenant.yaml"
        tenant.write_text(tenant.read_text().replace("contoso-prod", name, 1))
        give_tenant(root, tenant_id)
        root.rename(tmp_path / name)
    (tmp_path / "made").rmdir()
    (tmp_path / "tenants").mkdir()
    return [(tmp_path / name).rename(tmp_path / "tenants" / name) for name in ("eu", "us")]


def same_tenant(roots):
    """Let the second root be about the first one's tenant, in other letters."""
    for file in (roots[1] / "tenant.yaml", roots[1] / "sandbox.json"):
        file.write_text(file.read_text().replace(OTHER_TENANT, TENANT.upper()))


def break_files(root):
    (root / "policies" / "linux.yaml").write_text("policies: []\n")


def test_each_root_is_planned_and_gets_a_file_named_after_its_label(tmp_path, roots):
    ran = run("plan", "tenants", "--sandbox", "--out", "plans", "-q", cwd=tmp_path)
    assert (ran.code, ran.stderr) == (0, "")
    assert sorted(file.name for file in (tmp_path / "plans").iterdir()) == ["eu.json", "us.json"]
    table, _, plans = ran.stdout.partition("\n\nTenant eu ")
    assert table == (
        "Tenant  To add  To change  To remove  Risk    Exit\n"
        "eu           8          1          0  review     0\n"
        "us           8          1          0  review     0"
    )
    eu, _, us = plans.partition("\n\nTenant us ")
    assert "Plan: 8 to add" in eu
    assert "Plan: 8 to add" in us
    again = run("plan", "tenants", "--sandbox", "--out", "plans", "-q", cwd=tmp_path)
    assert again.code == 0


def test_a_broken_root_hides_no_other_and_the_worst_exit_code_wins(tmp_path, roots):
    break_files(roots[0])
    options = ("--sandbox", "--detailed-exitcode", "--out", "plans", "-q")
    ran = run("plan", "tenants", *options, cwd=tmp_path)
    assert ran.code == 1
    assert "tenants/eu/policies/linux.yaml:1:1: error: " in ran.stderr
    assert "Error: tenants/eu: the files have errors" in ran.stderr
    assert ran.stdout.splitlines()[1:3] == [
        "eu           -          -          -  -          1",
        "us           8          1          0  review     2",
    ]
    assert "\n\nTenant us " in ran.stdout
    assert [file.name for file in (tmp_path / "plans").iterdir()] == ["us.json"]


def test_changes_in_one_of_two_tenants_exit_2(tmp_path, roots):
    run("apply", roots[0], "--sandbox", "--auto-approve", cwd=tmp_path)
    assert run("plan", "tenants", "--sandbox", "--detailed-exitcode", cwd=tmp_path).code == 2


@pytest.mark.parametrize("parallelism", [1, 2, 3, 16])
def test_the_bound_on_requests_changes_nothing_in_the_output(tmp_path, roots, parallelism):
    plan = ("plan", "tenants", "--sandbox", "-q")
    ran = run(*plan, "--parallelism", str(parallelism), cwd=tmp_path)
    assert ran.stdout == run(*plan, cwd=tmp_path).stdout
    assert ran.stdout.index("\n\nTenant eu ") < ran.stdout.index("\n\nTenant us ")


@pytest.mark.parametrize(("parallelism", "at_once"), [(1, 1), (2, 2), (5, 4)])
def test_all_roots_together_keep_to_the_bound_on_requests(tmp_path, roots, parallelism, at_once):
    same_tenant(roots)
    (roots[0] / "policies" / "linux.yaml").unlink()
    for file in (roots[1] / "policies").rglob("*.yaml"):
        if file.name != "linux.yaml":
            file.unlink()
    app = SandboxApp(SandboxState.load(roots[0] / "sandbox.json"))
    lock, flying, most = threading.Lock(), [0], [0]

    def counted(environ, start_response):
        with lock:
            flying[0] += 1
            most[0] = max(most[0], flying[0])
        time.sleep(0.02)  # long enough for requests to meet
        try:
            return app(environ, start_response)
        finally:
            with lock:
                flying[0] -= 1

    with SandboxServer(counted) as server:
        way = {"RECONCILER_GRAPH_URL": server.url, "RECONCILER_ACCESS_TOKEN": "any"}
        ran = run("plan", "tenants", "--parallelism", str(parallelism), cwd=tmp_path, env=way)
    assert ran.code == 0
    assert 1 <= most[0] <= at_once


def test_in_markdown_the_table_is_one_too(tmp_path, roots):
    ran = run("plan", "tenants", "--sandbox", "--format", "markdown", cwd=tmp_path)
    assert ran.stdout.startswith(
        "| Tenant | To add | To change | To remove | Risk | Exit |\n"
        "| --- | ---: | ---: | ---: | --- | ---: |\n"
        "| `eu` | 8 | 1 | 0 | review | 0 |\n"
        "| `us` | 8 | 1 | 0 | review | 0 |\n\n"
    )


def test_another_digest_than_expected_is_in_the_table(tmp_path, roots):
    other = f"sha256:{'0' * 64}"
    ran = run("plan", "tenants", "--sandbox", "--expect-digest", other, cwd=tmp_path)
    assert ran.code == 3
    assert [line.split()[-1] for line in ran.stdout.splitlines()[1:3]] == ["3", "3"]


def test_ctrl_c_ends_the_planning_of_all_roots(tmp_path, roots):
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "slow", "seconds": 20, "path": "assignmentFilters"}]')
    with (
        served(roots[0] / "sandbox.json", "--faults", faults, cwd=tmp_path) as way,
        terminal("plan", "tenants", cwd=tmp_path, env=way) as shown,
    ):
        shown.wait_for("Planning 2 tenant roots... 1")
        shown.send("\x03")
        assert shown.has_ended(within=10)
        assert shown.finish() == 130
    assert shown.text.endswith("Interrupted; nothing was written to the tenant.\n")
    assert "To add" not in shown.text


def test_where_people_sign_in_the_roots_are_planned_one_after_the_other(tmp_path, roots):
    person = {"AZURE_CLIENT_ID": TENANT, "AZURE_AUTHORITY_HOST": "https://127.0.0.1:9"}
    with terminal("plan", "tenants", "--timeout", "2", cwd=tmp_path, env=person) as shown:
        assert shown.finish() == 1
    assert "Planning 2 tenant roots" not in shown.text
    assert shown.text.index("Reading tenants/eu") < shown.text.index("Reading tenants/us")


def test_without_a_terminal_apply_of_several_roots_exits_64(tmp_path, roots):
    ran = run("apply", "tenants", "--sandbox", cwd=tmp_path)
    assert ran.code == 64
    assert ran.stderr.count("use --auto-approve") == 2


def test_apply_writes_each_tenant_into_its_own(tmp_path, roots):
    break_files(roots[0])
    ran = run("apply", "tenants", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert ran.code == 1
    assert not (roots[0] / ".reconciler").exists()
    assert kept_tenant(roots[1]) != json.loads((roots[1] / "sandbox.json").read_text())


def test_a_saved_plan_finds_the_root_with_its_label(tmp_path, roots):
    (tmp_path / "tenants").rename(tmp_path / "desired-state")
    assert run("plan", "--sandbox", "--out", "plans", cwd=tmp_path).code == 0
    ran = run("apply", "plans/us.json", "--sandbox", "--auto-approve", cwd=tmp_path)
    assert ran.code == 0
    assert not (tmp_path / "desired-state/eu/.reconciler").exists()
    assert (tmp_path / "desired-state/us/.reconciler").exists()


@pytest.mark.parametrize(
    ("command", "form"),
    [("plan", "json"), ("plan", "html"), ("plan", "sarif"), ("apply", "json")],
)
def test_a_form_that_cannot_hold_several_results_is_refused(tmp_path, roots, command, form):
    ran = run(command, "tenants", "--sandbox", "--format", form, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert ran.error.startswith(
        f"--format {form} takes one tenant root, and there are 2 below tenants"
    )


def test_two_roots_with_one_label_do_not_overwrite_each_other_s_plan(tmp_path, roots):
    tenant = roots[1] / "tenant.yaml"
    tenant.write_text(tenant.read_text().replace("label: us", "label: eu"))
    ran = run("plan", "tenants", "--sandbox", "--out", "plans", "-q", cwd=tmp_path)
    assert ran.code == 1
    assert "Error: tenants/us: its plan would overwrite plans/eu.json" in ran.stderr


def test_a_label_cannot_lead_out_of_the_folder(tmp_path, roots):
    tenant = roots[0] / "tenant.yaml"
    tenant.write_text(tenant.read_text().replace("label: eu", "label: ../../eu/x"))
    ran = run("plan", "tenants", "--sandbox", "--out", "plans", "-q", cwd=tmp_path)
    assert ran.code == 0
    assert sorted(file.name for file in (tmp_path / "plans").iterdir()) == [
        "eu-x.json",
        "us.json",
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plans", "tenants"]


@pytest.mark.parametrize(
    "command",
    [("validate",), ("plan", "--sandbox"), ("apply", "--sandbox", "--auto-approve"), ("tenants",)],
)
def test_two_roots_that_declare_one_policy_of_one_tenant_are_refused(tmp_path, roots, command):
    same_tenant(roots)
    ran = run(command[0], "tenants", *command[1:], cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error.startswith(
        'tenants/eu and tenants/us both declare the policy "Android - Fully managed" of the '
        f"tenant {TENANT}, at tenants/eu/policies/android/company-owned.yaml:"
    )
    assert " and tenants/us/policies/android/company-owned.yaml:" in ran.error
    assert ran.error.endswith("; declare it in one of the two alone")
    assert list(tmp_path.rglob(".reconciler")) == []


def test_two_roots_may_share_a_tenant_where_they_share_no_policy(tmp_path, roots):
    same_tenant(roots)
    (roots[0] / "policies" / "linux.yaml").unlink()
    for file in (roots[1] / "policies").rglob("*.yaml"):
        if file.name != "linux.yaml":
            file.unlink()
    assert run("validate", "tenants", cwd=tmp_path).code == 0


def test_roots_that_extend_one_folder_share_its_policies(tmp_path, roots):
    same_tenant(roots)
    (roots[0] / "policies").rename(tmp_path / "tenants" / "shared")
    shutil.rmtree(roots[1] / "policies")
    for root in roots:
        with (root / "tenant.yaml").open("a") as tenant:
            tenant.write("extends: [../shared]\n")
    ran = run("validate", "tenants", cwd=tmp_path)
    assert ran.code == 1
    place = "tenants/shared/android/company-owned.yaml:2:11"
    assert f", at {place} and {place}; " in ran.error


def test_a_root_with_mistakes_is_told_of_before_it_is_compared(tmp_path, roots):
    same_tenant(roots)
    break_files(roots[0])
    ran = run("validate", "tenants", cwd=tmp_path)
    assert (ran.code, ran.error) == (1, "")
    assert "tenants/eu/policies/linux.yaml:1:1: error: " in ran.stdout


def test_labels_that_differ_in_case_alone_are_one_label(tmp_path, roots):
    tenant = roots[1] / "tenant.yaml"
    tenant.write_text(tenant.read_text().replace("label: us", "label: EU"))
    ran = run("tenants", "tenants", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error == (
        'tenants/eu and tenants/us have one label, "eu" (and "EU": case does not count); '
        "give each tenant.yaml a label of its own"
    )
    planned = run("plan", "tenants", "--sandbox", "--out", "plans", "-q", cwd=tmp_path)
    assert "its plan would overwrite plans/EU.json" in planned.stderr


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (RuntimeError("secret"), "internal error (RuntimeError at test_cli_roots.py:"),
        (OSError(28, "No space left on device"), "No space left on device\n"),
    ],
)
def test_what_nobody_expected_in_one_root_hides_no_other(
    tmp_path, roots, monkeypatch, capsys, fault, told
):
    def load(root, load=planning.load):
        if root.name == "eu":
            raise fault
        return load(root)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reconciler.operations.planning.load", load)
    assert entry.run(["plan", "tenants", "--sandbox"]) == 1
    said = capsys.readouterr()
    assert f"Error: tenants/eu: {told}" in said.err
    assert "secret" not in said.err
    assert "\n\nTenant us " in said.out


@pytest.fixture
def plans(tmp_path, roots):
    """The plans of both roots, as plans/eu.json and plans/us.json; no root is where it was."""
    assert run("plan", "tenants", "--sandbox", "--out", "plans", cwd=tmp_path).code == 0
    return tmp_path / "plans"


def applied(tmp_path, *arguments):
    return run("apply", "plans/us.json", "--sandbox", "--auto-approve", *arguments, cwd=tmp_path)


def test_a_saved_plan_does_not_use_the_only_root_where_that_is_another_tenant_s(
    tmp_path, roots, plans
):
    roots[0].rename(tmp_path / "desired-state")
    ran = applied(tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error == (
        f'this plan is for "us" (tenant {OTHER_TENANT}), and no tenant root here is for that label '
        f'and tenant: desired-state ("eu", tenant {TENANT}). Name the right one with --root PATH'
    )
    assert list(tmp_path.rglob(".reconciler")) == []


def test_a_saved_plan_does_not_use_a_root_with_its_label_and_another_tenant(tmp_path, roots, plans):
    (tmp_path / "tenants").rename(tmp_path / "desired-state")
    give_tenant(tmp_path / "desired-state/us", TENANT)
    tenant = tmp_path / "desired-state/us/tenant.yaml"
    tenant.write_text(tenant.read_text().replace(OTHER_TENANT, TENANT))
    ran = applied(tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert "no tenant root here is for that label and tenant" in ran.error
    assert list(tmp_path.rglob(".reconciler")) == []


def test_the_root_of_a_saved_plan_can_be_named(tmp_path, roots, plans):
    assert applied(tmp_path, "--root", "tenants/us").code == 0
    assert (roots[1] / ".reconciler").exists()
    assert not (roots[0] / ".reconciler").exists()


@pytest.mark.parametrize(
    ("root", "told"),
    [
        ("tenants/eu", 'this plan is for "us" (tenant 0'),
        ("plans", '"plans" has no tenant.yaml'),
        ("nope", 'there is no folder "nope"'),
    ],
)
def test_a_root_that_is_not_the_plan_s_is_refused(tmp_path, roots, plans, root, told):
    ran = applied(tmp_path, "--root", root)
    assert (ran.code, ran.stdout) == (1, "")
    assert told in ran.error


def test_the_folder_of_a_sandbox_file_is_its_root_and_must_be_the_plan_s(tmp_path, roots, plans):
    ran = applied(tmp_path, "--sandbox-file", "tenants/eu/sandbox.json")
    assert ran.code == 1
    assert 'and not for tenants/eu ("eu", ' in ran.error
    assert applied(tmp_path, "--sandbox-file", "tenants/us/sandbox.json").code == 0


def test_in_its_root_a_saved_plan_finds_it(tmp_path, roots, plans):
    plan = ("apply", "../../plans/us.json", "--sandbox", "--auto-approve")
    assert run(*plan, cwd=roots[1]).code == 0
    assert (roots[1] / ".reconciler").exists()


def test_a_domain_as_tenant_is_held_against_the_one_signed_in_to(tmp_path, roots, plans):
    tenant = roots[1] / "tenant.yaml"
    tenant.write_text(tenant.read_text().replace(OTHER_TENANT, "contoso.example"))
    assert applied(tmp_path, "--root", "tenants/us").code == 0
    tenant.write_text(tenant.read_text().replace("contoso.example", "fabrikam.example"))
    ran = applied(tmp_path, "--root", "tenants/us")
    assert ran.code == 1
    assert "the tenant root of this plan is for fabrikam.example" in ran.error


def test_root_goes_with_a_saved_plan(tmp_path, roots):
    ran = run("apply", "tenants/us", "--root", "tenants/us", "--sandbox", cwd=tmp_path)
    assert ran.code == 64
    assert "--root goes with a saved plan" in ran.error
