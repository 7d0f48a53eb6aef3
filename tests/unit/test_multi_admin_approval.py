"""Multi Admin Approval from one run to the next, in both of the sandbox's forms."""

from __future__ import annotations

import base64
import json
import os

import pytest

from reconciler.applier.journal import JournalError
from reconciler.model.errors import ExitCode, ReconcilerError
from reconciler.model.result import Status
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import MemoryJournal, Run, app_on
from tests.support.tenants import (
    CORPORATE,
    declare,
    group,
    live,
    policy_id,
    target,
    targets_of,
    tenant,
)

ONE = policy_id(1)
REASON = "release 42"
HIDDEN = Fault("status", code=403, path="operationApprovalRequests", times=None)
"""The least privileged identity may not read approval requests."""

forms = pytest.mark.parametrize("form", ["documented", "observed"])
all_writes = pytest.mark.parametrize(
    ("writes", "mode"),
    [
        ("auto", "production"),
        ("auto", "documented"),
        ("create", "documented"),
        ("assign", "production"),
    ],
)


class Office:
    """A tenant with Multi Admin Approval, a root, and one run after the other."""

    def __init__(self, folder, form, *, mode="production", writes="auto", policies=None, faults=()):
        self.clock = FakeClock()
        self.app = app_on(
            tenant(policies or {1: [target("group", group(1))]}, approval=form),
            self.clock,
            mode=mode,
            faults=faults,
        )
        self.folder = folder
        self.writes = writes
        self.wants("group: Group 2")

    def wants(self, *entries, ownership="additive"):
        declare(self.folder, {"Policy 1": entries}, writes=self.writes, ownership=ownership)

    def run(self, *, reason=REASON, codes=(), plan=None):
        self.last = Run(self.app, self.folder, clock=self.clock, justification=reason)
        return self.last.apply(plan, codes=codes)

    def only(self, **options):
        result = self.run(**options)
        (outcome,) = result.outcomes
        return outcome

    def decide(self, status):
        self.app.state.decide(self.requests[-1]["id"], status)

    @property
    def requests(self):
        return self.app.state.approvals

    @property
    def memory(self):
        file = self.folder / ".reconciler" / "approvals.json"
        return json.loads(file.read_text())["pending"] if file.exists() else {}

    @property
    def sent(self):
        return [(path, body, headers) for _, path, body, headers in self.app.bodies]

    @property
    def has_it(self):
        return ("group", group(2)) in targets_of(self.app, ONE)


@forms
@all_writes
def test_a_queued_write_is_reported_remembered_and_never_counted_as_applied(
    tmp_path, form, writes, mode
):
    office = Office(tmp_path, form, mode=mode, writes=writes)

    result = office.run()

    (outcome,) = result.outcomes
    code = office.requests[0]["id"]
    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code == code
    assert outcome.request_id
    assert [change.target.id for change in outcome.changes] == [group(2)]
    assert outcome.written == ()
    assert result.summary.create == 0
    assert not result.complete
    assert result.exit_code is ExitCode.PENDING_APPROVAL
    assert office.memory[ONE]["code"] == code
    assert ("refused", ONE, code) in [
        (event, own, facts.get("approval_code")) for event, own, facts in office.last.journal.lines
    ]
    assert not office.has_it
    assert base64.b64decode(office.sent[-1][2]["x-msft-approval-justification"]).decode() == REASON
    assert "x-msft-approval-code" not in office.sent[-1][2]


@forms
@all_writes
def test_once_approved_the_next_run_finishes_it_with_the_very_same_body(
    tmp_path, form, writes, mode
):
    office = Office(tmp_path, form, mode=mode, writes=writes)
    office.run()
    office.decide("approved")

    outcome = office.only()

    queued, finished = office.sent[-2:]
    assert outcome.status is Status.APPLIED
    assert len(outcome.written) == 1
    assert finished[:2] == queued[:2]
    assert finished[2]["x-msft-approval-code"] == office.requests[0]["id"]
    assert "x-msft-approval-justification" not in finished[2]
    assert [request["status"] for request in office.requests] == ["completed"]
    assert office.memory == {}
    assert office.has_it
    assert Run(office.app, tmp_path, clock=office.clock).plan().is_empty


@forms
@all_writes
def test_an_identity_that_may_not_read_requests_finishes_it_all_the_same(
    tmp_path, form, writes, mode
):
    office = Office(tmp_path, form, mode=mode, writes=writes, faults=[HIDDEN])
    office.run()
    office.decide("approved")

    assert office.only().status is Status.APPLIED
    assert len(office.requests) == 1


@forms
@all_writes
def test_a_request_that_still_waits_is_said_again_and_nothing_is_sent(tmp_path, form, writes, mode):
    office = Office(tmp_path, form, mode=mode, writes=writes)
    office.run()
    before = len(office.sent)

    outcome = office.only()

    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code == office.requests[0]["id"]
    assert "still waits" in outcome.error
    assert len(office.sent) == before
    assert office.memory[ONE]["code"] == office.requests[0]["id"]


@forms
def test_a_request_that_cannot_be_seen_and_still_waits_keeps_its_code(tmp_path, form):
    office = Office(tmp_path, form, writes="assign", faults=[HIDDEN])
    office.run()

    for reason in (REASON, None):
        outcome = office.only(reason=reason)
        assert outcome.status is Status.PENDING_APPROVAL
        assert outcome.approval_code == office.requests[0]["id"]
        assert "still waits" in outcome.error

    assert len(office.requests) == 1


@forms
@pytest.mark.parametrize(
    ("decision", "said"),
    [("rejected", "was rejected"), ("cancelled", "was cancelled"), ("expired", "has expired")],
)
def test_a_request_that_was_turned_down_is_said_once_and_then_asked_anew(
    tmp_path, form, decision, said
):
    office = Office(tmp_path, form)
    office.run()
    office.decide(decision)
    before = len(office.sent)

    told = office.only()
    sent_by_then = len(office.sent)
    anew = office.only()

    assert told.status is Status.FAILED
    assert f'{office.requests[0]["id"]} for "Policy 1" {said}' in told.error
    assert sent_by_then == before
    assert anew.status is Status.PENDING_APPROVAL
    assert anew.approval_code == office.requests[1]["id"]


@forms
def test_a_request_that_ran_out_unseen_is_asked_anew(tmp_path, form):
    office = Office(tmp_path, form, writes="assign", faults=[HIDDEN])
    office.run()
    office.clock.advance(4 * 24 * 3600)

    outcome = office.only()

    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code == office.requests[1]["id"]
    assert office.memory[ONE]["code"] == office.requests[1]["id"]


@forms
def test_three_days_are_enough_to_expire(tmp_path, form):
    office = Office(tmp_path, form)
    office.run()
    office.clock.advance(3 * 24 * 3600)

    assert "has expired" in office.only().error


@forms
def test_where_the_live_set_has_moved_a_new_approval_is_asked_for_and_said(tmp_path, form):
    office = Office(tmp_path, form, writes="assign")
    office.run()
    old = office.requests[0]["id"]
    office.app.state.set_assignments(
        ONE, [*office.app.state.assignments_of(ONE), live(ONE, target("group", group(9)))]
    )
    office.decide("approved")

    blocked = office.only()
    office.decide("cancelled")
    office.run()
    office.decide("approved")
    done = office.only()

    assert blocked.status is Status.PENDING_APPROVAL
    assert blocked.approval_code == old
    assert "queued for an earlier state is still open" in blocked.error
    assert done.status is Status.APPLIED
    assert {("group", group(9)), ("group", group(2))} <= set(targets_of(office.app, ONE))


@forms
def test_a_moved_set_with_a_rejected_request_goes_on_at_once(tmp_path, form):
    office = Office(tmp_path, form, writes="assign")
    office.run()
    office.decide("rejected")
    office.wants("group: Group 2", "group: Group 3")

    outcome = office.only()

    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code == office.requests[1]["id"]
    assert any("was rejected" in note for note in office.last.heard.notes)


@forms
def test_another_filter_is_another_write(tmp_path, form):
    office = Office(tmp_path, form, mode="documented", writes="create")
    office.run()
    office.wants("{group: Group 2, filter: {include: Corporate}}")
    office.decide("approved")

    outcome = office.only()

    assert outcome.status is Status.PENDING_APPROVAL
    assert any("changed since its write was queued" in note for note in office.last.heard.notes)


@forms
def test_a_filter_that_was_only_renamed_is_the_same_write(tmp_path, form):
    office = Office(tmp_path, form, writes="assign")
    office.wants(f"{{group: Group 2, filter: {{include: {CORPORATE}}}}}")
    office.run()
    next(f for f in office.app.state._tenant["assignmentFilters"] if f["id"] == CORPORATE)[
        "displayName"
    ] = "Company"
    office.decide("approved")

    assert office.only().status is Status.APPLIED


@forms
def test_without_a_justification_the_option_is_named_and_nothing_waits(tmp_path, form):
    office = Office(tmp_path, form)

    result = office.run(reason=None)

    (outcome,) = result.outcomes
    assert outcome.status is Status.FAILED
    assert "--justification" in outcome.error
    assert result.exit_code is ExitCode.ERROR
    assert office.memory == {}


@forms
def test_without_a_justification_one_refusal_is_enough(tmp_path, form):
    office = Office(
        tmp_path,
        form,
        writes="assign",
        policies={number: [target("group", group(1))] for number in (1, 2, 3)},
    )
    declare(
        tmp_path, {f"Policy {number}": ("group: Group 2",) for number in (1, 2, 3)}, writes="assign"
    )

    result = office.run(reason=None)

    assert [outcome.status for outcome in result.outcomes] == [
        Status.FAILED,
        Status.NOT_TRIED,
        Status.NOT_TRIED,
    ]
    assert len(office.sent) == 1
    assert all("--justification" in outcome.error for outcome in result.outcomes)
    assert result.exit_code is ExitCode.ERROR


@forms
def test_an_open_request_of_somebody_else_is_pending_without_a_code(tmp_path, form):
    office = Office(tmp_path, form)
    office.run()
    (tmp_path / ".reconciler" / "approvals.json").unlink()

    result = office.run()

    (outcome,) = result.outcomes
    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code is None
    assert "an approval request for this policy is open" in outcome.error
    assert result.exit_code is ExitCode.PENDING_APPROVAL


@forms
@all_writes
def test_a_code_from_the_command_line_finishes_a_write_that_nobody_here_remembers(
    tmp_path, form, writes, mode
):
    office = Office(tmp_path, form, mode=mode, writes=writes)
    office.run()
    (tmp_path / ".reconciler" / "approvals.json").unlink()
    office.decide("approved")

    outcome = office.only(
        codes=["00000000-0000-4000-8000-000000000000", office.requests[0]["id"].upper()]
    )

    assert outcome.status is Status.APPLIED
    assert office.has_it


@forms
@all_writes
def test_the_one_code_given_is_not_used_up_by_a_route_that_is_missing(tmp_path, form, writes, mode):
    office = Office(tmp_path, form, mode=mode, writes=writes)
    office.run()
    (tmp_path / ".reconciler" / "approvals.json").unlink()
    office.decide("approved")

    assert office.only(codes=[office.requests[0]["id"]]).status is Status.APPLIED
    assert office.has_it
    assert [request["status"] for request in office.requests] == ["completed"]


@forms
def test_a_code_is_forgotten_once_its_write_is_seen_however_it_came_about(tmp_path, form):
    """An approved write got no clear answer; the next reading shows that it happened."""
    office = Office(tmp_path, form, writes="assign")
    office.run()
    office.decide("approved")
    office.app.faults.add(Fault("reset_after", method="POST", path="/assign$"))

    assert office.only().status is Status.APPLIED
    assert office.memory == {}


@forms
def test_a_code_that_fits_nothing_does_no_harm(tmp_path, form):
    office = Office(tmp_path, form)

    outcome = office.only(codes=["00000000-0000-4000-8000-000000000000"])

    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code == office.requests[0]["id"]


@forms
def test_each_policy_finds_its_own_code_among_those_given(tmp_path, form):
    office = Office(tmp_path, form, policies={1: [], 2: [], 3: []}, writes="assign")
    declare(tmp_path, {f"Policy {n}": ["group: Group 2"] for n in (1, 2, 3)}, writes="assign")
    codes = [outcome.approval_code for outcome in office.run().outcomes]
    (tmp_path / ".reconciler" / "approvals.json").unlink()
    for code in codes[:2]:
        office.app.state.decide(code, "approved")

    result = office.run(codes=list(reversed(codes)))

    assert [o.status for o in result.outcomes] == [
        Status.APPLIED,
        Status.APPLIED,
        Status.PENDING_APPROVAL,
    ]
    assert result.exit_code is ExitCode.PENDING_APPROVAL


@forms
def test_two_creates_are_two_approvals_and_the_first_one_counts_when_done(tmp_path, form):
    office = Office(tmp_path, form, mode="documented", writes="create", policies={1: []})
    office.wants("group: Group 2", "group: Group 3")
    office.run()
    office.decide("approved")

    half = office.only()
    office.decide("approved")
    whole = office.only()

    assert half.status is Status.PENDING_APPROVAL
    assert [op.target.id for op in half.written] == [group(2)]
    assert whole.status is Status.APPLIED
    assert set(targets_of(office.app, ONE)) == {("group", group(2)), ("group", group(3))}


@forms
def test_a_failure_beats_a_pending_approval(tmp_path, form):
    office = Office(
        tmp_path,
        form,
        policies={1: [], 2: []},
        faults=[Fault("status", code=403, path=f"{policy_id(2)}/assign$")],
    )
    declare(tmp_path, {f"Policy {n}": ["group: Group 2"] for n in (1, 2)}, writes="assign")

    result = office.run()

    assert [o.status for o in result.outcomes] == [Status.PENDING_APPROVAL, Status.FAILED]
    assert result.exit_code is ExitCode.ERROR


@forms
def test_a_finished_write_whose_answer_was_lost_is_found_by_reading(tmp_path, form):
    office = Office(tmp_path, form, writes="assign")
    office.run()
    office.decide("approved")
    office.app.faults.add(Fault("reset_after", path="/assign$"))

    assert office.only().status is Status.APPLIED
    assert office.run().outcomes == ()


def block_writing(folder):
    """Put something where the file would be written first; modes do not bind root."""
    (folder / f".approvals.json.{os.getpid()}.tmp").mkdir()


@forms
def test_a_memory_that_cannot_be_kept_is_said_and_the_code_still_reported(tmp_path, form):
    office = Office(tmp_path, form)
    (tmp_path / ".reconciler").write_text("a file where a folder should be")

    with pytest.raises(ReconcilerError, match="cannot be read"):
        office.run()

    (tmp_path / ".reconciler").unlink()
    (tmp_path / ".reconciler").mkdir()
    block_writing(tmp_path / ".reconciler")
    result = office.run()

    (outcome,) = result.outcomes
    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code == office.requests[0]["id"]
    assert any("give them with --approval-code" in note for note in office.last.heard.notes)
    assert result.exit_code is ExitCode.ERROR


@forms
def test_a_journal_that_is_full_hides_no_approval_code(tmp_path, form):
    office = Office(tmp_path, form, writes="assign")

    class FullAfterOneLine(MemoryJournal):
        def record(self, event, policy, **facts):
            if event == "refused":
                raise JournalError("the journal is full")
            super().record(event, policy, **facts)

    run = Run(office.app, tmp_path, clock=office.clock, justification=REASON)
    run.journal = FullAfterOneLine()
    result = run.apply()

    (outcome,) = result.outcomes
    assert outcome.status is Status.PENDING_APPROVAL
    assert outcome.approval_code == office.requests[0]["id"] == office.memory[ONE]["code"]
    assert result.faults == ("the journal is full",)
    assert result.exit_code is ExitCode.ERROR


@forms
def test_waiting_does_not_read_as_a_failure(tmp_path, form):
    error = Office(tmp_path, form).only().error

    assert error == "a second administrator must approve this write"


@forms
def test_a_refusal_for_want_of_a_justification_says_which_write_it_was(tmp_path, form):
    error = Office(tmp_path, form, writes="assign").only(reason=None).error

    assert error.startswith('assigning "Policy 1": ')


@forms
def test_what_was_seen_beside_a_finished_write_is_told_although_the_next_write_waits(
    tmp_path, form
):
    office = Office(tmp_path, form, mode="documented", writes="create")
    office.wants("group: Group 2", "group: Group 3")
    office.run()
    office.decide("approved")

    edits = [live(ONE, target("group", group(9)))]

    def meddled(environ, start_response):
        """Somebody adds group 9 while our create is on its way."""
        response = office.app(environ, start_response)
        is_create = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith(
            "/assignments"
        )
        if is_create and edits:
            there = office.app.state.assignments_of(ONE)
            office.app.state.set_assignments(ONE, [*there, edits.pop()])
        return response

    (outcome,) = Run(meddled, tmp_path, clock=office.clock, justification=REASON).apply().outcomes

    assert outcome.status is Status.PENDING_APPROVAL
    assert len(outcome.written) == 1
    (note,) = outcome.notes
    assert group(9) in note


@forms
def test_a_second_refused_token_ends_the_policy_also_after_a_code_that_did_not_fit(tmp_path, form):
    office = Office(
        tmp_path,
        form,
        writes="assign",
        faults=[
            Fault("expired_token", path="/assign$"),
            Fault("expired_token", path="/assign$", skip=1),
        ],
    )

    outcome = office.only(codes=["00000000-0000-4000-8000-000000000000"])

    assert [status for _, path, status in office.app.requests if path.endswith("/assign")] == [
        401,
        403,
        401,
    ]
    assert outcome.status is Status.FAILED


@forms
def test_a_memory_that_cannot_forget_leaves_a_finished_write_finished(tmp_path, form):
    office = Office(tmp_path, form)
    office.run()
    office.decide("approved")
    block_writing(tmp_path / ".reconciler")

    assert office.only().status is Status.APPLIED


@forms
def test_reading_is_never_held_back(tmp_path, form):
    office = Office(tmp_path, form)

    plan = Run(office.app, tmp_path, clock=office.clock).plan()

    assert plan.complete
    assert office.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("batch_status", path="operationApproval", code=429, retry_after="30", times=None),
        Fault("status", path=r"beta/\$batch", code=429, times=None),
        Fault("status", path=r"beta/\$batch", code=401, times=None),
        Fault("slow", path=r"beta/\$batch", seconds=11),
        Fault("reset_after", path=r"beta/\$batch", times=None),
    ],
)
def test_a_plan_asks_about_it_once_and_never_fails_for_it(tmp_path, fault):
    office = Office(tmp_path, "documented", faults=[fault])
    began = office.clock.monotonic()

    plan = Run(office.app, tmp_path, clock=office.clock).plan()

    assert len(list(plan.changes)) == 1
    assert office.clock.monotonic() - began < 12
    assert len([path for _, path, _ in office.app.requests if path == "/beta/$batch"]) == 1
