"""The words for changes, targets, filters and counts that every text for people shares. Pure.

Contract section 0: what people read says what happens to an *assignment*, in the words of the
Intune portal. So a change is an add, a change or a remove, and a target says whether it is
included or excluded. No text here reads as if a group were created or deleted. The JSON documents
and the options use Graph's verbs instead (`reconciler.model.plan.Action`).

Names come from the tenant and are quoted as they are: a view makes them harmless afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from reconciler.model.identifiers import short_ids
from reconciler.model.plan import (
    Action,
    Change,
    Create,
    Delete,
    Plan,
    Summary,
    Update,
    action_of,
    filter_after,
)
from reconciler.model.state import (
    GROUP_KINDS,
    Assignment,
    Filter,
    Guardrails,
    Policy,
    Target,
    TargetKind,
)

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
VERBS = {Action.CREATE: "add", Action.UPDATE: "change", Action.DELETE: "remove"}

TARGET_KINDS = {
    TargetKind.ALL_DEVICES: "include all devices",
    TargetKind.ALL_USERS: "include all users",
    TargetKind.GROUP: "include group",
    TargetKind.EXCLUSION_GROUP: "exclude group",
    TargetKind.COLLECTION: "include Configuration Manager collection",
    TargetKind.SCOPE_TAG_GROUP: "include scope-tag group",
    TargetKind.OPAQUE: "unknown target type",
}
"""What an assignment does, up to the name of its target. An unknown one may include or exclude."""

NO_FILTER = "no filter"
NO_LONGER_ASSIGNED = "no longer assigned"
NO_LONGER_EXCLUDED = "no longer excluded: its members may then be reached"


class _Nameable(Protocol):
    @property
    def id(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Names:
    """The names that several of the policies, groups or filters of one text share.

    ``short_ids`` maps the id of each of them to the beginning that tells it from the others.
    """

    short_ids: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_plan(cls, plan: Plan) -> Names:
        """Look through everything that a plan may show."""
        live = [assignment for policy in plan.policies for assignment in policy.live]
        planned = [*plan.changes, *plan.held]
        later = [each for policy in plan.policies for each in policy.scheduled]
        return cls.of(
            [policy.policy for policy in plan.policies],
            [each.target for each in (*live, *planned, *later)],
            [
                *(each.filter for each in live),
                *(each.filter for each in later),
                *map(filter_after, planned),
            ],
        )

    @classmethod
    def of_changes(cls, changes: Iterable[Change]) -> Names:
        """Look through changes, and the filters that they replace."""
        listed = list(changes)
        before = [change.live.filter for change in listed if not isinstance(change, Create)]
        return cls.of(
            [change.policy for change in listed],
            [change.target for change in listed],
            [*before, *map(filter_after, listed)],
        )

    @classmethod
    def of(
        cls,
        policies: Iterable[_Nameable],
        targets: Iterable[_Nameable] = (),
        filters: Iterable[_Nameable | None] = (),
    ) -> Names:
        """Look through everything that one text shows; groups may stand for targets."""
        return cls(_short_ids(policies) | _short_ids(targets) | _short_ids(filters))

    def short_id(self, id: str | None) -> str:
        """The beginning of an id that must stand beside its name; "" where the name is enough."""
        return self.short_ids.get(id or "", "")

    def policy(self, policy: Policy) -> str:
        """Name a policy, as in ``Baseline`` or ``Baseline (4f1c0b2a)``."""
        return self._with_id(policy.name, policy.id)

    def quoted(self, name: str | None, id: str | None) -> str:
        """Quote a name, as in ``"Sales"`` or ``"Sales" (4f1c0b2a)``; the id where there is none."""
        return self._with_id(f'"{name}"', id) if name else f"{id}"

    def _with_id(self, text: str, id: str | None) -> str:
        short = self.short_id(id)
        return f"{text} ({short})" if short else text


def _short_ids(objects: Iterable[_Nameable | None]) -> dict[str, str]:
    return short_ids((each.id, each.name) for each in objects if each is not None and each.id)


NO_NAMES = Names()
"""For a text that shows one object of each kind, or none."""


def sign_of(change: Change) -> str:
    """The sign that Terraform's users know: ``+``, ``~`` or ``-``."""
    return SIGNS[action_of(change)]


def verb_of(change: Change) -> str:
    """The same in a word: ``add``, ``change`` or ``remove``."""
    return VERBS[action_of(change)]


def describe_target(target: Target, names: Names = NO_NAMES) -> str:
    """Name a target with its side, as in ``include group "Sales laptops"``."""
    kind = TARGET_KINDS[target.kind]
    match target.kind:
        case TargetKind.ALL_DEVICES | TargetKind.ALL_USERS:
            return kind
        case TargetKind.GROUP | TargetKind.EXCLUSION_GROUP:
            return f"{kind} {names.quoted(target.name, target.id)}"
        case TargetKind.COLLECTION:
            return f"{kind} {target.name or target.id}"
        case TargetKind.SCOPE_TAG_GROUP:
            return f"{kind} {target.id} ({target.target_type})"
        case TargetKind.OPAQUE:
            bare = (target.odata_type or "").removeprefix("#").removeprefix("microsoft.graph.")
            return f"{kind} {bare or '(none)'}"
        case _:
            assert_never(target.kind)


def not_in_directory(target: Target) -> str:
    """Mark a group of a plan without a name: the plan looked it up in vain. "" for other targets."""
    is_group = target.kind in GROUP_KINDS
    return " (not in the directory)" if is_group and target.name is None else ""


def describe_source(assignment: Assignment) -> str:
    """State where an assignment comes from; "" where it was made on the policy itself."""
    if assignment.is_direct:
        return ""
    if assignment.is_of_unknown_source:
        return f'from the source "{assignment.source}"'
    return "from a policy set"


def describe_filter(filter: Filter | None, names: Names = NO_NAMES) -> str:
    """Name a filter with its mode, as in ``exclude "Kiosks"``; ``no filter`` without one."""
    return NO_FILTER if filter is None else f"{filter.mode} {names.quoted(filter.name, filter.id)}"


def describe_filter_change(change: Change, names: Names = NO_NAMES) -> str:
    """Name the filter of a change, before and after where it differs; "" where there is none."""
    match change:
        case Create():
            return f"filter: {describe_filter(change.filter, names)}" if change.filter else ""
        case Update():
            before = describe_filter(change.live.filter, names)
            return f"filter: {before} -> {describe_filter(change.after, names)}"
        case Delete():
            live = change.live.filter
            return f"filter: {describe_filter(live, names)}" if live else ""
        case _:
            assert_never(change)


def describe_effect(change: Change) -> str:
    """State what a removal means for those who were reached or excluded; "" for other changes."""
    if not isinstance(change, Delete):
        return ""
    is_exclusion = change.target.kind is TargetKind.EXCLUSION_GROUP
    return NO_LONGER_EXCLUDED if is_exclusion else NO_LONGER_ASSIGNED


def describe_change(change: Change, names: Names = NO_NAMES) -> str:
    """Name a change within a sentence, as in ``remove include group "Executives"``."""
    filter_change = describe_filter_change(change, names)
    what = f"{verb_of(change)} {describe_target(change.target, names)}"
    return f"{what}, {filter_change}" if filter_change else what


def describe_counts(summary: Summary) -> str:
    """Count what a plan would do, as in ``3 to add, 1 to change, 2 to remove``."""
    return f"{summary.create} to add, {summary.update} to change, {summary.delete} to remove"


def describe_done(summary: Summary) -> str:
    """Count what an apply did, as in ``3 added, 1 changed, 2 removed``."""
    return f"{summary.create} added, {summary.update} changed, {summary.delete} removed"


def describe_left_alone(summary: Summary) -> str:
    """Count what a plan does not touch."""
    return (
        f"{summary.unchanged} unchanged, {summary.unmanaged} unmanaged (left alone), "
        f"{summary.inherited} inherited from policy sets"
    )


def describe_held(summary: Summary) -> str:
    """Count what holds keep back; "" where that is nothing."""
    verb = "is" if summary.held == 1 else "are"
    return f"{count_of(summary.held, 'change')} {verb} held and not written" if summary.held else ""


def describe_limits(guardrails: Guardrails) -> str:
    """State how much one run may do."""
    return (
        f"at most {guardrails.max_creates} to add, {guardrails.max_updates} to change, "
        f"{guardrails.max_deletes} to remove"
    )


APPROVE_AT = "Tenant administration > Multi Admin Approval > Received requests"
"""Where in the Intune admin center a second administrator approves ([D] graph.md section 10)."""


def approval_options(codes: Iterable[str]) -> str:
    """Write the options that finish queued writes, on one line that can be copied."""
    return " ".join(f"--approval-code {code}" for code in codes)


def count_of(number: int, noun: str) -> str:
    """Write a number with its noun, as in ``1 error`` and ``2 errors``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
