"""Find objects by id or by name, or say why a reference leads nowhere, or to several things. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.state import Reference
from reconciler.model.text import describe_name_difference

_NEAREST = 3
_MAX_CANDIDATES = 10


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


class Index(Generic[N]):
    """Objects of one kind by id and by name, with the words to complain in."""

    def __init__(self, kind: str, objects: Iterable[N], describe: Callable[[N], str]) -> None:
        self.kind = kind
        self.describe = describe
        self.by_id: dict[str, N] = {}
        self.by_name: dict[str, list[N]] = defaultdict(list)
        self.by_folded_name: dict[str, list[N]] = defaultdict(list)
        for thing in objects:
            self.by_id[thing.id] = thing
            self.by_name[thing.name].append(thing)
            self.by_folded_name[thing.name.casefold()].append(thing)

    def find(
        self,
        reference: Reference,
        *,
        nearby: Callable[[str], Iterable[str]] = lambda _name: (),
        policy: str,
        key: str = "",
    ) -> N | Diagnostic:
        """Follow a reference; for an unknown name ``nearby`` offers more names to suggest.

        ``key`` is the one that the reference stands under, where it takes an id and a name.
        """
        if reference.id is not None:
            return self._find_by_id(reference, policy)
        name = reference.name or ""
        found = self.by_name.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            return self._ambiguous(reference, found, policy, key)
        return self._unknown(reference, name, nearby, policy)

    def _find_by_id(self, reference: Reference, policy: str) -> N | Diagnostic:
        found = self.by_id.get(reference.id or "")
        if found is None:
            return error(
                f"unknown-{self.kind}",
                f"no {self.kind} has the id {reference.id}",
                reference.location,
                help=self._correct_id_help(reference),
                policy=policy,
            )
        if reference.name is not None and found.name != reference.name:
            told = describe_name_difference(reference.name, found.name)
            told = f"{told}; " if told else ""
            return error(
                f"{self.kind}-name-mismatch",
                f'the {self.kind} {reference.id} is called "{found.name}", not "{reference.name}"',
                reference.location,
                help=f'{told}if it was renamed, write name: "{found.name}"; '
                "if another one was meant, correct the id",
                policy=policy,
            )
        return found

    def _correct_id_help(self, reference: Reference) -> str:
        same_name = self.by_name.get(reference.name or "", [])
        if same_name:
            listed = ", ".join(self.describe(thing) for thing in same_name[:_MAX_CANDIDATES])
            return f'it may have been deleted and created again; "{reference.name}" is now {listed}'
        return f"check the id in the portal, or name the {self.kind} instead"

    def _ambiguous(
        self, reference: Reference, found: Sequence[N], policy: str, key: str
    ) -> Diagnostic:
        listed = [self.describe(thing) for thing in found[:_MAX_CANDIDATES]]
        if len(found) > _MAX_CANDIDATES:
            listed.append(f"and {len(found) - _MAX_CANDIDATES} more")
        form = f"id: {found[0].id}"
        if key:
            form = f"{key}: {{{form}, name: {_spelt(found[0].name)}}}"
        return error(
            f"ambiguous-{self.kind}",
            f"{len(found)} {_plural(self.kind)} are called {reference}",
            reference.location,
            help=f"write the id of the one that is meant, as in {form}; "
            f"there are: {'; '.join(listed)}",
            policy=policy,
        )

    def _unknown(
        self,
        reference: Reference,
        name: str,
        nearby: Callable[[str], Iterable[str]],
        policy: str,
    ) -> Diagnostic:
        same_but_case = self.by_folded_name.get(name.casefold(), [])
        if same_but_case:
            listed = " or ".join(f'"{thing.name}" ({thing.id})' for thing in same_but_case)
            help_text = f"names compare exactly, case included; there is {listed}"
        else:
            help_text = _suggest(name, [*self.by_name, *nearby(name)])
        return error(
            f"unknown-{self.kind}",
            f"no {self.kind} is called {reference}",
            reference.location,
            help=help_text,
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


def _suggest(name: str, known: Iterable[str]) -> str:
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    close = difflib.get_close_matches(name.casefold(), list(by_folded), n=_NEAREST, cutoff=0.6)
    if not close:
        return "create it first, or correct the name: nothing is created to fill the gap"
    nearest = [by_folded[match] for match in close]
    told = describe_name_difference(name, nearest[0])
    listed = ", ".join(f'"{each}"' for each in nearest)
    return f"nearest: {listed}; {told}" if told else f"nearest: {listed}"
