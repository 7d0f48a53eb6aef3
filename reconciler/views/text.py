"""A plan as text for a terminal or a log, without colour. Pure.

Every line of a change begins with its sign *and* its verb, so that it reads the same in colour, in
monochrome and aloud. `reconciler.cli.paint` colours by those signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.plan import Change, Delete, Plan, PolicyPlan
from reconciler.model.policy_types import platform_title
from reconciler.model.state import Ownership, TargetKind
from reconciler.views import words
from reconciler.views.escaping import visible
from reconciler.views.validation import render as render_problems
from reconciler.views.validation import under
from reconciler.views.wrapping import wrapped

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
    return "\n".join(line for text in lines for line in wrapped(text, width))


def _unless(plan: Plan) -> str:
    if not plan.complete:
        return ", were it not for the errors below"
    return ", were it not for the guardrails below" if plan.stopped_by else ""


def _shown(plan: Plan, verbose: bool) -> Iterator[PolicyPlan]:
    return (policy for policy in plan.policies if verbose or policy.changes)


def _policy(plan: PolicyPlan, width: int, verbose: bool, root: str) -> str:
    policy = plan.policy
    owned = ", authoritative" if plan.ownership is Ownership.AUTHORITATIVE else ""
    lines = [visible(f"{policy.name} [{platform_title(policy.platform)}{owned}]")]
    for change in plan.changes:
        lines += _change(change, width, root)
    if verbose:
        lines += [_quiet("unchanged", keep.assignment) for keep in plan.kept]
        lines += [_quiet("unmanaged", change.assignment) for change in plan.unmanaged]
        lines += [_quiet("inherited", change.assignment) for change in plan.inherited]
    return "\n".join(lines)


def _quiet(word: str, assignment: object) -> str:
    return visible(f"      {word:9} {words.assignment(assignment)}")  # type: ignore[arg-type]


def _change(change: Change, width: int, root: str) -> list[str]:
    """Put a change on one line where it fits, else its filter and its place below it."""
    details = [visible(words.filter_change(change))]
    if not isinstance(change, Delete):
        place = change.declared_at
        details.append(visible(under(root, f"{place.file}:{place.line}")))
    lines = on_one_line_or_below(headline(change, indent=2), details, width)
    if isinstance(change, Delete) and change.target.kind is TargetKind.EXCLUSION_GROUP:
        lines.append("      ! its members may then be reached")
    return lines


def headline(change: Change, *, indent: int) -> str:
    """Say what a change does, and to whom."""
    who = words.target(change.target)
    return visible(f"{' ' * indent}{words.sign(change)} {words.verb(change)} {who}")


def on_one_line_or_below(head: str, details: Iterable[str], width: int) -> list[str]:
    """Put what there is to say of a change beside it where that fits, else below it."""
    present = [detail for detail in details if detail]
    one_line = "   ".join([head, *present])
    if len(one_line) <= width:
        return [one_line]
    depth = len(head) - len(head.lstrip()) + 4
    return [head, *(" " * depth + detail for detail in present)]


def _stops(plan: Plan, width: int, root: str) -> str:
    if not plan.stopped_by:
        return ""
    lines = ["Apply would stop at a guardrail:"]
    for stop in plan.stopped_by:
        place = f"{under(root, str(stop.declared_at))}: " if stop.declared_at else ""
        lines += wrapped(visible(f"{place}{stop.message}"), width, first="  ! ", other="    ")
    return "\n".join(lines)


def _closing(plan: Plan, width: int, verbose: bool) -> str:
    if not plan.complete:
        return "\n".join(_closing_incomplete(plan, width, verbose))
    if plan.is_empty:
        what = "these policies" if plan.selection else "the files"
        said = f"No changes. The tenant has everything that {what} declare."
    else:
        said = f"Plan: {words.counts(plan.summary)}."
    lines = [*wrapped(said, width), *_left_alone(plan, width, verbose)]
    return "\n".join([*lines, f"Digest: {plan.digest}"])


def _closing_incomplete(plan: Plan, width: int, verbose: bool) -> Iterator[str]:
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
        yield from wrapped(f"Plan: {words.counts(plan.summary)}{others}.", width)
    if plan.policies:
        yield from _left_alone(plan, width, verbose)
    yield from wrapped("Digest: none, as an incomplete plan cannot be approved.", width)


def _left_out(plan: Plan) -> list[str]:
    """Name the policies that errors keep out; some errors are about a policy that is planned."""
    planned = {policy.policy.name for policy in plan.policies}
    named = dict.fromkeys(found.policy for found in plan.diagnostics if found.is_error)
    return [name for name in named if name and name not in planned]


def _left_alone(plan: Plan, width: int, verbose: bool) -> list[str]:
    summary = plan.summary
    hidden = summary.unchanged + summary.unmanaged + summary.inherited
    listed = " (--verbose lists them)" if hidden and not verbose else ""
    return wrapped(f"Also: {words.left_alone(summary)}{listed}.", width)
