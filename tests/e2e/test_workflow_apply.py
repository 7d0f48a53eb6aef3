"""apply.yml: what reaches a tenant, and what somebody learns when nothing does."""

from __future__ import annotations

import copy
import json

import pytest

from reconciler.sandbox.faults import Fault
from reconciler.sandbox.state import SandboxState
from tests.support.github_server import ADELE
from tests.support.recorded_sandbox import RecordedSandbox
from tests.support.workflow_events import Event
from tests.support.workflow_runner import WORKFLOWS
from tests.support.workflow_story import World, calm, digest_in, in_root, replace, settled, world

__all__ = ["calm", "settled", "world"]

WORKSTATIONS = "Linux - Workstations"
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
LESS = replace("policies/linux.yaml", "      - group: Engineering staff\n", "")
APPLY = "Apply what was approved"
JOB = "apply contoso-prod"
HEAL = "heal contoso-prod"
REFUSAL = Fault("status", method="POST", path="/assign$", code=403)


def report_of(run, slug="contoso-prod"):
    """The folder of a tenant's report, inside the artifact that holds it."""
    return run.artifacts[f"apply-{slug}"] / slug


def test_a_merge_applies_the_plan_that_was_shown_and_once(world):
    world.commit("feature", MORE)
    world.push(7, "feature")
    run = world.merge(7, "feature")
    assert run.results == {
        "list tenants": "success",
        "first push": "skipped",
        JOB: "success",
        "outcome": "success",
        "heal ${{ matrix.label }}": "skipped",
        "report": "skipped",
    }
    assert "Engineering staff" in world.assigned(WORKSTATIONS)
    job = run[JOB]
    assert (job.environment, job.group) == ("apply-contoso-prod", "apply-contoso-prod")
    assert "## Applied 9, changed 1 · " in job.summary
    report = report_of(run)
    assert json.loads((report / "result.json").read_text())["complete"] is True
    assert len((report / "journal.jsonl").read_text().splitlines()) > 2
    assert [step.name for step in job.steps if step.outcome == "skipped"] == [
        "Apply the given digest",
        "Show what is left, and its digest",
    ]
    written = world.writes
    again = world.pushed("feature")
    assert again.result == "success"
    assert "## Applied 0 · " in again[JOB].summary
    assert world.writes == written


def test_after_the_tenant_moved_nothing_is_written_and_the_summary_says_how_to_approve(calm):
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    calm.unassign("Linux - Build servers", "Linux workstations")
    run = calm.merge(7, "feature")
    assert run.result == "failure"
    job = run[JOB]
    assert job.step(APPLY).code == 3
    assert calm.writes == 0
    refusal = job.step(APPLY).summary
    assert refusal.startswith("## Not applied\n")
    assert (
        '      not approved: "Linux - Build servers": add include group "Linux workstations"\n'
        in refusal
    )
    assert "Engineering staff" not in refusal
    assert "::error title=reconciler%3A not-approved::this is not the plan" in job.log
    fresh = digest_in(job.step("Show what is left, and its digest").summary)
    assert f"with the label contoso-prod and the digest {fresh}" in refusal
    done = calm.dispatch(fresh)
    assert done[JOB].step("Apply the given digest").outcome == "success"
    assert calm.assigned("Linux - Build servers") == {"Linux workstations"}
    assert "Engineering staff" in calm.assigned(WORKSTATIONS)
    assert "journal.jsonl" in {file.name for file in report_of(done).iterdir()}


def test_what_somebody_did_by_hand_meanwhile_is_skipped_and_the_rest_is_applied(calm):
    calm.unassign("Linux - Build servers", "Linux workstations")
    before = calm.app.state.to_json()
    calm.commit("feature", MORE, after="calm")
    calm.push(7, "feature")
    [build] = [p for p in before["compliancePolicies"] if p["name"] == "Linux - Build servers"]
    [other] = [p for p in before["compliancePolicies"] if p["name"] == WORKSTATIONS]
    target = dict(other["assignments"][0])
    calm.app.state.set_assignments(
        build["id"],
        [
            target
            | {
                "id": f"{build['id']}_{target['target']['groupId']}",
                "sourceId": build["id"],
            }
        ],
    )
    run = calm.merge(7, "feature")
    assert run.result == "success"
    assert "a part of what was approved on pull request #7 is already done" in run.log
    assert "## Applied 1 · " in run[JOB].summary


def refused(run, world, *, because: str) -> None:
    step = run[JOB].step(APPLY)
    assert (run.result, step.code) == ("failure", 3)
    assert because in step.log
    assert because.partition("#")[0] in step.summary
    assert world.writes == 0
    assert digest_in(step.log).startswith("sha256:")


def test_a_direct_push_applies_nothing(world):
    world.commit("feature", MORE)
    world.land("feature")
    run = world.pushed("feature")
    refused(run, world, because="it was pushed directly")


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory, settled):
    """A pull request whose plan was shown, and that is merged; nothing has run since."""
    made = World(tmp_path_factory.mktemp("reviewed"))
    made.serve("contoso-prod", RecordedSandbox(SandboxState(settled)))
    made.commit("first", MORE)
    made.push(7, "first")
    made.mark_merged(7, "first")
    yield made
    made.close()


@pytest.fixture
def shown(reviewed):
    """The same for a test that changes what GitHub says; no run of it may write to the tenant."""
    github = reviewed.github
    kept = copy.deepcopy((github.comments, github.pulls, github.commits, github.history))
    yield reviewed
    github.comments, github.pulls, github.commits, github.history = kept
    github.editors.clear()
    assert reviewed.writes == 0


def test_a_comment_that_a_person_edited_approves_nothing(shown):
    [comment] = shown.github.comments
    shown.github.edit_comment(comment["id"], comment["body"] + " ", by=ADELE)
    run = shown.pushed("first")
    refused(run, shown, because="last edited by adele, not by github-actions")


def test_the_plan_of_an_older_commit_approves_nothing(shown):
    shown.github.push(7, shown.id("sneaked in"))
    refused(shown.pushed("first"), shown, because="is of an older commit than the one")


def test_a_copy_of_the_comment_by_somebody_else_approves_nothing(shown):
    [comment] = shown.github.comments
    comment["user"] = ADELE.rest
    refused(shown.pushed("first"), shown, because="has no plan comment by github-actions[bot]")


def test_what_was_pushed_directly_since_is_not_applied_by_a_run_that_waited(shown):
    shown.commit("direct", DEVELOPERS, after="first")
    shown.land("direct")
    due = 'not approved: "Linux - Build servers": add include group "Mac developers"'
    refused(shown.pushed("first"), shown, because=due)


def test_a_history_that_was_rewritten_since_applies_nothing(shown):
    shown.commit("other", MORE)
    shown.github.history[-1:] = [shown.id("other")]
    refused(shown.pushed("first"), shown, because="main does not build on commit")


def test_the_plan_of_another_tenant_approves_nothing(tmp_path):
    world = World(tmp_path, ("eu", "us"))
    try:
        world.commit("feature")
        world.push(7, "feature")
        mine = next(c for c in world.github.comments if "tenant=us " in c["body"])
        world.github.comments.remove(mine)
        run = world.merge(7, "feature")
        assert (run["apply eu"].result, run["apply us"].result) == ("success", "failure")
        assert run["apply us"].step(APPLY).code == 3
        assert world.apps["us"].bodies == []
        assert "Break glass devices" in world.assigned("macOS - Baseline", "eu")
        assert {run["apply eu"].group, run["apply us"].group} == {"apply-eu", "apply-us"}
        eu, us = report_of(run, "eu"), report_of(run, "us")
        assert (eu / "journal.jsonl").exists()
        assert not (us / "journal.jsonl").exists()
        done = world.dispatch(digest_in(run["apply us"].step(APPLY).log), "us")
        assert done.results["apply us"] == done.result == "success"
        assert "apply eu" not in done.results
        written = world.writes
        lost = world.dispatch("sha256:" + "0" * 64, "uk")
        assert set(lost.results.values()) == {"failure", "skipped"}
        assert (
            'no tenant root below desired-state has the label "uk"; there is "eu", "us"' in lost.log
        )
        assert world.writes == written
    finally:
        world.close()


# A run gets its turn late


def test_an_old_run_that_is_run_again_does_not_bring_back_what_main_has_given_up(calm):
    calm.commit("more", MORE, after="calm")
    calm.push(7, "more")
    calm.merge(7, "more")
    calm.commit("less", LESS, after="more")
    calm.push(8, "less")
    calm.merge(8, "less")
    calm.unassign(WORKSTATIONS, "Engineering staff")
    calm.app.bodies.clear()
    assert calm.pushed("more").result == "success"
    assert calm.writes == 0


def test_a_run_that_waited_applies_what_was_approved_since_and_the_next_finds_nothing_left(calm):
    calm.commit("first", MORE, after="calm")
    calm.push(7, "first")
    calm.commit(
        "second",
        DEVELOPERS,
        after="calm",
    )
    calm.push(8, "second")
    calm.commit(
        "both",
        DEVELOPERS,
        after="first",
    )
    calm.mark_merged(7, "first")
    calm.mark_merged(8, "both")
    assert calm.pushed("first").result == "success"
    assert "Engineering staff" in calm.assigned(WORKSTATIONS)
    assert "Mac developers" in calm.assigned("Linux - Build servers")
    written = calm.writes
    assert calm.pushed("both").result == "success"
    assert calm.writes == written


# Somebody cancels the run


SLOW = Fault("slow", method="POST", seconds=0.2, times=None)


def cancel_at_the_first_write(world: World, step: str) -> None:
    world.app.faults.add(SLOW)
    world.cancel(step, when=lambda: world.writes > 0)


def test_a_run_that_is_cancelled_ends_the_writes_at_hand_and_no_more_follow(world):
    world.commit("feature")
    world.push(7, "feature")
    cancel_at_the_first_write(world, APPLY)
    run = world.merge(7, "feature")
    assert run[JOB].result == run.result == "cancelled"
    assert run[JOB].step(APPLY).code == 130
    settled_with_the_rest_not_tried(run, world)
    world.runner.cancellation = None
    assert world.pushed("feature").result == "success"


def settled_with_the_rest_not_tried(run, world: World) -> None:
    """Nothing is in flight and nothing unknown; what was not begun is said to be so."""
    result = json.loads((report_of(run) / "result.json").read_text())
    statuses = [outcome["status"] for outcome in result["outcomes"]]
    assert "not_tried" in statuses
    assert "unknown" not in statuses
    assert (report_of(run) / "journal.jsonl").read_text().count("\n") >= world.writes


def test_a_shell_that_is_cancelled_passes_nothing_on_to_what_it_started(world, tmp_path):
    """The runner of these tests signals as GitHub's does: without exec all would be written."""
    text = (
        (WORKFLOWS / "apply.yml").read_text().replace("exec reconciler apply", "reconciler apply")
    )
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "apply.yml").write_text(text)
    world.commit("feature")
    world.push(7, "feature")
    world.runner.workflows = tmp_path / "w"
    cancel_at_the_first_write(world, APPLY)
    assert world.merge(7, "feature").result == "cancelled"
    assert "Break glass devices" in world.assigned("macOS - Baseline")
    assert (
        json.loads(next(tmp_path.rglob("artifacts/**/result.json")).read_text())["complete"] is True
    )


def test_a_schedule_that_is_cancelled_stops_too(world, tmp_path):
    text = (WORKFLOWS / "apply.yml").read_text()
    wide = text.replace("{CREATES:-10}", "{CREATES:-50}").replace("{UPDATES:-0}", "{UPDATES:-50}")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "apply.yml").write_text(wide)
    world.runner.workflows = tmp_path / "w"
    cancel_at_the_first_write(world, "Put back what was lost")
    run = world.scheduled()
    assert run[HEAL].result == "cancelled"
    assert run[HEAL].step("See what is left").outcome == "skipped"
    assert run["report"].result == "cancelled"
    settled_with_the_rest_not_tried(run, world)


# What a push touches


def test_a_push_applies_only_the_tenants_that_it_touches(tmp_path):
    world = World(tmp_path, ("eu", "us"))
    try:
        world.commit("one", in_root(1, MORE))
        world.push(7, "one")
        run = world.merge(7, "one")
        assert run["apply us"].result == "success"
        assert "apply eu" not in run.results
        assert world.apps["eu"].bodies == []
    finally:
        world.close()


def test_the_first_push_of_a_repository_applies_nothing_and_says_what_to_do(world):
    run = world.pushed_first()
    assert run.result == "success"
    assert run["first push"].result == "success"
    assert "nobody has approved what its files declare" in run["first push"].summary
    assert run["apply ${{ matrix.label }}"].result == "skipped"
    assert world.writes == 0


# Trouble


def test_a_guardrail_ends_it_before_the_first_write_and_the_summary_shows_the_limit(world):
    world.commit("feature", replace("tenant.yaml", "max_creates: 50", "max_creates: 3"))
    world.push(7, "feature")
    run = world.merge(7, "feature")
    assert run[JOB].step(APPLY).code == 5
    assert world.writes == 0
    left = run[JOB].step("Show what is left, and its digest")
    assert "Plan stopped by a guardrail" in left.summary
    assert "::error title=reconciler%3A max-creates::" in left.log


def test_a_failure_in_part_keeps_the_journal_and_running_it_again_does_the_rest(calm):
    calm.commit("first", MORE, after="calm")
    calm.push(7, "first")
    calm.app.faults.add(REFUSAL)
    run = calm.merge(7, "first")
    assert run[JOB].step(APPLY).code == 1
    assert "## Apply failed" in run[JOB].summary
    assert (report_of(run) / "journal.jsonl").exists()
    assert "1 to add" in run[JOB].step("Show what is left, and its digest").summary
    assert calm.pushed("first").result == "success"
    assert "Engineering staff" in calm.assigned(WORKSTATIONS)


def test_another_digest_by_hand_is_refused_and_the_right_one_is_shown(world):
    run = world.dispatch("sha256:" + "0" * 64)
    assert run[JOB].step("Apply the given digest").code == 3
    assert world.writes == 0
    fresh = digest_in(run[JOB].step("Show what is left, and its digest").summary)
    assert fresh != "sha256:" + "0" * 64


def test_what_is_no_digest_is_a_usage_error(world):
    run = world.dispatch("$(id)")
    assert run[JOB].step("Apply the given digest").code == 64
    assert world.writes == 0


def demand_approval(world: World) -> None:
    tenant = world.app.state.to_json() | {"multiAdminApproval": {"form": "observed"}}
    world.serve("contoso-prod", RecordedSandbox(SandboxState(tenant)))


def test_a_queued_write_is_finished_by_hand_with_the_codes_that_the_summary_names(calm):
    demand_approval(calm)
    calm.commit("first", MORE, after="calm")
    calm.push(7, "first")
    run = calm.merge(7, "first")
    assert run[JOB].step(APPLY).code == 4
    assert "Engineering staff" not in calm.assigned(WORKSTATIONS)
    [request] = calm.app.state.approvals
    assert f"`--approval-code {request['id']}`" in run[JOB].summary
    assert "contoso/intune commit" in request["requestJustification"]
    digest = digest_in(run[JOB].step("Show what is left, and its digest").summary)
    early = calm.dispatch(digest, codes=request["id"])
    assert early[JOB].step("Apply the given digest").code in (1, 4)
    calm.app.state.decide(request["id"], "approved")
    done = calm.dispatch(digest, codes=f" {request['id']}  ")
    assert done.result == "success"
    assert "Engineering staff" in calm.assigned(WORKSTATIONS)


# The schedule


def test_the_schedule_puts_back_what_was_lost_and_closes_the_issue(calm):
    calm.unassign("Linux - Build servers", "Linux workstations")
    calm.scheduled("drift.yml")
    [issue] = calm.github.issues
    assert issue["state"] == "open"
    run = calm.scheduled()
    assert run.result == "success"
    assert run[HEAL].environment == "heal-contoso-prod"
    assert run[HEAL].group == "apply-contoso-prod"
    assert not run[HEAL].is_deployment
    assert calm.assigned("Linux - Build servers") == {"Linux workstations"}
    assert (report_of(run) / "journal.jsonl").exists()
    assert issue["state"] == "closed"
    assert len(calm.github.issues) == 1
    calm.app.bodies.clear()
    assert calm.scheduled().result == "success"
    assert calm.writes == 0


def test_beyond_its_limits_the_schedule_writes_nothing_and_an_issue_says_what_to_do(world):
    run = world.scheduled()
    assert run.result == "success"
    assert world.writes == 0
    [issue] = world.github.issues
    assert issue["state"] == "open"
    assert issue["title"] == "Drift in contoso-prod: 8 to add, 1 to change, 0 to remove"
    assert "The schedule put nothing back" in issue["body"]
    digest = digest_in(issue["body"])
    assert world.dispatch(digest).result == "success"
    assert world.scheduled().result == "success"
    assert issue["state"] == "closed"


def test_the_schedule_keeps_a_limit_of_the_tenant_that_is_tighter_than_its_own(calm):
    calm.commit("hold", replace("tenant.yaml", "max_creates: 50", "max_creates: 0"), after="calm")
    calm.land("hold")
    calm.unassign("Linux - Build servers", "Linux workstations")
    assert calm.scheduled().result == "success"
    assert calm.writes == 0
    [issue] = calm.github.issues
    assert "The schedule put nothing back" in issue["body"]


def test_the_schedule_never_deletes(world):
    def strict(root):
        replace("tenant.yaml", "max_deletes: 0", "max_deletes: 50")(root)
        replace("tenant.yaml", "ownership: additive", "ownership: authoritative")(root)

    world.commit("strict", strict)
    world.land("strict")
    assert world.scheduled().result == "success"
    assert world.writes == 0
    [issue] = world.github.issues
    assert "0 to remove" not in issue["title"]


def test_the_schedule_takes_main_as_it_is_when_its_turn_comes(calm):
    calm.commit("more", MORE, after="calm")
    calm.land("more")
    calm.commit("less", LESS, after="more")
    calm.land("less")
    run = calm.run("apply.yml", Event("schedule", calm.id("more")))
    assert run.result == "success"
    assert calm.writes == 0


def test_an_approval_that_the_schedule_waits_for_is_told_in_the_issue(calm):
    demand_approval(calm)
    calm.unassign("Linux - Build servers", "Linux workstations")
    run = calm.scheduled()
    assert run.result == "success"
    [issue] = calm.github.issues
    assert "Writes wait for a second administrator (Multi Admin Approval)." in issue["body"]
    [request] = calm.app.state.approvals
    assert request["id"] in run[HEAL].summary
    calm.app.state.decide(request["id"], "approved")
    done = calm.dispatch(digest_in(issue["body"]), codes=request["id"])
    assert done.result == "success"
    assert calm.assigned("Linux - Build servers") == {"Linux workstations"}


def test_a_schedule_that_failed_is_red_even_where_the_issue_could_be_written(calm):
    calm.unassign("Linux - Build servers", "Linux workstations")
    calm.app.faults.add(REFUSAL)
    run = calm.scheduled()
    assert (run[HEAL].result, run["report"].result) == ("failure", "success")
    [issue] = calm.github.issues
    assert "its run failed" in issue["body"]


def test_a_schedule_that_was_stopped_and_cannot_tell_of_the_rest_is_red(world):
    """The guardrail alone would be green, as the issue tells of it; here the issue has no plan."""
    world.app.faults.add(Fault("status", path="/organization", code=403, skip=1, times=None))
    run = world.scheduled()
    assert "The schedule put nothing back" in (report_of(run) / "note.txt").read_text()
    assert run[HEAL].result == "failure"
    [issue] = world.github.issues
    assert issue["title"] == "No plan for contoso-prod"


def test_nobody_is_told_that_all_is_well_where_the_tenants_cannot_be_listed(world):
    world.commit("nothing", lambda root: (root / "tenant.yaml").unlink())
    world.land("nothing")
    run = world.scheduled()
    assert run["list tenants"].result == "failure"
    assert run["heal ${{ matrix.label }}"].result == "skipped"
    assert world.github.issues == []


def test_without_the_variable_of_its_environment_the_schedule_is_passed_over_with_a_notice(world):
    world.runner.without_variables.add("heal-contoso-prod")
    run = world.scheduled()
    assert run.result == "success"
    assert "::notice::The environment of this job has no variable AZURE_CLIENT_ID" in run[HEAL].log
    assert world.github.issues == []
    assert world.writes == 0


def test_the_schedule_keeps_an_issue_for_each_of_several_tenants(tmp_path):
    world = World(tmp_path, ("eu", "us"))
    try:
        world.runner.without_variables.add("heal-eu")
        run = world.scheduled()
        assert run.result == "success"
        assert [issue["title"].split(":")[0] for issue in world.github.issues] == ["Drift in us"]
    finally:
        world.close()
