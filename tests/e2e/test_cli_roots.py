"""Several tenant roots below one folder."""

from __future__ import annotations

import json

import pytest

from tests.e2e.run_cli import copy_example, kept_tenant, run


@pytest.fixture
def roots(tmp_path):
    """Two tenant roots, each with its own label and sandbox."""
    for name in ("eu", "us"):
        root = copy_example(tmp_path / "made")
        tenant = root / "tenant.yaml"
        tenant.write_text(tenant.read_text().replace("contoso-prod", name, 1))
        root.rename(tmp_path / name)
    (tmp_path / "made").rmdir()
    (tmp_path / "tenants").mkdir()
    return [(tmp_path / name).rename(tmp_path / "tenants" / name) for name in ("eu", "us")]


def break_files(root):
    (root / "policies" / "linux.yaml").write_text("policies: []\n")


def test_each_root_is_planned_and_gets_a_file_named_after_its_label(tmp_path, roots):
    ran = run("plan", "tenants", "--sandbox", "--out", "plans", "-q", cwd=tmp_path)
    assert (ran.code, ran.stderr) == (0, "")
    assert sorted(file.name for file in (tmp_path / "plans").iterdir()) == ["eu.json", "us.json"]
    eu, _, us = ran.stdout.partition("\n\nTenant us ")
    assert eu.startswith("Tenant eu ")
    assert "Plan: 8 to create" in eu
    assert "Plan: 8 to create" in us
    again = run("plan", "tenants", "--sandbox", "--out", "plans", "-q", cwd=tmp_path)
    assert again.code == 0


def test_a_broken_root_hides_no_other_and_the_worst_exit_code_wins(tmp_path, roots):
    break_files(roots[0])
    options = ("--sandbox", "--detailed-exitcode", "--out", "plans", "-q")
    ran = run("plan", "tenants", *options, cwd=tmp_path)
    assert ran.code == 1
    assert "tenants/eu/policies/linux.yaml:1:1: error: " in ran.stderr
    assert "Error: tenants/eu: the files have mistakes" in ran.stderr
    assert ran.stdout.startswith("Tenant us ")
    assert [file.name for file in (tmp_path / "plans").iterdir()] == ["us.json"]


def test_changes_in_one_of_two_tenants_exit_2(tmp_path, roots):
    run("apply", roots[0], "--sandbox", "--auto-approve", cwd=tmp_path)
    assert run("plan", "tenants", "--sandbox", "--detailed-exitcode", cwd=tmp_path).code == 2


def test_without_a_terminal_apply_of_several_roots_exits_64(tmp_path, roots):
    ran = run("apply", "tenants", "--sandbox", cwd=tmp_path)
    assert ran.code == 64
    assert ran.stderr.count("give --auto-approve") == 2


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
