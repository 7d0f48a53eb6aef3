"""Colour for text views, line by line, by the sign a line begins with. Pure."""

from __future__ import annotations

import re

import click

_RULES = (
    (re.compile(r"^\s*\+ "), {"fg": "green"}),
    (re.compile(r"^\s*- "), {"fg": "red"}),
    (re.compile(r"^\s*~ "), {"fg": "yellow"}),
    (re.compile(r"^\s*! |: error: |^error: "), {"fg": "red", "bold": True}),
    (re.compile(r": warning: |^warning: "), {"fg": "yellow"}),
    (re.compile(r"^(Plan|No changes|Apply complete|Apply incomplete)[:.]"), {"bold": True}),
    (re.compile(r"^(Also|Digest): |^ {6}(unchanged|unmanaged|inherited)"), {"dim": True}),
)


def paint(text: str) -> str:
    """Colour the lines that carry a sign; the text without its colours stays the same."""
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    for pattern, style in _RULES:
        if pattern.search(line):
            return click.style(line, **style)
    return line
