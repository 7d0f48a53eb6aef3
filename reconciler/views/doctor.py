"""The checks of ``doctor`` as text and JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reconciler.documents.writing import json_text
from reconciler.model.text import visible
from reconciler.views.wrapping import wrapped


class CheckView(Protocol):
    """A check and its result: ``ok``, ``note`` or ``missing``."""

    @property
    def title(self) -> str:
        """What was checked."""
        ...

    @property
    def health(self) -> str:
        """The result, in one word."""
        ...

    @property
    def detail(self) -> str:
        """The result, in a sentence."""
        ...


def render_text(checks: Sequence[CheckView], *, width: int) -> str:
    """Show one check a line, those that are missing marked with ``!``."""
    lines: list[str] = []
    for check in checks:
        sign = "!" if check.health == "missing" else " "
        head = f"{sign} {check.health:8}{check.title}: "
        first, *rest = check.detail.split("\n")
        lines += wrapped(visible(f"{head}{first}"), max(width, 60), other=" " * 12)
        for line in rest:
            lines += wrapped(visible(line), max(width, 60), first=" " * 12)
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
