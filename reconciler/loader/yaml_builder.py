"""Build the tree of one YAML document from a parser's events, strictly. Pure.

An error that leaves the rest readable is collected and reading goes on, so that one run shows all of
them. Other errors (syntax, depth, aliases without bound) end the document.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from typing import Any, TypeAlias

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.loader.syntax_advice import END_OF_FILE, Surroundings, advice_for, is_about_opening
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, Sequence, quoted, typed
from reconciler.model.diagnostics import Diagnostic, Location, error, warning

MAX_DEPTH = 32
"""Levels of nesting; the deepest thing a policy file can say has seven."""
MAX_EXPANSION = 500_000
"""Values that aliases may add to one document; 50,000 written-out assignments are about half of it."""
MAX_TEXT = 200
"""Characters of the offending line that a location carries."""
MAX_SUGGESTIONS = 5
"""Unknown aliases for which the nearest anchor is looked up: each look-up compares with them all."""
MAX_COMPARED = 1_000
"""Anchors that one look-up compares with."""
MAX_ALIKE = 64
"""Characters of a name that is compared: likeness takes time that grows with length."""

BLANK = " \t"
"""What YAML takes for blank; `str.strip` would take more."""
_COMMENT = re.compile(r"[ \t]+#.*")
_UNSHOWN = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that could steer a terminal or break the line there."""


UnmaskTable: TypeAlias = ReadOnly[int, str]
"""For `str.translate`: stand-ins in the parsed text, and the characters of the file."""


def location_of(file: str, lines: tuple[str, ...], line: int, column: int) -> Location:
    """Make a location that carries the text of its line."""
    text = lines[line - 1][:MAX_TEXT] if 0 < line <= len(lines) else ""
    return Location(file, line, column, _UNSHOWN.sub("\ufffd", text))


class _Unreadable(Exception):  # noqa: N818 - it ends the reading of one file, inside this module
    """The rest of the file cannot be made sense of."""


class TreeBuilder:
    """Builds the tree of one document, and collects what is wrong with it."""

    def __init__(self, file: str, lines: tuple[str, ...], unmask: UnmaskTable) -> None:
        self.file = file
        self.lines = lines
        self.unmask = unmask
        self.diagnostics: list[Diagnostic] = []
        self.anchors: dict[str, _Anchor | None] = {}  # None while its value is being built
        self.count = 0
        self.expansion = 0
        self.suggestions = 0
        self.deepest = 0
        self.is_sound = True
        self._commented = frozenset(line for line, text in enumerate(lines) if "#" in text)
        self._used_anchors: set[str] = set()
        self._anchor_events: dict[str, Any] = {}

    def build(self, events: Iterator[Any]) -> Node | None:
        """Give the root of the document, or None where there is none that can be trusted."""
        self.events = events
        root: Node | None = None
        try:
            for event in events:
                if isinstance(event, DocumentStartEvent):
                    if root is not None:
                        self._report(
                            "several-documents", event, "a second YAML document starts here"
                        )
                        break
                    root = self._node(next(events), 1)
        except _Unreadable:
            return None
        except YAMLError as failure:
            self._syntax(failure)
            return None
        if not self.diagnostics:  # an unknown alias may be meant for an anchor that seems unused
            self._warn_of_unused_anchors()
        return root if self.is_sound else None

    def _warn_of_unused_anchors(self) -> None:
        for name in self._anchor_events.keys() - self._used_anchors:
            event = self._anchor_events[name]
            value = self._uncut(event, event.value) if isinstance(event, ScalarEvent) else None
            advice = "remove &" + name + ", or use it further down, as *" + name
            if value and not event.style:
                advice = f"& names an anchor in YAML: to have it in the text, put that in quotes: '{value}'"
            message = f"the anchor &{name} is never used"
            self.diagnostics.append(warning("unused-anchor", message, self._at(event), help=advice))

    def _report(self, code: str, event: Any, message: str, help: str | None = None) -> None:
        place = self._at(event)
        self.diagnostics.append(
            error(code, message, place, help=_HELP[code] if help is None else help)
        )

    def _at(self, event: Any) -> Location:
        mark = event.start_mark
        return location_of(self.file, self.lines, mark.line + 1, mark.column + 1)

    def _node(self, event: Any, depth: int) -> Node:
        self.count += 1
        if depth > self.deepest:
            self.deepest = depth
            if depth > MAX_DEPTH:
                self._report("too-deep", event, f"nested deeper than {MAX_DEPTH} levels")
                raise _Unreadable
        if event.anchor is None:
            return self._bare(event, depth)
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        return self._anchored(event, depth)

    def _bare(self, event: Any, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _anchored(self, event: Any, depth: int) -> Node:
        name = str(event.anchor).translate(self.unmask)
        if name in self.anchors:
            self._report("duplicate-anchor", event, f"the anchor &{name} is already in this file")
        self.anchors[name] = None
        self._anchor_events.setdefault(name, event)
        count, deepest = self.count, self.deepest
        self.deepest = depth
        node = self._bare(event, depth)
        self.anchors[name] = _Anchor(node, self.count - count + 1, self.deepest - depth)
        self.deepest = max(deepest, self.deepest)
        return node

    def _end(self) -> Location:
        """Where the text ends; the two parsers place the end of a file differently."""
        full = [number for number, line in enumerate(self.lines, start=1) if line.strip(BLANK)]
        line = full[-1] if full else 1
        return location_of(self.file, self.lines, line, len(self.lines[line - 1].rstrip(BLANK)))

    def _alias(self, event: Any, depth: int) -> Node:
        name = str(event.anchor).translate(self.unmask)
        self._used_anchors.add(name)
        if name not in self.anchors:
            self._report(
                "unknown-anchor",
                event,
                f"there is no anchor &{name} above *{name}",
                self._suggestion(name),
            )
            self.is_sound = False
            return _placed(_NOTHING, event)
        anchor = self.anchors[name]
        if anchor is None:
            self._report(
                "recursive-alias", event, f"*{name} is inside &{name}, so it contains itself"
            )
            raise _Unreadable
        self.count += anchor.size
        self.expansion += anchor.size
        self.deepest = max(self.deepest, depth + anchor.height)
        if self.expansion > MAX_EXPANSION:
            self._report("alias-expansion", event, f"aliases add over {MAX_EXPANSION:,} values")
            raise _Unreadable
        if self.deepest > MAX_DEPTH:
            self._report("too-deep", event, f"nested deeper than {MAX_DEPTH} levels")
            raise _Unreadable
        return _placed(anchor.node, event)

    def _suggestion(self, name: str) -> str | None:
        """Name the nearest anchor, for the first few unknown aliases of a file."""
        self.suggestions += 1
        if self.suggestions > MAX_SUGGESTIONS or len(name) > MAX_ALIKE:
            return None
        known = itertools.islice(self.anchors, MAX_COMPARED)
        near = difflib.get_close_matches(name, known, 1)
        return f"did you mean *{near[0]}?" if near else None

    def _sequence(self, event: Any, depth: int) -> Sequence:
        self._check_tag(event, "tag:yaml.org,2002:seq")
        items = []
        while not isinstance(following := next(self.events), SequenceEndEvent):
            items.append(self._node(following, depth + 1))
        return Sequence(tuple(items), event.start_mark.line + 1, event.start_mark.column + 1)

    def _mapping(self, event: Any, depth: int) -> Mapping:
        self._check_tag(event, "tag:yaml.org,2002:map")
        entries: dict[str, tuple[Scalar, Node]] = {}
        merged: Node | None = None
        while not isinstance(following := next(self.events), MappingEndEvent):
            key = self._node(following, depth + 1)
            value = self._node(next(self.events), depth + 1)
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                self._report("key-not-text", following, _not_text(key))
            elif key.value == "<<" and _is_merge(following):
                if merged is not None:
                    self._report(
                        "duplicate-key", following, 'duplicate key "<<"', _HELP["merge-key"]
                    )
                merged = self._merge(following, value)
            elif key.value in entries:
                first = entries[key.value][0].line
                shown = quoted(key.value)
                self._report(
                    "duplicate-key",
                    following,
                    f"duplicate key {shown}: it is already on line {first}",
                )
            else:
                entries[key.value] = (key, value)
        if isinstance(merged, Mapping):
            for name, entry in merged.by_key.items():
                entries.setdefault(name, entry)
        mark = event.start_mark
        return Mapping(entries, mark.line + 1, mark.column + 1)

    def _merge(self, event: Any, value: Node) -> Mapping:
        """Put together what ``<<`` brings in; of several mappings the first one's keys win."""
        entries: dict[str, tuple[Scalar, Node]] = {}
        for each in value.items if isinstance(value, Sequence) else (value,):
            if isinstance(each, Mapping):
                for name, entry in each.by_key.items():
                    entries.setdefault(name, entry)
            else:
                self._report("merge-key", event, '"<<" takes an alias of a mapping')
        return Mapping(entries, value.line, value.column)

    def _scalar(self, event: ScalarEvent) -> Scalar:
        mark, text, tag = event.start_mark, event.value, event.tag
        if self.unmask:
            text = text.translate(self.unmask)
        value: str | int | float | bool | None = text
        if tag is not None:
            self._check_tag(event, "tag:yaml.org,2002:str", "!")
        # implicit is (may be guessed if plain, may be guessed if quoted): a bare "!" asks for text.
        elif event.implicit[0] and not event.style:
            value = typed(text)
        uncut = None if event.style else self._uncut(event, text)
        return Scalar(value, text, mark.line + 1, mark.column + 1, uncut)

    def _uncut(self, event: ScalarEvent, text: str) -> str | None:
        """What the line says, where an unquoted value has an anchor, a tag or a comment on it."""
        start, end = event.start_mark, event.end_mark
        is_whole = event.anchor is None and event.tag is None
        if is_whole and end.line not in self._commented:
            return None
        line = self.lines[end.line] if end.line < len(self.lines) else ""
        comment = _COMMENT.match(line, end.column)
        if is_whole and comment is None:
            return None
        read = line[start.column : end.column] if start.line == end.line else text
        return (read + (comment[0] if comment else "")).strip(BLANK)

    def _check_tag(self, event: Any, *allowed: str) -> None:
        if event.tag is not None and event.tag not in allowed:
            shown = event.tag.translate(self.unmask).replace("tag:yaml.org,2002:", "!!")
            self._report("custom-tag", event, f"the tag {quoted(shown)} is not supported")

    def _syntax(self, failure: YAMLError) -> None:
        problem, mark = str(getattr(failure, "problem", "") or failure), None
        if isinstance(failure, MarkedYAMLError):
            opened = failure.context_mark if is_about_opening(problem) else None
            mark = opened or failure.problem_mark or failure.context_mark
        line = min(mark.line + 1, len(self.lines)) if mark else 1
        place = location_of(self.file, self.lines, line, mark.column + 1 if mark else 1)
        rest = "".join(self.lines[mark.line :])[mark.column :] if mark else ""
        if "node content" in problem and not rest.strip(BLANK):
            problem, place = END_OF_FILE, self._end()
        before, after = place.text[: place.column - 1], place.text[place.column - 1 :]
        context = str(getattr(failure, "context", "") or "")
        above = self.lines[place.line - 2] if place.line > 1 else ""
        message, advice = advice_for(problem, Surroundings(context, above, before, after))
        self.diagnostics.append(error("yaml-syntax", message, place, help=advice))


@dataclass(frozen=True, slots=True)
class _Anchor:
    """An anchored value, how many values it expands to, and how many levels it has below itself."""

    node: Node
    size: int
    height: int


_NOTHING = Scalar(None, "", 0, 0)

_HELP = {
    "several-documents": "a file holds one document: put the second in a file of its own",
    "too-deep": "a policy file has no use for this much nesting",
    "duplicate-anchor": "give one of the two another name",
    "unknown-anchor": "define it above, or quote the text if it is not meant as an alias",
    "recursive-alias": "name the values one by one",
    "alias-expansion": "write fewer aliases of aliases",
    "key-not-text": "put the key in quotes if it is meant, or correct the line",
    "duplicate-key": "write the key once, with everything that belongs to it",
    "merge-key": "write <<: *anchor, or <<: [*first, *second]",
    "custom-tag": "put the value in quotes if it starts with an exclamation mark; else remove the tag",
}


def _placed(node: Node, event: Any) -> Node:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    if isinstance(node, Scalar):
        return node._replace(line=line, column=column, uncut=None)
    return node._replace(line=line, column=column)


def _is_merge(event: Any) -> bool:
    return isinstance(event, ScalarEvent) and event.value == "<<" and not event.style


def _not_text(key: Node) -> str:
    if isinstance(key, Scalar):
        return (
            f"a key must be text, and {key.text} is not"
            if key.text
            else "a key is missing before the colon"
        )
    return "a key must be text, not a list or a mapping"
