"""Warn of what a reviewer should know about a plan: contradictions, and rules of Intune. Pure.

One group on both sides of a policy is an error where a declared line is part of it; all else is a
warning. The rules are Microsoft's:
https://learn.microsoft.com/intune/intune-service/configuration/device-profile-assign
https://learn.microsoft.com/intune/intune-service/fundamentals/filters-supported-workloads
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from reconciler.differ.guardrails import BROAD_TARGET, everybody, reaches_everybody
from reconciler.model.diagnostics import ONE_SIDE, Diagnostic, Location, error, warning
from reconciler.model.plan import Create, Delete, PolicyPlan, Update
from reconciler.model.policy_types import fits_platform, is_for_apps, is_linux, title_of
from reconciler.model.ports import Directory
from reconciler.model.state import GROUP_KINDS, Filter, Target, TargetKind, Writes
from reconciler.model.wording import Names

_IN_THE_PORTAL = (
    "for Intune the exclusion wins; decide in the Intune portal which of the two is meant"
)


class _LintedEntry(NamedTuple):
    """One assignment as it is after the plan was applied; undeclared ones have no location."""

    target: Target
    filter: Filter | None
    location: Location | None
    inherited: bool = False


def lint(
    policies: Iterable[PolicyPlan], directory: Directory, writes: Writes = Writes.AUTO
) -> tuple[Diagnostic, ...]:
    """Check what each policy will have once the plan is applied, and on the way there."""
    plans = tuple(policies)
    groups, filters = directory.groups.by_id.values(), directory.filters.values()
    names = Names.of((plan.policy for plan in plans), groups, filters)
    return tuple(
        diagnostic
        for plan in plans
        for diagnostic in _PolicyLint(plan, directory, names, writes).diagnostics()
    )


class _PolicyLint:
    """The checks of one policy."""

    def __init__(
        self, plan: PolicyPlan, directory: Directory, names: Names, writes: Writes
    ) -> None:
        self.plan = plan
        self.writes = writes
        self.directory = directory
        self.names = names
        self.name = names.policy(plan.policy)
        self.entries = tuple(_entries(plan))

    def diagnostics(self) -> Iterator[Diagnostic]:
        """Run every check."""
        yield from self._broad_targets()
        yield from self._scope_tag_groups()
        yield from self._both_sides()
        yield from self._cancelled_includes()
        yield from self._mixed_exclusions()
        yield from self._sides_in_two_calls()
        for entry in self.entries:
            if entry.location is not None and entry.filter is not None:
                yield from self._filter_fit(entry.filter, entry.location)

    def _sides_in_two_calls(self) -> Iterator[Diagnostic]:
        """Warn of a group that changes sides by two calls: one id can hold one side alone."""
        if self.writes is not Writes.CREATE:
            return
        removed = {each.target.id for each in self.plan.changes if isinstance(each, Delete)}
        for change in self.plan.changes:
            is_group = change.target.kind in GROUP_KINDS
            if isinstance(change, Create) and is_group and change.target.id in removed:
                yield self._warning(
                    "side-change-in-two-calls",
                    "this group changes sides by two calls (writes: create): between them it is "
                    "neither included nor excluded",
                    change.declared_at,
                    "with writes: auto or writes: assign it changes sides in one call",
                )

    def _warning(
        self, code: str, message: str, location: Location | None, help: str = ""
    ) -> Diagnostic:
        return warning(code, message, location, help=help, policy=self.name)

    def _group(self, target: Target) -> str:
        return self.names.quoted(target.name, target.id)

    def _filter(self, filter: Filter) -> str:
        return self.names.quoted(filter.name, filter.id)

    def _broad_targets(self) -> Iterator[Diagnostic]:
        for change in self.plan.changes:
            if not isinstance(change, Delete) and reaches_everybody(change):
                message = f"this assigns the policy to {everybody(change.target)} of the tenant"
                yield self._warning(BROAD_TARGET, message, change.declared_at)

    def _scope_tag_groups(self) -> Iterator[Diagnostic]:
        """Warn of the one target that Microsoft's page shows but no Graph metadata holds."""
        for change in self.plan.changes:
            if isinstance(change, Create) and change.target.kind is TargetKind.SCOPE_TAG_GROUP:
                yield self._warning(
                    "scope-tag-group",
                    "Microsoft documents this target but no Graph schema has it: "
                    "Graph may refuse the write",
                    change.declared_at,
                    "use a group, unless you know that your tenant takes this target",
                )

    def _both_sides(self) -> Iterator[Diagnostic]:
        """Flag one group included and excluded directly: both assignments would have one id."""
        included = _by_group(self.entries, TargetKind.GROUP)
        excluded = _by_group(self.entries, TargetKind.EXCLUSION_GROUP)
        for object_id in sorted(included.keys() & excluded.keys()):
            include, exclude = included[object_id], excluded[object_id]
            if include.inherited or exclude.inherited:
                continue
            group = self._group(include.target if include.target.name else exclude.target)
            location = include.location or exclude.location
            if location is None:
                message = f"the group {group} is included and excluded in the tenant"
                yield self._warning("group-on-both-sides", message, None, _IN_THE_PORTAL)
                continue
            here, there = ("included", "excluded") if include.location else ("excluded", "included")
            yield error(
                "group-on-both-sides",
                f"the group {group} is {here} here and {there} on this policy in the tenant",
                location,
                help=f"{ONE_SIDE}; {_IN_THE_PORTAL}",
                policy=self.name,
            )

    def _cancelled_includes(self) -> Iterator[Diagnostic]:
        """Warn of an include that some other exclusion cancels completely, where that is known."""
        exclusions = [e for e in self.entries if e.target.kind is TargetKind.EXCLUSION_GROUP]
        by_id = {e.target.id: e for e in exclusions if e.inherited}
        by_rule = {rule: e for e in exclusions if (rule := self._rule(e.target)) is not None}
        for entry in self.entries:
            if entry.target.kind is not TargetKind.GROUP or entry.location is None:
                continue
            rule = self._rule(entry.target)
            exclusion = by_id.get(entry.target.id) or (by_rule.get(rule) if rule else None)
            if exclusion is None or (
                exclusion.target.id == entry.target.id and not exclusion.inherited
            ):
                continue
            reason = (
                "a policy set excludes it" if exclusion.inherited else "it has the same members"
            )
            group = self._group(exclusion.target)
            yield self._warning(
                "shadowed-include",
                f"the exclusion of {group} cancels this include completely: {reason}",
                entry.location,
                "exclusions win over inclusions: check which of the two is meant",
            )

    def _rule(self, target: Target) -> str | None:
        rule = self.directory.membership_rule(target.id)
        return " ".join(rule.casefold().split()) if rule else None

    def _members(self, target: Target) -> str | None:
        """Tell users from devices by a dynamic group's rule; None where it cannot be determined."""
        rule = self._rule(target)
        if rule is None:
            return None
        has_users, has_devices = "user." in rule, "device." in rule
        if has_users == has_devices:
            return None
        return "users" if has_users else "devices"

    def _mixed_exclusions(self) -> Iterator[Diagnostic]:
        """Warn where users are excluded from devices, or devices from users: Intune relates neither."""
        included = {
            members
            for entry in self.entries
            if entry.target.kind is TargetKind.GROUP
            and (members := self._members(entry.target)) is not None
        }
        for entry in self.entries:
            if entry.target.kind is not TargetKind.EXCLUSION_GROUP or entry.location is None:
                continue
            members = self._members(entry.target)
            if members is not None and included and members not in included:
                other = "devices" if members == "users" else "users"
                yield self._warning(
                    "mixed-exclusion",
                    f"this excludes a group of {members} where the included groups hold {other}: "
                    "Intune does not support that mix, and the exclusion may do nothing",
                    entry.location,
                    f"exclude a group of {other}, or use a filter",
                )

    def _filter_fit(self, filter: Filter, location: Location) -> Iterator[Diagnostic]:
        """Warn of a filter that Intune would not evaluate on this policy."""
        policy = self.plan.policy
        if is_linux(policy) or policy.custom_compliance:
            yield self._filter_not_evaluated(location)
        known = self.directory.filters.get(filter.id)
        if known is None or is_linux(policy):
            return
        if is_for_apps(known):
            yield self._warning(
                "filter-for-apps",
                f"the filter {self._filter(filter)} is for managed apps and does not apply to compliance policies",
                location,
                "use a filter for managed devices, or narrow the target with a group",
            )
        elif not fits_platform(policy, known):
            yield self._warning(
                "filter-platform",
                f"the filter {self._filter(filter)} is for {known.platform}, "
                f"and the policy is for {title_of(policy)}",
                location,
                "use a filter of the policy's own platform, or narrow the target with a group",
            )

    def _filter_not_evaluated(self, location: Location) -> Diagnostic:
        """Linux takes no filters, nor do policies with custom compliance on Windows ([D])."""
        advice = "no filter works here: narrow the target with a group"
        if is_linux(self.plan.policy):
            message = "Intune does not evaluate filters on Linux"
            return self._warning("filter-on-linux", message, location, advice)
        message = "Intune does not evaluate filters on policies with custom compliance"
        if (self.plan.policy.platform or "").casefold() != "windows10":
            message = (
                "this policy has custom compliance, and Microsoft documents for Windows that "
                "Intune then does not evaluate filters; for other platforms it says nothing"
            )
            advice = "check in the portal whether the filter has an effect, or use a group"
        return self._warning("filter-on-custom-compliance", message, location, advice)


def _entries(plan: PolicyPlan) -> Iterator[_LintedEntry]:
    for change in plan.changes:
        match change:
            case Create():
                yield _LintedEntry(change.target, change.filter, change.declared_at)
            case Update():
                yield _LintedEntry(change.target, change.after, change.declared_at)
            case Delete():
                pass
    for keep in plan.kept:
        yield _LintedEntry(keep.assignment.target, keep.assignment.filter, keep.declared_at)
    for unmanaged in plan.unmanaged:
        yield _LintedEntry(unmanaged.assignment.target, unmanaged.assignment.filter, None)
    for inherited in plan.inherited:
        assignment = inherited.assignment
        yield _LintedEntry(
            assignment.target, assignment.filter, inherited.declared_at, inherited=True
        )


def _by_group(entries: Sequence[_LintedEntry], kind: TargetKind) -> dict[str, _LintedEntry]:
    """Index the groups of one side by id; a declared or direct entry wins over an inherited one."""
    chosen: dict[str, _LintedEntry] = {}
    for entry in entries:
        object_id = entry.target.id
        if entry.target.kind is kind and object_id is not None:
            known = chosen.get(object_id)
            if known is None or known.inherited:
                chosen[object_id] = entry
    return chosen
