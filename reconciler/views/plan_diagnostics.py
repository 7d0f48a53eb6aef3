"""What a plan tells programs at the lines of its files: its diagnostics, its stops and its dangers. Pure.

The numbers of a reach stand in the help and never in the message: a program that follows a diagnostic from
run to run knows it by its message, and a number changes from day to day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.differ.risk import Concern, RiskCode, concerns_of, deciding_concerns, risk_of
from reconciler.model.diagnostics import Diagnostic, Location, error, sort_diagnostics, warning
from reconciler.model.impact import RiskLevel, RiskReason
from reconciler.model.plan import Plan
from reconciler.model.wording import Names, describe_target
from reconciler.views.headline import untold_reasons
from reconciler.views.impact_text import ImpactText

_Key = tuple[str, str, Location | None]


def diagnostics_of(plan: Plan) -> tuple[Diagnostic, ...]:
    """A plan's diagnostics, stops and dangers in one list.

    A stop takes the place of its own warning, and a danger is listed where no other diagnostic states it.
    """
    stops = [error(stop.code, stop.message, stop.declared_at) for stop in plan.stopped_by]
    impact = ImpactText.of(plan)
    reaches = _reaches(plan, impact)
    diagnosed = [
        _with_help(each, reaches.get((each.code, each.policy, each.location), ""))
        for each in plan.open_diagnostics
    ]
    return sort_diagnostics([*stops, *diagnosed, *_dangers(plan, impact)])


def _dangers(plan: Plan, impact: ImpactText) -> Iterator[Diagnostic]:
    risk = risk_of(plan)
    if risk.level is not RiskLevel.DANGEROUS:
        return
    concerns = deciding_concerns(plan)
    untold = frozenset(untold_reasons(plan, risk))
    names = Names.of_plan(plan)
    for concern, reason in zip(concerns, risk.reasons, strict=True):
        if reason in untold:
            message = _message(concern, reason, names)
            help = impact.reach(concern.change) if concern.change else ""
            yield warning(reason.code, message, reason.declared_at, help=help, policy=reason.policy)


def _message(concern: Concern, reason: RiskReason, names: Names) -> str:
    if concern.code is RiskCode.BLOCKS_AT_ONCE and concern.change is not None:
        target = describe_target(concern.change.target, names)
        return f"{target} may reach many devices, and the policy blocks at once"
    return reason.message


def _reaches(plan: Plan, impact: ImpactText) -> dict[_Key, str]:
    """The reach of the one change that a warning of a danger is about, by code, policy and place."""
    names = Names.of_plan(plan)
    found: dict[_Key, str] = {}
    for concern in concerns_of(plan):
        change = concern.change
        if change is not None and change.declared_at is not None:
            key = (concern.code.value, names.policy(concern.policy), change.declared_at)
            found[key] = impact.reach(change)
    return found


def _with_help(diagnostic: Diagnostic, text: str) -> Diagnostic:
    if not text:
        return diagnostic
    return replace(diagnostic, help="; ".join(each for each in (diagnostic.help, text) if each))
