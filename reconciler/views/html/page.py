"""What the HTML page shows beside the assignments, as plain values for its template. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from reconciler.differ.risk import Concern
from reconciler.model.diagnostics import Diagnostic, Location, sort_diagnostics
from reconciler.model.plan import Plan
from reconciler.model.saved_plan import SavedPlan
from reconciler.model.text import visible
from reconciler.model.wording import Names
from reconciler.views.escaping import visible_name
from reconciler.views.html.blocks import CellLabel, Entry, PolicyBlock, entry_of

MOST_OPEN_CHANGES = 40
"""A plan with more folds its policies, so that the page stays short enough to look over."""

MOST_OPEN_WARNINGS = 5


@dataclass(frozen=True, slots=True)
class DiagnosticRow:
    """A diagnostic or a stop, fit to show."""

    message: str
    policy: str = ""
    place: str = ""
    excerpt: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class DangerRow:
    """A change to look at first, with its policy, for the list above a folded plan."""

    policy: CellLabel
    anchor: str
    entry: Entry


def state_of(plan: Plan) -> tuple[str, str]:
    """Name the plan's state, and the sentence that says what it means."""
    if not plan.complete:
        return "Plan incomplete", "Errors keep policies out of this plan. It cannot be applied."
    if plan.stopped_by:
        return "Stopped by a guardrail", "Apply would end before its first write."
    if plan.is_empty and plan.summary.held:
        return "No changes now", "Holds keep the changes of this plan from being written."
    if plan.is_empty:
        return "No changes", "The tenant has everything that the files declare."
    return "Plan", "Nothing has been changed yet. This is what apply would do."


def read_at(saved: SavedPlan) -> str:
    """When the tenant was read, in UTC."""
    return saved.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def errors(plan: Plan) -> list[DiagnosticRow]:
    """What keeps the plan from being complete."""
    return [_row(each) for each in sort_diagnostics(plan.diagnostics) if each.is_error]


def stops(plan: Plan) -> list[DiagnosticRow]:
    """What keeps the plan from being applied."""
    return [
        DiagnosticRow(visible(stop.message), place=_place(stop.declared_at))
        for stop in plan.stopped_by
    ]


def warnings(plan: Plan) -> list[DiagnosticRow]:
    """What a reviewer should know; what stops the plan is told as a stop alone."""
    return [_row(each) for each in sort_diagnostics(plan.open_diagnostics) if not each.is_error]


def dangers(
    plan: Plan, dangers: Iterable[Concern], blocks: Iterable[PolicyBlock]
) -> list[DangerRow]:
    """What to look at first, the worst first; a folded plan shows it above its policies."""
    names = Names.of_plan(plan)
    by_id = {policy.policy.id: block for policy, block in zip(plan.policies, blocks, strict=True)}
    return [
        DangerRow(block.label, block.anchor, entry_of(each.change, names))
        for each in dangers
        if each.change is not None
        for block in [by_id[each.policy.id]]
    ]


def _row(diagnostic: Diagnostic) -> DiagnosticRow:
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
