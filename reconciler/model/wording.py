"""The words for changes, targets, filters and counts that every text for people shares. Pure.

Contract section 0: what people read says what happens to an *assignment*, in the words of the
Intune portal. So a change is an add, a change or a remove, and a target says whether it is
included or excluded. No text here reads as if a group were created or deleted. The JSON documents
and the options use Graph's verbs instead (`reconciler.model.plan.Action`).

Names come from the tenant and are quoted as they are: a view makes them harmless afterwards.
"""

from __future__ import annotations

from typing import assert_never

from reconciler.model.plan import Action, Change, Create, Delete, Summary, Update, action_of
from reconciler.model.state import Filter, Guardrails, Target, TargetKind

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


def sign_of(change: Change) -> str:
    """The sign that Terraform's users know: ``+``, ``~`` or ``-``."""
    return SIGNS[action_of(change)]


def verb_of(change: Change) -> str:
    """The same in a word: ``add``, ``change`` or ``remove``."""
    return VERBS[action_of(change)]


def describe_target(target: Target) -> str:
    """Name a target with its side, as in ``include group "Sales laptops"``."""
    kind = TARGET_KINDS[target.kind]
    match target.kind:
        case TargetKind.ALL_DEVICES | TargetKind.ALL_USERS:
            return kind
        case TargetKind.GROUP | TargetKind.EXCLUSION_GROUP:
            return f"{kind} {_named(target.name, target.id)}"
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
    is_group = target.kind in (TargetKind.GROUP, TargetKind.EXCLUSION_GROUP)
    return " (not in the directory)" if is_group and target.name is None else ""


def describe_filter(filter: Filter | None) -> str:
    """Name a filter with its mode, as in ``exclude "Kiosks"``; ``no filter`` without one."""
    return NO_FILTER if filter is None else f"{filter.mode} {_named(filter.name, filter.id)}"


def describe_filter_change(change: Change) -> str:
    """Name the filter of a change, before and after where it differs; "" where there is none."""
    match change:
        case Create():
            return f"filter: {describe_filter(change.filter)}" if change.filter else ""
        case Update():
            before, after = describe_filter(change.live.filter), describe_filter(change.after)
            return f"filter: {before} -> {after}"
        case Delete():
            live = change.live.filter
            return f"filter: {describe_filter(live)}" if live else ""
        case _:
            assert_never(change)


def describe_effect(change: Change) -> str:
    """State what a removal means for those who were reached or excluded; "" for other changes."""
    if not isinstance(change, Delete):
        return ""
    is_exclusion = change.target.kind is TargetKind.EXCLUSION_GROUP
    return NO_LONGER_EXCLUDED if is_exclusion else NO_LONGER_ASSIGNED


def describe_change(change: Change) -> str:
    """Name a change within a sentence, as in ``remove include group "Executives"``."""
    filter_change = describe_filter_change(change)
    what = f"{verb_of(change)} {describe_target(change.target)}"
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


def describe_limits(guardrails: Guardrails) -> str:
    """State how much one run may do."""
    return (
        f"at most {guardrails.max_creates} to add, {guardrails.max_updates} to change, "
        f"{guardrails.max_deletes} to remove"
    )


def count_of(number: int, noun: str) -> str:
    """Write a number with its noun, as in ``1 error`` and ``2 errors``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(name: str | None, id: str | None) -> str:
    return f'"{name}"' if name else f"{id}"
