"""Find contradictions in the declared policies, each with both of its places. Pure.

Every look-up is by key, never by comparing each with each: a file may hold fifty thousand entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from reconciler.model.diagnostics import Diagnostic, Location, error
from reconciler.model.state import DesiredAssignment, DesiredPolicy, Reference, TargetKind

ThingT = TypeVar("ThingT")

_ANY = object()


class Declared(Generic[ThingT]):
    """Things declared by id, by name, or by both; finds an earlier one that is the same thing.

    Two things are the same when their ids are; or when their names are, unless both ids, or both
    qualifiers (a policy's platform), are written and differ.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, ThingT] = {}
        self._by_name: dict[tuple[str, object, object], ThingT] = {}

    def earlier(self, reference: Reference, qualifier: str | None = None) -> ThingT | None:
        """Find the thing that was added before, if any."""
        if reference.id is not None and reference.id in self._by_id:
            return self._by_id[reference.id]
        if reference.name is None:
            return None
        ids = (_ANY,) if reference.id is None else (None, reference.id)
        qualifiers = (_ANY,) if qualifier is None else (None, qualifier)
        keys = ((reference.name, known, each) for known in ids for each in qualifiers)
        return next((self._by_name[key] for key in keys if key in self._by_name), None)

    def add(self, thing: ThingT, reference: Reference, qualifier: str | None = None) -> None:
        """Keep a thing, for what comes after it."""
        if reference.id is not None:
            self._by_id.setdefault(reference.id, thing)
        if reference.name is not None:
            for known in (reference.id, _ANY):
                for each in (qualifier, _ANY):
                    self._by_name.setdefault((reference.name, known, each), thing)


def check_policies(policies: Iterable[DesiredPolicy]) -> Iterator[Diagnostic]:
    """Find policies declared twice, and what is wrong inside each."""
    declared: Declared[DesiredPolicy] = Declared()
    for policy in policies:
        platform = policy.platform.casefold() if policy.platform else None
        earlier = declared.earlier(policy.reference, platform)
        declared.add(policy, policy.reference, platform)
        if earlier is not None:
            yield _policy_twice(policy, earlier)
        yield from check_targets(policy)


def check_targets(policy: DesiredPolicy) -> Iterator[Diagnostic]:
    """Find targets that one policy names twice, or on both sides."""
    label = policy.reference.name or policy.reference.id or ""
    included: Declared[DesiredAssignment] = Declared()
    excluded: Declared[DesiredAssignment] = Declared()
    others: dict[tuple[str, ...], DesiredAssignment] = {}
    for assignment in policy.assignments:
        if assignment.group is None:
            key = (assignment.kind, (assignment.id or "").casefold(), assignment.target_type or "")
            earlier = others.setdefault(key, assignment)
            if earlier is not assignment:
                yield _target_twice(assignment, earlier, label)
            continue
        is_exclusion = assignment.kind is TargetKind.EXCLUSION_GROUP
        same_side = excluded if is_exclusion else included
        twin = same_side.earlier(assignment.group)
        same_side.add(assignment, assignment.group)
        if twin is not None:
            yield _target_twice(assignment, twin, label)
            continue
        opposite = included.earlier(assignment.group) if is_exclusion else None
        if opposite is not None:
            yield _on_both_sides(assignment, opposite, label)


def _policy_twice(policy: DesiredPolicy, earlier: DesiredPolicy) -> Diagnostic:
    here, there = policy.reference, earlier.reference
    by_id = here.id is not None and here.id == there.id
    subject = f"the policy {here.id}" if by_id else f"the policy {here}"
    advice = "keep one of the two: a policy's targets stand in one place"
    if not by_id:
        advice += "; for two policies of one name, give both a platform or an id"
    return error(
        "duplicate-policy",
        f"{subject} is already declared {_seen_from(here.location, there.location)}",
        here.location,
        help=advice,
        policy=here.name or here.id or "",
    )


def _target_twice(
    assignment: DesiredAssignment, earlier: DesiredAssignment, label: str
) -> Diagnostic:
    place = _seen_from(assignment.location, earlier.location)
    verb = "excluded" if assignment.kind is TargetKind.EXCLUSION_GROUP else "included"
    advice = "keep one of the two"
    if assignment.filter != earlier.filter:
        advice += ": Intune takes one assignment, with one filter at most, for a target"
    message = f"{_described(assignment)} is already {verb} {place}"
    return error("duplicate-target", message, assignment.location, help=advice, policy=label)


def _on_both_sides(
    assignment: DesiredAssignment, included: DesiredAssignment, label: str
) -> Diagnostic:
    place = _seen_from(assignment.location, included.location)
    message = f"{_described(assignment)} is excluded here and included {place}"
    advice = "remove it from one side: for Intune the exclusion would win"
    return error("group-on-both-sides", message, assignment.location, help=advice, policy=label)


def _described(assignment: DesiredAssignment) -> str:
    if assignment.group is not None:
        return f"the group {assignment.group}"
    if assignment.kind is TargetKind.COLLECTION:
        return f"the collection {assignment.id}"
    if assignment.kind is TargetKind.SCOPE_TAG_GROUP:
        return f"the scope-tag group {assignment.id} ({assignment.target_type})"
    return str(assignment.kind)


def _seen_from(here: Location, there: Location) -> str:
    return f"on line {there.line}" if here.file == there.file else f"at {there}"
