"""Which policies ``--policy`` selects. No I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.state import DesiredPolicy, DesiredState, LiveState, Policy

NO_SUCH_POLICY = "no-such-policy"

_NEAREST = 3
"""Names that are suggested for one that matches nothing."""

_WILDCARD = re.compile(r"(\*+|\?)")
_MEANINGS = {"*": ".*", "?": "."}


@dataclass(frozen=True, slots=True)
class _AnsweringNames:
    """Everything that one declared policy answers to; ``ids`` are in lower case."""

    names: frozenset[str]
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """The ``--policy`` globs that a plan is limited to; none means every declared policy.

    Only ``*`` and ``?`` are wildcards; every other character means itself. A glob that equals the
    name or the id of a policy means that policy alone, whatever else it would match. Names are
    case-sensitive, ids are not.
    """

    globs: tuple[str, ...] = ()

    def wanted(self, desired: DesiredState) -> Callable[[Policy], bool]:
        """Tell which live policies a plan of the selection may need; never fewer than it does."""
        declared: dict[str, str | None] = {
            policy.reference.id: policy.reference.name
            for policy in desired.policies
            if policy.reference.id is not None
        }
        names = {policy.reference.name for policy in desired.policies}

        def is_wanted(policy: Policy) -> bool:
            if policy.id not in declared and policy.name not in names:
                return False
            called = (policy.name, policy.id, declared.get(policy.id) or policy.name)
            return not self.globs or any(
                _equals(glob, called, (policy.id,)) or _matches(glob, called) for glob in self.globs
            )

        return is_wanted

    def select(
        self, desired: DesiredState, live: LiveState
    ) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
        """Keep the selected policies; a glob that selects none of them is an error, not an empty plan."""
        if not self.globs:
            return desired, ()
        by_name = _by_name(live)
        by_id = {policy.id: policy.name for policy in live.known()}
        known = {policy: _names(policy, by_id, by_name) for policy in desired.policies}
        matched = {glob: _matching(glob, known) for glob in self.globs}
        kept = {policy for policies in matched.values() for policy in policies}
        unmatched = tuple(
            error(
                NO_SUCH_POLICY,
                f'--policy "{glob}" matches no declared policy',
                help=_advice(glob, known.values()),
            )
            for glob, policies in matched.items()
            if not policies
        )
        policies = tuple(policy for policy in desired.policies if policy in kept)
        return replace(desired, policies=policies), unmatched


def _advice(glob: str, known: Iterable[_AnsweringNames]) -> str:
    by_folded = {name.casefold(): name for each in known for name in each.names}
    same = filter(_pattern(glob.casefold()).fullmatch, by_folded)
    near = [*same] or difflib.get_close_matches(glob.casefold(), by_folded, cutoff=0.6)
    listed = ", ".join(f'"{by_folded[name]}"' for name in near[:_NEAREST])
    usage = "write the exact name or the id of a policy; in a name, * and ? are wildcards"
    return f"nearest: {listed}; {usage}" if listed else usage


def matches(glob: str, name: str, id: str) -> bool:
    """Whether a glob means a policy of this name and id, looked at by itself."""
    return glob == name or glob.casefold() == id.casefold() or bool(_pattern(glob).fullmatch(name))


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    parts = _WILDCARD.split(glob)
    return re.compile(
        "".join(_MEANINGS.get(part[:1]) or re.escape(part) for part in parts), re.DOTALL
    )


def _matching(glob: str, known: Mapping[DesiredPolicy, _AnsweringNames]) -> list[DesiredPolicy]:
    equal = [policy for policy, its in known.items() if _equals(glob, its.names, its.ids)]
    return equal or [policy for policy, its in known.items() if _matches(glob, its.names)]


def _equals(glob: str, names: Iterable[str], ids: Iterable[str]) -> bool:
    return glob in names or glob.casefold() in ids


def _matches(glob: str, names: Iterable[str]) -> bool:
    return any(map(_pattern(glob).fullmatch, names))


def _by_name(live: LiveState) -> Mapping[str, list[Policy]]:
    grouped: dict[str, list[Policy]] = {}
    for policy in live.known():
        grouped.setdefault(policy.name, []).append(policy)
    return grouped


def _names(
    policy: DesiredPolicy, by_id: Mapping[str, str], by_name: Mapping[str, list[Policy]]
) -> _AnsweringNames:
    """The declared name and id, and those of the live policies that they lead to.

    A policy that has no name, in the files or in the tenant, answers to wildcards by its id.
    """
    name, id = policy.reference.name, policy.reference.id
    if id is None:
        platform = policy.platform.casefold() if policy.platform else None
        found = by_name.get(name or "", [])
        ids = {
            each.id.casefold()
            for each in found
            if platform in (None, (each.platform or "").casefold())
        }
        return _AnsweringNames(frozenset({name or ""}), frozenset(ids))
    names = {each for each in (name, by_id.get(id)) if each}
    return _AnsweringNames(frozenset(names or {id}), frozenset({id.casefold()}))
