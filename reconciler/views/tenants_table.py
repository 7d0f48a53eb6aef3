"""One line per tenant: what its plan would do, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model.plan import Summary
from reconciler.model.text import visible
from reconciler.views.escaping import markdown_cell, markdown_code

_TITLES = ("Tenant", "To add", "To change", "To remove", "Exit")
_NO_PLAN = "-"


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant root. ``summary`` is None where there is no plan; ``exit_code`` is that of the root."""

    label: str
    summary: Summary | None
    exit_code: int


def render_text(rows: Sequence[TenantRow]) -> str:
    """Write the table for a terminal: labels to the left, numbers to the right."""
    lines = [_TITLES, *((visible(row.label), *_numbers(row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_TITLES))]
    return "".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + "\n"
        for line in lines
    )


def render_markdown(rows: Sequence[TenantRow]) -> str:
    """Write the table for a comment or a job's summary."""
    lines = [
        _TITLES,
        ("---", *("---:" for _ in _TITLES[1:])),
        *((markdown_cell(markdown_code(row.label)), *_numbers(row)) for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _numbers(row: TenantRow) -> tuple[str, str, str, str]:
    found = row.summary
    if found is None:
        return (_NO_PLAN, _NO_PLAN, _NO_PLAN, str(row.exit_code))
    return (str(found.create), str(found.update), str(found.delete), str(row.exit_code))
