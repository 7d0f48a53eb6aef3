"""The words for targets, filters and counts that every view shares. Pure."""

from __future__ import annotations

from typing import assert_never

from reconciler.model.plan import Action, Change, Create, Delete, Summary, Update, action_of
from reconciler.model.state import Assignment, Filter, Guardrails, Target, TargetKind

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
VERBS = {Action.CREATE: "create", Action.UPDATE: "change", Action.DELETE: "delete"}


KIND_WORDS = {
    TargetKind.ALL_DEVICES: "all devices",
    TargetKind.ALL_USERS: "all users",
    TargetKind.GROUP: "group",
    TargetKind.EXCLUSION_GROUP: "exclude group",
    TargetKind.COLLECTION: "collection",
    TargetKind.SCOPE_TAG_GROUP: "scope-tag group",
    TargetKind.OPAQUE: "unknown kind of target",
}


def sign(change: Change) -> str:
    """The sign that Terraform's users know: ``+``, ``~`` or ``-``."""
    return SIGNS[action_of(change)]


def verb(change: Change) -> str:
    """The same in a word, for those who do not see signs."""
    return VERBS[action_of(change)]


def target(target: Target) -> str:
    """Say whom a target reaches; an exclusion says so."""
    named = f'"{target.name}"' if target.name else f"{target.id}"
    match target.kind:
        case TargetKind.ALL_DEVICES:
            return "all devices"
        case TargetKind.ALL_USERS:
            return "all users"
        case TargetKind.GROUP:
            return f"group {named}{unfound(target)}"
        case TargetKind.EXCLUSION_GROUP:
            return f"exclude group {named}{unfound(target)}"
        case TargetKind.COLLECTION:
            return f"Configuration Manager collection {target.name or target.id}"
        case TargetKind.SCOPE_TAG_GROUP:
            return f"scope-tag group {target.id} ({target.target_type})"
        case TargetKind.OPAQUE:
            bare = (target.odata_type or "").removeprefix("#").removeprefix("microsoft.graph.")
            return f"unknown target type {bare or '(none)'}"
        case _:
            assert_never(target.kind)


def unfound(target: Target) -> str:
    """Say of a group without a name that it was looked up in vain; "" for every other target."""
    is_group = target.kind in (TargetKind.GROUP, TargetKind.EXCLUSION_GROUP)
    return " (not in the directory)" if is_group and target.name is None else ""


def filter(filter: Filter | None) -> str:
    """Say what a filter does; without one, that there is none."""
    if filter is None:
        return "no filter"
    named = f'"{filter.name}"' if filter.name else filter.id
    return f"filter {filter.mode} {named}"


def filter_change(change: Change) -> str:
    """Say what a change does to the filter; "" where there is nothing to say."""
    match change:
        case Create():
            return filter(change.filter) if change.filter else ""
        case Update():
            return f"{filter(change.live.filter)} -> {filter(change.after)}"
        case Delete():
            return filter(change.live.filter) if change.live.filter else ""
        case _:
            assert_never(change)


def assignment(found: Assignment) -> str:
    """Say what a live assignment is."""
    said = target(found.target)
    return f"{said}, {filter(found.filter)}" if found.filter else said


def counts(summary: Summary) -> str:
    """Say what a plan would do, in Terraform's manner."""
    return f"{summary.create} to create, {summary.update} to change, {summary.delete} to delete"


def left_alone(summary: Summary) -> str:
    """Say what a plan does not touch."""
    return (
        f"{summary.unchanged} unchanged, {summary.unmanaged} unmanaged (left alone), "
        f"{summary.inherited} inherited from policy sets"
    )


def many(number: int, noun: str) -> str:
    """Count things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def limits(guardrails: Guardrails) -> str:
    """Say how much one run may do."""
    return (
        f"{many(guardrails.max_creates, 'create')}, {many(guardrails.max_updates, 'change')}, "
        f"{many(guardrails.max_deletes, 'delete')}"
    )
