"""What the HTML page shows, as plain values for its template. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from reconciler.documents import SavedPlan
from reconciler.model.diagnostics import Diagnostic, Location, sort_diagnostics
from reconciler.model.plan import Delete, Plan, PolicyPlan
from reconciler.model.policy_types import title_of
from reconciler.model.state import Ownership
from reconciler.model.text import visible
from reconciler.views.escaping import visible_name
from reconciler.views.html.matrix import (
    EXCLUSION_WORDS,
    SIGNS,
    Column,
    Mark,
    State,
    column,
    mark_of,
)


@dataclass(frozen=True, slots=True)
class DiagnosticRow:
    """A diagnostic or a stop, fit to show."""

    message: str
    policy: str = ""
    place: str = ""
    excerpt: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change, fit to show."""

    mark: Mark
    target: Column
    place: str


@dataclass(frozen=True, slots=True)
class ChangedPolicy:
    """A policy with its changes."""

    name: str
    platform: str
    id: str
    is_authoritative: bool
    changes: tuple[ChangeRow, ...]


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """What a sign in the matrix says of the time before and after."""

    state: State
    sign: str
    word: str
    before: str
    after: str


_MOST_DELETES = 20
"""In the list of what to check; the table of changes has them all."""

LEGEND = tuple(
    LegendEntry(state, SIGNS[state], word, before, after)
    for state, word, before, after in (
        (State.CREATE, "create", "not assigned", "assigned"),
        (State.CHANGE, "change", "assigned", "assigned, other filter"),
        (State.DELETE, "delete", "assigned", "not assigned"),
        (State.UNCHANGED, "unchanged", "assigned", "assigned, as declared"),
        (State.UNMANAGED, "unmanaged", "assigned", "assigned, undeclared"),
        (State.INHERITED, "inherited", "assigned", "assigned, by a policy set"),
        (State.CREATE, EXCLUSION_WORDS[State.CREATE], "not excluded", "excluded"),
        (State.DELETE, EXCLUSION_WORDS[State.DELETE], "excluded", "may be reached"),
    )
)


def state_of(plan: Plan) -> tuple[str, str]:
    """Name the plan's state, and the sentence that says what it means."""
    if not plan.complete:
        return (
            "Plan incomplete",
            "Mistakes keep policies out of this plan, and it cannot be applied.",
        )
    if plan.stopped_by:
        return "Stopped by a guardrail", "Apply would end before its first write."
    if plan.is_empty:
        return "No changes", "The tenant has everything that the files declare."
    return "Plan", "Nothing has been changed yet: this is what apply would do."


def read_at(saved: SavedPlan) -> str:
    """Say when the tenant was read."""
    return saved.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def errors(plan: Plan) -> list[DiagnosticRow]:
    """What keeps the plan from being complete."""
    return [_finding(found) for found in sort_diagnostics(plan.diagnostics) if found.is_error]


def stops(plan: Plan) -> list[DiagnosticRow]:
    """What keeps the plan from being applied."""
    return [
        DiagnosticRow(visible(stop.message), place=_place(stop.declared_at))
        for stop in plan.stopped_by
    ]


def warnings(plan: Plan) -> list[DiagnosticRow]:
    """What a reviewer should know; a stop has said its own already."""
    stopped = {(stop.code, stop.declared_at) for stop in plan.stopped_by}
    deletes = [change for change in plan.changes if isinstance(change, Delete)]
    shown = [_removal(delete) for delete in deletes[:_MOST_DELETES]]
    if len(deletes) > _MOST_DELETES:
        shown.append(
            DiagnosticRow(f"and {len(deletes) - _MOST_DELETES} more to delete, in the table")
        )
    return shown + [
        _finding(found)
        for found in sort_diagnostics(plan.diagnostics)
        if not found.is_error and (found.code, found.location) not in stopped
    ]


def _removal(delete: Delete) -> DiagnosticRow:
    who = column(delete.target)
    if who.is_exclusion:
        group = " ".join(filter(None, (who.name, who.note)))
        effect = f"would no longer exclude the group {group} and may then reach it"
    else:
        effect = f"would no longer be assigned to {who.words}"
    return DiagnosticRow(effect, policy=visible_name(delete.policy.name))


def changed_policies(plan: Plan) -> Iterator[ChangedPolicy]:
    """Everything that would change, policy by policy."""
    for policy_plan in plan.policies:
        if policy_plan.changes:
            yield _changed(policy_plan)


def _changed(plan: PolicyPlan) -> ChangedPolicy:
    return ChangedPolicy(
        name=visible_name(plan.policy.name),
        platform=visible_name(title_of(plan.policy)),
        id=visible_name(plan.policy.id),
        is_authoritative=plan.ownership is Ownership.AUTHORITATIVE,
        changes=tuple(
            ChangeRow(
                mark_of(change),
                column(change.target),
                "" if isinstance(change, Delete) else _line(change.declared_at),
            )
            for change in plan.changes
        ),
    )


def _finding(diagnostic: Diagnostic) -> DiagnosticRow:
    place = diagnostic.location
    return DiagnosticRow(
        message=visible(diagnostic.message),
        policy=visible_name(diagnostic.policy) if diagnostic.policy else "",
        place=_place(place),
        excerpt=visible(place.text.strip()) if place else "",
        help=visible(diagnostic.help),
    )


def _place(place: Location | None) -> str:
    return visible(str(place)) if place else ""


def _line(place: Location) -> str:
    return visible(f"{place.file}:{place.line}")
