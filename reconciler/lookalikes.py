"""Tell two names apart that look alike: another dash, another space, a letter of another script. Pure."""

from __future__ import annotations

import difflib
import unicodedata

from reconciler.unseen import is_unseen

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


def told_apart(here: str, there: str) -> str:
    """Name the first character in which two names differ that read the same; "" where they do not.

    ``here`` is what the file says, ``there`` what the tenant has.
    """
    if here == there or max(len(here), len(there)) > _MOST or _looks(here) != _looks(there):
        return ""
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
