"""Compare the resolved with the live assignments, policy by policy. Pure.

Premise. Both sides are turned into dicts keyed by an assignment's identity (`plan.key_of`), and
then comparing is set arithmetic: linear, and it never pairs two different groups because they look
alike. A key that stands twice on the live side is refused, never decided by which came last.

Algorithm, per policy:
    inherited   live assignments that a policy set made; shown, never written
    opaque      live targets of a type this program does not know; unmanaged, whatever the ownership
    desired - direct            create, unless a policy set already covers the target
    desired & direct            keep, or update where the filter differs
    direct - desired            unmanaged (additive) or delete (authoritative)

DeepDiff has one place: to say, field by field, how two matched things differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model.diagnostics import Diagnostic, error, warning
from reconciler.model.plan import (
    Change,
    Create,
    Delete,
    Inherited,
    Keep,
    Key,
    PolicyPlan,
    Unmanaged,
    Update,
    assignment_order,
    key_of,
    sort_changes,
)
from reconciler.model.ports import Directory
from reconciler.model.state import (
    Assignment,
    Filter,
    Ownership,
    Policy,
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedState,
    Target,
    TargetKind,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """What the differ found: a plan per policy, and what it could not or would not plan."""

    policies: tuple[PolicyPlan, ...]
    diagnostics: tuple[Diagnostic, ...]


def diff(resolved: ResolvedState, directory: Directory) -> Difference:
    """Compare every declared policy with its live assignments.

    A policy with an error in it is left out of the result, and its error is in the diagnostics.
    """
    policies: list[PolicyPlan] = []
    diagnostics: list[Diagnostic] = []
    for policy in resolved.policies:
        named = tuple(with_names(a, directory) for a in policy.live.assignments)
        found = diff_policy(policy, named)
        diagnostics.extend(found.diagnostics)
        policies.extend(found.policies)
    return Difference(tuple(policies), tuple(diagnostics))


def diff_policy(resolved: ResolvedPolicy, live: Sequence[Assignment]) -> Difference:
    """Compare one policy."""
    policy = resolved.live.policy
    direct, inherited, problems = split(policy, live)
    if problems:
        located = (replace(problem, location=resolved.location) for problem in problems)
        return Difference((), tuple(located))
    desired = {key_of(wanted.target): wanted for wanted in resolved.assignments}
    changes: list[Change] = []
    kept: list[Keep] = []
    covered: dict[Key, ResolvedAssignment] = {}
    diagnostics: list[Diagnostic] = []
    for key, wanted in desired.items():
        if key in direct:
            change = _compare(policy, wanted, direct[key])
            if isinstance(change, Keep):
                kept.append(change)
            else:
                changes.append(change)
        elif key in inherited:
            covered[key] = wanted
            diagnostics.append(_covered_by_policy_set(policy, wanted))
        elif (opaque := _in_the_way(wanted.target, direct)) is not None:
            diagnostics.append(_assigned_unreadably(policy, wanted, opaque))
        else:
            changes.append(
                Create(policy, wanted.target, wanted.filter, wanted.location, wanted.broad)
            )
    deletes, unmanaged = _undeclared(resolved, direct, desired)
    if any(diagnostic.is_error for diagnostic in diagnostics):
        return Difference((), tuple(diagnostics))
    plan = PolicyPlan(
        policy=policy,
        ownership=resolved.ownership,
        changes=sort_changes([*changes, *deletes]),
        kept=tuple(sorted(kept, key=lambda keep: keep.assignment.target.sort_key)),
        unmanaged=unmanaged,
        inherited=_inherited(policy, inherited, covered),
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
    problems: list[Diagnostic] = []
    for assignment in live:
        key = key_of(assignment.target)
        if not assignment.is_direct:
            inherited.setdefault(key, []).append(assignment)
        elif key in direct:
            problems.append(_live_duplicate(policy, assignment))
        else:
            direct[key] = assignment
    return direct, inherited, tuple(problems)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: its dotted path, and its value before and after as text."""

    path: str
    before: str | None
    after: str | None


def explain(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[FieldChange, ...]:
    """Say field by field how two things that are already matched differ, in order of path."""
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
    """Say what an update changes of the assignment it works on."""
    return explain(filter_fields(update.live.filter), filter_fields(update.after))


def with_names(assignment: Assignment, directory: Directory) -> Assignment:
    """Put names beside the ids of a live assignment, for people; ids stay what is compared."""
    target, filter = assignment.target, assignment.filter
    if target.kind in (TargetKind.GROUP, TargetKind.EXCLUSION_GROUP) and target.name is None:
        target = replace(target, name=directory.group_name(target.id))
    if filter is not None and filter.name is None:
        known = directory.filters.get(filter.id)
        filter = replace(filter, name=known.name if known else None)
    return replace(assignment, target=target, filter=filter)


def _compare(policy: Policy, wanted: ResolvedAssignment, live: Assignment) -> Keep | Update:
    if wanted.filter == live.filter:
        return Keep(policy, live, wanted.location)
    return Update(policy, live, wanted.target, wanted.filter, wanted.location, wanted.broad)


_VIRTUAL_GROUPS = {
    TargetKind.ALL_DEVICES: "adadadad-808e-44e2-905a-0b7873a8a531",
    TargetKind.ALL_USERS: "acacacac-9df4-4c7d-9d50-4ef0226f57a9",
}
"""What Graph writes into the ids of broad assignments, where others have a group ([O] graph.md 5)."""


def _in_the_way(target: Target, direct: Mapping[Key, Assignment]) -> Assignment | None:
    """Find the opaque assignment that holds the id which a new one would get: POLICY_GROUP."""
    end = f"_{_VIRTUAL_GROUPS.get(target.kind) or target.id}"
    for assignment in direct.values():
        is_opaque = assignment.target.kind is TargetKind.OPAQUE
        if is_opaque and assignment.id.lower().endswith(end):
            return assignment
    return None


def _undeclared(
    resolved: ResolvedPolicy,
    direct: Mapping[Key, Assignment],
    desired: Mapping[Key, ResolvedAssignment],
) -> tuple[list[Change], tuple[Unmanaged, ...]]:
    """Decide about the direct assignments that nobody declares. Opaque ones are never deleted."""
    policy = resolved.live.policy
    deletes: list[Change] = []
    unmanaged: list[Unmanaged] = []
    for key, assignment in direct.items():
        if key in desired:
            continue
        is_opaque = assignment.target.kind is TargetKind.OPAQUE
        if resolved.ownership is Ownership.AUTHORITATIVE and not is_opaque:
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
    found = [
        Inherited(policy, assignment, covered[key].location if key in covered else None)
        for key, assignments in inherited.items()
        for assignment in assignments
    ]
    return tuple(sorted(found, key=lambda change: assignment_order(change.assignment)))


def _covered_by_policy_set(policy: Policy, wanted: ResolvedAssignment) -> Diagnostic:
    if wanted.filter is None:
        return warning(
            "inherited",
            "this target is already assigned through a policy set, so nothing is created",
            wanted.location,
            help="it goes when the policy set goes; to own it here, take it out of the set",
            policy=policy.name,
        )
    return error(
        "inherited-without-filter",
        "this target is already assigned through a policy set, and a policy set assigns "
        "without a filter",
        wanted.location,
        help="take the target out of the policy set, or remove the filter here",
        policy=policy.name,
    )


def _assigned_unreadably(
    policy: Policy, wanted: ResolvedAssignment, opaque: Assignment
) -> Diagnostic:
    return error(
        "opaque-target",
        "this target is assigned already, in a form that this program does not know: "
        f"{opaque.target.odata_type or 'no type'}, assignment {opaque.id}",
        wanted.location,
        help="remove one of the two: the line here, or the assignment in the Intune portal",
        policy=policy.name,
    )


def _live_duplicate(policy: Policy, assignment: Assignment) -> Diagnostic:
    target = assignment.target
    return error(
        "live-duplicate",
        f'the policy "{policy.name}" ({policy.id}) has two direct assignments of one target: '
        f"{target.kind.value} {_said(target)}".rstrip(),
        help="remove one of the two in the Intune portal; until then this policy is not touched",
        policy=policy.name,
    )


def _said(target: Target) -> str:
    return f'"{target.name}"' if target.name else target.id or ""


def _text(value: object) -> str | None:
    return None if value is None else str(value)
