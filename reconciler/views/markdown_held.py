"""What a plan does not write now, as Markdown: changes that a hold keeps back. Pure."""

from __future__ import annotations

from reconciler.model import wording
from reconciler.model.plan import Change, Plan
from reconciler.model.state import Hold
from reconciler.views.escaping import markdown_code
from reconciler.views.markdown_layout import folded, row
from reconciler.views.markdown_names import MarkdownNames

_SMALLEST_ROOM = 1_000


def not_written_now(plan: Plan, names: MarkdownNames, room: int) -> list[str]:
    """Tables of what is held, within ``room`` characters; none where there is nothing."""
    rows = [
        _held_row(change, policy.hold, names)
        for policy in plan.policies
        if policy.hold is not None
        for change in policy.held
    ]
    if not rows or room < _SMALLEST_ROOM:
        return []
    title = f"{wording.count_of(len(rows), 'change')} held: planned, and not written now"
    header = ("Change", "Policy", "Filter", "Held until (UTC)", "Reason")
    return [folded(title, header, rows, room, is_open=True)]


def _held_row(change: Change, hold: Hold, names: MarkdownNames) -> str:
    return row(
        f"{wording.verb_of(change)} {names.target(change.target)}",
        names.policy(change.policy),
        names.filter_of(change),
        hold.until.isoformat(),
        markdown_code(hold.reason),
    )
