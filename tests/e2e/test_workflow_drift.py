"""drift.yml: one issue per tenant, open for as long as something differs."""

from __future__ import annotations

from tests.support.github_server import ADELE, Fault
from tests.support.workflow_story import World, digest_in, replace, world

__all__ = ["world"]


def test_drift_opens_one_issue_keeps_it_up_to_date_and_closes_it_when_clean(world):
    run = world.scheduled("drift.yml")
    assert run.results == {
        "list tenants": "success",
        "compare contoso-prod": "success",
        "keep the issues": "success",
    }
    assert run["compare contoso-prod"].environment == "plan-contoso-prod"
    [issue] = world.github.issues
    assert (issue["title"], issue["state"]) == (
        "Drift in contoso-prod: 8 to add, 1 to change, 0 to remove",
        "open",
    )
    assert "run the apply workflow by hand with the label and the digest below" in issue["body"]
    plan = run["compare contoso-prod"].step("Plan").outputs
    assert digest_in(issue["body"]) == plan["digest"]
    assert (run.artifacts["drift-contoso-prod"] / "contoso-prod" / "plan.json").exists()
    world.unassign("Linux - Workstations", "Linux workstations")
    world.scheduled("drift.yml")
    assert issue["title"] == "Drift in contoso-prod: 9 to add, 1 to change, 0 to remove"
    assert world.writes == 0
    world.commit("feature")
    world.push(7, "feature")
    world.merge(7, "feature")
    world.scheduled("drift.yml")
    assert issue["state"] == "closed"
    assert "differ" not in issue["body"]
    assert world.github.bodies(issue["number"]) == ["No drift any more: the tenant is as declared."]
    world.unassign("Linux - Workstations", "Linux workstations")
    world.scheduled("drift.yml")
    assert issue["state"] == "open"
    assert len(world.github.issues) == 1


def test_several_tenants_have_an_issue_each_and_one_that_fails_hides_no_other(tmp_path):
    world = World(tmp_path, ("eu", "us"))
    try:
        theirs = world.github.add_issue(
            "Drift in eu", "mine", by=ADELE, labels=("reconciler-drift",)
        )
        world.commit("half", lambda root: BROKEN(root) if root.name == "root-0" else None)
        world.land("half")
        run = world.scheduled("drift.yml")
        assert (run["compare eu"].result, run["compare us"].result) == ("failure", "success")
        assert run["keep the issues"].result == "success"
        assert [issue["title"] for issue in world.github.issues] == [
            "Drift in eu",
            "No plan for eu",
            "Drift in us: 8 to add, 1 to change, 0 to remove",
        ]
        assert theirs["body"] == "mine"
    finally:
        world.close()


def test_an_issue_that_is_refused_fails_the_run_and_holds_up_no_other(tmp_path):
    world = World(tmp_path, ("eu", "us"))
    try:
        world.github.plan("POST", "/issues$", Fault(422, "not today"))
        run = world.scheduled("drift.yml")
        assert run["keep the issues"].result == "failure"
        assert "not today" in run.log
        assert [issue["title"][:11] for issue in world.github.issues] == ["Drift in us"]
    finally:
        world.close()


BROKEN = replace(
    "policies/linux.yaml", "policies:", "policies:\n  - name: Broken\n    includes: []"
)


def test_a_plan_that_is_not_whole_is_an_issue_and_a_failure(world):
    world.commit(
        "typo",
        replace("policies/linux.yaml", "group: Linux workstations", "group: Linux workstation"),
    )
    world.land("typo")
    run = world.scheduled("drift.yml")
    assert run["compare contoso-prod"].step("Plan").code == 1
    assert run["keep the issues"].result == "success"
    [issue] = world.github.issues
    assert issue["title"] == "Drift in contoso-prod: incomplete plan"
    assert issue["state"] == "open"
