"""Guardrails: the limits and the broad targets that stop apply before its first write. Pure.

A stop says what is over which limit. It never says how to raise the limit: the same sentence stands
in saved plans and comments, where no option can, and a limit is there to make people look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reconciler.model.diagnostics import Location
from reconciler.model.plan import Change, Create, Delete, Stop, Update
from reconciler.model.state import BroadTargets, Guardrails, Target, TargetKind
from reconciler.model.wording import Names

BROAD_TARGET = "broad-target"
"""The code of the stop, and of the warning, for a target that reaches everybody."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the command line says of the guardrails; None leaves the file's own value."""

    max_creates: int | None = None
    max_updates: int | None = None
    max_deletes: int | None = None
    allow_broad: bool = False


def effective(guardrails: Guardrails, limits: Limits) -> Guardrails:
    """Put the command line's limits over those of ``tenant.yaml``; ``deny`` cannot be lifted."""
    broad = guardrails.broad_targets
    if limits.allow_broad and broad is BroadTargets.CONFIRM:
        broad = BroadTargets.ALLOW
    return Guardrails(
        max_creates=_or(limits.max_creates, guardrails.max_creates),
        max_updates=_or(limits.max_updates, guardrails.max_updates),
        max_deletes=_or(limits.max_deletes, guardrails.max_deletes),
        broad_targets=broad,
    )


def tightened(guardrails: Guardrails, limits: Limits) -> Guardrails:
    """Put limits over those stored in a plan, which they can only tighten."""
    return replace(
        guardrails,
        max_creates=min(_or(limits.max_creates, guardrails.max_creates), guardrails.max_creates),
        max_updates=min(_or(limits.max_updates, guardrails.max_updates), guardrails.max_updates),
        max_deletes=min(_or(limits.max_deletes, guardrails.max_deletes), guardrails.max_deletes),
    )


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def stops(changes: Iterable[Change], guardrails: Guardrails) -> tuple[Stop, ...]:
    """List every guardrail that the changes run into; empty when apply may start."""
    listed = tuple(changes)
    return (*over_limits(listed, guardrails), *_broad_stops(listed, guardrails))


def over_limits(changes: Sequence[Change], guardrails: Guardrails) -> tuple[Stop, ...]:
    """List the limits per run that the changes exceed."""
    checks = (
        ("max_creates", _count(changes, Create), guardrails.max_creates, "add"),
        ("max_updates", _count(changes, Update), guardrails.max_updates, "change"),
        ("max_deletes", _count(changes, Delete), guardrails.max_deletes, "remove"),
    )
    return tuple(
        Stop(
            key.replace("_", "-"),
            f"{count} {'assignment' if count == 1 else 'assignments'} to {verb} "
            f"{'is' if count == 1 else 'are'} over the limit of {limit} ({key}); "
            f"check that {'it is' if count == 1 else 'every one is'} meant",
        )
        for key, count, limit, verb in checks
        if count > limit
    )


def _count(changes: Iterable[Change], kind: type[Create | Update | Delete]) -> int:
    return sum(isinstance(change, kind) for change in changes)


_NARROWER = "narrow it with a filter, or use a group"


def _broad_stops(changes: Iterable[Change], guardrails: Guardrails) -> Iterator[Stop]:
    listed = [change for change in changes if reaches_everybody(change)]
    names = Names.of_changes(listed)
    for change in listed:
        policy = names.quoted(change.policy.name, change.policy.id)
        what = f"{policy} would reach {everybody(change.target)}"
        match guardrails.broad_targets:
            case BroadTargets.ALLOW:
                continue
            case BroadTargets.DENY:
                yield Stop(
                    BROAD_TARGET,
                    f"{what}, and broad_targets in tenant.yaml is deny; {_NARROWER}",
                    _declared_at(change),
                )
            case BroadTargets.CONFIRM:
                if not _consents(change):
                    yield Stop(
                        BROAD_TARGET,
                        f'{what}; {_NARROWER}; where everybody is meant, the entry needs "broad: true"',
                        _declared_at(change),
                    )


def reaches_everybody(change: Change) -> bool:
    """Whether it newly assigns a policy to all users or all devices with no filter to narrow it."""
    match change:
        case Create():
            return change.target.is_broad and change.filter is None
        case Update():
            return change.target.is_broad and change.after is None
        case Delete():
            return False


def everybody(target: Target) -> str:
    """Say in words whom a broad target reaches."""
    return "every device" if target.kind is TargetKind.ALL_DEVICES else "every user"


def _consents(change: Change) -> bool:
    return not isinstance(change, Delete) and change.broad


def _declared_at(change: Change) -> Location | None:
    return change.declared_at
