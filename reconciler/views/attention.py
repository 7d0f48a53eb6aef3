"""What a reviewer should look at first in a plan: one entry per danger, the worst first. Pure.

Terms: a *target* is an include or an exclusion of a group (or of everybody). A removed include
takes the policy's cover from people; a removed exclusion may bring the policy to people. A group
that changes sides is one entry and not two. The order is that of `Danger`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from reconciler.differ.guardrails import reaches_everybody
from reconciler.model.plan import Change, Create, Delete, Plan, PolicyPlan, Update
from reconciler.model.state import Filter, FilterMode, TargetKind
from reconciler.model.wording import count_of


class Danger(IntEnum):
    """Kinds of danger, the worst first."""

    EVERYBODY = 0
    EXCLUDE_TO_INCLUDE = 1
    EXCLUSION_REMOVED = 2
    FILTER_INVERTED = 3
    FILTER_WIDENED = 4
    NOBODY_LEFT = 5
    INCLUDE_TO_EXCLUDE = 6
    INCLUDE_REMOVED = 7


@dataclass(frozen=True, slots=True)
class Attention:
    """One danger. ``change`` is the one that brings it."""

    danger: Danger
    change: Change


def attention_of(plan: Plan) -> tuple[Attention, ...]:
    """Every danger of a plan, the worst first, else in the plan's order."""
    found = [each for policy in plan.policies for each in _of_policy(policy)]
    return tuple(sorted(found, key=lambda each: each.danger))


def headline_of(attention: Iterable[Attention]) -> str:
    """Name what matters most, for a title: at most two phrases; "" where nothing does."""
    by_danger: dict[Danger, list[Change]] = {}
    for each in attention:
        by_danger.setdefault(each.danger, []).append(each.change)
    return " · ".join(list(_phrases(by_danger))[:2])


def _phrases(found: dict[Danger, list[Change]]) -> Iterator[str]:
    broad = {change.target.kind for change in found.get(Danger.EVERYBODY, [])}
    if broad:
        yield "reaches " + " and ".join(
            words
            for kind, words in (
                (TargetKind.ALL_DEVICES, "all devices"),
                (TargetKind.ALL_USERS, "all users"),
            )
            if kind in broad
        )
    exclusions = [
        *found.get(Danger.EXCLUDE_TO_INCLUDE, []),
        *found.get(Danger.EXCLUSION_REMOVED, []),
    ]
    if exclusions:
        yield f"no longer excludes {_targets(exclusions)}"
    filters = [*found.get(Danger.FILTER_INVERTED, []), *found.get(Danger.FILTER_WIDENED, [])]
    if filters:
        yield f"inverts or widens {count_of(len(filters), 'filter')}"
    includes = [
        *found.get(Danger.NOBODY_LEFT, []),
        *found.get(Danger.INCLUDE_TO_EXCLUDE, []),
        *found.get(Danger.INCLUDE_REMOVED, []),
    ]
    if includes:
        yield f"removes cover from {_targets(includes)}"


def _targets(changes: Iterable[Change]) -> str:
    """Count the groups, or name everybody."""
    targets = {(change.target.kind.value, change.target.id) for change in changes}
    broad = {
        TargetKind.ALL_DEVICES.value: "all devices",
        TargetKind.ALL_USERS.value: "all users",
    }
    names = [words for kind, words in broad.items() if (kind, None) in targets]
    groups = len({id for _, id in targets if id is not None})
    return " and ".join([*names, *([count_of(groups, "group")] if groups else [])])


def _of_policy(policy: PolicyPlan) -> Iterator[Attention]:
    created = {(change.target.kind, change.target.id): change for change in _creates(policy)}
    has_include = _keeps_an_include(policy)
    for change in policy.changes:
        danger = _danger_of(change, created, has_include=has_include)
        if danger is not None:
            yield Attention(danger, change)


def _creates(policy: PolicyPlan) -> Iterator[Create]:
    return (change for change in policy.changes if isinstance(change, Create))


def _danger_of(
    change: Change,
    created: dict[tuple[TargetKind, str | None], Create],
    *,
    has_include: bool,
) -> Danger | None:
    if reaches_everybody(change):
        return Danger.EVERYBODY
    if isinstance(change, Update):
        return _danger_of_filter(change.live.filter, change.after)
    if not isinstance(change, Delete):
        return None
    id = change.target.id
    if change.target.kind is TargetKind.EXCLUSION_GROUP:
        is_turned = (TargetKind.GROUP, id) in created
        return Danger.EXCLUDE_TO_INCLUDE if is_turned else Danger.EXCLUSION_REMOVED
    if (TargetKind.EXCLUSION_GROUP, id) in created:
        return Danger.INCLUDE_TO_EXCLUDE
    return Danger.INCLUDE_REMOVED if has_include else Danger.NOBODY_LEFT


def _danger_of_filter(before: Filter | None, after: Filter | None) -> Danger | None:
    """A filter only narrows, so taking it off widens; the other mode reaches the other devices."""
    if before is None:
        return None
    if after is None:
        return Danger.FILTER_WIDENED
    if before.id == after.id and before.mode is not after.mode:
        return Danger.FILTER_INVERTED
    is_widened = before.mode is FilterMode.INCLUDE and after.mode is FilterMode.EXCLUDE
    return Danger.FILTER_WIDENED if is_widened else None


def _keeps_an_include(policy: PolicyPlan) -> bool:
    """Whether the policy still has an include afterwards; those of a policy set count."""
    left = [
        *(each.assignment.target for each in policy.kept),
        *(each.assignment.target for each in policy.unmanaged),
        *(each.assignment.target for each in policy.inherited),
        *(change.target for change in policy.changes if not isinstance(change, Delete)),
    ]
    return any(target.kind is not TargetKind.EXCLUSION_GROUP for target in left)
