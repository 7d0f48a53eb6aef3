"""Whom the changes of a plan concern: what to ask the tenant, and what its answers mean. Pure.

Contract section 7. Only bounds are computed, and no numbers of overlapping groups are added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.diagnostics import Diagnostic, warning
from reconciler.model.impact import (
    Impact,
    ImpactQuestions,
    ImpactReadings,
    Known,
    MemberCounts,
    Reach,
    TenantImpact,
    Unknown,
)
from reconciler.model.plan import Change, Delete, PolicyPlan, Update, filter_after
from reconciler.model.policy_types import fits_platform, is_for_apps, is_linux
from reconciler.model.ports import Directory
from reconciler.model.state import (
    GROUP_KINDS,
    VIRTUAL_GROUPS,
    AssignmentFilter,
    Filter,
    FilterMode,
    Policy,
    Target,
    TargetKind,
)
from reconciler.model.wording import Names, describe_target

_NO_FILTER = Unknown("Graph does not list the filter")
_NO_RULE = Unknown("Graph does not show the rule of the filter")
_NOT_COUNTED_BEFORE = Unknown("the filter before was not counted")
_DISABLED = Unknown("the evaluation of the filter is disabled")
_NOT_EVALUATED = Unknown("Intune may not evaluate this filter on this policy")
_NOT_ASKED = Unknown("it was not asked for")
_HIDDEN = Unknown("the group hides its members; counting them needs Member.Read.Hidden")
_NOT_COUNTED = {
    TargetKind.COLLECTION: Unknown("Graph does not count a Configuration Manager collection"),
    TargetKind.SCOPE_TAG_GROUP: Unknown("Graph does not count a scope-tag group"),
    TargetKind.OPAQUE: Unknown("this release does not know the type of the target"),
}


def questions_of(policies: Iterable[PolicyPlan], directory: Directory) -> ImpactQuestions:
    """List what must be asked about the changes; held ones are not written, and not asked about."""
    changed = [plan for plan in policies if plan.changes]
    changes = [change for plan in changed for change in plan.changes]
    groups = (change.target.id for change in changes if _is_countable(change.target))
    used = (directory.filters.get(f.id) for f in map(filter_in_use, changes) if f)
    filters = (each for each in used if each is not None and each.rule and each.platform)
    return ImpactQuestions(
        groups=tuple(dict.fromkeys(id for id in groups if id is not None)),
        filters=tuple(dict.fromkeys(filters)),
        policies=tuple(plan.policy for plan in changed),
    )


def impact_of(
    policies: Iterable[PolicyPlan], readings: ImpactReadings, directory: Directory
) -> Impact:
    """Put the answers of the tenant beside the changes."""
    changed = [plan for plan in policies if plan.changes]
    return Impact(
        read_at=readings.read_at,
        tenant=readings.tenant,
        policies={plan.policy.id: readings.policies[plan.policy.id] for plan in changed},
        reach={
            change: reach_of(change, readings, directory)
            for plan in changed
            for change in plan.changes
        },
    )


def filter_in_use(change: Change) -> Filter | None:
    """The filter that its reach is narrowed by: what stands after it, for a delete what stands before."""
    return change.live.filter if isinstance(change, Delete) else filter_after(change)


def reach_of(change: Change, readings: ImpactReadings, directory: Directory) -> Reach:
    """Bound whom one change concerns."""
    filter = filter_in_use(change)
    members = _members_of(change.target, readings, directory)
    matches = _matches_of(filter, readings, directory)
    included = matches
    if filter is not None:
        known = directory.filters.get(filter.id)
        included = _included(filter, matches, change.policy, known, readings.tenant)
    return Reach(
        users=members.users if members else None,
        devices=members.devices if members else None,
        filter_matches=matches,
        at_most=_at_most(members, included),
    )


def _included(
    filter: Filter,
    matches: Known[int] | None,
    policy: Policy,
    known: AssignmentFilter | None,
    tenant: TenantImpact,
) -> Known[int] | None:
    """How many devices a filter lets through at most; None where it bounds nothing.

    A filter that Intune may pass over bounds nothing either, but that is not certain: it is unknown.
    """
    if filter.mode is not FilterMode.INCLUDE:
        return None
    if _is_disabled(filter, tenant):
        return _DISABLED
    return matches if _is_evaluated(policy, known) else _NOT_EVALUATED


def _is_disabled(filter: Filter, tenant: TenantImpact) -> bool:
    disabled = tenant.disabled_filters
    return not isinstance(disabled, Unknown) and filter.id in disabled


def _is_evaluated(policy: Policy, filter: AssignmentFilter | None) -> bool:
    """Whether nothing is known that keeps Intune from evaluating a filter on a policy.

    Sources as for the warnings of `reconciler.differ.lint`.
    """
    if is_linux(policy) or policy.custom_compliance:
        return False
    return filter is None or (fits_platform(policy, filter) and not is_for_apps(filter))


def bounds_before(impact: Impact) -> dict[Change, Known[int] | None]:
    """Bound each update in devices as it stood before, from what was read for the plan.

    None where nothing bounded it. The filter before is known where another change uses it, or
    where the update alters its mode alone.
    """
    used = ((filter_in_use(change), reach) for change, reach in impact.reach.items())
    matches = {filter.id: reach.filter_matches for filter, reach in used if filter}
    return {
        change: _bound_before(change, reach, matches, impact.tenant)
        for change, reach in impact.reach.items()
        if isinstance(change, Update)
    }


def _bound_before(
    change: Update, reach: Reach, matches: Mapping[str, Known[int] | None], tenant: TenantImpact
) -> Known[int] | None:
    users, devices = reach.users, reach.devices
    members = None if users is None or devices is None else MemberCounts(users, devices)
    included, filter = None, change.live.filter
    if filter is not None:
        counted = matches.get(filter.id, _NOT_COUNTED_BEFORE)
        included = _included(filter, counted, change.policy, None, tenant)
    return _at_most(members, included)


def _is_countable(target: Target) -> bool:
    return target.kind in GROUP_KINDS and target.id not in VIRTUAL_GROUPS.values()


def _members_of(
    target: Target, readings: ImpactReadings, directory: Directory
) -> MemberCounts | None:
    """None for a target that has no members of its own: all devices and all users."""
    if target.is_broad or target.id in VIRTUAL_GROUPS.values():
        return None
    not_counted = _NOT_COUNTED.get(target.kind)
    if not_counted is not None:
        return MemberCounts(not_counted, not_counted)
    counts = readings.members.get(target.id or "", MemberCounts(_NOT_ASKED, _NOT_ASKED))
    group = directory.groups.by_id.get(target.id or "")
    if group is None or not group.hides_members or _shows_some(counts):
        return counts
    return MemberCounts(counts.users or _HIDDEN, counts.devices or _HIDDEN)


def _shows_some(counts: MemberCounts) -> bool:
    known = (each for each in (counts.users, counts.devices) if not isinstance(each, Unknown))
    return any(known)


def _matches_of(
    filter: Filter | None, readings: ImpactReadings, directory: Directory
) -> Known[int] | None:
    if filter is None:
        return None
    if filter.id not in directory.filters:
        return _NO_FILTER
    return readings.filter_matches.get(filter.id, _NO_RULE)


def _at_most(members: MemberCounts | None, included: Known[int] | None) -> Known[int] | None:
    """The smallest bound in devices. ``included`` is what an include filter matches, None without one.

    A group bounds it by its devices where it certainly has no users.
    """
    bounds: list[Known[int] | None] = [included]
    if members is not None and (members.users == 0 or isinstance(members.users, Unknown)):
        is_certain = not isinstance(members.users, Unknown)
        bounds.append(members.devices if is_certain else members.users)
    numbers = [bound for bound in bounds if isinstance(bound, int)]
    if numbers:
        return min(numbers)
    return next((bound for bound in bounds if isinstance(bound, Unknown)), None)


def impact_diagnostics(
    policies: Iterable[PolicyPlan], impact: Impact, names: Names, directory: Directory
) -> Iterator[Diagnostic]:
    """Warn of changes whose group is empty, and whose filter is off or matches nothing."""
    for plan in policies:
        for change in plan.changes:
            if not isinstance(change, Delete):
                yield from _diagnostics_of(change, impact, names, directory)


def _diagnostics_of(
    change: Change, impact: Impact, names: Names, directory: Directory
) -> Iterator[Diagnostic]:
    reach = impact.reach[change]
    target = describe_target(change.target, names)
    policy = names.policy(change.policy)
    if reach.users == 0 and reach.devices == 0:
        message = f"{target}: no members of the group can be seen now"
        help = "check that this is the group that is meant"
        yield warning("empty-group", message, change.declared_at, help=help, policy=policy)
    filter = filter_after(change)
    if filter is None:
        return
    name = names.quoted(filter.name, filter.id)
    is_off = _is_disabled(filter, impact.tenant)
    if is_off:
        message = f"{target}: the evaluation of the filter {name} is disabled in Intune"
        help = "look at this filter in the Intune admin center"
        yield warning("filter-disabled", message, change.declared_at, help=help, policy=policy)
    if reach.filter_matches == 0:
        effect = (
            "; with the mode include it lets no device through"
            if filter.mode is FilterMode.INCLUDE
            else "; with the mode exclude it leaves no device out"
        )
        if is_off or not _is_evaluated(change.policy, directory.filters.get(filter.id)):
            effect = ""
        message = f"{target}: the filter {name} matches no device of the tenant now{effect}"
        help = "check the rule of the filter in the Intune admin center"
        yield warning(
            "filter-matches-nothing", message, change.declared_at, help=help, policy=policy
        )
