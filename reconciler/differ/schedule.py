"""Which declared lines are in force on a day. Pure; the day is a parameter, in UTC.

A line with ``from`` in the future is *scheduled*: nothing is done for it. A line whose ``until`` has
passed is *expired*: its assignment is to be removed, on the side that the line names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from reconciler.model.diagnostics import Diagnostic, warning
from reconciler.model.state import (
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedRemoval,
    ResolvedState,
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The state as it is on the day, and a warning for each line that has expired."""

    state: ResolvedState
    diagnostics: tuple[Diagnostic, ...]


def lines_in_force(resolved: ResolvedState, day: date) -> Schedule:
    """Part the lines of every policy by the day."""
    policies = tuple(_on(policy, day) for policy in resolved.policies)
    found = [each for policy in resolved.policies for each in _expired_lines(policy, day)]
    return Schedule(replace(resolved, policies=policies), tuple(found))


def _on(policy: ResolvedPolicy, day: date) -> ResolvedPolicy:
    if all(each.starts is None and each.ends is None for each in policy.assignments):
        return policy
    scheduled = tuple(each for each in policy.assignments if _is_scheduled(each, day))
    expired = tuple(each for each in policy.assignments if _is_expired(each, day))
    others = {*map(id, scheduled), *map(id, expired)}
    in_force = tuple(each for each in policy.assignments if id(each) not in others)
    removals = (*policy.removals, *(ResolvedRemoval(e.target, e.location) for e in expired))
    return replace(policy, assignments=in_force, scheduled=scheduled, removals=removals)


def _is_scheduled(line: ResolvedAssignment, day: date) -> bool:
    return line.starts is not None and day < line.starts


def _is_expired(line: ResolvedAssignment, day: date) -> bool:
    return line.ends is not None and line.ends < day


def _expired_lines(policy: ResolvedPolicy, day: date) -> Iterator[Diagnostic]:
    for line in policy.assignments:
        if _is_expired(line, day):
            yield warning(
                "line-expired",
                f"this line ended after {line.ends}: its assignment is removed if it is there",
                line.location,
                help="once it has been removed, the line can go",
                policy=policy.live.policy.name,
            )
