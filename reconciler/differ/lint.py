"""What a reviewer should know of a plan: conflicts and surprises, each with its reason. Pure.

A group included and excluded on one policy is an error; the rest are warnings. The reasons are
Microsoft's:
https://learn.microsoft.com/intune/intune-service/configuration/device-profile-assign
https://learn.microsoft.com/intune/intune-service/fundamentals/filters-supported-workloads
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.differ.guardrails import everybody, reaches_everybody
from reconciler.model.diagnostics import Diagnostic, Location, error, warning
from reconciler.model.plan import Create, Delete, PolicyPlan, Update
from reconciler.model.policy_types import LINUX, PLATFORMS, platform_title
from reconciler.model.ports import Directory
from reconciler.model.state import Filter, Policy, Target, TargetKind


@dataclass(frozen=True, slots=True)
class _Entry:
    """One assignment as it will be once the plan is applied."""

    target: Target
    filter: Filter | None
    location: Location | None
    inherited: bool = False


def findings(policies: Iterable[PolicyPlan], directory: Directory) -> tuple[Diagnostic, ...]:
    """Look at what each policy will have in the end, and say what a reviewer should know."""
    found: list[Diagnostic] = []
    for plan in policies:
        entries = tuple(_entries(plan))
        found.extend(_broad_warnings(plan))
        found.extend(_scope_tag_groups(plan))
        found.extend(_both_sides(plan.policy, entries))
        found.extend(_shadowed(plan.policy, entries, directory))
        found.extend(_mixed_exclusions(plan.policy, entries, directory))
        for entry in entries:
            if entry.location is not None and entry.filter is not None:
                found.extend(_filter_fit(plan.policy, entry.filter, entry.location, directory))
    return tuple(found)


def _entries(plan: PolicyPlan) -> Iterator[_Entry]:
    for change in plan.changes:
        match change:
            case Create():
                yield _Entry(change.target, change.filter, change.declared_at)
            case Update():
                yield _Entry(change.target, change.after, change.declared_at)
            case Delete():
                pass
    for keep in plan.kept:
        yield _Entry(keep.assignment.target, keep.assignment.filter, keep.declared_at)
    for unmanaged in plan.unmanaged:
        yield _Entry(unmanaged.assignment.target, unmanaged.assignment.filter, None)
    for inherited in plan.inherited:
        assignment = inherited.assignment
        yield _Entry(assignment.target, assignment.filter, inherited.declared_at, inherited=True)


def _broad_warnings(plan: PolicyPlan) -> Iterator[Diagnostic]:
    for change in plan.changes:
        if reaches_everybody(change):
            yield warning(
                "broad-target",
                f"this assigns the policy to {everybody(change.target)} of the tenant",
                None if isinstance(change, Delete) else change.declared_at,
                policy=plan.policy.name,
            )


def _scope_tag_groups(plan: PolicyPlan) -> Iterator[Diagnostic]:
    """Warn of the one target that Microsoft's page shows but no Graph metadata holds."""
    for change in plan.changes:
        if isinstance(change, Create) and change.target.kind is TargetKind.SCOPE_TAG_GROUP:
            yield warning(
                "scope-tag-group",
                "Microsoft documents this target but no Graph schema has it: "
                "Graph may refuse the write",
                change.declared_at,
                help="use a group, unless you know that your tenant takes this target",
                policy=plan.policy.name,
            )


def _of_kind(entries: Iterable[_Entry], kind: TargetKind) -> dict[str, _Entry]:
    """Index the groups of one side by id; a declared or direct entry wins over an inherited one."""
    chosen: dict[str, _Entry] = {}
    for entry in entries:
        object_id = entry.target.id
        if entry.target.kind is kind and object_id is not None:
            known = chosen.get(object_id)
            if known is None or known.inherited:
                chosen[object_id] = entry
    return chosen


def _both_sides(policy: Policy, entries: Sequence[_Entry]) -> Iterator[Diagnostic]:
    """Flag one group included and excluded directly; both assignments would bear one id."""
    included = _of_kind(entries, TargetKind.GROUP)
    excluded = _of_kind(entries, TargetKind.EXCLUSION_GROUP)
    for object_id in sorted(included.keys() & excluded.keys()):
        include, exclude = included[object_id], excluded[object_id]
        if include.inherited or exclude.inherited:
            continue
        name = include.target.name or exclude.target.name or object_id
        location = include.location or exclude.location
        if location is None:
            yield warning(
                "include-and-exclude",
                f'the group "{name}" is included and excluded in the tenant',
                help="the exclusion wins; remove one of the two in the Intune portal",
                policy=policy.name,
            )
            continue
        other = "excluded" if include.location is not None else "included"
        yield error(
            "include-and-exclude",
            f'the group "{name}" is {other} on this policy in the tenant',
            location,
            help="remove one of the two: the line here, or the assignment in the Intune portal",
            policy=policy.name,
        )


def _shadowed(
    policy: Policy, entries: Sequence[_Entry], directory: Directory
) -> Iterator[Diagnostic]:
    """Warn of an include that some other exclusion takes back whole, where that can be known."""
    exclusions = [e for e in entries if e.target.kind is TargetKind.EXCLUSION_GROUP]
    by_id = {e.target.id: e for e in exclusions if e.inherited}
    by_rule = {
        rule: e
        for e in exclusions
        if (rule := _normal_rule(directory.membership_rule(e.target.id))) is not None
    }
    for entry in entries:
        if entry.target.kind is not TargetKind.GROUP or entry.location is None:
            continue
        rule = _normal_rule(directory.membership_rule(entry.target.id))
        shadow = by_id.get(entry.target.id) or (by_rule.get(rule) if rule else None)
        if shadow is None or (shadow.target.id == entry.target.id and not shadow.inherited):
            continue
        reason = "a policy set excludes it" if shadow.inherited else "it has the same members"
        yield warning(
            "shadowed-include",
            f'the exclusion of "{shadow.target.name or shadow.target.id}" takes this include back '
            f"whole: {reason}",
            entry.location,
            help="exclusions win over inclusions; remove one of the two",
            policy=policy.name,
        )


def _normal_rule(rule: str | None) -> str | None:
    return " ".join(rule.casefold().split()) if rule else None


def _membership(rule: str | None) -> str | None:
    """Tell users from devices by a dynamic group's rule; None where it cannot be known."""
    normal = _normal_rule(rule)
    if normal is None:
        return None
    has_users, has_devices = "user." in normal, "device." in normal
    if has_users == has_devices:
        return None
    return "users" if has_users else "devices"


def _mixed_exclusions(
    policy: Policy, entries: Sequence[_Entry], directory: Directory
) -> Iterator[Diagnostic]:
    """Warn where users are excluded from devices or the other way round: Intune relates neither."""
    included = {
        members
        for entry in entries
        if entry.target.kind is TargetKind.GROUP
        and (members := _membership(directory.membership_rule(entry.target.id))) is not None
    }
    for entry in entries:
        if entry.target.kind is not TargetKind.EXCLUSION_GROUP or entry.location is None:
            continue
        members = _membership(directory.membership_rule(entry.target.id))
        if members is not None and included and members not in included:
            other = "devices" if members == "users" else "users"
            yield warning(
                "mixed-exclusion",
                f"this excludes a group of {members} where the included groups hold {other}: "
                "Intune does not support that mix, and the exclusion may do nothing",
                entry.location,
                help=f"exclude a group of {other}, or use a filter",
                policy=policy.name,
            )


_NO_FILTER_WORKS = "no filter works here: narrow the target with a group"


def _filter_fit(
    policy: Policy, filter: Filter, location: Location, directory: Directory
) -> Iterator[Diagnostic]:
    """Warn of a filter that Intune would not evaluate on this policy."""
    is_linux = policy.platform is not None and policy.platform.casefold() == LINUX
    if is_linux or policy.custom_compliance:
        yield _filter_ignored(policy, location, is_linux=is_linux)
    known = directory.filters.get(filter.id)
    if known is None or is_linux:
        return
    name = filter.name or filter.id
    if (known.management_type or "").casefold() == "apps":
        yield _filter_warning(
            policy,
            location,
            "filter-for-apps",
            f'the filter "{name}" is for managed apps and does not apply to compliance policies',
            help="use a filter for managed devices, or narrow the target with a group",
        )
    elif known.platform and not _fits(known.platform, policy):
        yield _filter_warning(
            policy,
            location,
            "filter-platform",
            f'the filter "{name}" is for {known.platform}, '
            f"and the policy is for {platform_title(policy.platform)}",
            help="use a filter of the policy's own platform, or narrow the target with a group",
        )


def _filter_ignored(policy: Policy, location: Location, *, is_linux: bool) -> Diagnostic:
    code, where = (
        ("filter-on-linux", "Linux")
        if is_linux
        else ("filter-on-custom-compliance", "policies with custom compliance")
    )
    message = f"Intune does not evaluate filters on {where}"
    return _filter_warning(policy, location, code, message, help=_NO_FILTER_WORKS)


def _fits(filter_platform: str, policy: Policy) -> bool:
    """Whether a filter's platform is one of the policy's; of an unknown platform nothing is said."""
    row = PLATFORMS.get((policy.platform or "").casefold())
    fitting = {platform.casefold() for platform in row.filter_platforms} if row else set()
    return not fitting or filter_platform.casefold() in fitting


def _filter_warning(
    policy: Policy, location: Location, code: str, message: str, *, help: str
) -> Diagnostic:
    return warning(code, message, location, help=help, policy=policy.name)
