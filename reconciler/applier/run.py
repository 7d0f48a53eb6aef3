"""Carry out a whole plan, a few policies at a time. Does I/O through `reconciler.model.ports`.

After the last write every policy that is called done is read once more, all in one batch: what
another run or a colleague overwrote in the meantime is named, and is not called done. Another run
that read the policy before our write, and replaces its whole set after it, does so one round trip
later; so after a write the last look waits for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace

from reconciler.applier.multi_admin_approval import MultiAdminApprover
from reconciler.applier.policy import DOUBT_WAITS, LAST_LOOK, PolicyRun
from reconciler.applier.requests import ApplyContext
from reconciler.applier.route import Route
from reconciler.model.errors import DeadlineError, Interrupted, ReconcilerError
from reconciler.model.plan import Plan
from reconciler.model.ports import Clock, Journal, PendingApprovals, Progress, Tenant
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.state import LivePolicy
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff

LAST_LOOK_WAIT = 1.5
"""Seconds between the last write of a run and its last look.

Two runs side by side overwrite each other within a moment; a look at once would be too early to see it.
"""

_LOOK = 0.2
"""Seconds; Python runs a signal's handler only between two waits of the main thread."""


def apply(
    plan: Plan,
    *,
    tenant: Tenant,
    journal: Journal,
    approvals: PendingApprovals,
    approval_codes: Sequence[str],
    progress: Progress,
    clock: Clock,
    deadline: Deadline,
    backoff: Backoff,
    parallelism: int,
    is_stopped: Callable[[], bool],
) -> ApplyResult:
    """Write what the plan says, and report one outcome per policy that it changes.

    The plan must be applyable; whoever calls has asked the user. ``is_stopped`` is asked before
    each policy, so that Ctrl-C lets the policy in hand come to its end and begins no other.
    """
    faults: list[str] = []
    context = ApplyContext(
        tenant=tenant,
        route=Route(plan.writes, progress),
        multi_admin_approver=MultiAdminApprover(
            tenant, approvals, progress, approval_codes, faults
        ),
        journal=journal,
        clock=clock,
        deadline=deadline,
        backoff=backoff,
        faults=faults,
    )
    runs = [PolicyRun(policy, context) for policy in plan.policies if policy.changes]
    progress.stage("Applying", len(runs))

    def one(run: PolicyRun) -> PolicyOutcome:
        if is_stopped():
            return PolicyOutcome(run.plan.policy, Status.NOT_TRIED, run.plan.changes)
        approver = context.multi_admin_approver
        lacks_reason = approver.lacks_justification_for(run.plan.policy)
        outcome = _without_reason(run) if lacks_reason else run.outcome()
        progress.advance()
        return outcome

    outcomes = _outcomes(runs, one, parallelism)
    if not is_stopped():
        outcomes = _look_again(runs, outcomes, context)
    return ApplyResult(
        plan.tenant,
        plan.digest,
        tuple(outcomes),
        interrupted=is_stopped(),
        faults=tuple(dict.fromkeys(faults)),
    )


def _outcomes(
    runs: Sequence[PolicyRun], one: Callable[[PolicyRun], PolicyOutcome], parallelism: int
) -> list[PolicyOutcome]:
    """Run a few policies at a time; the outcomes stand in the order of the runs."""
    pool = ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(runs))))
    try:
        futures = [pool.submit(one, run) for run in runs]
        # In short waits: a signal that falls just between two looks must not wait for the third.
        while wait(futures, timeout=_LOOK).not_done:
            pass
        outcomes = [future.result() for future in futures]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)  # the second Ctrl-C waits for nobody
        raise
    pool.shutdown()
    return outcomes


def _without_reason(run: PolicyRun) -> PolicyOutcome:
    """Try no more writes once Graph has asked for a justification: it would refuse each of them."""
    return PolicyOutcome(
        run.plan.policy,
        Status.NOT_TRIED,
        run.plan.changes,
        error="not tried: this tenant demands Multi Admin Approval, which needs a reason; "
        "give it with --justification",
    )


def _look_again(
    runs: Sequence[PolicyRun], outcomes: Sequence[PolicyOutcome], context: ApplyContext
) -> list[PolicyOutcome]:
    """Read every policy that is called done once more; again where one is not, as readings lag."""
    final = {outcome.policy.id: outcome for outcome in outcomes}
    open_runs = [
        run
        for run, outcome in zip(runs, outcomes, strict=True)
        if outcome.written or outcome.status is Status.ALREADY
    ]
    before = dict(final)
    try:
        if any(outcome.written for outcome in outcomes):
            with suppress(DeadlineError):
                context.deadline.sleep(LAST_LOOK_WAIT, "waiting for the last look")
        for seconds in (0.0, *DOUBT_WAITS):
            if not open_runs:
                break
            if seconds:
                context.deadline.sleep(seconds, "waiting for Graph's readings to agree")
            looked = _look(open_runs, before, context)
            final |= looked
            open_runs = [
                run for run in open_runs if looked[run.plan.policy.id] != before[run.plan.policy.id]
            ]
    except ReconcilerError:
        pass  # the time is up, or the user stops: the last look that there was counts
    return list(final.values())


def _look(
    runs: Sequence[PolicyRun], before: Mapping[str, PolicyOutcome], context: ApplyContext
) -> dict[str, PolicyOutcome]:
    found: Mapping[str, LivePolicy | ReconcilerError]
    try:
        with context.deadline.grace(LAST_LOOK):
            found = context.tenant.read_each([run.plan.policy for run in runs])
    except (DeadlineError, Interrupted):
        raise
    except ReconcilerError as fault:
        found = {run.plan.policy.id: fault for run in runs}
    looked: dict[str, PolicyOutcome] = {}
    for run in runs:
        id = run.plan.policy.id
        live = found[id]
        try:
            if isinstance(live, ReconcilerError):
                raise live
            looked[id] = run.look_again(live, before[id])
        except ReconcilerError as fault:
            note = f"could not be read once more at the end of the run: {fault}"
            looked[id] = replace(before[id], notes=(*before[id].notes, note))
    return looked
