"""The part of `$filter` that /groups understands, read into a predicate. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.sandbox.checks import is_guid
from reconciler.sandbox.errors import Refusal, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.sandbox.checks import JsonObject

MAX_EXPRESSIONS = 15
"""Of the default query engine, every member of an `in` counted ([D] section 6)."""
MAX_EQ_CHARACTERS = 120
"""`eq` and `in` match values up to this length, although a name may be longer ([D] section 6)."""

_TOKEN = re.compile(r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<mark>[(),])|(?P<word>[A-Za-z]+))")
_END = ("end", "")


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """A parsed filter: alternatives, of which one must hold."""

    alternatives: tuple[Callable[[JsonObject], bool], ...]
    expressions: int

    def matches(self, group: JsonObject) -> bool:
        """Whether the group is meant."""
        return any(alternative(group) for alternative in self.alternatives)


def parse_group_filter(text: str, *, advanced: bool = False) -> GroupFilter:
    """Read a filter; Refusal for what the default engine does not take. `advanced` lifts the count's limit."""
    tokens = _Tokens(text)
    alternatives: list[Callable[[JsonObject], bool]] = []
    expressions = 0
    while True:
        alternative, count = _expression(tokens)
        alternatives.append(alternative)
        expressions += count
        if tokens.peek() == _END:
            break
        tokens.expect("word", "or")
    if expressions > MAX_EXPRESSIONS and not advanced:
        raise Refusal(
            400,
            "Request_UnsupportedQuery",
            f"Too many child clauses specified in search filter expression: {expressions}, {MAX_EXPRESSIONS} at most.",
        )
    return GroupFilter(tuple(alternatives), expressions)


class _Tokens:
    """The filter's words one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_scan(text), _END]
        self._next = 0

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._next]

    def take(self, kind: str) -> str:
        found, value = self._tokens[self._next]
        if found != kind:
            raise _unreadable(value or "the end")
        self._next += 1
        return value

    def expect(self, kind: str, value: str) -> None:
        found = self.take(kind)
        if found != value:
            raise _unreadable(found)


def _scan(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    rest = text.strip()
    position = 0
    while position < len(rest):
        match = _TOKEN.match(rest, position)
        if match is None:
            raise _unreadable(rest[position:])
        kind = str(match.lastgroup)
        value = match.group(kind)
        tokens.append((kind, value.replace("''", "'") if kind == "text" else value))
        position = match.end()
    return tokens


def _expression(tokens: _Tokens) -> tuple[Callable[[JsonObject], bool], int]:
    word = tokens.take("word")
    if word == "startswith":
        return _starts_with(tokens), 1
    name = _property(word)
    operator = tokens.take("word")
    if operator == "eq":
        return _one_of(name, [tokens.take("text")]), 1
    if operator == "in":
        literals = _list(tokens)
        return _one_of(name, literals), len(literals)
    raise Refusal(
        400,
        "Request_UnsupportedQuery",
        f"Unsupported or invalid query filter operator '{operator}'.",
    )


def _starts_with(tokens: _Tokens) -> Callable[[JsonObject], bool]:
    tokens.expect("mark", "(")
    name = _property(tokens.take("word"))
    if name == "id":
        raise Refusal(400, "Request_UnsupportedQuery", "Unsupported query: startswith on 'id'.")
    tokens.expect("mark", ",")
    prefix = tokens.take("text").casefold()
    tokens.expect("mark", ")")
    return lambda group: str(group[name]).casefold().startswith(prefix)


def _list(tokens: _Tokens) -> list[str]:
    tokens.expect("mark", "(")
    literals = [tokens.take("text")]
    while tokens.peek() == ("mark", ","):
        tokens.take("mark")
        literals.append(tokens.take("text"))
    tokens.expect("mark", ")")
    return literals


def _one_of(name: str, literals: list[str]) -> Callable[[JsonObject], bool]:
    if name == "id":
        for literal in literals:
            if not is_guid(literal):
                raise bad_request(f"Invalid filter clause: '{literal}' is not a GUID.")
    # Graph compares without case (contract, section 1), and not at all beyond the length above.
    wanted = {literal.casefold() for literal in literals if len(literal) <= MAX_EQ_CHARACTERS}
    return lambda group: str(group[name]).casefold() in wanted


def _property(word: str) -> str:
    if word not in ("displayName", "id"):
        raise Refusal(
            400,
            "Request_UnsupportedQuery",
            f"Unsupported or invalid query filter clause for '{word}'.",
        )
    return word


def _unreadable(what: str) -> Refusal:
    return bad_request(f"Invalid filter clause: unexpected '{what}'.")
