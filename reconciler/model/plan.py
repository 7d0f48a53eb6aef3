"""The plan: what apply would do to each policy, and what it will leave alone. Pure.

A plan is a constraint. Apply may find that something is already true and skip it; it never does
anything that is not written here. The digest names the changes and nothing else, so that two
machines that would do the same thing print the same digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from reconciler.model.diagnostics import Diagnostic, Location
from reconciler.model.state import (
    Assignment,
    Cloud,
    Filter,
    Guardrails,
    Hold,
    Ownership,
    Policy,
    Target,
    Writes,
)

if TYPE_CHECKING:  # impact names the changes, and a plan holds its impact
    from reconciler.model.impact import Impact

Key: TypeAlias = tuple[str, str, str]
"""An assignment's identity on its policy: kind, object id, and a scope-tag group's target type."""


class Action(StrEnum):
    """What a change does; the spelling is that of the plan JSON."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


def key_of(target: Target) -> Key:
    """Name the identity of a target on its policy. The filter is an attribute, never part of it."""
    return target.kind, target.id or "", target.target_type or ""


@dataclass(frozen=True, slots=True)
class Create:
    """Assign a declared target that the policy lacks."""

    policy: Policy
    target: Target
    filter: Filter | None
    """The filter to assign it with."""
    declared_at: Location
    broad: bool = False
    """Whether the line consents to a target that reaches everybody; guardrails alone look at it."""


@dataclass(frozen=True, slots=True)
class Update:
    """Give a declared assignment that is there another filter."""

    policy: Policy
    live: Assignment
    """How it was when the plan was made. Apply refuses where its filter is neither this one nor
    the new one."""
    target: Target
    """The declared target; it has the same identity as the live one."""
    after: Filter | None
    """The filter to assign it with; None takes the filter off."""
    declared_at: Location
    broad: bool = False
    """As of `Create`: an update that takes the filter off reaches more."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a direct assignment: nobody declares it on a policy owned authoritatively, or a line asks for it."""

    policy: Policy
    live: Assignment
    """How it was when the plan was made. Apply refuses where its filter has changed since."""
    declared_at: Location | None = None
    """The line of ``remove``, or the line that has expired; None where ownership alone asks for it."""

    @property
    def target(self) -> Target:
        """Whom it reaches now."""
        return self.live.target


@dataclass(frozen=True, slots=True)
class Keep:
    """A declared assignment that the tenant has as declared."""

    policy: Policy
    assignment: Assignment
    declared_at: Location


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """A direct assignment that nobody declares, and that is left alone."""

    policy: Policy
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Inherited:
    """An assignment that was not made on the policy itself, for example by a policy set."""

    policy: Policy
    assignment: Assignment
    declared_at: Location | None = None
    """The line that it covers; None where no line declares its target."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A declared assignment that is not in force yet. Nothing is done for it before its day."""

    policy: Policy
    target: Target
    filter: Filter | None
    starts: date
    """The first day (UTC) on which it is in force."""
    declared_at: Location


Change: TypeAlias = Create | Update | Delete

_ACTION_ORDER = {Action.DELETE: 0, Action.UPDATE: 1, Action.CREATE: 2}


def action_of(change: Change) -> Action:
    """Name what a change does."""
    match change:
        case Create():
            return Action.CREATE
        case Update():
            return Action.UPDATE
        case Delete():
            return Action.DELETE


def filter_after(change: Change) -> Filter | None:
    """The filter a change leaves behind; a deletion leaves none."""
    match change:
        case Create():
            return change.filter
        case Update():
            return change.after
        case Delete():
            return None


def assignment_order(assignment: Assignment) -> tuple[tuple[int, str, str], str, str]:
    """The stable order of live assignments within one policy."""
    return assignment.target.sort_key, assignment.source, assignment.id


def sort_changes(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Sort one policy's changes: delete, update, create, then by kind, then by id."""
    return tuple(sorted(changes, key=lambda op: (_ACTION_ORDER[action_of(op)], op.target.sort_key)))


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """Everything the plan says of one policy; each live assignment stands in exactly one place."""

    policy: Policy
    ownership: Ownership
    """For people alone: what authoritative removes is already among ``changes``."""
    changes: tuple[Change, ...]
    """What apply does, in the order of `sort_changes`. Apply does nothing else."""
    kept: tuple[Keep, ...]
    unmanaged: tuple[Unmanaged, ...]
    inherited: tuple[Inherited, ...]
    held: tuple[Change, ...] = ()
    """What ``hold`` keeps from being written, in the order of `sort_changes`. Apply writes none of it."""
    hold: Hold | None = None
    """Set where ``held`` is not empty."""
    scheduled: tuple[Scheduled, ...] = ()
    """Declared lines that are not in force yet. What is live of them stands among ``unmanaged``."""

    @property
    def targets_after(self) -> tuple[Target, ...]:
        """Every target that the policy has after the plan; those of a policy set stay."""
        return (
            *(change.target for change in self.changes if not isinstance(change, Delete)),
            *(each.assignment.target for each in self.kept),
            *(each.assignment.target for each in self.unmanaged),
            *(each.assignment.target for each in self.inherited),
        )

    @property
    def live(self) -> tuple[Assignment, ...]:
        """Its whole assignment set when the plan was made, in no particular order."""
        planned = (*self.changes, *self.held)
        changed = [change.live for change in planned if not isinstance(change, Create)]
        return (
            *changed,
            *(each.assignment for each in self.kept),
            *(each.assignment for each in self.unmanaged),
            *(each.assignment for each in self.inherited),
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """How many of each; the names are those of the plan JSON."""

    create: int = 0
    update: int = 0
    delete: int = 0
    unchanged: int = 0
    unmanaged: int = 0
    inherited: int = 0
    held: int = 0
    scheduled: int = 0

    @property
    def has_changes(self) -> bool:
        """Whether apply would write anything."""
        return bool(self.create or self.update or self.delete)


@dataclass(frozen=True, slots=True)
class PlanTenant:
    """The tenant a plan is for, and no other."""

    id: str
    label: str
    display_name: str | None
    cloud: Cloud


@dataclass(frozen=True, slots=True)
class Stop:
    """A guardrail that stops apply."""

    code: str
    """Stable name of the guardrail, for example ``max-deletes``."""
    message: str
    declared_at: Location | None = None
    """The line concerned; None for a limit on the whole run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do to one tenant."""

    tenant: PlanTenant
    """Apply refuses every other tenant."""
    policies: tuple[PolicyPlan, ...]
    """The declared policies that could be planned, by name and then id."""
    writes: Writes
    guardrails: Guardrails
    """The limits that were in force. Apply may tighten them, never loosen them."""
    complete: bool
    """False where something declared could not be planned; ``diagnostics`` says why. Apply
    refuses an incomplete plan."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """Errors and warnings, for people. They change nothing in apply: ``complete`` does."""
    stopped_by: tuple[Stop, ...] = ()
    """The guardrails that ``changes`` run into. Apply refuses where there is one."""
    selection: tuple[str, ...] = ()
    """The ``--policy`` globs that it was limited to, for people; empty for everything."""
    impact: Impact | None = None
    """Whom the changes concern, for people; None where it was not read. The digest leaves it out."""

    @property
    def changes(self) -> Iterator[Change]:
        """Every change, in the plan's stable order."""
        for policy in self.policies:
            yield from policy.changes

    @property
    def held(self) -> Iterator[Change]:
        """Every change that a hold keeps from being written. Digest and guardrails leave it out."""
        for policy in self.policies:
            yield from policy.held

    @property
    def summary(self) -> Summary:
        """Count what the plan holds."""
        actions = [action_of(change) for change in self.changes]
        return Summary(
            create=actions.count(Action.CREATE),
            update=actions.count(Action.UPDATE),
            delete=actions.count(Action.DELETE),
            unchanged=sum(len(policy.kept) for policy in self.policies),
            unmanaged=sum(len(policy.unmanaged) for policy in self.policies),
            inherited=sum(len(policy.inherited) for policy in self.policies),
            held=sum(len(policy.held) for policy in self.policies),
            scheduled=sum(len(policy.scheduled) for policy in self.policies),
        )

    @property
    def open_diagnostics(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that no stop repeats: a stop says the same of its place, and more."""
        stopped = {(stop.code, stop.declared_at) for stop in self.stopped_by}
        return tuple(d for d in self.diagnostics if (d.code, d.location) not in stopped)

    @property
    def is_empty(self) -> bool:
        """Whether apply would write nothing."""
        return not any(policy.changes for policy in self.policies)

    @property
    def applyable(self) -> bool:
        """Whether apply would start: complete, and stopped by no guardrail."""
        return self.complete and not self.stopped_by

    @property
    def digest(self) -> str:
        """Name the changes: ``sha256:`` and 64 hex digits."""
        return digest_of_lines(self.tenant.id, change_lines(self.changes))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _canonical_filter(filter: Filter | None) -> list[str] | None:
    return None if filter is None else [filter.mode.value, filter.id]


def change_lines(changes: Iterable[Change]) -> tuple[str, ...]:
    """Write each change in canonical JSON, sorted: what the digest is made of.

    Names, times and places are left out, and the order of the changes does not matter.
    """
    return tuple(
        sorted(
            _canonical(
                {
                    "action": action_of(change).value,
                    "policy": change.policy.id,
                    "target": list(key_of(change.target)),
                    "filter": _canonical_filter(filter_after(change)),
                }
            )
            for change in changes
        )
    )


def digest_of_lines(tenant_id: str, lines: Sequence[str]) -> str:
    """Hash the tenant and its canonical changes: ``sha256:`` and 64 hex digits."""
    body = _canonical({"tenant": tenant_id, "operations": sorted(lines)})
    return "sha256:" + hashlib.sha256(body.encode()).hexdigest()


def fingerprint(assignments: Iterable[Assignment]) -> str:
    """Hash a policy's live assignments, in any order: a change of anything in them changes it."""
    lines = sorted(
        _canonical(
            [
                *key_of(assignment.target),
                _canonical_filter(assignment.filter),
                assignment.source.casefold(),
                json.loads(assignment.raw_target),
                *_beside(assignment),
            ]
        )
        for assignment in assignments
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _beside(assignment: Assignment) -> list[object]:
    """What Graph showed beside the target; nothing where that was nothing."""
    properties = json.loads(assignment.raw_properties)
    return [properties] if properties else []
