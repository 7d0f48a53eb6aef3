"""One line per tenant: what its plan would do, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.differ.risk import risk_of
from reconciler.model.plan import Plan, Summary
from reconciler.model.text import visible
from reconciler.views.escaping import markdown_cell, markdown_code
from reconciler.views.headline import risk_words

_TITLES = ("Tenant", "To add", "To change", "To remove", "Risk", "Exit")
_NO_PLAN = "-"
_TO_THE_LEFT = ("Tenant", "Risk")


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant root. ``summary`` is None where there is no plan; ``exit_code`` is that of the root.

    ``risk`` is the risk of its plan in words, "" where there is nothing to judge.
    """

    label: str
    summary: Summary | None
    exit_code: int
    risk: str = ""


def row_of(plan: Plan, exit_code: int) -> TenantRow:
    """Sum up the plan of a tenant root."""
    return TenantRow(plan.tenant.label, plan.summary, exit_code, risk_words(plan, risk_of(plan)))


def render_text(rows: Sequence[TenantRow]) -> str:
    """Write the table for a terminal: words to the left, numbers to the right."""
    lines = [_TITLES, *((visible(row.label), *_cells(row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_TITLES))]
    return "".join(
        "  ".join(
            cell.ljust(width) if title in _TO_THE_LEFT else cell.rjust(width)
            for title, cell, width in zip(_TITLES, line, widths, strict=True)
        )
        + "\n"
        for line in lines
    )


def render_markdown(rows: Sequence[TenantRow]) -> str:
    """Write the table for a comment or a job's summary."""
    lines = [
        _TITLES,
        tuple("---" if title in _TO_THE_LEFT else "---:" for title in _TITLES),
        *((markdown_cell(markdown_code(row.label)), *_cells(row)) for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: TenantRow) -> tuple[str, ...]:
    found = row.summary
    counts = (found.create, found.update, found.delete) if found else (_NO_PLAN,) * 3
    return (*map(str, counts), row.risk or _NO_PLAN, str(row.exit_code))
