"""A plan as text for a terminal or a log, without colour. Pure.

Every line of a change begins with its sign and says whether the target is included or excluded.
`reconciler.cli.paint` colours by those signs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.differ.risk import RiskCode, risk_of
from reconciler.model import wording
from reconciler.model.impact import Risk, RiskLevel
from reconciler.model.plan import Change, Plan, PolicyPlan
from reconciler.model.policy_types import title_of
from reconciler.model.state import Assignment, Ownership, Target
from reconciler.model.text import visible
from reconciler.model.wording import NO_NAMES, Names
from reconciler.views.headline import risk_words, untold_reasons
from reconciler.views.impact_text import NO_IMPACT, ImpactText
from reconciler.views.validation import render as render_diagnostics
from reconciler.views.validation import under
from reconciler.views.wrapping import wrapped

_MIN_WIDTH = 40
_WIDEST_COLUMN = 60
"""Characters; a longer target pushes its own details to the right, and no others."""
_MOST_REASONS = 3
"""Reasons of the risk that the closing lists."""


def render(
    plan: Plan, *, width: int, verbose: bool = False, root: str = "", on_screen: bool = False
) -> str:
    """Show what apply would do, policy by policy; ``verbose`` lists what it leaves alone too.

    ``width`` is in characters; running text is wrapped to it, names never are. ``on_screen`` wraps
    diagnostics too, which stay on one line for programs that read them. ``root`` is put before the
    file names, so that they can be opened from where the user stands.
    """
    width = max(width, _MIN_WIDTH)
    names = Names.of_plan(plan)
    impact = ImpactText.of(plan)
    risk = risk_of(plan)
    diagnostics = render_diagnostics(
        plan.open_diagnostics, width=width, root=root, on_screen=on_screen
    )
    blocks = [
        _heading(plan, risk, width),
        *(_policy(policy, names, impact, width, verbose, root) for policy in _shown(plan, verbose)),
        _held(plan, names, width, root),
        _scheduled(plan, names, root),
        diagnostics.rstrip("\n"),
        _stops(plan, width, root),
        _tenant(impact, width),
        _closing(plan, risk, width, verbose),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(plan: Plan, risk: Risk, width: int) -> str:
    tenant = plan.tenant
    name = f"{tenant.display_name}, " if tenant.display_name else ""
    lines = [visible(f"Tenant {tenant.label} ({name}{tenant.id})")]
    if plan.selection:
        globs = ", ".join(f'"{glob}"' for glob in plan.selection)
        lines.append(visible(f"Limited to policies matching {globs}; nothing else was looked at."))
    if not plan.is_empty:
        lines.append(_changes_title(plan, risk))
    return "\n".join(line for text in lines for line in wrapped(text, width))


def _changes_title(plan: Plan, risk: Risk) -> str:
    what = "Apply would do this" if plan.applyable else "Changes"
    notes = []
    if not plan.applyable:
        notes.append(
            "blocked by the errors below" if not plan.complete else "blocked by a guardrail"
        )
    level = risk_words(plan, risk)
    notes += [f"risk: {level}"] if level else []
    return f"{what} ({', '.join(notes)}):" if notes else f"{what}:"


def _shown(plan: Plan, verbose: bool) -> Iterator[PolicyPlan]:
    return (policy for policy in plan.policies if verbose or policy.changes)


def _policy(
    plan: PolicyPlan, names: Names, impact: ImpactText, width: int, verbose: bool, root: str
) -> str:
    policy = plan.policy
    owned = ", authoritative" if plan.ownership is Ownership.AUTHORITATIVE else ""
    lines = [visible(f"{names.policy(policy)}  ({title_of(policy)}{owned})")]
    lines += wrapped(visible(impact.consequence(policy)), width, first="  ", other="    ")
    lines += render_changes(plan.changes, names, impact, width=width, indent=2, root=root)
    if verbose:
        lines += [_left_as_is("unchanged", keep.assignment, names) for keep in plan.kept]
        lines += [_left_as_is("unmanaged", entry.assignment, names) for entry in plan.unmanaged]
        lines += [_left_as_is("inherited", entry.assignment, names) for entry in plan.inherited]
    return "\n".join(lines)


def _held(plan: Plan, names: Names, width: int, root: str) -> str:
    """Show what holds keep back, under a title that cannot be taken for that of the changes."""
    held = [policy for policy in plan.policies if policy.held]
    if not held:
        return ""
    blocks = ["Held: apply does not write this now:"]
    for each in held:
        lines = [visible(f"{names.policy(each.policy)}  ({title_of(each.policy)})")]
        if each.hold is not None:
            reason = f"held until {each.hold.until} (UTC): {each.hold.reason}"
            lines += wrapped(visible(reason), width, first="  ", other="    ")
        lines += render_changes(each.held, names, width=width, indent=2, root=root)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _scheduled(plan: Plan, names: Names, root: str) -> str:
    """List the declared lines that are not in force yet."""
    lines = [
        f"  {names.policy(policy.policy)}: {_target(line.target, names)}   from {line.starts}   "
        f"{under(root, f'{line.declared_at.file}:{line.declared_at.line}')}"
        for policy in plan.policies
        for line in policy.scheduled
    ]
    return "\n".join(["Scheduled: not in force yet (UTC):", *map(visible, lines)]) if lines else ""


def _left_as_is(word: str, assignment: Assignment, names: Names) -> str:
    filter = assignment.filter
    details = [
        _target(assignment.target, names),
        f"filter: {wording.describe_filter(filter, names)}" if filter else "",
        wording.describe_source(assignment),
    ]
    return visible(f"      {word:9} {'   '.join(detail for detail in details if detail)}")


def _target(target: Target, names: Names) -> str:
    return f"{wording.describe_target(target, names)}{wording.not_in_directory(target)}"


def render_changes(
    changes: Sequence[Change],
    names: Names = NO_NAMES,
    impact: ImpactText = NO_IMPACT,
    *,
    width: int,
    indent: int,
    root: str | None = None,
) -> list[str]:
    """Write one policy's changes, one a line where that fits; their details stand in a column.

    Each line begins with the sign of the change; below it stands whom it reaches, where that was
    read. ``root`` is put before the places in the files; without it they are left out.
    """
    heads = [
        visible(f"{' ' * indent}{wording.sign_of(change)} {_target(change.target, names)}")
        for change in changes
    ]
    column = max((len(head) for head in heads if len(head) <= _WIDEST_COLUMN), default=0)
    lines: list[str] = []
    for head, change in zip(heads, changes, strict=True):
        lines += _on_one_line_or_below(head, _details(change, names, root), column, width)
        below = " " * (indent + 4)
        lines += wrapped(visible(impact.reach(change)), width, first=below, other=f"{below}  ")
    return lines


def _details(change: Change, names: Names, root: str | None) -> list[str]:
    details = [wording.describe_filter_change(change, names), wording.describe_effect(change)]
    place = change.declared_at
    if root is not None and place is not None:
        details.append(under(root, f"{place.file}:{place.line}"))
    return [visible(detail) for detail in details if detail]


def _on_one_line_or_below(head: str, details: list[str], column: int, width: int) -> list[str]:
    for padded in (head.ljust(column), head):
        one_line = "   ".join([padded, *details]) if details else head
        if len(one_line) <= width:
            return [one_line]
    depth = len(head) - len(head.lstrip()) + 4
    return [head, *(" " * depth + detail for detail in details)]


def _stops(plan: Plan, width: int, root: str) -> str:
    if not plan.stopped_by:
        return ""
    lines = ["Apply would stop at a guardrail:"]
    for stop in plan.stopped_by:
        place = f"{under(root, str(stop.declared_at))}: " if stop.declared_at else ""
        lines += wrapped(visible(f"{place}{stop.message}"), width, first="  ! ", other="    ")
    return "\n".join(lines)


def _tenant(impact: ImpactText, width: int) -> str:
    """What noncompliance means in the tenant, and what could not be had for several changes."""
    lines = [visible(text) for text in (impact.tenant(), *impact.not_known()) if text]
    return "\n".join(line for text in lines for line in wrapped(text, width, other="  "))


def _risk(plan: Plan, risk: Risk, width: int) -> Iterator[str]:
    """The risk, and what decides it, without what stands above as a warning."""
    level = risk_words(plan, risk)
    if not level:
        return
    untold = untold_reasons(plan, risk)
    if risk.reasons and not untold:
        yield f"Risk: {level}, for the reasons above."
        return
    yield f"Risk: {level}{':' if untold else '.'}"
    sign = "  ! " if risk.level is RiskLevel.DANGEROUS else "  "
    uncounted = sum(each.code == RiskCode.REACH_UNKNOWN for each in untold)
    is_common = uncounted > 1
    named = untold[:-uncounted] if is_common else untold
    for reason in named[:_MOST_REASONS]:
        text = visible(f"{reason.policy}: {reason.message}")
        yield from wrapped(text, width, first=sign, other="    ")
    if is_common:
        yield f"{sign}reach not known for {uncounted:,} changes"
    told = min(len(named), _MOST_REASONS) + (uncounted if is_common else 0)
    if len(risk.reasons) > told:
        yield f"  and {len(risk.reasons) - told} more, above"


def _closing(plan: Plan, risk: Risk, width: int, verbose: bool) -> str:
    if not plan.complete:
        return "\n".join(_closing_incomplete(plan, risk, width, verbose))
    if plan.is_empty:
        what = "these policies" if plan.selection else "the files"
        besides = ", beside what is held," if plan.summary.held else ""
        result = f"No changes. The tenant has everything{besides} that {what} declare."
    else:
        result = f"Plan: {wording.describe_counts(plan.summary)}."
    held = wording.describe_held(plan.summary)
    lines = [*wrapped(result, width), *_risk(plan, risk, width)]
    lines += [f"Held: {held}."] if held else []
    lines += _left_alone(plan, width, verbose)
    return "\n".join([*lines, f"Digest: {plan.digest}"])


def _closing_incomplete(plan: Plan, risk: Risk, width: int, verbose: bool) -> Iterator[str]:
    """Print neither zeros nor a digest: together they read as if nothing had to be done."""
    yield from wrapped(
        "This plan is incomplete: the errors above keep policies from being planned, "
        "and apply will not start.",
        width,
    )
    left_out = _left_out(plan)
    if left_out:
        listed = ", ".join(f'"{name}"' for name in left_out)
        yield from wrapped(visible(f"Not planned because of the errors above: {listed}"), width)
    if not plan.is_empty:
        others = ", for the other policies" if left_out else ""
        yield from wrapped(f"Plan: {wording.describe_counts(plan.summary)}{others}.", width)
        yield from _risk(plan, risk, width)
    if plan.policies:
        yield from _left_alone(plan, width, verbose)
    yield from wrapped("Digest: none, as an incomplete plan cannot be approved.", width)


def _left_out(plan: Plan) -> list[str]:
    """Name the policies that errors keep out; some errors are about a policy that is planned."""
    names = wording.Names.of_plan(plan)
    planned = {names.policy(policy.policy) for policy in plan.policies}
    named = dict.fromkeys(each.policy for each in plan.diagnostics if each.is_error)
    return [name for name in named if name and name not in planned]


def _left_alone(plan: Plan, width: int, verbose: bool) -> list[str]:
    summary = plan.summary
    if not (summary.unchanged or summary.unmanaged or summary.inherited):
        return []
    listed = "" if verbose else " (--verbose lists them)"
    return wrapped(f"Also: {wording.describe_left_alone(summary)}{listed}.", width)
