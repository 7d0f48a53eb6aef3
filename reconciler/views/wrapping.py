"""Wrap running text to the screen, and keep together what is meant to be copied. Pure."""

from __future__ import annotations

import re
import textwrap

_NO_BREAK = "\N{NO-BREAK SPACE}"
_TO_COPY = re.compile(r'"[\w-]+: [^" ]+"|--[a-z-]+ \d+')
"""YAML in quotes, as in "broad: true", and an option with its number."""


def wrapped(text: str, width: int, *, first: str = "", other: str | None = None) -> list[str]:
    """Break a text between words; ``first`` begins its first line, ``other`` the lines below.

    The text is one that `reconciler.views.escaping.visible` has been over: it then holds no
    no-break space of its own. Without ``other`` the lines below are as deep as the first.
    """
    held = _TO_COPY.sub(lambda match: match[0].replace(" ", _NO_BREAK), text)
    lines = textwrap.wrap(  # it breaks at ASCII's spaces alone
        held,
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first) if other is None else other,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]
