"""Carry out a whole plan, a few policies at a time. Does I/O through `reconciler.model.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from reconciler.applier.multi_admin_approval import MultiAdminApprover
from reconciler.applier.policy import PolicyRun
from reconciler.applier.requests import ApplyContext
from reconciler.applier.route import Route
from reconciler.model.plan import Plan, PolicyPlan
from reconciler.model.ports import Journal, PendingApprovals, Progress, Tenant
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff

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
    deadline: Deadline,
    backoff: Backoff,
    parallelism: int,
    is_stopped: Callable[[], bool],
) -> ApplyResult:
    """Write what the plan says, and report one outcome per policy that it changes.

    The plan must be applyable; whoever calls has asked the user. ``is_stopped`` is asked before
    each policy, so that Ctrl-C lets the policy in hand come to its end and begins no other.
    """
    due = [policy for policy in plan.policies if policy.changes]
    progress.stage("Applying", len(due))
    context = ApplyContext(
        tenant=tenant,
        route=Route(plan.writes, progress),
        multi_admin_approver=MultiAdminApprover(tenant, approvals, progress, approval_codes),
        journal=journal,
        deadline=deadline,
        backoff=backoff,
    )

    def one(policy: PolicyPlan) -> PolicyOutcome:
        if is_stopped():
            return PolicyOutcome(policy.policy, Status.NOT_TRIED, policy.changes)
        outcome = PolicyRun(policy, context).outcome()
        progress.advance()
        return outcome

    pool = ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(due))))
    try:
        futures = [pool.submit(one, policy) for policy in due]
        # In short waits: a signal that falls just between two looks must not wait for the third.
        while wait(futures, timeout=_LOOK).not_done:
            pass
        outcomes = tuple(future.result() for future in futures)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)  # the second Ctrl-C waits for nobody
        raise
    pool.shutdown()
    return ApplyResult(plan.tenant, plan.digest, outcomes, interrupted=is_stopped())
