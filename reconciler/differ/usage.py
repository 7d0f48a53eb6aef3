"""Find every assignment that hangs on a group or a filter, in the tenant and in the files. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.differ.compare import Namer
from reconciler.model.diagnostics import Location
from reconciler.model.plan import Key, key_of
from reconciler.model.ports import Directory
from reconciler.model.state import (
    Assignment,
    Filter,
    LivePolicy,
    LiveState,
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedState,
    Target,
)
from reconciler.model.usage import Usage


def find_usages(
    ids: Collection[str], resolved: ResolvedState, live: LiveState, directory: Directory
) -> tuple[Usage, ...]:
    """List them by policy name, then id, then target; ``ids`` are lower case.

    A target whose JSON names one of the ids in a form that the program does not know counts too.
    """
    declared = {policy.live.policy.id: policy for policy in resolved.policies}
    return tuple(
        usage
        for policy in live
        for usage in _of_policy(frozenset(ids), policy, declared.get(policy.policy.id), directory)
    )


def _of_policy(
    ids: frozenset[str], live: LivePolicy, declared: ResolvedPolicy | None, directory: Directory
) -> Iterator[Usage]:
    wanted: dict[Key, ResolvedAssignment] = {
        key_of(each.target): each for each in (declared.assignments if declared else ())
    }
    shown: set[Key] = set()
    usages: list[Usage] = []
    for assignment in live.assignments:
        if not _uses(ids, assignment.target, assignment.filter, assignment):
            continue
        key = key_of(assignment.target)
        shown.add(key)
        named = Namer(directory).named(assignment)
        usages.append(
            Usage(
                live.policy,
                named.target,
                named.filter,
                live=True,
                source=assignment.source,
                declared_at=_declared_at(ids, key, wanted),
            )
        )
    for key, each in wanted.items():
        if key not in shown and _uses(ids, each.target, each.filter):
            usages.append(
                Usage(
                    live.policy,
                    each.target,
                    each.filter,
                    live=False,
                    source=None,
                    declared_at=each.location,
                )
            )
    yield from sorted(usages, key=lambda usage: (usage.target.sort_key, usage.source or ""))


def _declared_at(
    ids: frozenset[str], key: Key, wanted: Mapping[Key, ResolvedAssignment]
) -> Location | None:
    each = wanted.get(key)
    return each.location if each and _uses(ids, each.target, each.filter) else None


def _uses(
    ids: frozenset[str],
    target: Target,
    filter: Filter | None,
    assignment: Assignment | None = None,
) -> bool:
    if target.id in ids or (filter is not None and filter.id in ids):
        return True
    if assignment is None or target.odata_type is None:
        return False
    raw = assignment.raw_target.lower()
    return any(id in raw for id in ids)
