"""Turn every name of the desired state into the id it leads to, or into a diagnostic. Pure.

Nothing is skipped in silence: a name that leads nowhere, to several things, or to something that
differs in case alone is an error at its YAML line, with the candidates or the nearest names.
Graph's own ``eq`` ignores case, so equality is decided here and not by the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.differ.lookup import Index
from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.plan import key_of
from reconciler.model.policy_types import platform_title
from reconciler.model.ports import Directory
from reconciler.model.state import (
    DesiredAssignment,
    DesiredPolicy,
    DesiredState,
    Filter,
    FilterReference,
    Group,
    LivePolicy,
    LiveState,
    Reference,
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedState,
    Target,
    TargetKind,
)

_LONGEST_RULE = 60
"""Characters of a dynamic group's rule that tell it from another group."""


@dataclass(frozen=True, slots=True)
class GroupReferences:
    """The groups a desired state points at, for one look-up of them all."""

    names: frozenset[str]
    ids: frozenset[str]


def referenced_groups(desired: DesiredState) -> GroupReferences:
    """Collect every group name and id that the files mention."""
    names: set[str] = set()
    ids: set[str] = set()
    for policy in desired.policies:
        for assignment in policy.assignments:
            reference = assignment.group
            if reference is None:
                continue
            if reference.id is not None:
                ids.add(reference.id)
            if reference.name is not None:
                names.add(reference.name)
    return GroupReferences(frozenset(names), frozenset(ids))


@dataclass(frozen=True, slots=True)
class _PolicyView:
    """A live policy with the two attributes that `Index` looks at."""

    live: LivePolicy

    @property
    def id(self) -> str:
        return self.live.policy.id

    @property
    def name(self) -> str:
        return self.live.policy.name


@dataclass(frozen=True, slots=True)
class Resolution:
    """The state in ids, and what was wrong; policies with an error are left out of ``state``."""

    state: ResolvedState
    diagnostics: tuple[Diagnostic, ...]


def resolve(desired: DesiredState, live: LiveState, directory: Directory) -> Resolution:
    """Follow every reference of the desired state.

    A policy with any mistake is left out whole: half of its assignments is not what was declared.
    """
    resolver = _Resolver(live, directory)
    policies = [
        found for policy in desired.policies if (found := resolver.policy(policy)) is not None
    ]
    policies.sort(key=lambda resolved: resolved.live.policy.sort_key)
    return Resolution(ResolvedState(desired.config, tuple(policies)), tuple(resolver.diagnostics))


class _Resolver:
    """One pass over the desired state, collecting diagnostics on its way."""

    def __init__(self, live: LiveState, directory: Directory) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._directory = directory
        self._policies = Index("policy", [_PolicyView(policy) for policy in live], _describe_policy)
        self._filters = Index(
            "filter", directory.filters.values(), lambda found: f"{found.id} ({found.platform})"
        )
        self._groups = Index("group", directory.groups.by_id.values(), _describe_group)
        self._declared: dict[str, DesiredPolicy] = {}

    def policy(self, desired: DesiredPolicy) -> ResolvedPolicy | None:
        """Resolve one policy, or say why it cannot be."""
        live = self._keep(self._match(desired))
        label = live.policy.name if live else _label(desired.reference)
        before = len(self.diagnostics)
        assignments = [self._assignment(item, label) for item in desired.assignments]
        resolved = tuple(item for item in assignments if item is not None)
        self._refuse_conflicts(resolved, label)
        if live is None or len(self.diagnostics) > before:
            return None
        return ResolvedPolicy(live, desired.ownership, resolved, desired.reference.location)

    def _keep(self, found: LivePolicy | Diagnostic) -> LivePolicy | None:
        if isinstance(found, Diagnostic):
            self.diagnostics.append(found)
            return None
        return found

    def _match(self, desired: DesiredPolicy) -> LivePolicy | Diagnostic:
        reference = desired.reference
        found = self._policies.find(reference, policy=_label(reference))
        if isinstance(found, Diagnostic) and desired.platform and reference.id is None:
            found = self._match_by_platform(desired, found)
        if isinstance(found, Diagnostic):
            return found
        platform = found.live.policy.platform
        if desired.platform and (platform or "").casefold() != desired.platform.casefold():
            return error(
                "platform-mismatch",
                f'the policy "{found.name}" is for {platform or "an unknown platform"}, '
                f"not for {desired.platform}",
                reference.location,
                help="correct platform, or leave it out: it is needed only where two policies "
                "share a name",
                policy=found.name,
            )
        return self._refuse_second_declaration(desired, found.live)

    def _match_by_platform(
        self, desired: DesiredPolicy, otherwise: Diagnostic
    ) -> _PolicyView | Diagnostic:
        wanted = (desired.platform or "").casefold()
        fitting = [
            view
            for view in self._policies.by_name.get(desired.reference.name or "", [])
            if (view.live.policy.platform or "").casefold() == wanted
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
            policy=live.policy.name,
        )

    def _assignment(self, desired: DesiredAssignment, policy: str) -> ResolvedAssignment | None:
        target = self._target(desired, policy)
        filter_or_error = self._filter(desired.filter, policy)
        problems = [found for found in (target, filter_or_error) if isinstance(found, Diagnostic)]
        self.diagnostics.extend(problems)
        if isinstance(target, Diagnostic) or isinstance(filter_or_error, Diagnostic):
            return None
        return ResolvedAssignment(target, filter_or_error, desired.broad, desired.location)

    def _target(self, desired: DesiredAssignment, policy: str) -> Target | Diagnostic:
        if desired.group is None:
            spelling = desired.id if desired.kind is TargetKind.COLLECTION else None
            object_id = desired.id.lower() if desired.id else None
            return Target(desired.kind, object_id, spelling, desired.target_type)
        group = self._groups.find(
            desired.group, nearby=self._nearby_groups, policy=policy, key="group"
        )
        if isinstance(group, Diagnostic):
            return group
        return Target(desired.kind, group.id, group.name)

    def _nearby_groups(self, name: str) -> Iterable[str]:
        return (group.name for group in self._directory.groups.nearby.get(name, ()))

    def _filter(self, desired: FilterReference | None, policy: str) -> Filter | Diagnostic | None:
        if desired is None:
            return None
        found = self._filters.find(desired.reference, policy=policy, key=desired.mode.value)
        if isinstance(found, Diagnostic):
            return found
        return Filter(desired.mode, found.id, found.name)

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
                        help="a target may stand once on a policy: remove one of the two lines",
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
                self.diagnostics.append(
                    error(
                        "include-and-exclude",
                        f'the group "{excluded.target.name}" is also included, '
                        f"at {included.location}",
                        excluded.location,
                        help="a group is either included or excluded: remove one of the two lines",
                        policy=policy,
                    )
                )


def _label(reference: Reference) -> str:
    return reference.name or reference.id or ""


def _describe_group(group: Group) -> str:
    rule = group.membership_rule
    if rule is None:
        return f"{group.id} (assigned)"
    flat = " ".join(rule.split())
    cut = flat if len(flat) <= _LONGEST_RULE else f"{flat[:_LONGEST_RULE]}…"
    return f"{group.id} (dynamic: {cut})"


def _describe_policy(view: _PolicyView) -> str:
    policy = view.live.policy
    platform = f"platform: {policy.platform}" if policy.platform else platform_title(None)
    return f"{policy.id} ({platform})"
