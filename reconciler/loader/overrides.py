"""Join the policies of a root's own files with those of the folders that it extends. Pure.

A policy is the same by its id or name. Where only the tenant knows whether a name and an id lead to one
policy, ``override`` stays on it, and `reconciler.differ.resolve` joins the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.loader.desired_checks import Declared
from reconciler.model.diagnostics import Diagnostic, contradicts_default, error
from reconciler.model.inheritance import join_inherited, nothing_to_override
from reconciler.model.state import DesiredAssignment, DesiredPolicy, TargetKind


def join_overrides(
    policies: Sequence[DesiredPolicy],
) -> tuple[tuple[DesiredPolicy, ...], list[Diagnostic]]:
    """Carry out every override that can be decided without the tenant, in the order of the files."""
    inherited = [policy for policy in policies if policy.is_inherited]
    declared: Declared[DesiredPolicy] = Declared()
    for policy in inherited:
        declared.add(policy, policy.reference, _platform(policy))
    joined: dict[int, DesiredPolicy] = {}
    overridden: set[int] = set()
    diagnostics: list[Diagnostic] = []
    for own in policies:
        if own.override is None:
            continue
        earlier = declared.find_earlier(own.reference, _platform(own))
        if own.is_inherited or _is_ambiguous(own, inherited):
            diagnostics.append(_misplaced(own) if own.is_inherited else _ambiguous(own))
            joined[id(own)] = replace(own, override=None)
        elif earlier is not None and id(earlier) not in overridden:
            overridden.add(id(earlier))
            joined[id(own)] = join_inherited(earlier, own)
        elif earlier is None and not _may_be_one_of(own, inherited):
            diagnostics.append(nothing_to_override(own))
    left = (joined.get(id(each), each) for each in policies if id(each) not in overridden)
    return tuple(left), diagnostics


def _platform(policy: DesiredPolicy) -> str | None:
    return policy.platform.casefold() if policy.platform else None


def _is_ambiguous(own: DesiredPolicy, inherited: Iterable[DesiredPolicy]) -> bool:
    """Whether several inherited policies have the name, and nothing tells which of them is meant."""
    if own.reference.id is not None or own.platform is not None:
        return False
    return sum(each.reference.name == own.reference.name for each in inherited) > 1


def _may_be_one_of(own: DesiredPolicy, inherited: Iterable[DesiredPolicy]) -> bool:
    """Whether the tenant may show that an id and a name lead to one policy."""
    here = own.reference
    return any(
        (here.id is None and each.reference.name is None)
        or (here.name is None and each.reference.id is None)
        for each in inherited
    )


def _misplaced(policy: DesiredPolicy) -> Diagnostic:
    return _error(
        policy,
        "override-misplaced",
        "override is for the root's own files, and this file comes from an extended folder",
        "remove override here, or list all targets of the policy in one place",
    )


def _ambiguous(own: DesiredPolicy) -> Diagnostic:
    return _error(
        own,
        "override-ambiguous",
        f"the extended folders declare several policies called {own.reference}",
        "write the platform or the id of the one that is meant",
    )


def _error(policy: DesiredPolicy, code: str, message: str, advice: str) -> Diagnostic:
    name = policy.reference.name_or_id
    return error(code, message, policy.reference.location, help=advice, policy=name)


def add_defaults(
    policy: DesiredPolicy, exclusions: Iterable[DesiredAssignment]
) -> tuple[DesiredPolicy, list[Diagnostic]]:
    """Exclude the root's default groups from a policy, unless it leaves them out or excludes them itself."""
    exclusions = tuple(exclusions)
    if policy.defaults is False or not exclusions:
        return policy, []
    own: Declared[DesiredAssignment] = Declared()
    for each in (*policy.assignments, *policy.removals):
        if each.group is not None:
            own.add(each, each.group)
    added: list[DesiredAssignment] = []
    diagnostics: list[Diagnostic] = []
    for exclusion in exclusions:
        line = own.find_earlier(exclusion.group) if exclusion.group else None
        if line is None:
            added.append(exclusion)
        elif (
            line in policy.removals
            or line.kind is not TargetKind.EXCLUSION_GROUP
            or line.starts
            or line.ends
        ):
            name = policy.reference.name_or_id
            diagnostics.append(contradicts_default(line.location, exclusion.location, name))
    return replace(policy, assignments=(*policy.assignments, *added)), diagnostics
