"""Keep changes from being written while a hold is in force. Pure; the day is a parameter.

What would change is planned, judged and shown like anything else, and then set apart as held. So digest,
guardrails and exit codes leave it out, and apply, which writes ``changes`` alone, cannot write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from reconciler.model.diagnostics import Diagnostic, warning
from reconciler.model.plan import PolicyPlan
from reconciler.model.state import DesiredState, Hold, ResolvedState


def hold_back(
    policies: Iterable[PolicyPlan], resolved: ResolvedState, day: date
) -> tuple[PolicyPlan, ...]:
    """Set apart the changes of policies that the tenant's hold, or their own, covers on this day (UTC).

    Where both are in force, the one that ends later is named; of two that end together, the policy's.
    """
    own = {each.live.policy.id: each.hold for each in resolved.policies}
    return tuple(
        _held(plan, [own.get(plan.policy.id), resolved.config.hold], day) for plan in policies
    )


def _held(plan: PolicyPlan, holds: Iterable[Hold | None], day: date) -> PolicyPlan:
    in_force = [hold for hold in holds if hold is not None and hold.is_in_force(day)]
    if not in_force or not plan.changes:
        return plan
    longest = max(in_force, key=lambda hold: hold.until)
    return replace(plan, changes=(), held=plan.changes, hold=longest)


def expired_holds(desired: DesiredState, day: date) -> Iterator[Diagnostic]:
    """Warn of holds that ended before this day (UTC): they have no effect any more."""
    if desired.config.hold is not None:
        yield from _expired(desired.config.hold, day, "")
    for policy in desired.policies:
        if policy.hold is not None:
            name = policy.reference.name_or_id
            yield from _expired(policy.hold, day, name)


def _expired(hold: Hold, day: date, policy: str) -> Iterator[Diagnostic]:
    if not hold.is_in_force(day):
        yield warning(
            "hold-expired",
            f"this hold ended after {hold.until}, and has no effect",
            hold.location,
            help="remove it",
            policy=policy,
        )
