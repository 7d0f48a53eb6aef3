"""``--failure-out`` keeps why there is no plan or no result, for ``comment`` and ``show``."""

from __future__ import annotations

import json

import pytest

from tests.support.run_cli import copy_example, run

FAILURE = "failure.json"
OTHER_DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


def test_errors_in_the_files_are_kept_with_their_places(tmp_path, root):
    file = root / "policies" / "linux.yaml"
    file.write_text(
        file.read_text().replace("policies:", "policies:\n  - name: X\n    gruop: []", 1)
    )
    assert run("plan", "--sandbox", "--failure-out", FAILURE, cwd=tmp_path).code == 1
    failure = json.loads((tmp_path / FAILURE).read_text())
    assert (failure["kind"], failure["command"], failure["label"]) == (
        "failure", "plan", "contoso-prod"
    )  # fmt: skip
    first = next(each for each in failure["diagnostics"] if each["severity"] == "error")
    assert first["declared_at"]["file"] == "policies/linux.yaml"
    shown = run("show", FAILURE, "--format", "markdown", cwd=tmp_path)
    assert "## No plan: " in shown.stdout
    text = run("show", FAILURE, cwd=tmp_path).stdout
    assert text.startswith("desired-state/policies/linux.yaml:")
    assert "\nError: the files have errors" in text


def test_what_the_tenant_refuses_is_the_reason(tmp_path, root):
    config = root / "tenant.yaml"
    other = "00000000-51d8-4c0e-9b57-0c1f5d6c7a11"
    config.write_text(config.read_text().replace("7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11", other))
    ran = run("plan", "--sandbox", "--failure-out", FAILURE, cwd=tmp_path)
    failure = json.loads((tmp_path / FAILURE).read_text())
    assert failure["exit_code"] == ran.code == 1
    assert f"Error: {failure['reason']}" in ran.stderr.replace("\n", " ")
    assert failure["digest"] is None


def test_an_apply_that_is_refused_names_the_plan_it_did_not_write(tmp_path, root):
    ran = run(
        "apply", "--sandbox", "--auto-approve", "--expect-digest", OTHER_DIGEST,
        "--failure-out", FAILURE, cwd=tmp_path,
    )  # fmt: skip
    assert ran.code == 3
    failure = json.loads((tmp_path / FAILURE).read_text())
    plan = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).json
    assert (failure["command"], failure["exit_code"]) == ("apply", 3)
    assert failure["digest"] == plan["digest"]
    assert failure["has_begun"] is False


def test_where_all_goes_well_there_is_no_file(tmp_path, root):
    assert run("plan", "--sandbox", "--failure-out", FAILURE, cwd=tmp_path).code == 0
    assert not (tmp_path / FAILURE).exists()
