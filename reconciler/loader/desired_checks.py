"""Check the declared policies for contradictions, each with both of its places. Pure.

Every look-up is by key; nothing compares each with each: a file may hold fifty thousand entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as ReadOnly
from typing import Generic, TypeVar

from reconciler.model.diagnostics import KEEP_ONE_LINE, ONE_SIDE, Diagnostic, Location, error
from reconciler.model.state import DesiredAssignment, DesiredPolicy, Reference, TargetKind
from reconciler.model.text import explain_quotes

ThingT = TypeVar("ThingT")

_ANY = object()


class Declared(Generic[ThingT]):
    """Things declared by id, by name, or by both; finds an earlier one that is the same thing.

    Two things are the same when their ids are; or when their names are, unless both ids, or both
    qualifiers (a policy's platform), are written and differ.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, ThingT] = {}
        self._by_name: dict[str, dict[tuple[object, object], ThingT]] = {}

    def find_earlier(self, reference: Reference, qualifier: str | None = None) -> ThingT | None:
        """Find the thing that was added before, if any."""
        if reference.id is not None and reference.id in self._by_id:
            return self._by_id[reference.id]
        same_name = self._by_name.get(reference.name or "")
        if same_name is None:
            return None
        ids = (_ANY,) if reference.id is None else (None, reference.id)
        qualifiers = (_ANY,) if qualifier is None else (None, qualifier)
        keys = ((known, each) for known in ids for each in qualifiers)
        return next((same_name[key] for key in keys if key in same_name), None)

    def add(self, thing: ThingT, reference: Reference, qualifier: str | None = None) -> None:
        """Keep a thing, for what comes after it."""
        if reference.id is not None:
            self._by_id.setdefault(reference.id, thing)
        if reference.name is not None:
            same_name = self._by_name.setdefault(reference.name, {})
            for known in (reference.id, _ANY):
                for each in (qualifier, _ANY):
                    same_name.setdefault((known, each), thing)


def check_policies(policies: Iterable[DesiredPolicy]) -> Iterator[Diagnostic]:
    """Find policies declared twice, and what is wrong inside each."""
    declared: Declared[DesiredPolicy] = Declared()
    for policy in policies:
        platform = policy.platform.casefold() if policy.platform else None
        earlier = declared.find_earlier(policy.reference, platform)
        declared.add(policy, policy.reference, platform)
        if earlier is not None:
            yield _policy_twice(policy, earlier)
        yield from check_targets(policy)


def check_targets(policy: DesiredPolicy) -> Iterator[Diagnostic]:
    """Find targets that one policy names twice, or on both sides."""
    name = policy.reference.name_or_id
    included: Declared[DesiredAssignment] = Declared()
    excluded: Declared[DesiredAssignment] = Declared()
    others: dict[tuple[str, ...], DesiredAssignment] = {}
    for assignment in policy.assignments:
        if assignment.group is None:
            key = (assignment.kind, (assignment.id or "").casefold(), assignment.target_type or "")
            earlier = others.setdefault(key, assignment)
            if earlier is not assignment:
                yield _target_twice(assignment, earlier, name)
            continue
        is_exclusion = assignment.kind is TargetKind.EXCLUSION_GROUP
        same_side = excluded if is_exclusion else included
        twin = same_side.find_earlier(assignment.group)
        same_side.add(assignment, assignment.group)
        if twin is not None:
            yield _target_twice(assignment, twin, name)
            continue
        opposite = included.find_earlier(assignment.group) if is_exclusion else None
        if opposite is not None:
            yield _on_both_sides(assignment, opposite, name)
    yield from _check_removals(policy, included, excluded, others)


def _check_removals(
    policy: DesiredPolicy,
    included: Declared[DesiredAssignment],
    excluded: Declared[DesiredAssignment],
    others: ReadOnly[tuple[str, ...], DesiredAssignment],
) -> Iterator[Diagnostic]:
    """Find targets of ``remove`` that the policy declares too, or that stand there twice."""
    name = policy.reference.name_or_id
    removed: Declared[DesiredAssignment] = Declared()
    others_removed: dict[tuple[str, ...], DesiredAssignment] = {}
    for removal in policy.removals:
        if removal.group is not None:
            declared = included.find_earlier(removal.group) or excluded.find_earlier(removal.group)
            twin = removed.find_earlier(removal.group)
            removed.add(removal, removal.group)
        else:
            key = (removal.kind, (removal.id or "").casefold(), removal.target_type or "")
            declared = others.get(key)
            known = others_removed.setdefault(key, removal)
            twin = known if known is not removal else None
        if declared is not None:
            yield _declared_and_removed(removal, declared, name)
        elif twin is not None:
            place = _relative_place(removal.location, twin.location)
            message = f"{_described(removal)} stands under remove already, {place}"
            advice = "write each target of a policy once"
            yield error("duplicate-target", message, removal.location, help=advice, policy=name)


def _declared_and_removed(
    removal: DesiredAssignment, declared: DesiredAssignment, policy: str
) -> Diagnostic:
    place = _relative_place(removal.location, declared.location)
    verb = "excluded" if declared.kind is TargetKind.EXCLUSION_GROUP else "included"
    message = f"{_described(removal)} is to be removed here and is {verb} {place}"
    return error(
        "declared-and-removed", message, removal.location, help=KEEP_ONE_LINE, policy=policy
    )


def _policy_twice(policy: DesiredPolicy, earlier: DesiredPolicy) -> Diagnostic:
    here, there = policy.reference, earlier.reference
    by_id = here.id is not None and here.id == there.id
    subject = f"the policy {here.id}" if by_id else f"the policy {here}"
    advice = "list all targets of a policy in one place"
    if not by_id:
        advice += "; for two policies of one name, give both a platform or an id"
        advice += _explain_quotes(here, there)
    return error(
        "duplicate-policy",
        f"{subject} is already declared {_relative_place(here.location, there.location)}",
        here.location,
        help=advice,
        policy=here.name_or_id,
    )


def _target_twice(
    assignment: DesiredAssignment, earlier: DesiredAssignment, policy: str
) -> Diagnostic:
    place = _relative_place(assignment.location, earlier.location)
    verb = "excluded" if assignment.kind is TargetKind.EXCLUSION_GROUP else "included"
    advice = "write each target of a policy once"
    if assignment.filter != earlier.filter:
        advice += ", with the filter that is meant: Intune takes one filter at most for a target"
    if assignment.group is not None and earlier.group is not None:
        advice += _explain_quotes(assignment.group, earlier.group)
    message = f"{_described(assignment)} is already {verb} {place}"
    return error("duplicate-target", message, assignment.location, help=advice, policy=policy)


def _on_both_sides(
    assignment: DesiredAssignment, included: DesiredAssignment, policy: str
) -> Diagnostic:
    place = _relative_place(assignment.location, included.location)
    message = f"{_described(assignment)} is excluded here and included {place}"
    return error("group-on-both-sides", message, assignment.location, help=ONE_SIDE, policy=policy)


def _explain_quotes(*references: Reference) -> str:
    """Two names may be equal only because YAML reads less of them than the lines say."""
    uncut = [each.uncut_name for each in references if each.uncut_name is not None]
    return f"; {explain_quotes(uncut[0])}, if that is the whole name" if uncut else ""


def _described(assignment: DesiredAssignment) -> str:
    if assignment.group is not None:
        return f"the group {assignment.group}"
    if assignment.kind is TargetKind.COLLECTION:
        return f"the collection {assignment.id}"
    if assignment.kind is TargetKind.SCOPE_TAG_GROUP:
        return f"the scope-tag group {assignment.id} ({assignment.target_type})"
    return str(assignment.kind)


def _relative_place(here: Location, there: Location) -> str:
    return f"on line {there.line}" if here.file == there.file else f"at {there}"
