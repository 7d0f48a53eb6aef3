"""The tree of one YAML text: values, lists and mappings that know their line and column. Pure.

The nodes are named tuples: a large root has a hundred thousand of them, and a frozen dataclass takes
about three times as long to make.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from collections.abc import Mapping as ReadOnly
from typing import NamedTuple, TypeAlias

from reconciler.model.text import visible


class Scalar(NamedTuple):
    """A single value. ``text`` is how the file spells it, without quotes.

    ``uncut`` is what the line says from here on, where YAML reads less of it because of a comment, an
    anchor or a tag, as in ``Sales #1``; None where all of it is read, or the value is in quotes.
    """

    value: str | int | float | bool | None
    text: str
    line: int
    column: int
    uncut: str | None = None


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int


class Mapping(NamedTuple):
    """Keys with values, in the order of the file; every key is text and stands once."""

    by_key: ReadOnly[str, tuple[Scalar, Node]]
    line: int
    column: int

    def find(self, key: str) -> tuple[Scalar, Node] | None:
        """Give the key as written, with its value."""
        return self.by_key.get(key)

    @property
    def entries(self) -> Collection[tuple[Scalar, Node]]:
        """The keys as written, each with its value."""
        return self.by_key.values()


Node: TypeAlias = Scalar | Sequence | Mapping


def value_of(node: Node | None, key: str) -> Node | None:
    """Give the value under a key; None where there is none, or the node is no mapping."""
    entry = node.find(key) if isinstance(node, Mapping) else None
    return entry[1] if entry else None


def plain(node: Node) -> object:
    """Turn a tree into lists, dicts and plain values."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(each) for each in node.items]
    return {key: plain(value) for key, (_, value) in node.by_key.items()}


_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS = 100  # int() refuses thousands of digits; nothing here counts that far


def typed(text: str) -> str | int | float | bool | None:
    """Read an unquoted scalar as YAML 1.2's core schema does."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            return math.inf
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL_FLOAT.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def quoted(text: str) -> str:
    """Quote what a file says, short, and harmless on a terminal."""
    shown = text if len(text) <= 80 else text[:79] + "…"
    return f'"{visible(shown)}"'


def kind_of(node: Node) -> str:
    """Name a value's kind, and show it where it is short, for the words "not ..." of a message."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node.value, str):
        return f"the text {quoted(node.value)}"
    return (
        f"the value {node.text}" if isinstance(node.value, bool) else f"the number {node.text[:40]}"
    )
