"""A plan as text for a terminal or a log, without colour. Pure.

Every line of a change begins with its sign *and* its verb, so that it reads the same in colour, in
monochrome and aloud. `reconciler.cli.paint` colours by those signs.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from reconciler.families import platform_title
from reconciler.model import Ownership
from reconciler.plan import Delete, Operation, Plan, PolicyPlan
from reconciler.views import words
from reconciler.views.escaping import visible
from reconciler.views.problems import render as render_problems
from reconciler.views.problems import under

_MIN_WIDTH = 40


def render(plan: Plan, *, width: int, verbose: bool = False, root: str = "") -> str:
    """Show what apply would do, policy by policy; ``verbose`` lists what it leaves alone too.

    ``width`` is in characters; running text is wrapped to it, names never are. ``root`` is put
    before the file names, so that they can be opened from where the user stands.
    """
    width = max(width, _MIN_WIDTH)
    blocks = [
        _heading(plan, width),
        *(_policy(policy, width, verbose, root) for policy in _shown(plan, verbose)),
        render_problems(plan.diagnostics, width=width, root=root).rstrip("\n"),
        _stops(plan, width, root),
        _closing(plan, width, verbose),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(plan: Plan, width: int) -> str:
    tenant = plan.tenant
    name = f"{tenant.display_name}, " if tenant.display_name else ""
    lines = [visible(f"Tenant {tenant.label} ({name}{tenant.id})")]
    if plan.selection:
        globs = ", ".join(f'"{glob}"' for glob in plan.selection)
        lines.append(visible(f"Limited to policies matching {globs}; nothing else was looked at."))
    if not plan.is_empty:
        lines.append(f"Apply would do this{_unless(plan)}:")
    return "\n".join(line for text in lines for line in _wrap(text, width))


def _unless(plan: Plan) -> str:
    if not plan.complete:
        return ", were it not for the errors below"
    return ", were it not for the guardrails below" if plan.stopped_by else ""


def _shown(plan: Plan, verbose: bool) -> Iterator[PolicyPlan]:
    return (policy for policy in plan.policies if verbose or policy.operations)


def _policy(plan: PolicyPlan, width: int, verbose: bool, root: str) -> str:
    policy = plan.policy
    owned = ", authoritative" if plan.ownership is Ownership.AUTHORITATIVE else ""
    lines = [visible(f"{policy.name} [{platform_title(policy.platform)}{owned}]")]
    for operation in plan.operations:
        lines += _operation(operation, width, root)
    if verbose:
        lines += [_quiet("unchanged", keep.assignment) for keep in plan.kept]
        lines += [_quiet("unmanaged", change.assignment) for change in plan.unmanaged]
        lines += [_quiet("inherited", change.assignment) for change in plan.inherited]
    return "\n".join(lines)


def _quiet(word: str, assignment: object) -> str:
    return visible(f"      {word:9} {words.assignment(assignment)}")  # type: ignore[arg-type]


def _operation(operation: Operation, width: int, root: str) -> list[str]:
    """Put an operation on one line where it fits, else its filter and its place below it."""
    head = visible(
        f"  {words.sign(operation)} {words.verb(operation)} {words.target(operation.target)}"
    )
    details = [visible(words.filter_change(operation))]
    if not isinstance(operation, Delete):
        place = operation.declared_at
        details.append(visible(under(root, f"{place.file}:{place.line}")))
    details = [detail for detail in details if detail]
    one_line = "   ".join([head, *details])
    if len(one_line) <= width:
        return [one_line]
    return [head, *(f"      {detail}" for detail in details)]


def _stops(plan: Plan, width: int, root: str) -> str:
    if not plan.stopped_by:
        return ""
    lines = ["Apply would stop at a guardrail:"]
    for stop in plan.stopped_by:
        place = f"{under(root, str(stop.declared_at))}: " if stop.declared_at else ""
        lines += _wrap(visible(f"{place}{stop.message}"), width, indent="  ! ")
    return "\n".join(lines)


def _closing(plan: Plan, width: int, verbose: bool) -> str:
    summary = plan.summary
    lines: list[str] = []
    if not plan.complete:
        lines += _wrap(
            "This plan is incomplete: the errors above keep policies from being planned, "
            "and apply will not start.",
            width,
        )
    if plan.is_empty and plan.complete:
        what = "these policies" if plan.selection else "the files"
        lines += _wrap(f"No changes. The tenant has everything that {what} declare.", width)
    else:
        lines += _wrap(f"Plan: {words.counts(summary)}.", width)
    hidden = summary.unchanged + summary.unmanaged + summary.inherited
    listed = " (--verbose lists them)" if hidden and not verbose else ""
    lines += _wrap(f"Also: {words.left_alone(summary)}{listed}.", width)
    lines.append(f"Digest: {plan.digest}")
    return "\n".join(lines)


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
