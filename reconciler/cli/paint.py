"""Colour for text views, line by line, by the sign a line begins with. Pure."""

from __future__ import annotations

import re
from typing import Any

import click

_RULES = (
    (re.compile(r"^\s*\+ "), {"fg": "green"}),
    (re.compile(r"^\s*- "), {"fg": "red"}),
    (re.compile(r"^\s*~ "), {"fg": "yellow"}),
    (re.compile(r"^\s*! |: error: |^error: "), {"fg": "red", "bold": True}),
    (re.compile(r": warning: |^warning: "), {"fg": "yellow"}),
    (
        re.compile(
            r"^(Plan|No changes|Apply complete|Apply incomplete|Apply waiting for approval)[:.]"
        ),
        {"bold": True},
    ),
    (re.compile(r"^(Also|Digest): |^ {6}(unchanged|unmanaged|inherited)"), {"dim": True}),
)


_EXCERPT = re.compile(r"^\s*\d* \| ")


def paint(text: str) -> str:
    """Colour the lines that carry a sign; the text without its colours stays the same.

    What stands deeper below such a line belongs to it, and has its colour too.
    """
    painted: list[str] = []
    style, depth = None, 0
    for line in text.split("\n"):
        own = _style_of(line)
        is_deeper = len(line) - len(line.lstrip()) > depth and not _EXCERPT.match(line)
        if own is not None or not is_deeper:
            style, depth = own, len(line) - len(line.lstrip())
        painted.append(click.style(line, **style) if style else line)
    return "\n".join(painted)


def _style_of(line: str) -> dict[str, Any] | None:
    return next((style for pattern, style in _RULES if pattern.search(line)), None)
