"""Apply a plan that was just made, or one that was saved and reviewed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reconciler import applier
from reconciler.apply_result import ApplyResult
from reconciler.drift import Moved, moved
from reconciler.errors import GuardrailError, NotFoundError, ReconcilerError, StalePlanError
from reconciler.graph.parallel import in_parallel
from reconciler.guards import Limits, over_limits, tightened
from reconciler.journal import FileJournal, NoJournal
from reconciler.merge import say_target
from reconciler.operations.connect import Connection, Session
from reconciler.operations.tenant_check import check_tenant, identify
from reconciler.pending import FileApprovals
from reconciler.plan import Plan, PolicyPlan
from reconciler.ports import Reader

APPROVALS_FILE = "approvals.json"


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What the command line says of writing."""

    journal: Path | None
    state_folder: Path
    approval_codes: tuple[str, ...]
    reconciler_version: str


def refuse_unsafe(plan: Plan) -> None:
    """Raise unless the plan may be applied: whole, and within its guardrails."""
    if not plan.complete:
        raise ReconcilerError(
            "the plan is incomplete, so nothing was written; mend the errors above, "
            "or leave their policies out with --policy"
        )
    if plan.stopped_by:
        reasons = "; ".join(stop.message for stop in plan.stopped_by)
        raise GuardrailError(f"stopped before the first write: {reasons}")


def expect_digest(plan: Plan, expected: str | None) -> None:
    """Raise `StalePlanError` where the plan is not the one that was approved."""
    if expected is not None and expected != plan.digest:
        raise StalePlanError(
            f"the plan's digest is {plan.digest}, not the expected {expected}: what would be done "
            "is not what was approved. Review the plan above and approve its digest"
        )


def tighten(plan: Plan, limits: Limits) -> Plan:
    """Put the command line's limits over a saved plan; they can only make it stricter."""
    guardrails = tightened(plan.guardrails, limits)
    over = over_limits(tuple(plan.operations), guardrails)
    known = {stop.code for stop in plan.stopped_by}
    added = tuple(stop for stop in over if stop.code not in known)
    return replace(plan, guardrails=guardrails, stopped_by=(*plan.stopped_by, *added))


def refuse_stale(plan: Plan, session: Session, connection: Connection) -> None:
    """Read the policies that a saved plan touches, and raise where the tenant has moved.

    Raises `AuthError` for another tenant and `StalePlanError` that names each difference.
    """
    identity = identify(
        session,
        connection.tenant,
        connection.tokens,
        declared=plan.tenant.id,
        cloud=plan.tenant.cloud,
    )
    check_tenant(plan.tenant.id, identity, declared_in="this plan")
    touched = [policy for policy in plan.policies if policy.operations]
    session.progress.stage("Comparing with the tenant", len(touched))
    found = in_parallel(
        [partial(_moved, policy, connection.tenant) for policy in touched],
        workers=session.parallelism,
    )
    lines = [line for policy in found for line in policy]
    if lines:
        raise StalePlanError(
            "the tenant has moved since this plan was made, so nothing was written:\n"
            + "\n".join(f"  {line}" for line in lines)
            + "\nmake a new plan and review it"
        )


def _moved(policy: PolicyPlan, tenant: Reader) -> tuple[str, ...]:
    try:
        live = tenant.read_policy(policy.policy)
    except NotFoundError:
        return (f'"{policy.policy.name}": the policy is gone',)
    return tuple(_line(difference) for difference in moved(policy, live.assignments))


def _line(difference: Moved) -> str:
    where = f'"{difference.policy.name}": {say_target(difference.target)}'
    if difference.before is None:
        return f"{where} is new"
    if difference.now is None:
        return f"{where} is gone"
    fields = ", ".join(
        f"{field.path} was {field.before or 'none'}, is now {field.after or 'none'}"
        for field in difference.fields
    )
    return f"{where}: {fields}"


def write(
    plan: Plan, options: ApplyOptions, *, session: Session, connection: Connection
) -> ApplyResult:
    """Write what the plan says. The plan has been judged, and the user has been asked."""
    refuse_unsafe(plan)
    run: dict[str, object] = {
        "tenant": plan.tenant.id,
        "digest": plan.digest,
        "reconciler_version": options.reconciler_version,
    }
    journal = (
        NoJournal()
        if options.journal is None
        else FileJournal(options.journal, session.clock, run=run)
    )
    with journal as opened:
        return applier.apply(
            plan,
            tenant=connection.tenant,
            journal=opened,
            approvals=FileApprovals(options.state_folder / APPROVALS_FILE),
            approval_codes=options.approval_codes,
            progress=session.progress,
            deadline=session.deadline,
            backoff=session.backoff,
            parallelism=session.parallelism,
            is_stopped=session.is_stopped,
        )
