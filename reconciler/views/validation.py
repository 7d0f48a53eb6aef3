"""Diagnostics as text: FILE:LINE:COLUMN, the line itself with a caret, and how to fix it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.diagnostics import Diagnostic, Location
from reconciler.model.text import visible
from reconciler.model.wording import count_of
from reconciler.views.wrapping import wrapped

_LONGEST_LINE = 200
_MIN_WIDTH = 40


def render(
    diagnostics: Iterable[Diagnostic], *, width: int, root: str = "", on_screen: bool = False
) -> str:
    """Show each diagnostic in a block of its own; "" where there are none.

    ``root`` is put before the file names, so that they can be opened from where the user stands.
    ``on_screen`` wraps the message too: a terminal would break it inside a word. Elsewhere it stays
    on one line, for programs that look for FILE:LINE:COLUMN.
    """
    blocks = [
        "\n".join(_block(diagnostic, max(width, _MIN_WIDTH), root, on_screen))
        for diagnostic in diagnostics
    ]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def render_verdict(diagnostics: Iterable[Diagnostic], *, policies: int | None = None) -> str:
    """Count errors and warnings in one closing line; ``policies`` is how many are declared."""
    listed = list(diagnostics)
    errors = sum(diagnostic.is_error for diagnostic in listed)
    warnings = count_of(len(listed) - errors, "warning")
    if errors:
        return f"Invalid: {count_of(errors, 'error')}, {warnings}.\n"
    noun = "policy" if policies == 1 else "policies"
    declared = "" if policies is None else f"{policies} {noun} declared, "
    return f"Valid: {declared}{warnings}.\n"


def _block(diagnostic: Diagnostic, width: int, root: str, on_screen: bool) -> Iterator[str]:
    place = diagnostic.location
    where = f"{under(root, str(place))}: " if place else ""
    # The line of an error says enough; what a warning is about reaches beyond its line.
    is_named = bool(diagnostic.policy) and not (place and diagnostic.is_error)
    subject = f"{diagnostic.policy}: " if is_named else ""
    message = visible(f"{where}{diagnostic.severity}: {subject}{diagnostic.message}")
    yield from wrapped(message, width, other="    ") if on_screen else [message]
    if place is not None and place.text:
        yield from _excerpt(place, width)
    if diagnostic.help:
        yield from wrapped(visible(diagnostic.help), width, first="  help: ")


def under(root: str, place: str) -> str:
    """Lead to a place from where the user stands, the way editors and terminals make clickable."""
    return f"{root}/{place}" if root and root != "." else place


def _excerpt(place: Location, width: int) -> Iterator[str]:
    """Show the line, cut to the part around the column where it is too long for the screen."""
    number = str(place.line)
    room = max(min(width, _LONGEST_LINE) - len(number) - 5, 20)
    text = place.text.rstrip().replace("\t", " ")
    column = min(place.column, len(text) + 1)
    start = max(0, column - room + room // 3) if len(text) > room else 0
    shown = visible(text[start : start + room])
    caret = len(visible(text[start : max(start, column - 1)]))
    yield f"  {number} | {shown}"
    yield f"  {' ' * len(number)} | {' ' * caret}^"
