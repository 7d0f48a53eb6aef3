"""Colour for text views, line by line, by the sign a line begins with. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import click

_Style = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Rule:
    """How lines with a sign are coloured, and the lines below them that a wrapped text goes on in.

    ``goes_on`` is the least depth of those below, in columns more than the line's own; None for
    text that is never wrapped.
    """

    pattern: re.Pattern[str]
    style: _Style
    goes_on: int | None = None


_RULES = (
    _Rule(re.compile(r"^\s*\+ "), partial(click.style, fg="green"), goes_on=1),
    _Rule(re.compile(r"^\s*- "), partial(click.style, fg="red"), goes_on=1),
    _Rule(re.compile(r"^\s*~ "), partial(click.style, fg="yellow"), goes_on=1),
    _Rule(re.compile(r"^\s*! "), partial(click.style, fg="red", bold=True), goes_on=1),
    _Rule(re.compile(r": error: |^error: "), partial(click.style, fg="red", bold=True)),
    _Rule(re.compile(r": warning: |^warning: "), partial(click.style, fg="yellow")),
    _Rule(re.compile(r"^Risk: (at least )?dangerous"), partial(click.style, fg="red", bold=True)),
    _Rule(re.compile(r"^Risk: "), partial(click.style, bold=True)),
    _Rule(re.compile(r"^(Plan: |No changes\.)"), partial(click.style, bold=True), goes_on=0),
    _Rule(
        re.compile(r"^Apply (complete|incomplete|waiting for approval): "),
        partial(click.style, bold=True),
    ),
    _Rule(re.compile(r"^Also: "), partial(click.style, dim=True), goes_on=0),
    _Rule(
        re.compile(r"^Digest: |^ {6}(unchanged|unmanaged|inherited)"),
        partial(click.style, dim=True),
    ),
)


def paint(text: str) -> str:
    """Colour the lines that carry a sign; the text without its colours stays the same."""
    painted: list[str] = []
    above: tuple[_Rule, int] | None = None
    for line in text.split("\n"):
        rule = next((each for each in _RULES if each.pattern.search(line)), None)
        if rule is not None:
            above = (rule, _depth(line))
        elif above is not None and not _continues(line, *above):
            above = None
        painted.append(above[0].style(line) if above is not None else line)
    return "\n".join(painted)


def _continues(line: str, rule: _Rule, depth: int) -> bool:
    return bool(line) and rule.goes_on is not None and _depth(line) >= depth + rule.goes_on


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
