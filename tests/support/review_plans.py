"""Ten plans as a reviewer meets them, each with the decision that its first lines must lead to. No test stands here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.differ.cover import cover
from reconciler.model.impact import PolicyImpact, Reach, TenantImpact
from reconciler.model.plan import Change, Create, Plan, PolicyPlan
from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import Group, Guardrails, Policy
from tests.support.build_impact import (
    FORBIDDEN,
    TENANT_IMPACT,
    blocking,
    devices,
    uncounted,
    users,
    with_impact,
)
from tests.support.build_plans import (
    ALL_DEVICES,
    MACS,
    PHONES,
    WINDOWS,
    create,
    delete,
    excluded,
    group,
    keep,
    only,
    plan,
    policy,
    policy_plan,
    update,
    without,
)

LIMITS = Guardrails(max_creates=100, max_deletes=5)
STRICT = TenantImpact(secure_by_default=True, conditional_access_policies=3, disabled_filters=())


@dataclass(frozen=True, slots=True)
class Review:
    """A plan, what a careful reviewer does with it, and what in the first lines decides that."""

    plan: Plan
    decision: str
    decides: tuple[str, ...]


def _counted(
    *policies: PolicyPlan,
    reach: Mapping[Change, Reach],
    impacts: Mapping[Policy, PolicyImpact] | None = None,
    tenant: TenantImpact = TENANT_IMPACT,
) -> Plan:
    made = plan(*policies, guardrails=LIMITS)
    return with_impact(made, reach, impacts, tenant)


def _next_ring() -> Review:
    change = create(WINDOWS, group("Ring 2"))
    made = _counted(
        policy_plan(WINDOWS, keep(WINDOWS, group("Ring 1")), change), reach={change: devices(40)}
    )
    return Review(made, "approve", ("risk: routine",))


def _everybody_blocked_at_once() -> Review:
    change = replace(create(WINDOWS, ALL_DEVICES), broad=True)
    made = _counted(
        policy_plan(WINDOWS, change), reach={change: Reach()}, impacts={WINDOWS: blocking()}
    )
    decides = (
        "risk: dangerous",
        "reaches all devices",
        "all devices, without a filter",
        " · blocks at once",
        "3 enabled Conditional Access policies require a compliant device",
    )
    return Review(made, "do not approve: use a pilot group first", decides)


def _exclusions_alone() -> Review:
    goes = delete(MACS, group("Corporate Macs"))
    comes = create(MACS, excluded("Break glass devices"))
    made = _counted(
        policy_plan(MACS, goes, comes),
        reach={goes: devices(406), comes: devices(4)},
        tenant=STRICT,
    )
    decides = (
        "risk: dangerous",
        "a policy reaches nobody",
        "**Reaches nobody:**",
        "no include left after `Corporate Macs`",
        "reached at most 406 devices",
        "devices without a policy count as not compliant",
    )
    return Review(made, "do not approve: the includes are missing in the file", decides)


def _inverted_filter() -> Review:
    change = update(WINDOWS, group("Windows devices"), without("Kiosks"), only("Kiosks"))
    made = _counted(
        policy_plan(WINDOWS, change), reach={change: devices(3386, matches=38, at_most=38)}
    )
    decides = (
        "**Filter inverted:**",
        "exclude `Kiosks` → include `Kiosks`",
        "reaches at most 38 devices, before at most 3,386",
    )
    return Review(made, "do not approve: the mode is a mistake", decides)


def _break_glass_included() -> Review:
    goes = delete(PHONES, excluded("Break glass accounts"))
    made = _counted(
        policy_plan(PHONES, keep(PHONES, group("All staff")), goes),
        reach={goes: users(3)},
        impacts={PHONES: blocking(812, 9)},
    )
    decides = (
        "no longer excludes 1 group",
        "**No longer excluded:**",
        "`Break glass accounts` may then be reached",
        "left out at most 3 users (any number of devices)",
        " · blocks at once",
    )
    return Review(made, "do not approve: break glass accounts must stay excluded", decides)


def _nothing_may_be_counted() -> Review:
    changes = [create(WINDOWS, group(name)) for name in ("Sales laptops", "Field laptops")]
    made = _counted(
        policy_plan(WINDOWS, *changes),
        reach=dict.fromkeys(changes, uncounted()),
        impacts={WINDOWS: PolicyImpact(FORBIDDEN, FORBIDDEN)},
    )
    decides = (
        "risk: review",
        "**Reach not known:**",
        "for 2 changes and 1 policy (403: needs `Device.Read.All`)",
    )
    return Review(made, "ask how many devices are in the groups", decides)


def _narrower_filter() -> Review:
    change = update(MACS, group("Design Macs"), None, only("macOS 15 and later"))
    made = _counted(
        policy_plan(MACS, change), reach={change: devices(310, matches=290, at_most=290)}
    )
    decides = (
        "risk: review",
        "**Filter changed:**",
        "no filter → include `macOS 15 and later`",
        "reaches at most 290 devices, before at most 310",
    )
    return Review(made, "approve: it reaches fewer than before", decides)


def _many_devices() -> Review:
    change = create(WINDOWS, group("Windows devices"), only("Corporate owned"))
    made = _counted(
        policy_plan(WINDOWS, keep(WINDOWS, group("Ring 1")), change),
        reach={change: devices(3386, matches=3410)},
        impacts={WINDOWS: blocking(38, 2)},
    )
    decides = (
        "**Many devices:**",
        "reaches at most 3,386 devices",
        " · blocks at once",
    )
    return Review(made, "ask for rings: only 40 devices have the policy today", decides)


def _empty_group_goes() -> Review:
    change = delete(WINDOWS, group("Old pilot"))
    made = _counted(
        policy_plan(WINDOWS, keep(WINDOWS, group("Ring 1")), change), reach={change: devices(0)}
    )
    decides = (
        "**No longer assigned:**",
        "`Old pilot` · reached at most 0 devices: no members of the group can be seen",
    )
    return Review(made, "approve: the group has no members that can be seen", decides)


def _one_danger_among_sixty() -> Review:
    policies = [policy(f"Branch {number:02}") for number in range(10)]
    changes: list[Create] = [
        create(each, group(f"Branch {number:02} room {room}"))
        for number, each in enumerate(policies)
        for room in range(6)
    ]
    widened = update(WINDOWS, group("Windows devices"), only("Corporate owned"), None)
    made = _counted(
        *(policy_plan(each, *(c for c in changes if c.policy == each)) for each in policies),
        policy_plan(WINDOWS, widened),
        reach={**{each: devices(12) for each in changes}, widened: devices(3386)},
    )
    decides = (
        "risk: dangerous",
        "inverts or widens 1 filter",
        "**Filter widened:**",
        "include `Corporate owned` → no filter",
        "reaches at most 3,386 devices",
    )
    return Review(made, "do not approve: a filter is taken off beside sixty harmless adds", decides)


def reviews() -> dict[str, Review]:
    """Every review by its name, with what the differ warns of."""
    return {name: _warned(make()) for name, make in _REVIEWS.items()}


def _warned(review: Review) -> Review:
    made = review.plan
    targets = [
        *(change.target for change in made.changes),
        *(each.assignment.target for policy in made.policies for each in policy.kept),
    ]
    groups = {target.id or "": Group(target.id or "", target.name or "") for target in targets}
    directory = Directory(GroupSearch(groups, {}, {}), {})
    return replace(review, plan=replace(made, diagnostics=cover(made.policies, directory, {})))


_REVIEWS = {
    "01-next-ring": _next_ring,
    "02-everybody-blocked-at-once": _everybody_blocked_at_once,
    "03-exclusions-alone": _exclusions_alone,
    "04-inverted-filter": _inverted_filter,
    "05-break-glass-included": _break_glass_included,
    "06-nothing-may-be-counted": _nothing_may_be_counted,
    "07-narrower-filter": _narrower_filter,
    "08-many-devices": _many_devices,
    "09-empty-group-goes": _empty_group_goes,
    "10-one-danger-among-sixty": _one_danger_among_sixty,
}
