"""Find objects by id or by name, or explain why a reference leads nowhere, or to several. Pure.

Names compare exactly. A suggestion is only ever a name that was probably meant: none that reaches
everybody, and none that the written name makes narrower with a word of its own ("Sales laptops" for
"Sales laptops pilot").
"""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.state import Reference
from reconciler.model.text import describe_name_difference, explain_quotes

_NEAREST = 3
_MAX_CANDIDATES = 10


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str | None: ...


N = TypeVar("N", bound=_Named)


class Index(Generic[N]):
    """Objects of one kind by id and by name. One without a name is found by its id alone.

    ``kind`` is the word for one object in messages; ``describe`` tells two of one name apart.
    """

    def __init__(self, kind: str, objects: Iterable[N], describe: Callable[[N], str]) -> None:
        self.kind = kind
        self.describe = describe
        self.by_id: dict[str, N] = {}
        self.by_name: dict[str, list[N]] = defaultdict(list)
        self._by_folded_name: dict[str, list[N]] = defaultdict(list)
        for each in objects:
            self.by_id[each.id] = each
            if each.name:
                self.by_name[each.name].append(each)
                self._by_folded_name[each.name.casefold()].append(each)

    def find(
        self,
        reference: Reference,
        *,
        policy: str,
        key: str = "",
        nearby: Callable[[str], Iterable[str | None]] = lambda _name: (),
        advice: Callable[[], str] = lambda: "",
    ) -> N | Diagnostic:
        """Follow a reference to one object, or give the error that says why that is not possible.

        ``key`` is the one that the reference stands under, where it takes an id and a name. For a
        name that leads nowhere ``nearby`` gives more names to suggest, and what ``advice``
        gives, where it is not empty, takes the place of suggestions.
        """
        if reference.id is not None:
            return self._find_by_id(reference, policy)
        name = reference.name or ""
        matches = self.by_name.get(name, [])
        if reference.uncut_name in self.by_name:
            return self._cut_short(reference, policy, is_known=bool(matches))
        if len(matches) == 1:
            return matches[0]
        if matches:
            return self._ambiguous(reference, matches, policy, key)
        return self._unknown(reference, policy, nearby, advice())

    def _find_by_id(self, reference: Reference, policy: str) -> N | Diagnostic:
        match = self.by_id.get(reference.id or "")
        if match is None:
            return error(
                f"unknown-{self.kind}",
                f"no {self.kind} has the id {reference.id}",
                reference.location,
                help=self._advise_on_id(reference),
                policy=policy,
            )
        if reference.name is not None and match.name != reference.name:
            return self._name_mismatch(reference, match, policy)
        return match

    def _name_mismatch(self, reference: Reference, match: N, policy: str) -> Diagnostic:
        here, there = reference.name or "", match.name
        if not there:
            called = f"has no name that can be read, so it cannot be checked against {reference}"
            advice = "check the id in the portal, and leave the name out"
        else:
            called = f'is called "{there}", not {reference}'
            advice = (
                f'if it was renamed, write name: "{there}"; '
                "if another one was meant, correct the id"
            )
            difference = describe_name_difference(here, there)
            if reference.uncut_name == there:
                difference = explain_quotes(there)
            advice = f"{difference}; {advice}" if difference else advice
        return error(
            f"{self.kind}-name-mismatch",
            f"the {self.kind} {reference.id} {called}",
            reference.location,
            help=advice,
            policy=policy,
        )

    def _advise_on_id(self, reference: Reference) -> str:
        same_name = self.by_name.get(reference.name or "", [])
        if same_name:
            listed = ", ".join(self.describe(each) for each in same_name[:_MAX_CANDIDATES])
            return f'it may have been deleted and created again; "{reference.name}" is now {listed}'
        return f"check the id in the portal, or name the {self.kind} instead"

    def _cut_short(self, reference: Reference, policy: str, *, is_known: bool) -> Diagnostic:
        """YAML reads less than the line says, and the tenant has what the line says."""
        whole = reference.uncut_name or ""
        message = (
            f'YAML reads {reference} here, and there is also a {self.kind} called "{whole}"'
            if is_known
            else f'no {self.kind} is called {reference}, but there is "{whole}"'
        )
        advice = explain_quotes(whole)
        if is_known:
            advice += f"; if {reference} is meant, put that in quotes"
        return error("unquoted-text", message, reference.location, help=advice, policy=policy)

    def _ambiguous(
        self, reference: Reference, matches: Sequence[N], policy: str, key: str
    ) -> Diagnostic:
        listed = [self.describe(each) for each in matches[:_MAX_CANDIDATES]]
        if len(matches) > _MAX_CANDIDATES:
            listed.append(f"and {len(matches) - _MAX_CANDIDATES} more")
        form = f"id: {matches[0].id}"
        if key:
            form = f"{key}: {{{form}, name: {_spelt(matches[0].name or '')}}}"
        return error(
            f"ambiguous-{self.kind}",
            f"{len(matches)} {_plural(self.kind)} are called {reference}",
            reference.location,
            help=f"write the id of the one that is meant, as in {form}; "
            f"there are: {'; '.join(listed)}",
            policy=policy,
        )

    def _unknown(
        self,
        reference: Reference,
        policy: str,
        nearby: Callable[[str], Iterable[str | None]],
        advice: str,
    ) -> Diagnostic:
        name = reference.name or ""
        same_but_case = self._by_folded_name.get(name.casefold(), [])
        if same_but_case:
            listed = " or ".join(f'"{each.name}" ({each.id})' for each in same_but_case)
            advice = f"names are case-sensitive; there is {listed}"
        elif not advice:
            advice = _suggest(name, [*self.by_name, *nearby(name)])
        if reference.uncut_name is not None:
            advice += f"; {explain_quotes(reference.uncut_name)}, if that is the whole name"
        return error(
            f"unknown-{self.kind}",
            f"no {self.kind} is called {reference}",
            reference.location,
            help=advice,
            policy=policy,
        )


def _plural(kind: str) -> str:
    return "policies" if kind == "policy" else f"{kind}s"


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]*(?<! )")
_NO_TEXT = frozenset({"true", "false", "null"})


def _spelt(name: str) -> str:
    """Spell a name so that it can be pasted into YAML, between braces too."""
    is_plain = _PLAIN.fullmatch(name) is not None and name.lower() not in _NO_TEXT
    return name if is_plain else json.dumps(name, ensure_ascii=False)


_EVERYBODY = frozenset({"all", "any", "entire", "every", "everybody", "everyone", "whole"})


def _suggest(name: str, known: Iterable[str | None]) -> str:
    written = _words(name)
    by_folded: dict[str, str] = {}
    for candidate in known:
        if candidate and not _may_reach_more(_words(candidate), written):
            by_folded.setdefault(candidate.casefold(), candidate)
    close = difflib.get_close_matches(name.casefold(), list(by_folded), n=_NEAREST, cutoff=0.6)
    if not close:
        return "create it first, or correct the name: nothing is created to fill the gap"
    nearest = [by_folded[match] for match in close]
    difference = describe_name_difference(name, nearest[0])
    listed = ", ".join(f'"{each}"' for each in nearest)
    return f"nearest: {listed}; {difference}" if difference else f"nearest: {listed}"


def _words(name: str) -> list[str]:
    return re.findall(r"\w+", name.casefold())


def _may_reach_more(candidate: Sequence[str], written: Sequence[str]) -> bool:
    names_everybody = candidate[:1] != written[:1] and bool(_EVERYBODY & set(candidate[:1]))
    return names_everybody or set(candidate) < set(written)
