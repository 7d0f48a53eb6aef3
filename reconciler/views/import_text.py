"""What an import wrote, and what it left out and why, as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.text import visible
from reconciler.views.wrapping import wrapped

_MOST_NAMES = 20
VERDICT = "Plan of what was imported: 0 to add, 0 to change, 0 to remove."
"""True whenever this view is shown: an import whose plan is not empty is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import did, or would do.

    ``diff`` is set for a dry run. ``new_files`` and ``extended_files`` are paths below the tenant
    root. ``policies`` and ``assignments`` count what is written, ``declared`` the policies that a file
    declares already. ``not_declared`` counts assignments by the reason why YAML cannot declare them.
    ``left_out`` are policies of which nothing could be declared, each with its reasons;
    ``unassigned`` are names of policies without assignments.
    """

    diff: str | None
    new_files: Sequence[str]
    extended_files: Sequence[str]
    policies: int
    assignments: int
    declared: int
    not_declared: Mapping[str, int]
    left_out: Sequence[tuple[str, Sequence[str]]]
    unassigned: Sequence[str]


def render(summary: ImportSummary, *, width: int) -> str:
    """Show the files or, for a dry run, their diff; then the counts; the verdict last."""
    lines: list[str] = []
    if summary.diff is not None:
        lines += [visible(line) for line in summary.diff.splitlines()]
    else:
        lines += [visible(f"wrote {path}") for path in summary.new_files]
        lines += [visible(f"added to {path}") for path in summary.extended_files]
    if lines:
        lines.append("")
    for fact in _facts(summary):
        lines += wrapped(visible(fact), max(width, 40))
    return "\n".join(lines) + "\n"


def _facts(summary: ImportSummary) -> Iterator[str]:
    verb = "Imported" if summary.diff is None else "Would import"
    if summary.policies:
        policies = _count(summary.policies, "policy", "policies")
        yield f"{verb} {policies} with {_count(summary.assignments, 'assignment', 'assignments')}."
    else:
        yield "Nothing to import."
    if summary.declared:
        yield f"{_count(summary.declared, 'policy is', 'policies are')} declared already."
    for reason, count in summary.not_declared.items():
        yield f"Not declared: {_count(count, 'assignment', 'assignments')} ({reason})."
    for name, reasons in summary.left_out:
        yield f'Left out: policy "{name}": {"; ".join(reasons)}.'
    if summary.unassigned:
        names = ", ".join(f'"{name}"' for name in summary.unassigned[:_MOST_NAMES])
        more = len(summary.unassigned) - _MOST_NAMES
        yield f"Left out, as nothing is assigned: {names}{f' and {more} more' if more > 0 else ''}."
    if summary.policies:
        yield VERDICT


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
