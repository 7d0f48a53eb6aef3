"""Which characters the eye does not see, or sees as something else. Pure."""

from __future__ import annotations

import unicodedata

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs that Unicode does not count as invisible, and that show nothing."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_EMOJI_STYLE = "\ufe0f"
_EMOJI = range(0x1F000, 0x1FB00)
_VARIATIONS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Signs that choose a letter's style, and show nothing themselves."""


def is_unseen(character: str, before: str = "") -> bool:
    """Whether a character is a control, steers its surroundings, or shows nothing.

    ``before`` is the one that it follows: after an emoji, a sign that chooses a style is seen.
    """
    code = ord(character)
    if character == " " or code in _EMOJI:
        return False  # an emoji may be younger than the interpreter's copy of Unicode
    if character == _EMOJI_STYLE:
        return not before or unicodedata.category(before) != "So"
    return (
        unicodedata.category(character) in _HIDDEN
        or character in _BLANK_LETTERS
        or any(code in styles for styles in _VARIATIONS)
    )


def first_unseen(text: str) -> str | None:
    """The first character of a text that `is_unseen`."""
    if text.isascii() and text.isprintable():
        return None
    pairs = zip(text, ("", *text), strict=False)
    return next((each for each, before in pairs if is_unseen(each, before)), None)
