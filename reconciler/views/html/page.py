"""What the HTML page shows beside the assignments, as plain values for its template. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

from reconciler.differ.guardrails import BROAD_TARGET
from reconciler.differ.risk import Concern, RiskCode, deciding_concerns, risk_of
from reconciler.model.diagnostics import Diagnostic, Location, sort_diagnostics
from reconciler.model.plan import Plan
from reconciler.model.saved_plan import SavedPlan
from reconciler.model.text import visible
from reconciler.views.escaping import visible_name
from reconciler.views.headline import risk_words
from reconciler.views.html.blocks import CellLabel, PolicyBlock
from reconciler.views.html.figures import Bar, Figures

MOST_OPEN_CHANGES = 40
"""A plan with more folds its policies, so that the page stays short enough to look over."""

MOST_LISTED_POLICIES = 50
"""A plan that changes more of them folds them in parts too."""

POLICIES_OF_A_PART = 25

MOST_OPEN_WARNINGS = 5

MOST_OPEN_REASONS = 5


@dataclass(frozen=True, slots=True)
class DiagnosticRow:
    """A diagnostic or a stop, fit to show."""

    message: str
    policy: str = ""
    place: str = ""
    excerpt: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """A reason of the plan's risk; ``bound`` is how many devices its change reaches, where read."""

    policy: CellLabel
    anchor: str
    message: str
    bound: Bar | None = None


@dataclass(frozen=True, slots=True)
class RiskBlock:
    """The risk of a plan, and what decided it: the worst reasons, and the rest to unfold.

    ``words`` names it for a title, "" where there is nothing to judge.
    """

    level: str
    words: str
    worst: tuple[ReasonRow, ...]
    rest: tuple[ReasonRow, ...]


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
    """What a reviewer should know, without what a stop or a reason of the risk tells already."""
    told = {
        (_CODES.get(reason.code, reason.code), reason.policy) for reason in risk_of(plan).reasons
    }
    return [
        _row(each)
        for each in sort_diagnostics(plan.open_diagnostics)
        if not each.is_error and (each.code, each.policy) not in told
    ]


_CODES = {RiskCode.REACHES_EVERYBODY.value: BROAD_TARGET}
"""The codes of warnings that have another name than the same reason of a risk."""


def parts_of(blocks: Sequence[PolicyBlock]) -> list[Sequence[PolicyBlock]]:
    """Cut a long list of policies into parts; none where the list is short."""
    if len(blocks) <= MOST_LISTED_POLICIES:
        return []
    starts = range(0, len(blocks), POLICIES_OF_A_PART)
    return [blocks[start : start + POLICIES_OF_A_PART] for start in starts]


def risk(plan: Plan, blocks: Iterable[PolicyBlock], figures: Figures | None) -> RiskBlock:
    """What to look at first, the worst first. A bound that the reason itself names is left out."""
    judged = risk_of(plan)
    by_id = {policy.policy.id: block for policy, block in zip(plan.policies, blocks, strict=True)}
    concerns = deciding_concerns(plan)
    worse = {each.change for each in concerns if each.code is not RiskCode.REACH_UNKNOWN}
    rows = [
        ReasonRow(
            by_id[concern.policy.id].label,
            by_id[concern.policy.id].anchor,
            visible(reason.message),
            _bound(concern, figures),
        )
        for concern, reason in zip(concerns, judged.reasons, strict=True)
        if concern.code is not RiskCode.REACH_UNKNOWN or concern.change not in worse
    ]
    shown = len(rows) if len(rows) <= MOST_OPEN_REASONS + 1 else MOST_OPEN_REASONS
    words = risk_words(plan, judged)
    return RiskBlock(judged.level.value, words, tuple(rows[:shown]), tuple(rows[shown:]))


_TELL_THEIR_BOUND = frozenset(
    {RiskCode.REACHES_EVERYBODY, RiskCode.BLOCKS_AT_ONCE, RiskCode.REACH_UNKNOWN}
)


def _bound(concern: Concern, figures: Figures | None) -> Bar | None:
    is_told = concern.code in _TELL_THEIR_BOUND
    if concern.change is None or figures is None or is_told:
        return None
    reach = figures.reach(concern.change)
    return reach.bound if reach else None


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
