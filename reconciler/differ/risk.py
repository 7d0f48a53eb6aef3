"""How carefully a plan wants to be read: what is dangerous in it, and what else decides its risk. Pure.

Terms: a *target* is an include or an exclusion of a group (or of everybody). A removed include
takes the policy's cover from people; a removed exclusion may bring the policy to people. A group
that changes sides is one concern and not two. Held changes are not written, so they do not count.
The rules are those of contract section 7; a risk decides nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.differ.guardrails import everybody, reaches_everybody
from reconciler.model.impact import Impact, Risk, RiskLevel, RiskReason
from reconciler.model.plan import Change, Create, Delete, Plan, PolicyPlan, Update
from reconciler.model.state import Filter, FilterMode, Policy, Target, TargetKind
from reconciler.model.wording import (
    NO_LONGER_ASSIGNED,
    NO_LONGER_EXCLUDED,
    Names,
    describe_filter_change,
    describe_target,
)

MANY_DEVICES = 1000
"""A change that reaches at most more devices than this is dangerous on a policy that blocks at once."""


class RiskCode(StrEnum):
    """What can decide the risk of a plan, the worst first; the spelling is that of the plan JSON."""

    REACHES_EVERYBODY = "reaches-everybody"
    EXCLUDE_TO_INCLUDE = "exclude-to-include"
    EXCLUSION_REMOVED = "exclusion-removed"
    FILTER_INVERTED = "filter-inverted"
    FILTER_WIDENED = "filter-widened"
    REACHES_NOBODY = "reaches-nobody"
    LAST_INCLUDE_REMOVED = "last-include-removed"
    INCLUDE_TO_EXCLUDE = "include-to-exclude"
    INCLUDE_REMOVED = "include-removed"
    BLOCKS_AT_ONCE = "blocks-at-once"
    BROAD_WITH_FILTER = "broad-with-filter"
    FILTER_CHANGED = "filter-changed"
    EXCLUSION_ADDED = "exclusion-added"
    REACH_UNKNOWN = "reach-unknown"

    @property
    def level(self) -> RiskLevel:
        """The level of a plan in which this is the worst."""
        return RiskLevel.REVIEW if self in _REVIEW else RiskLevel.DANGEROUS


_REVIEW = frozenset(
    {
        RiskCode.BROAD_WITH_FILTER,
        RiskCode.FILTER_CHANGED,
        RiskCode.EXCLUSION_ADDED,
        RiskCode.REACH_UNKNOWN,
    }
)
_ORDER = {code: position for position, code in enumerate(RiskCode)}


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing to look at. ``change`` is the one that brings it, None where the whole policy does."""

    code: RiskCode
    policy: Policy
    change: Change | None

    @property
    def is_danger(self) -> bool:
        """Whether it makes its plan dangerous."""
        return self.code.level is RiskLevel.DANGEROUS


def concerns_of(plan: Plan) -> tuple[Concern, ...]:
    """Everything that decides the risk of a plan, the worst first, else in the plan's order.

    A plan without changes has none.
    """
    if plan.is_empty:
        return ()
    found = [each for policy in plan.policies for each in _of_policy(policy, plan.impact)]
    return tuple(sorted(found, key=lambda each: _ORDER[each.code]))


def deciding_concerns(plan: Plan) -> tuple[Concern, ...]:
    """The concerns that decide the level of a plan: those of the worst level there is."""
    concerns = concerns_of(plan)
    return tuple(each for each in concerns if each.code.level is concerns[0].code.level)


def worst_of_each(plan: Plan) -> tuple[Concern, ...]:
    """The worst of the deciding concerns of each change, the worst first."""
    worst: dict[tuple[Policy, Change | None], Concern] = {}
    for concern in deciding_concerns(plan):
        worst.setdefault((concern.policy, concern.change), concern)
    return tuple(worst.values())


def dangers_of(plan: Plan) -> tuple[Concern, ...]:
    """As `worst_of_each`, of a dangerous plan; none of any other."""
    return tuple(each for each in worst_of_each(plan) if each.is_danger)


def risk_of(plan: Plan) -> Risk:
    """Judge a plan by its changes, and by its impact where that was read."""
    concerns = deciding_concerns(plan)
    if not concerns:
        return Risk(RiskLevel.ROUTINE)
    names = Names.of_plan(plan)
    return Risk(
        concerns[0].code.level,
        tuple(
            RiskReason(
                code=each.code.value,
                policy=names.policy(each.policy),
                message=_message(each, names, plan.impact),
                declared_at=each.change.declared_at if each.change else None,
            )
            for each in concerns
        ),
    )


def _of_policy(plan: PolicyPlan, impact: Impact | None) -> Iterator[Concern]:
    created = {
        (change.target.kind, change.target.id)
        for change in plan.changes
        if isinstance(change, Create)
    }
    has_include = any(target.is_include for target in plan.targets_after)
    removes_an_include = any(
        isinstance(change, Delete) and change.target.is_include for change in plan.changes
    )
    if not has_include and not removes_an_include and not _is_at_rest(plan):
        yield Concern(RiskCode.REACHES_NOBODY, plan.policy, None)
    for change in plan.changes:
        for code in (
            *_codes_of(change, created, has_include=has_include),
            *_codes_of_reach(change, impact),
        ):
            yield Concern(code, plan.policy, change)


def _is_at_rest(plan: PolicyPlan) -> bool:
    """Whether nothing is planned for the policy and it has no assignments, or is held."""
    return not plan.changes and (bool(plan.held) or not plan.targets_after)


def _codes_of(
    change: Change, created: set[tuple[TargetKind, str | None]], *, has_include: bool
) -> Iterator[RiskCode]:
    match change:
        case Create():
            if reaches_everybody(change):
                yield RiskCode.REACHES_EVERYBODY
            elif change.target.is_broad:
                yield RiskCode.BROAD_WITH_FILTER
            elif not change.target.is_include:
                yield RiskCode.EXCLUSION_ADDED
        case Update():
            if reaches_everybody(change):
                yield RiskCode.REACHES_EVERYBODY
            else:
                yield code_of_filter(change.live.filter, change.after)
        case Delete():
            yield _code_of_removal(change.target, created, has_include=has_include)


def _code_of_removal(
    target: Target, created: set[tuple[TargetKind, str | None]], *, has_include: bool
) -> RiskCode:
    if target.kind is TargetKind.EXCLUSION_GROUP:
        is_turned = (TargetKind.GROUP, target.id) in created
        return RiskCode.EXCLUDE_TO_INCLUDE if is_turned else RiskCode.EXCLUSION_REMOVED
    if (TargetKind.EXCLUSION_GROUP, target.id) in created:
        return RiskCode.INCLUDE_TO_EXCLUDE if has_include else RiskCode.LAST_INCLUDE_REMOVED
    return RiskCode.INCLUDE_REMOVED if has_include else RiskCode.LAST_INCLUDE_REMOVED


def code_of_filter(before: Filter | None, after: Filter | None) -> RiskCode:
    """Judge what the filter of an update becomes.

    A filter only narrows, so taking it off widens; the other mode reaches the other devices.
    """
    if before is None:
        return RiskCode.FILTER_CHANGED
    if after is None:
        return RiskCode.FILTER_WIDENED
    if before.id == after.id and before.mode is not after.mode:
        return RiskCode.FILTER_INVERTED
    is_widened = before.mode is FilterMode.INCLUDE and after.mode is FilterMode.EXCLUDE
    return RiskCode.FILTER_WIDENED if is_widened else RiskCode.FILTER_CHANGED


def _codes_of_reach(change: Change, impact: Impact | None) -> Iterator[RiskCode]:
    reach = impact.reach.get(change) if impact else None
    if impact is None or reach is None:
        return
    policy = impact.policies.get(change.policy.id)
    reaches = not isinstance(change, Delete) and change.target.is_include
    is_many = isinstance(reach.at_most, int) and reach.at_most > MANY_DEVICES
    if reaches and is_many and policy is not None and policy.blocks_at_once:
        yield RiskCode.BLOCKS_AT_ONCE
    if reach.unknown:
        yield RiskCode.REACH_UNKNOWN


_MESSAGES = {
    RiskCode.REACHES_EVERYBODY: "{target} without a filter: {everybody} of the tenant",
    RiskCode.EXCLUDE_TO_INCLUDE: "the group {group} was excluded, and gets the policy from now on",
    RiskCode.INCLUDE_TO_EXCLUDE: "the group {group} was included, and is excluded from now on",
    RiskCode.EXCLUSION_REMOVED: f"{{target}}: {NO_LONGER_EXCLUDED}",
    RiskCode.LAST_INCLUDE_REMOVED: f"{{target}}: {NO_LONGER_ASSIGNED}, and no include is left",
    RiskCode.INCLUDE_REMOVED: f"{{target}}: {NO_LONGER_ASSIGNED}",
    RiskCode.BLOCKS_AT_ONCE: "{target} reaches at most {at_most} devices, and the policy blocks at "
    "once",
    RiskCode.EXCLUSION_ADDED: "{target}: its members are no longer reached",
    RiskCode.REACH_UNKNOWN: "{target}: how many it reaches is not known",
}
_MESSAGE_OF_FILTER = "{target}, {filter}"


def _message(concern: Concern, names: Names, impact: Impact | None) -> str:
    change = concern.change
    if change is None:
        return "no include is left: the policy reaches nobody"
    reach = impact.reach.get(change) if impact else None
    bound = reach.at_most if reach else None
    return _MESSAGES.get(concern.code, _MESSAGE_OF_FILTER).format(
        target=describe_target(change.target, names),
        group=names.quoted(change.target.name, change.target.id),
        filter=describe_filter_change(change, names),
        everybody=everybody(change.target),
        at_most=f"{bound:,}" if isinstance(bound, int) else "",
    )
