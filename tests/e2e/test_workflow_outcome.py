"""The comment after the merge: applied, waiting, changed meanwhile; and an approval counts once."""

from __future__ import annotations

from reconciler.sandbox.app import SandboxApp
from reconciler.sandbox.state import SandboxState
from tests.support.workflow_story import calm, digest_in, replace, settled, world

__all__ = ["calm", "settled", "world"]

WORKSTATIONS = "Linux - Workstations"
MORE = replace(
    "policies/linux.yaml",
    "Workstations\n    include:",
    "Workstations\n    include:\n      - group: Engineering staff",
)
APPLY = "Apply what was approved"
JOB = "apply contoso-prod"


def title(world):
    [comment] = world.github.bodies(7)
    return comment.splitlines()[2]


def test_the_comment_becomes_the_outcome_and_the_approval_counts_once(calm):
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    assert title(calm).startswith("## Plan: 1 to add, 0 to change, 0 to remove")
    calm.merge(7, "feature")
    assert title(calm).startswith("## Applied 1 · run ")
    calm.unassign(WORKSTATIONS, "Engineering staff")
    calm.app.bodies.clear()
    again = calm.pushed("feature")
    assert again[JOB].step(APPLY).code == 3
    assert "approved on pull request #7 was applied before" in again[JOB].step(APPLY).log
    assert calm.writes == 0


def test_a_tenant_that_changed_is_told_with_how_to_approve_and_then_the_outcome(calm):
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    calm.unassign("Linux - Build servers", "Linux workstations")
    run = calm.merge(7, "feature")
    assert title(calm).startswith("## The tenant has changed: approve again · ")
    [comment] = calm.github.bodies(7)
    fresh = digest_in(run[JOB].step("Show what is left, and its digest").summary)
    assert f"gh workflow run apply.yml -f label=contoso-prod -f digest={fresh}" in comment
    calm.dispatch(fresh)
    assert title(calm).startswith("## Applied 2 · run ")


def test_writes_that_wait_name_all_codes_on_one_line_and_then_the_outcome(calm):
    tenant = calm.app.state.to_json() | {"multiAdminApproval": {"form": "observed"}}
    calm.serve("contoso-prod", SandboxApp(SandboxState(tenant)))
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    calm.merge(7, "feature")
    assert title(calm).startswith("## Waiting for a second administrator · run ")
    [comment] = calm.github.bodies(7)
    [request] = calm.app.state.approvals
    [line] = [line for line in comment.splitlines() if line.startswith("gh workflow run ")]
    assert f"approval_codes={request['id']}" in line
    calm.app.state.decide(request["id"], "approved")
    calm.dispatch(digest_in(line), codes=request["id"])
    assert title(calm).startswith("## Applied 1 · run ")
