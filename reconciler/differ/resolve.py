"""Turn every name of the desired state into the id it leads to, or into a diagnostic. Pure.

Nothing is skipped: a name that leads nowhere, to several objects, or to one whose name differs in
case alone is an error at its YAML line, with the candidates or the nearest names. Graph's own ``eq``
ignores case, so equality is decided here and not by the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from reconciler.differ.lookup import Index
from reconciler.model.diagnostics import (
    KEEP_ONE_LINE,
    ONE_SIDE,
    Diagnostic,
    Location,
    contradicts_default,
    error,
)
from reconciler.model.inheritance import join_inherited, nothing_to_override
from reconciler.model.plan import key_of
from reconciler.model.ports import Directory
from reconciler.model.state import (
    GROUP_KINDS,
    AssignmentFilter,
    DesiredAssignment,
    DesiredPolicy,
    DesiredState,
    Filter,
    FilterMode,
    FilterReference,
    Group,
    LivePolicy,
    LiveState,
    Policy,
    Reference,
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedRemoval,
    ResolvedState,
    Target,
    TargetKind,
)
from reconciler.model.wording import Names

_LONGEST_RULE = 60
"""Characters of a dynamic group's rule that tell it from another group."""


ODD_NAME_CODES = frozenset({"name-invisible-character", "name-quotes", "name-whitespace"})
"""Codes of the loader's warnings of characters in a name that were hardly meant."""


@dataclass(frozen=True, slots=True)
class GroupReferences:
    """The groups a desired state points at, for one look-up of them all.

    ``uncut_names`` are looked up too, to find out whether YAML read less than a line says; nobody
    needs suggestions for them.
    """

    names: frozenset[str]
    ids: frozenset[str]
    uncut_names: frozenset[str] = frozenset()


def referenced_groups(desired: DesiredState) -> GroupReferences:
    """Collect every group name and id that the files mention."""
    names: set[str] = set()
    ids: set[str] = set()
    uncut_names: set[str] = set()
    for policy in desired.policies:
        for assignment in (*policy.assignments, *policy.removals):
            reference = assignment.group
            if reference is None:
                continue
            if reference.id is not None:
                ids.add(reference.id)
            if reference.name is not None:
                names.add(reference.name)
            if reference.uncut_name is not None:
                uncut_names.add(reference.uncut_name)
    return GroupReferences(frozenset(names), frozenset(ids), frozenset(uncut_names - names))


def assigned_groups(policies: Iterable[LivePolicy]) -> frozenset[str]:
    """Collect the id of every group that the policies include or exclude now."""
    return frozenset(
        assignment.target.id
        for live in policies
        for assignment in live.assignments
        if assignment.target.kind in GROUP_KINDS and assignment.target.id is not None
    )


@dataclass(frozen=True, slots=True)
class _PolicyView:
    """A policy of the tenant with the two attributes that `Index` looks at.

    ``live`` is None where its assignments were not read, as nobody declares it.
    """

    policy: Policy
    live: LivePolicy | None

    @property
    def id(self) -> str:
        return self.policy.id

    @property
    def name(self) -> str:
        return self.policy.name


@dataclass(frozen=True, slots=True)
class Resolution:
    """The state in ids, and what was wrong; policies with an error are left out of ``state``.

    ``confirmed`` holds the places of names that the tenant has exactly as they are written.
    """

    state: ResolvedState
    diagnostics: tuple[Diagnostic, ...]
    confirmed: tuple[Location, ...] = ()

    def without_confirmed(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Leave out the loader's warnings of odd characters in names that the tenant really has."""
        listed = tuple(diagnostics)
        if not any(each.code in ODD_NAME_CODES for each in listed):
            return listed
        confirmed = frozenset(self.confirmed)
        return tuple(
            each
            for each in listed
            if not (each.code in ODD_NAME_CODES and each.location in confirmed)
        )


def resolve(desired: DesiredState, live: LiveState, directory: Directory) -> Resolution:
    """Follow every reference of the desired state.

    A policy with any error is left out completely: half of its assignments is not what was declared.
    """
    resolver = _Resolver(live, directory)
    policies = [
        resolved
        for policy in resolver.join_overrides(desired.policies)
        if (resolved := resolver.policy(policy)) is not None
    ]
    policies.sort(key=lambda resolved: resolved.live.policy.sort_key)
    return Resolution(
        ResolvedState(desired.config, tuple(policies)),
        tuple(resolver.diagnostics),
        tuple(resolver.confirmed),
    )


class _Resolver:
    """One pass over the desired state, collecting diagnostics on its way."""

    def __init__(self, live: LiveState, directory: Directory) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.confirmed: list[Location] = []
        self._directory = directory
        groups = directory.groups.by_id.values()
        self._unreadable = live.unreadable
        self._policies = Index(
            "policy",
            [_PolicyView(policy, live.policies.get(policy.id)) for policy in live.known()],
            _describe_policy,
        )
        self._filters = Index("filter", directory.filters.values(), _describe_filter)
        self._groups = Index("group", groups, _describe_group)
        self._declared: dict[str, DesiredPolicy] = {}
        # Many policies have the same target and the same filter: each is kept once in memory.
        self._targets: dict[tuple[TargetKind, str], Target] = {}
        self._used_filters: dict[tuple[FilterMode, str], Filter] = {}
        self._names = Names.of(live.known(), groups)

    def join_overrides(self, policies: Iterable[DesiredPolicy]) -> Iterator[DesiredPolicy]:
        """Carry out the overrides where only the tenant shows that a name and an id are one policy."""
        listed = tuple(policies)
        if not any(policy.override for policy in listed):
            return iter(listed)
        inherited = {self._id_of(policy): policy for policy in listed if policy.is_inherited}
        inherited.pop(None, None)
        joined: list[DesiredPolicy] = []
        for own in listed:
            found = self._id_of(own) if own.override else None
            earlier = inherited.get(found)
            if earlier is not None:
                joined = [each for each in joined if each is not earlier]
                joined.append(join_inherited(earlier, own))
            elif found is not None:
                self.diagnostics.append(nothing_to_override(own))
            else:
                joined.append(own)
        return iter(joined)

    def _id_of(self, desired: DesiredPolicy) -> str | None:
        match = self._find(desired)
        return None if isinstance(match, Diagnostic) else match.id

    def _find(self, desired: DesiredPolicy) -> _PolicyView | Diagnostic:
        reference = desired.reference
        match = self._policies.find(reference, policy=reference.name_or_id)
        if isinstance(match, Diagnostic) and desired.platform and reference.id is None:
            return self._match_by_platform(desired, match)
        return match

    def policy(self, desired: DesiredPolicy) -> ResolvedPolicy | None:
        """Resolve one policy, or say why it cannot be."""
        before = len(self.diagnostics)
        match = self._match(desired)
        live = None if isinstance(match, Diagnostic) else match
        if isinstance(match, Diagnostic):
            self.diagnostics.append(match)
        name = self._names.policy(live.policy) if live else desired.reference.name_or_id
        assignments = [self._assignment(item, name) for item in desired.assignments]
        resolved = tuple(item for item in assignments if item is not None)
        removals = tuple(self._removals(desired.removals, name))
        resolved = self._without_repeated_defaults(resolved, name)
        self._refuse_conflicts(resolved, name)
        self._refuse_declared(removals, resolved, name)
        if live is None or len(self.diagnostics) > before:
            return None
        return ResolvedPolicy(
            live,
            desired.ownership,
            resolved,
            desired.reference.location,
            desired.hold,
            removals,
        )

    def _match(self, desired: DesiredPolicy) -> LivePolicy | Diagnostic:
        reference = desired.reference
        match = self._find(desired)
        if isinstance(match, Diagnostic):
            return match
        self._confirm(reference)
        platform = match.policy.platform
        if desired.platform and (platform or "").casefold() != desired.platform.casefold():
            advice = "leave platform out: it is needed only where two policies share a name"
            return error(
                "platform-mismatch",
                f'the policy "{match.name}" is for {platform or "an unknown platform"}, '
                f"not for {desired.platform}",
                reference.location,
                help=f"write platform: {platform}, or {advice}" if platform else advice,
                policy=self._names.policy(match.policy),
            )
        if (unreadable := self._unreadable.get(match.id)) is not None:
            return error(
                "unreadable-policy",
                f'the policy "{match.name}" ({match.id}) cannot be read: {unreadable.reason}',
                reference.location,
                help="look at the policy in the Intune admin center; until Graph shows it whole, "
                "nothing is planned for it",
                policy=self._names.policy(match.policy),
            )
        if match.live is None:
            raise LookupError(f"the policy {match.id} is declared and was not read")
        return self._refuse_second_declaration(desired, match.live)

    def _match_by_platform(
        self, desired: DesiredPolicy, otherwise: Diagnostic
    ) -> _PolicyView | Diagnostic:
        wanted = (desired.platform or "").casefold()
        fitting = [
            view
            for view in self._policies.by_name.get(desired.reference.name or "", [])
            if (view.policy.platform or "").casefold() == wanted
        ]
        return fitting[0] if len(fitting) == 1 else otherwise

    def _refuse_second_declaration(
        self, desired: DesiredPolicy, live: LivePolicy
    ) -> LivePolicy | Diagnostic:
        first = self._declared.setdefault(live.policy.id, desired)
        if first is desired:
            return live
        return error(
            "duplicate-policy",
            f'the policy "{live.policy.name}" ({live.policy.id}) is already declared at '
            f"{first.reference.location}",
            desired.reference.location,
            help="declare each policy once, with everything it should have",
            policy=self._names.policy(live.policy),
        )

    def _assignment(self, desired: DesiredAssignment, policy: str) -> ResolvedAssignment | None:
        if desired.is_default:
            policy = ""  # one error for all policies
        target = self._target(desired, policy)
        filter_or_error = self._filter(desired.filter, policy)
        errors = [each for each in (target, filter_or_error) if isinstance(each, Diagnostic)]
        self.diagnostics.extend(errors)
        if isinstance(target, Diagnostic) or isinstance(filter_or_error, Diagnostic):
            return None
        return ResolvedAssignment(
            target,
            filter_or_error,
            desired.broad,
            desired.location,
            desired.starts,
            desired.ends,
            desired.is_default,
        )

    def _without_repeated_defaults(
        self, assignments: tuple[ResolvedAssignment, ...], policy: str
    ) -> tuple[ResolvedAssignment, ...]:
        """Leave out defaults that the policy excludes itself; refuse lines that contradict one."""
        if not any(each.is_default for each in assignments):
            return assignments
        own = {key_of(each.target): each for each in assignments if not each.is_default}
        left: list[ResolvedAssignment] = []
        for each in assignments:
            excluded = own.get(key_of(each.target)) if each.is_default else None
            included = own.get((TargetKind.GROUP.value, each.target.id or "", ""))
            line = excluded or (included if each.is_default else None)
            if line is None:
                left.append(each)
            elif line is included or line.starts or line.ends:
                self.diagnostics.append(contradicts_default(line.location, each.location, policy))
        return tuple(left)

    def _removals(
        self, removals: Iterable[DesiredAssignment], policy: str
    ) -> Iterator[ResolvedRemoval]:
        """Resolve the lines of ``remove``; a group is removed on both sides."""
        for line in removals:
            target = self._target(line, policy)
            if isinstance(target, Diagnostic):
                self.diagnostics.append(target)
                continue
            yield ResolvedRemoval(target, line.location)
            if target.kind is TargetKind.GROUP:
                excluded = replace(target, kind=TargetKind.EXCLUSION_GROUP)
                yield ResolvedRemoval(excluded, line.location)

    def _refuse_declared(
        self,
        removals: Iterable[ResolvedRemoval],
        assignments: Iterable[ResolvedAssignment],
        policy: str,
    ) -> None:
        """A target that is declared too, or removed twice, once a name and an id are both resolved."""
        declared = {key_of(each.target): each for each in assignments}
        seen: dict[tuple[str, str, str], ResolvedRemoval] = {}
        for removal in removals:
            key = key_of(removal.target)
            first = declared.get(key) or seen.setdefault(key, removal)
            if first is not removal:
                self.diagnostics.append(
                    error(
                        "declared-and-removed",
                        f"this target is also declared at {first.location}",
                        removal.location,
                        help=KEEP_ONE_LINE,
                        policy=policy,
                    )
                )

    def _target(self, desired: DesiredAssignment, policy: str) -> Target | Diagnostic:
        if desired.group is None:
            spelling = desired.id if desired.kind is TargetKind.COLLECTION else None
            object_id = desired.id.lower() if desired.id else None
            return Target(desired.kind, object_id, spelling, desired.target_type)
        if (not_covered := self._not_covered(desired.group, policy)) is not None:
            return not_covered
        group = self._groups.find(
            desired.group,
            nearby=self._nearby_groups,
            policy=policy,
            key="group",
            advice=partial(_advise_on_everybody, desired),
        )
        if isinstance(group, Diagnostic):
            return group
        self._confirm(desired.group)
        key = desired.kind, group.id
        known = self._targets.get(key)
        if known is None:
            known = self._targets[key] = Target(desired.kind, group.id, group.name or None)
        return known

    def _not_covered(self, group: Reference, policy: str) -> Diagnostic | None:
        """A snapshot that was made without this group cannot tell whether it exists."""
        not_covered = self._directory.groups.not_covered
        if group.name not in not_covered and group.id not in not_covered:
            return None
        return error(
            "not-in-snapshot",
            f"the snapshot does not cover the group {group}: whether it exists is unknown",
            group.location,
            help="make a new snapshot, which looks up every group that the files name now",
            policy=policy,
        )

    def _nearby_groups(self, name: str) -> Iterable[str]:
        return (group.name for group in self._directory.groups.nearby.get(name, ()))

    def _filter(self, desired: FilterReference | None, policy: str) -> Filter | Diagnostic | None:
        if desired is None:
            return None
        match = self._filters.find(desired.reference, policy=policy, key=desired.mode.value)
        if isinstance(match, Diagnostic):
            return match
        self._confirm(desired.reference)
        key = desired.mode, match.id
        known = self._used_filters.get(key)
        if known is None:
            known = self._used_filters[key] = Filter(desired.mode, match.id, match.name or None)
        return known

    def _confirm(self, reference: Reference) -> None:
        if reference.name is not None:
            self.confirmed.append(reference.location)

    def _refuse_conflicts(self, assignments: Iterable[ResolvedAssignment], policy: str) -> None:
        """Two lines may turn out to mean one group, once a name and an id are both resolved."""
        seen: dict[tuple[str, str, str], ResolvedAssignment] = {}
        for assignment in assignments:
            key = key_of(assignment.target)
            first = seen.setdefault(key, assignment)
            if first is not assignment:
                self.diagnostics.append(
                    error(
                        "duplicate-target",
                        f"this is the same target as at {first.location}",
                        assignment.location,
                        help="write each target of a policy once",
                        policy=policy,
                    )
                )
        self._refuse_both_sides(seen, policy)

    def _refuse_both_sides(
        self, seen: Mapping[tuple[str, str, str], ResolvedAssignment], policy: str
    ) -> None:
        for (kind, object_id, _), excluded in seen.items():
            if kind != TargetKind.EXCLUSION_GROUP:
                continue
            included = seen.get((TargetKind.GROUP.value, object_id, ""))
            if included is not None:
                name = self._names.quoted(excluded.target.name, object_id)
                self.diagnostics.append(
                    error(
                        "group-on-both-sides",
                        f"the group {name} is excluded here and included at {included.location}",
                        excluded.location,
                        help=ONE_SIDE,
                        policy=policy,
                    )
                )


def _advise_on_everybody(desired: DesiredAssignment) -> str:
    """What to write for "All users": no group needs that name, as Intune has a target of its own."""
    name = (desired.group.name if desired.group else None) or ""
    plain = re.sub(r"[\W_]+", "", name.casefold())
    word = {"allusers": "all_users", "alldevices": "all_devices"}.get(plain)
    if word is None:
        return ""
    if desired.kind is TargetKind.EXCLUSION_GROUP:
        return f"Intune can exclude groups alone; there is no exclusion of {word}"
    return f"if this is no group, but Intune's own target, write {word}: true"


def _describe_group(group: Group) -> str:
    rule = group.membership_rule
    if rule is None:
        return f"{group.id} (assigned)"
    flat = " ".join(rule.split())
    cut = flat if len(flat) <= _LONGEST_RULE else f"{flat[:_LONGEST_RULE]}…"
    return f"{group.id} (dynamic: {cut})"


def _describe_filter(filter: AssignmentFilter) -> str:
    return f"{filter.id} ({filter.platform or 'unknown platform'})"


def _describe_policy(view: _PolicyView) -> str:
    policy = view.policy
    return (
        f"{policy.id} ({f'platform: {policy.platform}' if policy.platform else 'unknown platform'})"
    )
