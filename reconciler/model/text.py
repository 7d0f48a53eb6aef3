"""Characters that deceive: those the eye does not see, and names that only look alike. Pure.

`visible` is the one place that makes foreign text (names, answers of servers, files) fit for one
line of a terminal or a log. What a renderer acts on is the business of `reconciler.views.escaping`.
"""

from __future__ import annotations

import re
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


_LONGEST_ACCENT = 4
"""Marks on one letter; living scripts need no more, and piles of them cover the lines around."""

_MARKS = frozenset({"Mn", "Me", "Mc"})


def visible(text: str) -> str:
    """Write control, bidirectional and invisible characters out, as in ``<U+202E>``.

    The result is one line, and text without such characters comes back as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = _LONGEST_ACCENT  # a mark with no letter before it would sit on what stands around us
    before = ""
    for character in text:
        is_mark = unicodedata.category(character) in _MARKS
        marks = marks + 1 if is_mark else (0 if character != " " else _LONGEST_ACCENT)
        if is_unseen(character, before) or marks > _LONGEST_ACCENT:
            shown.append(f"<U+{ord(character):04X}>")
        else:
            shown.append(character)
        before = character
    return "".join(shown)


_BEYOND_ASCII = re.compile("[^\n -~]")


def escape_json(text: str) -> str:
    """Escape in JSON text what is not seen, and halves of surrogate pairs, which UTF-8 cannot hold.

    The text means the same JSON afterwards: such characters stand inside strings alone.
    """
    return _BEYOND_ASCII.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if not is_unseen(character):
        return character
    units = character.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


_DASHES = "\N{MINUS SIGN}\N{HYPHEN BULLET}\N{MODIFIER LETTER MINUS SIGN}"
_QUOTES = dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u02bc`", "'") | dict.fromkeys(
    "\u201c\u201d\u201e\u201f\u2033", '"'
)
_LETTERS = dict(
    zip(
        "АВЕЗКМНОРСТУХаеорсухіјѕԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",  # noqa: RUF001 - Cyrillic and Greek on purpose
        "ABE3KMHOPCTYXaeopcyxijsdqwABEZHIKMNOPTYXo",
        strict=True,
    )
)
_MOST = 256
"""Characters of a name that is compared: Graph allows no more."""


def describe_name_difference(here: str, there: str) -> str:
    """Name the first character in which two names differ that read the same; "" where they do not.

    ``here`` is what the file says, ``there`` what the tenant has.
    """
    if here == there or max(len(here), len(there)) > _MOST or _looks(here) != _looks(there):
        return ""
    import difflib  # noqa: PLC0415 - --help and --version load this module too

    matcher = difflib.SequenceMatcher(None, here, there, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag != "equal":
            return _words(here[start:end], there[other_start:other_end])
    return ""


def _looks(name: str) -> str:
    """What the eye makes of a name; case counts."""
    seen = "".join(map(_plain, name))
    return " ".join(unicodedata.normalize("NFKC", seen).split())


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    if unicodedata.category(character) == "Pd" or character in _DASHES:
        return "-"
    if is_unseen(character):
        return ""
    return _QUOTES.get(character) or _LETTERS.get(character, character)


def _words(here: str, there: str) -> str:
    if not here or not there:
        only, place, other = (here, "here", "there") if here else (there, "there", "here")
        what = "a space" if set(only) == {" "} else f"an unseen {_codes(only)}"
        return f"{what} stands {place} and not {other}"
    plain = _plain(there[0])
    kind = {"-": "dash", " ": "space", "'": "apostrophe", '"': "quotation mark"}.get(
        plain, "letter"
    )
    return f"the {kind} is {_codes(here)} here and {_codes(there)} there"


def _codes(text: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in text)


def explain_quotes(line: str) -> str:
    """Say why YAML reads less of an unquoted name than the line says, and how to write it."""
    import json  # noqa: PLC0415 - --help and --version load this module too

    reason = {
        "&": "& names an anchor in YAML",
        "!": "! begins a tag in YAML",
    }.get(line[:1], "# after a space begins a comment in YAML")
    return f"{reason}: put the name in quotes: {json.dumps(line, ensure_ascii=False)}"
