"""Find what was probably meant by a word that is not known here. Pure.

A suggestion never leads to a target that reaches more, to a higher limit or to removals: words that do
are suggested for other spellings of themselves alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

from reconciler.loader.entry_shapes import BROAD_WORDS
from reconciler.model.state import BroadTargets, Cloud, Override, Ownership, Writes

VALUES: dict[str, tuple[str, ...]] = {
    "ownership": tuple(Ownership),
    "cloud": tuple(Cloud),
    "writes": tuple(Writes),
    "broad_targets": tuple(BroadTargets),
    "override": tuple(Override),
    "target_type": ("user", "device"),
}


def nearest(word: str, known: Collection[str]) -> str:
    """Give the known word that was probably meant, or "" where none is near.

    Never one that reaches everybody, lifts a guardrail or leads to removals: those are suggested for
    other spellings of themselves alone.
    """
    if len(word) > 64:  # likeness takes time that grows with length, and nothing known is as long
        return ""
    plain = _plain(word)
    by_form = {_plain(each): each for each in known}
    if plain in by_form:
        return by_form[plain]
    near = difflib.get_close_matches(plain, by_form, 1)
    known_word = by_form[near[0]] if near else ""
    return "" if known_word in NOT_SUGGESTED else known_word


NOT_SUGGESTED = frozenset(
    {*BROAD_WORDS, "broad", "remove", BroadTargets.ALLOW.value, Ownership.AUTHORITATIVE.value}
)


def broad_word(text: str) -> str:
    """Give all_users or all_devices where a text is another spelling of it, else ""."""
    plain = _plain(text).replace("_", "")
    return {
        "allusers": "all_users",
        "alluser": "all_users",
        "alldevices": "all_devices",
        "alldevice": "all_devices",
    }.get(plain, "")


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


_PEOPLE_AND_DEVICES = frozenset(
    {
        "user",
        "users",
        "device",
        "devices",
        "member",
        "members",
        "person",
        "email",
        "upn",
        "computer",
    }
)


def names_people_or_devices(word: str) -> bool:
    """Whether a key names single users or devices, which Intune does not assign to."""
    return _plain(word) in _PEOPLE_AND_DEVICES


_SPOKEN_CLOUDS: tuple[tuple[str, tuple[Cloud, ...]], ...] = (
    (r"dod|l5|il5", (Cloud.US_GOV_L5,)),
    (r"gcc ?h(igh)?\b|l4|fairfax", (Cloud.US_GOV_L4,)),
    (r"gcc|public|commercial|world ?wide|azure ?cloud|default", (Cloud.GLOBAL,)),
    (r"us\b|us ?gov|usa?\b|gov|azure ?us", (Cloud.US_GOV_L4, Cloud.US_GOV_L5)),
    (r"china|cn\b|mooncake|21 ?vianet|azure ?china", (Cloud.CHINA,)),
)
"""What people call a cloud, most specific first (.github/docs/graph.md section 8)."""


def similar_values(key: str, text: str) -> tuple[str, ...]:
    """Every value of a key that was probably meant."""
    if key == "cloud":
        parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
        plain = re.sub(r"[\W_]+", " ", f"{text} {parted}").lower()
        for pattern, clouds in _SPOKEN_CLOUDS:
            if re.search(rf"\b({pattern})", plain):
                return tuple(clouds)
    near = nearest(text, VALUES[key])
    return (near,) if near else ()
