"""Make a plan: load, read, resolve, compare, judge. The stages stand here in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from reconciler import loader
from reconciler.differ.compare import diff
from reconciler.differ.guardrails import Limits, effective, stops
from reconciler.differ.lint import findings
from reconciler.differ.resolve import referenced_groups, resolve
from reconciler.graph.parallel import in_parallel
from reconciler.model.diagnostics import Diagnostic, error, has_errors, sort_diagnostics
from reconciler.model.plan import Plan, PlanTenant, PolicyPlan
from reconciler.model.ports import Directory, GroupSearch, Reader
from reconciler.model.state import (
    DesiredPolicy,
    DesiredState,
    LiveState,
    ResolvedState,
    TargetKind,
    TenantConfig,
    TenantIdentity,
)
from reconciler.operations.connect import Connection, Session
from reconciler.operations.tenant_check import check_tenant, identify

_GROUP_KINDS = frozenset({TargetKind.GROUP, TargetKind.EXCLUSION_GROUP})


@dataclass(frozen=True, slots=True)
class Selection:
    """The ``--policy`` globs a plan is limited to; none means every declared policy."""

    globs: tuple[str, ...] = ()

    def takes(self, *names: str | None) -> bool:
        """Whether a policy with one of these names (or ids) is selected."""
        if not self.globs:
            return True
        return any(fnmatchcase(name, glob) for glob in self.globs for name in names if name)


def load(root: Path) -> loader.Loaded:
    """Stage 1: read the files. Every mistake in them is in the result."""
    return loader.load(root)


def plan(
    desired: DesiredState,
    diagnostics: Sequence[Diagnostic],
    *,
    session: Session,
    connection: Connection,
    selection: Selection,
    limits: Limits,
) -> Plan:
    """Stages 2 to 6: read the tenant, resolve, compare, judge.

    ``diagnostics`` are the loader's warnings, which the plan repeats. Raises what reading the
    tenant raises; what is wrong with single policies is in the plan, which is then incomplete.
    """
    config = desired.config
    session.progress.stage("Reading the tenant")
    identity = identify(
        session,
        connection.tenant,
        connection.tokens,
        declared=config.tenant,
        cloud=config.cloud,
    )
    check_tenant(config.tenant, identity, declared_in=config.location.file)
    live, directory = _read(desired, connection.tenant, session.parallelism)
    chosen, unmatched = _select(desired, live, selection)
    resolution = resolve(chosen, live, directory)
    directory = _with_live_groups(resolution.state, directory, connection.tenant)
    difference = diff(resolution.state, directory)
    found = (
        *diagnostics,
        *unmatched,
        *resolution.diagnostics,
        *difference.diagnostics,
        *findings(difference.policies, directory),
    )
    return _judged(config, identity, difference.policies, found, selection, limits)


def _read(desired: DesiredState, tenant: Reader, workers: int) -> tuple[LiveState, Directory]:
    """Ask for policies, filters and the declared groups side by side."""
    wanted = referenced_groups(desired)
    calls: list[Any] = [
        tenant.read_policies,
        tenant.read_filters,
        partial(tenant.find_groups, names=wanted.names, ids=wanted.ids),
    ]
    live, filters, groups = in_parallel(calls, workers=max(workers, 1))
    return live, Directory(groups, filters)


def _select(
    desired: DesiredState, live: LiveState, selection: Selection
) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
    """Keep the selected policies. A glob that selects nothing is a mistake, not an empty plan."""
    if not selection.globs:
        return desired, ()
    names = {policy: _names(policy, live) for policy in desired.policies}
    kept = tuple(policy for policy in desired.policies if selection.takes(*names[policy]))
    unmatched = tuple(
        error(
            "no-such-policy",
            f'--policy "{glob}" matches no declared policy',
            help="write the policy's display name, case included, with * and ? as wildcards",
        )
        for glob in selection.globs
        if not any(Selection((glob,)).takes(*found) for found in names.values())
    )
    return replace(desired, policies=kept), unmatched


def _names(policy: DesiredPolicy, live: LiveState) -> tuple[str | None, ...]:
    reference = policy.reference
    found = live.policies.get(reference.id or "")
    return reference.name, reference.id, found.policy.name if found else None


def _with_live_groups(resolved: ResolvedState, directory: Directory, tenant: Reader) -> Directory:
    """Look up the groups that are assigned and not declared, so that people read names."""
    ids = {
        assignment.target.id
        for policy in resolved.policies
        for assignment in policy.live.assignments
        if assignment.target.kind in _GROUP_KINDS and assignment.target.id is not None
    }
    unknown = ids - directory.groups.by_id.keys()
    if not unknown:
        return directory
    more = tenant.find_groups(names=(), ids=unknown)
    known = directory.groups
    groups = GroupSearch({**known.by_id, **more.by_id}, known.by_name, known.nearby)
    return replace(directory, groups=groups)


def _judged(
    config: TenantConfig,
    identity: TenantIdentity,
    policies: Iterable[PolicyPlan],
    diagnostics: Iterable[Diagnostic],
    selection: Selection,
    limits: Limits,
) -> Plan:
    guardrails = effective(config.guardrails, limits)
    ordered = sort_diagnostics(diagnostics)
    made = Plan(
        tenant=PlanTenant(identity.id, config.label, identity.display_name, config.cloud),
        policies=tuple(policies),
        writes=config.writes,
        guardrails=guardrails,
        complete=not has_errors(ordered),
        diagnostics=ordered,
        selection=selection.globs,
    )
    return replace(made, stopped_by=stops(made.changes, guardrails))
