"""What becomes of every assignment, policy by policy and group by group, fit to show. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.differ.risk import dangers_of
from reconciler.model import wording
from reconciler.model.diagnostics import Location
from reconciler.model.plan import (
    Action,
    Change,
    Delete,
    Key,
    Plan,
    PolicyPlan,
    Update,
    action_of,
    filter_after,
    key_of,
)
from reconciler.model.policy_types import title_of
from reconciler.model.result import count
from reconciler.model.state import Assignment, Filter, Ownership, Policy, Target, TargetKind
from reconciler.model.text import visible
from reconciler.model.wording import Names
from reconciler.views.escaping import visible_name
from reconciler.views.html.figures import Bar, Consequence, Figures, Members, ReachRow, widest


class State(StrEnum):
    """What becomes of one assignment, in the word that is shown."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    UNCHANGED = "unchanged"
    UNMANAGED = "unmanaged"
    INHERITED = "inherited"


SIGNS = {
    State.ADD: "+",
    State.CHANGE: "~",
    State.REMOVE: "\N{MINUS SIGN}",
    State.UNCHANGED: "=",
    State.UNMANAGED: "\N{BULLET}",
    State.INHERITED: "\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS}",
}
"""Beside the word, so that nothing is told by colour alone."""

_STATES = {
    Action.CREATE: State.ADD,
    Action.UPDATE: State.CHANGE,
    Action.DELETE: State.REMOVE,
}


@dataclass(frozen=True, slots=True)
class CellLabel:
    """A policy, target or filter by name; ``id`` is whole, ``short_id`` only where names clash."""

    name: str
    id: str = ""
    short_id: str = ""
    kind: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FilterLabel:
    """A filter with its mode; ``label`` is None for no filter."""

    mode: str
    label: CellLabel | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment and what becomes of it. ``before`` is set where the filter changes."""

    state: State
    target: CellLabel
    filter: FilterLabel | None
    before: FilterLabel | None = None
    effect: str = ""
    source: str = ""
    place: str = ""
    danger: str = ""
    reach: ReachRow | None = None

    @property
    def sign(self) -> str:
        """The sign beside the word of the state."""
        return SIGNS[self.state]


@dataclass(frozen=True, slots=True)
class PolicyBlock:
    """A policy with what changes on it and what stays; ``anchor`` is its id within the page.

    ``dangers`` counts what makes the plan dangerous on it, and ``danger`` is the one that no change
    brings.
    """

    anchor: str
    label: CellLabel
    platform: str
    is_authoritative: bool
    tally: tuple[tuple[State, int], ...]
    changes: tuple[Entry, ...]
    rest: tuple[Entry, ...]
    dangers: int = 0
    danger: str = ""
    consequence: Consequence | None = None
    widest: Bar | None = None


@dataclass(frozen=True, slots=True)
class PolicyMark:
    """A policy in the row of a group."""

    state: State
    label: CellLabel
    anchor: str
    filter: FilterLabel | None

    @property
    def sign(self) -> str:
        """The sign beside the word of the state."""
        return SIGNS[self.state]


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A group, or all devices and the like, with the policies that include and exclude it."""

    label: CellLabel
    included: tuple[PolicyMark, ...]
    excluded: tuple[PolicyMark, ...]
    changes: int
    members: Members | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan says beside its changes: names that clash, dangers, and numbers where read."""

    names: Names
    dangers: Mapping[tuple[Policy, Change | None], str]
    figures: Figures | None

    @classmethod
    def of_plan(cls, plan: Plan) -> Facts:
        """Look through the whole plan once."""
        dangers = {
            (each.policy, each.change): each.code.value.replace("-", " ")
            for each in dangers_of(plan)
        }
        return cls(Names.of_plan(plan), dangers, Figures.of_plan(plan))

    def entry(self, change: Change) -> Entry:
        """Show one change with its danger and its reach."""
        return replace(
            entry_of(change, self.names),
            danger=self.dangers.get((change.policy, change), ""),
            reach=self.figures.reach(change) if self.figures else None,
        )


def policy_blocks(plan: Plan, facts: Facts | None = None) -> tuple[PolicyBlock, ...]:
    """Every policy of the plan, in its order."""
    facts = facts or Facts.of_plan(plan)
    return tuple(_block(policy, number, facts) for number, policy in enumerate(plan.policies))


def _block(plan: PolicyPlan, number: int, facts: Facts) -> PolicyBlock:
    policy, summary, names = plan.policy, count(plan.changes), facts.names
    changes = tuple(map(facts.entry, plan.changes))
    danger = facts.dangers.get((policy, None), "")
    tally = (
        (State.ADD, summary.create),
        (State.CHANGE, summary.update),
        (State.REMOVE, summary.delete),
    )
    return PolicyBlock(
        anchor=f"policy-{number}",
        label=_label(policy.name, policy.id, names),
        platform=visible_name(title_of(policy)),
        is_authoritative=plan.ownership is Ownership.AUTHORITATIVE,
        tally=tuple((state, number) for state, number in tally if number),
        changes=changes,
        rest=tuple(_rest(state, live, names) for state, live in _left_alone(plan)),
        dangers=sum(bool(entry.danger) for entry in changes) + bool(danger),
        danger=danger,
        consequence=facts.figures.consequence(policy) if facts.figures else None,
        widest=widest(entry.reach for entry in changes),
    )


@dataclass(frozen=True, slots=True)
class HeldBlock:
    """What a hold keeps from being written on one policy."""

    label: CellLabel
    platform: str
    until: str
    reason: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """A declared line that is not in force yet."""

    policy: CellLabel
    target: CellLabel
    filter: FilterLabel | None
    starts: str
    place: str


def scheduled_rows(plan: Plan) -> tuple[ScheduledRow, ...]:
    """Every scheduled line, in the plan's order."""
    names = Names.of_plan(plan)
    return tuple(
        ScheduledRow(
            _label(line.policy.name, line.policy.id, names),
            target_label(line.target, names),
            _filter(line.filter, names) if line.filter else None,
            line.starts.isoformat(),
            _line(line.declared_at),
        )
        for policy in plan.policies
        for line in policy.scheduled
    )


def held_blocks(plan: Plan) -> tuple[HeldBlock, ...]:
    """Every policy with held changes, in the plan's order."""
    names = Names.of_plan(plan)
    return tuple(
        HeldBlock(
            _label(policy.policy.name, policy.policy.id, names),
            visible_name(title_of(policy.policy)),
            policy.hold.until.isoformat(),
            visible_name(policy.hold.reason),
            tuple(entry_of(change, names) for change in policy.held),
        )
        for policy in plan.policies
        if policy.hold is not None
    )


def _left_alone(plan: PolicyPlan) -> Iterator[tuple[State, Assignment]]:
    yield from ((State.UNCHANGED, entry.assignment) for entry in plan.kept)
    yield from ((State.UNMANAGED, entry.assignment) for entry in plan.unmanaged)
    yield from ((State.INHERITED, entry.assignment) for entry in plan.inherited)


def entry_of(change: Change, names: Names) -> Entry:
    """Show one change."""
    is_update = isinstance(change, Update)
    left = change.live.filter if isinstance(change, Delete) else filter_after(change)
    place = _line(change.declared_at) if change.declared_at else ""
    return Entry(
        state=_STATES[action_of(change)],
        target=target_label(change.target, names),
        filter=_filter(left, names) if left or is_update else None,
        before=_filter(change.live.filter, names) if isinstance(change, Update) else None,
        effect=wording.describe_effect(change),
        place=place,
    )


def _line(place: Location) -> str:
    return visible(f"{place.file}:{place.line}")


def _rest(state: State, live: Assignment, names: Names) -> Entry:
    filter = _filter(live.filter, names) if live.filter else None
    source = visible(wording.describe_source(live))
    return Entry(state, target_label(live.target, names), filter, source=source)


def _label(name: str, id: str, names: Names) -> CellLabel:
    return CellLabel(visible_name(name), visible_name(id), visible(names.short_id(id)))


def _filter(filter: Filter | None, names: Names) -> FilterLabel:
    if filter is None:
        return FilterLabel(wording.NO_FILTER)
    return FilterLabel(filter.mode.value, _label(filter.name or filter.id, filter.id, names))


def target_label(target: Target, names: Names) -> CellLabel:
    """Name a target with its side."""
    kind = wording.TARGET_KINDS[target.kind]
    if target.is_broad:
        return CellLabel("", kind=kind)
    name = target.odata_type if target.kind is TargetKind.OPAQUE else target.name
    object_id = target.id or ""
    of_type = f" ({target.target_type})" if target.target_type else ""
    return CellLabel(
        name=visible_name(name or object_id),
        id=visible_name(object_id) if name else "",
        short_id=visible(names.short_id(object_id)),
        kind=visible_name(f"{kind}{of_type}"),
        note=wording.not_in_directory(target).strip(),
    )


def target_rows(
    plan: Plan, blocks: Sequence[PolicyBlock], figures: Figures | None = None
) -> tuple[TargetRow, ...]:
    """A row for each target in use; those with most changes first, then by name.

    A group that one policy includes and another excludes has one row. Opaque targets are left out:
    nobody knows on which side they stand.
    """
    names = Names.of_plan(plan)
    targets: dict[Key, Target] = {}
    included: dict[Key, list[PolicyMark]] = defaultdict(list)
    excluded: dict[Key, list[PolicyMark]] = defaultdict(list)
    for policy, block in zip(plan.policies, blocks, strict=True):
        entries = (*block.changes, *block.rest)
        for target, entry in zip(_targets(policy), entries, strict=True):
            side = excluded if target.kind is TargetKind.EXCLUSION_GROUP else included
            if target.kind is not TargetKind.OPAQUE:
                key = _of_both_sides(target)
                targets[key] = target
                mark = PolicyMark(entry.state, block.label, block.anchor, entry.filter)
                side[key].append(mark)
    rows = [_row(targets[key], included[key], excluded[key], names) for key in targets]
    if figures is not None:
        changes: dict[Key, list[Change]] = defaultdict(list)
        for change in plan.changes:
            changes[_of_both_sides(change.target)].append(change)
        rows = [
            replace(row, members=figures.members(target, changes[key]))
            for row, (key, target) in zip(rows, targets.items(), strict=True)
        ]
    return tuple(sorted(rows, key=lambda row: (-row.changes, row.label.name, row.label.id)))


def _targets(plan: PolicyPlan) -> Iterator[Target]:
    """The targets of a policy, in the order of its block's entries."""
    yield from (change.target for change in plan.changes)
    yield from (live.target for _, live in _left_alone(plan))


def _of_both_sides(target: Target) -> Key:
    kind, object_id, target_type = key_of(target)
    is_exclusion = target.kind is TargetKind.EXCLUSION_GROUP
    return (TargetKind.GROUP.value if is_exclusion else kind), object_id, target_type


def _row(
    target: Target, included: Sequence[PolicyMark], excluded: Sequence[PolicyMark], names: Names
) -> TargetRow:
    label = target_label(target, names)
    changes = sum(mark.state in _STATES.values() for mark in (*included, *excluded))
    without_side = label.kind.partition(" ")[2]
    return TargetRow(replace(label, kind=without_side), tuple(included), tuple(excluded), changes)
