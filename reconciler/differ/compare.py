"""Compare the declared with the live assignments, policy by policy. Pure.

Terms. A *key* is an assignment's identity on its policy (`plan.key_of`): include or exclude, kind of
target, object id. The filter is an attribute and no part of the key. *Direct* assignments were made on
the policy itself; *inherited* ones come from a policy set. An *opaque* assignment has a target of a type
that this program does not know.

Premise. A key stands once among the declared and once among the direct assignments of a policy. The
declared side is checked by `resolve`; a policy whose live side breaks the rule is refused, as nothing
would say which of the two a change is about.

Algorithm, per policy. Both sides become dicts by key; then every key is in one of these sets:

    declared and direct     unchanged, or an update where the filters differ
    declared, not direct    covered, where a policy set assigns the target already; an error, where an
                            opaque assignment has the id that the new one would get; else a create
    direct, not declared    unmanaged (additive; opaque and scheduled always), or a delete (authoritative)
    direct, to be removed   a delete, in both
    inherited               shown, never written

Why not the obvious way. A generic comparison of two lists pairs what looks alike. It reports a group
that took another's place as a change of one assignment, so a removal and an addition would look like an
edit, and it compares each with each. Here nothing is ever paired but equal keys, and the cost is linear.
DeepDiff serves for one thing: to describe, field by field, how two assignments with one key differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model.diagnostics import Diagnostic, error, warning
from reconciler.model.identifiers import is_guid
from reconciler.model.plan import (
    Change,
    Create,
    Delete,
    Inherited,
    Keep,
    Key,
    PolicyPlan,
    Scheduled,
    Unmanaged,
    Update,
    assignment_order,
    key_of,
    sort_changes,
)
from reconciler.model.ports import Directory
from reconciler.model.state import (
    GROUP_KINDS,
    VIRTUAL_GROUPS,
    Assignment,
    Filter,
    Ownership,
    Policy,
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedRemoval,
    ResolvedState,
    Target,
    TargetKind,
)
from reconciler.model.wording import Names, describe_target


@dataclass(frozen=True, slots=True)
class Difference:
    """A plan per policy, and the errors and warnings about the policies."""

    policies: tuple[PolicyPlan, ...]
    diagnostics: tuple[Diagnostic, ...]


def diff(resolved: ResolvedState, directory: Directory) -> Difference:
    """Compare every declared policy with its live assignments.

    A policy with an error in it is left out of the result, and its error is in the diagnostics.
    """
    names = Names.of(each.live.policy for each in resolved.policies)
    policies: list[PolicyPlan] = []
    diagnostics: list[Diagnostic] = []
    namer = Namer(directory)
    for policy in resolved.policies:
        live = tuple(map(namer.named, policy.live.assignments))
        difference = diff_policy(policy, live)
        name = names.policy(policy.live.policy)
        diagnostics.extend(replace(each, policy=name) for each in difference.diagnostics)
        policies.extend(difference.policies)
    return Difference(tuple(policies), tuple(diagnostics))


def diff_policy(resolved: ResolvedPolicy, live: Sequence[Assignment]) -> Difference:
    """Compare one policy."""
    policy = resolved.live.policy
    direct, inherited, errors = split(policy, live)
    if errors:
        return Difference((), tuple(replace(each, location=resolved.location) for each in errors))
    desired = {key_of(wanted.target): wanted for wanted in resolved.assignments}
    changes: list[Change] = []
    kept: list[Keep] = []
    covered: dict[Key, ResolvedAssignment] = {}
    diagnostics = _unknown_sources(resolved, live)
    for key, wanted in desired.items():
        if key in direct:
            change = _compare(policy, wanted, direct[key])
            if isinstance(change, Keep):
                kept.append(change)
            else:
                changes.append(change)
        elif key in inherited:
            covered[key] = wanted
            diagnostics.append(_covered(wanted, inherited[key]))
        elif (opaque := _opaque_twin(wanted.target, direct)) is not None:
            diagnostics.append(_refuse_opaque_twin(wanted, opaque))
        else:
            changes.append(
                Create(policy, wanted.target, wanted.filter, wanted.location, wanted.broad)
            )
    removed, errors_and_warnings = _removals(resolved, direct, inherited)
    diagnostics += errors_and_warnings
    deletes, unmanaged = _undeclared(resolved, direct, desired.keys() | removed.keys())
    if any(diagnostic.is_error for diagnostic in diagnostics):
        return Difference((), tuple(diagnostics))
    plan = PolicyPlan(
        policy=policy,
        ownership=resolved.ownership,
        changes=sort_changes([*changes, *deletes, *removed.values()]),
        kept=tuple(sorted(kept, key=lambda keep: keep.assignment.target.sort_key)),
        unmanaged=unmanaged,
        inherited=_inherited(policy, inherited, covered),
        scheduled=_scheduled(resolved),
    )
    return Difference((plan,), tuple(diagnostics))


def split(
    policy: Policy, live: Iterable[Assignment]
) -> tuple[dict[Key, Assignment], dict[Key, list[Assignment]], tuple[Diagnostic, ...]]:
    """Part the live assignments into direct and inherited ones, by identity.

    Several policy sets may assign one target; two direct assignments of one target cannot be told
    apart by anything the program could act on, so they are an error.
    """
    direct: dict[Key, Assignment] = {}
    inherited: dict[Key, list[Assignment]] = {}
    errors: list[Diagnostic] = []
    for assignment in live:
        key = key_of(assignment.target)
        if not assignment.is_direct:
            inherited.setdefault(key, []).append(assignment)
        elif key in direct:
            errors.append(_live_duplicate(policy, assignment))
        else:
            direct[key] = assignment
    return direct, inherited, tuple(errors)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: its dotted path, and its value before and after as text."""

    path: str
    before: str | None
    after: str | None


def explain(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[FieldChange, ...]:
    """Describe field by field how two things that are already matched differ, in order of path."""
    if before == after:
        return ()
    from deepdiff import DeepDiff  # noqa: PLC0415 - 50 ms that a plan without updates need not pay

    changes = []
    for items in DeepDiff(before, after, view="tree").values():
        for item in items:
            path = ".".join(str(part) for part in item.path(output_format="list"))
            changes.append(FieldChange(path, _text(item.t1), _text(item.t2)))
    return tuple(sorted(changes, key=lambda change: change.path))


def filter_fields(filter: Filter | None) -> dict[str, object]:
    """Spread a filter into the fields that an update changes; without one, ``mode`` is none."""
    if filter is None:
        return {"filter": {"mode": "none", "id": None, "name": None}}
    return {"filter": {"mode": filter.mode.value, "id": filter.id, "name": filter.name}}


def explain_update(update: Update) -> tuple[FieldChange, ...]:
    """Describe what an update changes of its assignment."""
    return explain(filter_fields(update.live.filter), filter_fields(update.after))


class Namer:
    """Puts names beside the ids of live assignments, for people; ids stay what is compared.

    Many policies have the same target or filter: each is named once, and kept once in memory.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._targets: dict[Target, Target] = {}
        self._filters: dict[Filter, Filter] = {}

    def named(self, assignment: Assignment) -> Assignment:
        """Give the assignment with names."""
        target, filter = assignment.target, assignment.filter
        if target.name is None and target.kind in GROUP_KINDS:
            target = self._targets.get(target) or self._named_target(target)
        if filter is not None and filter.name is None:
            filter = self._filters.get(filter) or self._named_filter(filter)
        return Assignment(
            assignment.id,
            target,
            filter,
            assignment.source,
            assignment.raw_target,
            assignment.raw_properties,
        )

    def _named_target(self, target: Target) -> Target:
        named = replace(target, name=self._directory.group_name(target.id) or None)
        self._targets[target] = named
        return named

    def _named_filter(self, filter: Filter) -> Filter:
        known = self._directory.filters.get(filter.id)
        named = replace(filter, name=(known.name or None) if known else None)
        self._filters[filter] = named
        return named


def _compare(policy: Policy, wanted: ResolvedAssignment, live: Assignment) -> Keep | Update:
    if wanted.filter == live.filter:
        return Keep(policy, live, wanted.location)
    return Update(policy, live, wanted.target, wanted.filter, wanted.location, wanted.broad)


def _opaque_twin(target: Target, direct: Mapping[Key, Assignment]) -> Assignment | None:
    """Find the opaque assignment with the id that a new one would get: POLICY_GROUP."""
    end = f"_{VIRTUAL_GROUPS.get(target.kind) or target.id}"
    for assignment in direct.values():
        is_opaque = assignment.target.kind is TargetKind.OPAQUE
        if is_opaque and assignment.id.lower().endswith(end):
            return assignment
    return None


def _removals(
    resolved: ResolvedPolicy,
    direct: Mapping[Key, Assignment],
    inherited: Mapping[Key, Sequence[Assignment]],
) -> tuple[dict[Key, Delete], list[Diagnostic]]:
    """What lines ask to remove: the direct assignment goes, nothing else does."""
    policy = resolved.live.policy
    removed: dict[Key, Delete] = {}
    diagnostics: list[Diagnostic] = []
    for removal in resolved.removals:
        key = key_of(removal.target)
        twin = _opaque_twin(removal.target, direct)
        if key in direct:
            removed[key] = Delete(policy, direct[key], removal.location)
            diagnostics += [_stays(each, removal, policy) for each in inherited.get(key, ())]
        elif key in inherited:
            diagnostics.append(_refuse_removal(removal, inherited[key][0], policy))
        elif twin is not None:
            diagnostics.append(_refuse_opaque_removal(removal, twin))
    return removed, diagnostics


def _maker_of(inherited: Assignment, policy: Policy) -> str:
    """Name what made an inherited assignment.

    Its id begins with the id of the policy set, or with that of the policy, which names no set.
    """
    if inherited.is_of_unknown_source:
        return f'the source "{inherited.source}"'
    set_id = inherited.id.partition("_")[0]
    is_known = is_guid(set_id) and set_id.lower() != policy.id
    return f"the policy set {set_id}" if is_known else "a policy set"


def _how_to_change(inherited: Assignment) -> str:
    if inherited.is_of_unknown_source:
        return "look at it in the Intune portal: this program cannot tell where it comes from"
    return "change the policy set in the Intune portal"


def _stays(inherited: Assignment, removal: ResolvedRemoval, policy: Policy) -> Diagnostic:
    return warning(
        "still-assigned-by-policy-set",
        f"the direct assignment is removed, and {_maker_of(inherited, policy)} assigns this target too: "
        "that one stays",
        removal.location,
        help=f"{_how_to_change(inherited)}; until then later plans end with an error here",
    )


def _refuse_removal(removal: ResolvedRemoval, inherited: Assignment, policy: Policy) -> Diagnostic:
    return error(
        "removal-of-policy-set",
        f"this target is assigned by {_maker_of(inherited, policy)} alone, and that cannot be removed here",
        removal.location,
        help=_how_to_change(inherited),
    )


def _refuse_opaque_removal(removal: ResolvedRemoval, opaque: Assignment) -> Diagnostic:
    return error(
        "removal-of-opaque-target",
        "this target has an assignment of a type that this version does not know, which is never "
        f"removed: {opaque.target.odata_type or 'no type'}, assignment {opaque.id}",
        removal.location,
        help="look at it, and remove it, in the Intune portal",
    )


def _scheduled(resolved: ResolvedPolicy) -> tuple[Scheduled, ...]:
    policy = resolved.live.policy
    lines = sorted(resolved.scheduled, key=lambda line: line.target.sort_key)
    return tuple(
        Scheduled(policy, line.target, line.filter, line.starts, line.location)
        for line in lines
        if line.starts is not None
    )


def _undeclared(
    resolved: ResolvedPolicy,
    direct: Mapping[Key, Assignment],
    decided: Collection[Key],
) -> tuple[list[Change], tuple[Unmanaged, ...]]:
    """Decide about the direct assignments that nobody declares. Opaque ones are never deleted.

    What a scheduled line declares is left alone until its day.
    """
    policy = resolved.live.policy
    scheduled = {key_of(each.target) for each in resolved.scheduled}
    deletes: list[Change] = []
    unmanaged: list[Unmanaged] = []
    for key, assignment in direct.items():
        if key in decided:
            continue
        is_kept = assignment.target.kind is TargetKind.OPAQUE or key in scheduled
        if resolved.ownership is Ownership.AUTHORITATIVE and not is_kept:
            deletes.append(Delete(policy, assignment))
        else:
            unmanaged.append(Unmanaged(policy, assignment))
    unmanaged.sort(key=lambda change: change.assignment.target.sort_key)
    return deletes, tuple(unmanaged)


def _inherited(
    policy: Policy,
    inherited: Mapping[Key, Sequence[Assignment]],
    covered: Mapping[Key, ResolvedAssignment],
) -> tuple[Inherited, ...]:
    assignments = [
        Inherited(policy, assignment, covered[key].location if key in covered else None)
        for key, same_target in inherited.items()
        for assignment in same_target
    ]
    return tuple(sorted(assignments, key=lambda change: assignment_order(change.assignment)))


def _unknown_sources(resolved: ResolvedPolicy, live: Iterable[Assignment]) -> list[Diagnostic]:
    """Warn of assignments that were made neither directly nor by a policy set."""
    unknown = sorted(
        f'{describe_target(each.target)}, source "{each.source}"'
        for each in live
        if each.is_of_unknown_source
    )
    if not unknown:
        return []
    return [
        warning(
            "unknown-source",
            "this policy has assignments that were made neither directly nor by a policy set "
            f"({'; '.join(unknown)}), so the assign call is not used on it",
            resolved.location,
            help="where only the assign call works, change this policy in the Intune portal",
        )
    ]


def _covered(wanted: ResolvedAssignment, by: Sequence[Assignment]) -> Diagnostic:
    if all(each.is_of_unknown_source for each in by):
        return _covered_from_elsewhere(wanted, by[0])
    if wanted.filter is None:
        return warning(
            "inherited",
            "this target is already assigned through a policy set, so nothing is added",
            wanted.location,
            help="when the policy set no longer assigns it, the next plan adds it",
        )
    return error(
        "inherited-without-filter",
        "this target is already assigned through a policy set, and a policy set assigns "
        "without a filter",
        wanted.location,
        help="the filter cannot narrow what a policy set assigns: decide in the Intune portal which is meant",
    )


def _covered_from_elsewhere(wanted: ResolvedAssignment, live: Assignment) -> Diagnostic:
    if wanted.filter == live.filter:
        return warning(
            "inherited",
            f'this target is already assigned, from the source "{live.source}", so nothing is added',
            wanted.location,
            help="look at it in the Intune portal: this program cannot tell where it comes from",
        )
    return error(
        "inherited-with-other-filter",
        f'this target is already assigned with another filter, from the source "{live.source}", '
        "which this program does not know",
        wanted.location,
        help="look at it in the Intune portal; until it is decided there, this policy is not planned",
    )


def _refuse_opaque_twin(wanted: ResolvedAssignment, opaque: Assignment) -> Diagnostic:
    return error(
        "opaque-target",
        "the policy already has an assignment for this target, of a type that this version does "
        f"not know: {opaque.target.odata_type or 'no type'}, assignment {opaque.id}",
        wanted.location,
        help="look at it in the Intune portal; until it is decided there, this policy is not planned",
    )


def _live_duplicate(policy: Policy, assignment: Assignment) -> Diagnostic:
    target = assignment.target
    return error(
        "live-duplicate",
        f'the policy "{policy.name}" ({policy.id}) has two direct assignments of one target: '
        f"{describe_target(target)}",
        help="look at both in the Intune portal, and keep the one that is meant there; "
        "until then this policy is not changed",
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
