"""Which policies ``--policy`` selects. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.state import DesiredPolicy, DesiredState, LivePolicy, LiveState

NO_SUCH_POLICY = "no-such-policy"

_WILDCARD = re.compile(r"(\*+|\?)")
_MEANINGS = {"*": ".*", "?": "."}


@dataclass(frozen=True, slots=True)
class _Names:
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

    def select(
        self, desired: DesiredState, live: LiveState
    ) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
        """Keep the selected policies; a glob that selects none of them is an error, not an empty plan."""
        if not self.globs:
            return desired, ()
        by_name = _by_name(live)
        known = {policy: _names(policy, live, by_name) for policy in desired.policies}
        matched = {glob: _matching(glob, known) for glob in self.globs}
        kept = {policy for policies in matched.values() for policy in policies}
        unmatched = tuple(
            error(
                NO_SUCH_POLICY,
                f'--policy "{glob}" matches no declared policy',
                help="write the policy's display name (case-sensitive) or its id; "
                "* and ? are wildcards in a name",
            )
            for glob, policies in matched.items()
            if not policies
        )
        policies = tuple(policy for policy in desired.policies if policy in kept)
        return replace(desired, policies=policies), unmatched


def matches(glob: str, name: str, id: str) -> bool:
    """Whether a glob means a policy of this name and id, looked at by itself."""
    return glob == name or glob.casefold() == id.casefold() or bool(_pattern(glob).fullmatch(name))


def _pattern(glob: str) -> re.Pattern[str]:
    parts = _WILDCARD.split(glob)
    return re.compile(
        "".join(_MEANINGS.get(part[:1]) or re.escape(part) for part in parts), re.DOTALL
    )


def _matching(glob: str, known: Mapping[DesiredPolicy, _Names]) -> list[DesiredPolicy]:
    equal = [
        policy
        for policy, found in known.items()
        if glob in found.names or glob.casefold() in found.ids
    ]
    if equal:
        return equal
    pattern = _pattern(glob)
    return [policy for policy, found in known.items() if any(map(pattern.fullmatch, found.names))]


def _by_name(live: Iterable[LivePolicy]) -> Mapping[str, list[LivePolicy]]:
    grouped: dict[str, list[LivePolicy]] = {}
    for policy in live:
        grouped.setdefault(policy.policy.name, []).append(policy)
    return grouped


def _names(
    policy: DesiredPolicy, live: LiveState, by_name: Mapping[str, list[LivePolicy]]
) -> _Names:
    """The declared name and id, and those of the live policies that they lead to.

    A policy that has no name, in the files or in the tenant, answers to wildcards by its id.
    """
    name, id = policy.reference.name, policy.reference.id
    if id is None:
        platform = policy.platform.casefold() if policy.platform else None
        found = by_name.get(name or "", [])
        ids = {
            each.policy.id.casefold()
            for each in found
            if platform in (None, (each.policy.platform or "").casefold())
        }
        return _Names(frozenset({name or ""}), frozenset(ids))
    there = live.policies.get(id)
    names = {each for each in (name, there.policy.name if there else None) if each}
    return _Names(frozenset(names or {id}), frozenset({id.casefold()}))
