"""The whole story of a repository, from the first plan to the tenant that drifts, one step after the other."""

from __future__ import annotations

import pytest

from reconciler.sandbox.state import SandboxState
from tests.support.recorded_sandbox import RecordedSandbox
from tests.support.workflow_story import (
    World,
    calm,
    digest_in,
    in_root,
    note,
    replace,
    settled,
    world,
)

__all__ = ["calm", "settled", "world"]

MORE = replace(
    "policies/linux.yaml",
    "Workstations\n    include:",
    "Workstations\n    include:\n      - group: Engineering staff",
)
DEVELOPERS = replace(
    "policies/linux.yaml",
    "servers\n    include:",
    "servers\n    include:\n      - group: Mac developers",
)
BROKEN = replace(
    "policies/linux.yaml", "policies:", "policies:\n  - name: Broken\n    includes: []"
)
TIGHT = replace("tenant.yaml", "max_creates: 50", "max_creates: 0")
APPLY = "apply contoso-prod"


def title(world: World, number: int = 7) -> str:
    """The heading of the one comment on a pull request."""
    [body] = world.github.bodies(number)
    return next(line for line in body.splitlines() if line.startswith("## "))


def test_one_living_comment_from_the_broken_file_to_the_outcome(calm):
    calm.commit("broken", BROKEN, after="calm")
    assert calm.push(7, "broken")["all plans"].result == "failure"
    assert title(calm).startswith("## No plan")
    calm.commit("more", MORE, after="calm")
    calm.commit("tight", TIGHT, after="more")
    assert calm.push(7, "tight")["all plans"].result == "failure"
    calm.commit("feature", MORE, after="calm")
    assert calm.push(7, "feature")["all plans"].result == "success"
    assert "1 to add" in title(calm)
    assert calm.queue(7)["all plans"].result == "success"
    merged = calm.merge(7, "feature")
    assert (merged[APPLY].result, merged["outcome"].result) == ("success", "success")
    assert "Applied" in title(calm)
    assert "Engineering staff" in calm.assigned("Linux - Workstations")
    written = calm.writes
    calm.unassign("Linux - Workstations", "Engineering staff")
    again = calm.pushed("feature")
    assert again[APPLY].result == "failure", "an approval counts once"
    assert calm.writes == written
    assert calm.scheduled()["heal contoso-prod"].result == "success"
    assert "Engineering staff" in calm.assigned("Linux - Workstations")


def test_a_tenant_that_changed_is_told_on_the_pull_request_and_approved_by_hand(calm):
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    calm.unassign("Linux - Build servers", "Linux workstations")
    refused = calm.merge(7, "feature")
    assert (refused[APPLY].result, refused["outcome"].result) == ("failure", "success")
    assert calm.writes == 0
    [body] = calm.github.bodies(7)
    assert "The tenant has changed: approve again" in title(calm)
    fresh = digest_in(refused[APPLY].step("Show what is left, and its digest").summary)
    assert fresh in body
    assert calm.dispatch(fresh).result == "success"
    assert calm.assigned("Linux - Build servers") == {"Linux workstations"}


def test_a_second_administrator_is_waited_for_in_the_comment(calm):
    tenant = calm.app.state.to_json() | {"multiAdminApproval": {"form": "observed"}}
    calm.serve("contoso-prod", RecordedSandbox(SandboxState(tenant)))
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    calm.merge(7, "feature")
    [request] = calm.app.state.approvals
    assert "second administrator" in title(calm)
    assert request["id"] in calm.github.bodies(7)[0]


def test_a_run_that_was_cancelled_is_told_on_the_pull_request(calm):
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    calm.cancel("Apply what was approved", when=lambda: calm.writes > 0)
    run = calm.merge(7, "feature")
    assert run.result == "cancelled"
    assert run["outcome"].result == "success"
    assert "1 to add" not in title(calm)


@pytest.mark.parametrize("by", ["fork", "dependabot[bot]"])
def test_whoever_may_not_sign_in_gets_no_plan_and_changes_nothing(calm, by):
    calm.commit("feature", MORE, after="calm")
    run = calm.push(7, "feature", from_fork=by == "fork", by="mallory" if by == "fork" else by)
    if by == "fork":
        assert run["all plans"].result == "success"
        assert calm.after_fork(run, "feature").result == "success"
    else:
        assert run["all plans"].result == "failure"
    merged = calm.merge(7, "feature")
    assert merged[APPLY].result == "failure"
    assert calm.writes == 0


def test_two_tenants_each_live_their_own_story(tmp_path, settled):
    world = World(tmp_path, ("eu", "us"))
    try:
        world.commit("both", in_root(0, BROKEN, otherwise=note))
        assert world.push(7, "both")["all plans"].result == "failure"
        assert len(world.github.bodies(7)) == 2
        world.commit("one", in_root(1, note))
        run = world.push(7, "one")
        assert run.result == "success"
        [gone] = [body for body in world.github.bodies(7) if "tenant=us " not in body]
        assert "digest=" not in gone
        merged = world.merge(7, "one")
        assert merged["apply us"].result == merged["outcome"].result == "success"
        assert world.apps["eu"].bodies == []
        drift = world.scheduled("drift.yml")
        assert drift.result == "success"
        assert [issue["title"].partition(":")[0] for issue in world.github.issues] == [
            "Drift in eu"
        ]
    finally:
        world.close()
