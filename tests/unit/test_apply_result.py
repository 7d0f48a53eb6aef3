"""How a run ends, in one code."""

import json
from dataclasses import replace

import pytest

from reconciler.documents.results import dumps_result, result_of
from reconciler.model.errors import ExitCode
from reconciler.model.plan import Create, Delete, PlanTenant, Summary
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.state import Cloud
from reconciler.views import apply_text
from tests.support import build

CREATE = Create(build.policy(), build.group(), None, build.at())
DELETE = Delete(build.policy(), build.live())


def result(*statuses, interrupted=False):
    outcomes = tuple(
        PolicyOutcome(build.policy(), Status(status), (CREATE,)) for status in statuses
    )
    tenant = PlanTenant(build.TENANT, "contoso", None, Cloud.GLOBAL)
    return ApplyResult(tenant, "sha256:", outcomes, interrupted)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ((), ExitCode.OK),
        (("applied", "already"), ExitCode.OK),
        (("applied", "pending_approval"), ExitCode.PENDING_APPROVAL),
        (("applied", "stale"), ExitCode.STALE),
        (("stale", "pending_approval"), ExitCode.STALE),
        (("failed", "applied"), ExitCode.ERROR),
        (("unknown",), ExitCode.ERROR),
        (("not_tried",), ExitCode.ERROR),
        (("pending_approval", "failed", "stale"), ExitCode.ERROR),
    ],
)
def test_the_worst_outcome_decides_how_a_run_ends(statuses, code):
    found = result(*statuses)
    assert found.exit_code is code
    assert found.complete is (code is ExitCode.OK)


def test_a_result_comes_back_from_its_file_whatever_its_names_are():
    policy = build.policy(name="half \ud83d one")
    outcome = PolicyOutcome(
        policy, Status.FAILED, (CREATE, DELETE), (DELETE,), "why", "r", "c", ("n",)
    )
    tenant = PlanTenant(build.TENANT, "contoso", None, Cloud.GLOBAL)
    found = ApplyResult(tenant, "sha256:", (outcome,))
    text = dumps_result(found).encode().decode()
    back = result_of(json.loads(text), source="result.json").outcomes[0]
    assert (back.policy.name, back.status, back.error) == (policy.name, Status.FAILED, "why")
    assert [op.target for op in back.written] == [DELETE.target]


def test_an_interruption_beats_everything():
    assert result("failed", interrupted=True).exit_code is ExitCode.INTERRUPTED
    assert result("applied", interrupted=True).exit_code is ExitCode.INTERRUPTED


def test_the_summary_counts_what_was_written_and_not_what_was_wanted():
    wrote = PolicyOutcome(
        build.policy(), Status.APPLIED, (CREATE, DELETE, CREATE), (CREATE, DELETE)
    )
    wanted = PolicyOutcome(build.policy(), Status.FAILED, (CREATE, DELETE))
    tenant = PlanTenant(build.TENANT, "contoso", None, Cloud.GLOBAL)
    found = ApplyResult(tenant, "sha256:", (wrote, wanted))
    assert found.summary == Summary(create=1, delete=1)
    assert found.having(Status.FAILED, Status.UNKNOWN) == (wanted,)


def test_a_fault_beside_the_policies_ends_as_an_error_and_is_kept():
    found = replace(result("applied", "pending_approval"), faults=("the journal is full",))
    assert found.exit_code is ExitCode.ERROR
    assert result_of(json.loads(dumps_result(found)), source="result.json") == found
    assert "Error: the journal is full" in apply_text.render(found, width=100, verbose=False)
