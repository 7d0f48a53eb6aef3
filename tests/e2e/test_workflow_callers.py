"""A repository of its own that calls the workflows of this one: the files that it needs, and no more."""

from __future__ import annotations

import pytest

from tests.support.workflow_events import Event
from tests.support.workflow_runner import REPOSITORY_ROOT, StartupFailureError, read, triggers_of
from tests.support.workflow_story import World, calm, digest_in, replace, settled, world

__all__ = ["calm", "settled", "world"]

CALLERS = REPOSITORY_ROOT / "reconciler" / "operations" / "workflows"
MORE = replace(
    "policies/linux.yaml",
    "Workstations\n    include:",
    "Workstations\n    include:\n      - group: Engineering staff",
)


@pytest.fixture
def caller(calm: World) -> World:
    calm.runner.workflows = CALLERS
    return calm


def test_the_callers_files_are_about_forty_lines_in_all():
    lines = [line for file in CALLERS.glob("*.yml") for line in file.read_text().splitlines()]
    assert len(lines) <= 40


def test_every_caller_starts_on_what_its_workflow_starts_on():
    for file in CALLERS.glob("*.yml"):
        own = set(triggers_of(read(REPOSITORY_ROOT / ".github" / "workflows" / file.name)))
        assert set(triggers_of(read(file))) == own - {"workflow_call"}


def test_a_pull_request_and_its_merge(caller):
    caller.commit("feature", MORE, after="calm")
    run = caller.push(7, "feature")
    assert run.results == {
        "intune / list tenants": "success",
        "intune / plan contoso-prod": "success",
        "intune / comment": "success",
        "intune / validate a fork": "skipped",
        "intune / all plans": "success",
    }
    assert caller.queue(7)["intune / all plans"].result == "success"
    merged = caller.merge(7, "feature")
    assert merged["intune / apply contoso-prod"].result == "success"
    assert merged["intune / apply contoso-prod"].environment == "apply-contoso-prod"
    assert "Engineering staff" in caller.assigned("Linux - Workstations")


def test_by_hand_on_schedule_and_drift(caller):
    caller.unassign("Linux - Build servers", "Linux workstations")
    caller.scheduled("drift.yml")
    [issue] = caller.github.issues
    assert issue["state"] == "open"
    assert caller.dispatch(digest_in(issue["body"])).result == "success"
    caller.unassign("Linux - Build servers", "Linux workstations")
    healed = caller.scheduled()
    assert healed["intune / heal contoso-prod"].result == "success"
    assert caller.assigned("Linux - Build servers") == {"Linux workstations"}
    assert issue["state"] == "closed"


def test_inputs_choose_path_environments_and_the_limit_of_the_schedule(caller, tmp_path):
    given = (
        "    with:\n      path: desired-state\n      environment_prefix: intune-\n"
        "      heal_creates: 0\n"
    )
    (tmp_path / "w").mkdir()
    text = (CALLERS / "apply.yml").read_text().replace("    with:\n", given)
    (tmp_path / "w" / "apply.yml").write_text(text)
    caller.runner.workflows = tmp_path / "w"
    caller.unassign("Linux - Build servers", "Linux workstations")
    run = caller.scheduled()
    job = run["intune / heal contoso-prod"]
    assert (job.environment, job.group) == (
        "intune-heal-contoso-prod",
        "intune-apply-contoso-prod",
    )
    assert caller.writes == 0
    [issue] = caller.github.issues
    assert "it creates at most 0 assignments" in issue["body"]


def test_a_caller_that_gives_less_than_a_job_needs_does_not_start(caller, tmp_path):
    (tmp_path / "w").mkdir()
    text = (CALLERS / "drift.yml").read_text().replace("issues: write", "issues: read")
    (tmp_path / "w" / "drift.yml").write_text(text)
    caller.runner.workflows = tmp_path / "w"
    with pytest.raises(StartupFailureError, match="issue asks for issues: write"):
        caller.run("drift.yml", Event("schedule", caller.tip))
