"""What a plan does not write now, as Markdown: what a hold keeps back, and scheduled lines. Pure."""

from __future__ import annotations

from reconciler.model import wording
from reconciler.model.plan import Change, Plan
from reconciler.model.state import Hold
from reconciler.views.escaping import markdown_code
from reconciler.views.markdown_layout import folded, row
from reconciler.views.markdown_names import MarkdownNames

_SMALLEST_ROOM = 1_000


def not_written_now(plan: Plan, names: MarkdownNames, room: int) -> list[str]:
    """Tables of what is held and scheduled, within ``room`` characters; none where there is nothing."""
    rows = [
        _held_row(change, policy.hold, names)
        for policy in plan.policies
        if policy.hold is not None
        for change in policy.held
    ]
    title = f"{wording.count_of(len(rows), 'change')} held: planned, and not written now"
    header = ("Change", "Policy", "Filter", "Held until (UTC)", "Reason")
    tables = [(title, header, rows), _scheduled(plan, names)]
    blocks: list[str] = []
    for name, columns, lines in tables:
        left = room - sum(map(len, blocks))
        if lines and left >= _SMALLEST_ROOM:
            blocks.append(folded(name, columns, lines, left, is_open=True))
    return blocks


def _scheduled(plan: Plan, names: MarkdownNames) -> tuple[str, tuple[str, ...], list[str]]:
    rows = [
        row(
            names.target(line.target),
            names.policy(line.policy),
            names.filter(line.filter),
            line.starts.isoformat(),
        )
        for policy in plan.policies
        for line in policy.scheduled
    ]
    title = f"{wording.count_of(len(rows), 'line')} scheduled: declared, and not in force yet"
    return title, ("Assignment", "Policy", "Filter", "In force from (UTC)"), rows


def _held_row(change: Change, hold: Hold, names: MarkdownNames) -> str:
    return row(
        f"{wording.verb_of(change)} {names.target(change.target)}",
        names.policy(change.policy),
        names.filter_of(change),
        hold.until.isoformat(),
        markdown_code(hold.reason),
    )
