"""What ``doctor`` found, as text and JSON. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Protocol

from reconciler.documents.writing import json_text
from reconciler.model.text import visible


class CheckView(Protocol):
    """A check with how it came out: ``ok``, ``note`` or ``missing``."""

    @property
    def title(self) -> str:
        """What was looked at."""
        ...

    @property
    def health(self) -> str:
        """How it came out."""
        ...

    @property
    def detail(self) -> str:
        """What was found."""
        ...


def render_text(checks: Sequence[CheckView], *, width: int) -> str:
    """Show one check a line, those that are missing marked with ``!``."""
    lines: list[str] = []
    for check in checks:
        sign = "!" if check.health == "missing" else " "
        head = f"{sign} {check.health:8}{check.title}: "
        lines += textwrap.wrap(
            visible(f"{head}{check.detail}"),
            max(width, 60),
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    missing = sum(check.health == "missing" for check in checks)
    lines.append("")
    lines.append(f"{missing} missing." if missing else "Nothing that is needed is missing.")
    return "\n".join(lines) + "\n"


def render_json(checks: Sequence[CheckView]) -> str:
    """Write the checks, and whether all that is needed is there."""
    return json_text(
        {
            "healthy": all(check.health != "missing" for check in checks),
            "checks": [
                {"title": check.title, "health": str(check.health), "detail": check.detail}
                for check in checks
            ],
        }
    )
