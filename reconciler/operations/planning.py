"""Make a plan: load, connect, read, resolve, compare, judge. The order of the stages stands here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reconciler import loader
from reconciler.differ.compare import diff
from reconciler.differ.cover import cover
from reconciler.differ.guardrails import Limits, effective, stops
from reconciler.differ.holds import expired_holds, hold_back
from reconciler.differ.impact import impact_diagnostics, impact_of, questions_of
from reconciler.differ.lint import lint
from reconciler.differ.lock import check_lock
from reconciler.differ.resolve import assigned_groups, referenced_groups, resolve
from reconciler.differ.schedule import lines_in_force
from reconciler.graph.parallel import three_in_parallel
from reconciler.graph.probes import multi_admin_approval_now
from reconciler.model.diagnostics import Diagnostic, has_errors, sort_diagnostics, warning
from reconciler.model.errors import StalePlanError
from reconciler.model.impact import Impact
from reconciler.model.plan import Plan, PlanTenant, PolicyPlan
from reconciler.model.ports import Directory, GroupSearch, Reader
from reconciler.model.state import (
    DesiredPolicy,
    DesiredState,
    LiveState,
    ResolvedState,
    TenantConfig,
    TenantIdentity,
)
from reconciler.model.wording import Names
from reconciler.operations.connect import Connection, Session, connect
from reconciler.operations.opening import prove_tenant, valid_state
from reconciler.operations.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What to plan: a tenant root, or some of its policies, and the limits of this run."""

    root: Path
    selection: Selection
    limits: Limits
    justification: str | None = None
    impact: bool = False
    """Whether to ask the tenant what the changes reach."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the way to its tenant, which is still open."""

    plan: Plan
    connection: Connection


@dataclass(frozen=True, slots=True)
class TenantReading:
    """What was read of a tenant, for the policies that were chosen."""

    chosen: DesiredState
    unmatched: tuple[Diagnostic, ...]
    live: LiveState
    directory: Directory


def make_plan(request: PlanRequest, session: Session) -> Plan:
    """Load a tenant root, read its tenant, and compare the two.

    Raises `InvalidFilesError`, and what connecting to the tenant and reading it raise. What is
    wrong with single policies is in the plan, which is then incomplete.
    """
    with open_plan(request, session) as planned:
        return planned.plan


@contextmanager
def open_plan(request: PlanRequest, session: Session) -> Iterator[Planned]:
    """As `make_plan`, with the way to the tenant kept open to apply the plan."""
    session.progress.stage(f"Reading {request.root}")
    loaded = load(request.root)
    desired = valid_state(request.root, loaded)
    config = desired.config
    with connect(
        session, cloud=config.cloud, tenant=config.tenant, justification=request.justification
    ) as connection:
        made = plan(
            desired,
            loaded.diagnostics,
            session=session,
            connection=connection,
            selection=request.selection,
            limits=request.limits,
            impact=request.impact,
        )
        session.progress.end()
        yield Planned(made, connection)


def load(root: Path) -> loader.Loaded:
    """Stage 1: read the files. Every error in them is in the result."""
    return loader.load(root)


def plan(
    desired: DesiredState,
    diagnostics: Sequence[Diagnostic],
    *,
    session: Session,
    connection: Connection,
    selection: Selection,
    limits: Limits,
    impact: bool = False,
) -> Plan:
    """Stages 2 to 6: read the tenant, resolve, compare, judge; with ``impact`` ask what it reaches.

    ``diagnostics`` are the loader's warnings, which the plan repeats. Raises what reading the
    tenant raises; what is wrong with single policies is in the plan, which is then incomplete.
    """
    config = desired.config
    session.progress.stage(session.reading_stage)
    identity = prove_tenant(config, session, connection)
    reading = read_tenant(desired, connection.tenant, selection, session.parallelism)
    resolution = resolve(reading.chosen, reading.live, reading.directory)
    directory = _with_live_groups(resolution.state, reading.directory, connection.tenant)
    schedule = lines_in_force(resolution.state, session.day)
    difference = diff(schedule.state, directory)
    places = {each.live.policy.id: each.location for each in resolution.state.policies}
    found = (
        *resolution.without_confirmed(_of_chosen(diagnostics, desired, reading.chosen)),
        *reading.unmatched,
        *resolution.diagnostics,
        *_against_lock(reading),
        *schedule.diagnostics,
        *difference.diagnostics,
        *lint(difference.policies, directory, config.writes),
        *cover(difference.policies, directory, places),
        *expired_holds(reading.chosen, session.day),
        *_about_multi_admin_approval(difference.policies, session, connection),
    )
    policies = tuple(hold_back(difference.policies, resolution.state, session.day))
    measured = _impact(policies, directory, session, connection) if impact else None
    if measured is not None:
        names = Names.of_changes(change for policy in policies for change in policy.changes)
        found = (*found, *impact_diagnostics(policies, measured, names, directory))
    made = _judged(config, identity, policies, found, selection, limits)
    return replace(made, impact=measured)


def _impact(
    policies: Sequence[PolicyPlan], directory: Directory, session: Session, connection: Connection
) -> Impact | None:
    """Ask the tenant what the changes reach; None without changes, and where a snapshot stands for it."""
    if session.snapshot is not None or not any(policy.changes for policy in policies):
        return None
    from reconciler.graph.impact import read_impact  # noqa: PLC0415 - models for changes alone

    session.progress.stage("Asking what the changes reach")
    questions = questions_of(policies, directory)
    client = connection.client.within(session.spare_seconds())
    readings = read_impact(client, questions, session.clock.now())
    return impact_of(policies, readings, directory)


def expect_digest(plan: Plan, expected: str | None) -> None:
    """Raise `StalePlanError` where the plan is not the one that was approved."""
    if expected is not None and expected != plan.digest:
        raise StalePlanError(
            f"the plan's digest is {plan.digest}, not the expected {expected}: what would be done "
            "is not what was approved. Review the plan above and approve its digest"
        )


def read_tenant(
    desired: DesiredState, tenant: Reader, selection: Selection, workers: int
) -> TenantReading:
    """Ask for policies, filters and the declared groups side by side.

    With a selection the groups are asked for last, as nobody needs those of the other policies.
    """
    first = replace(desired, policies=()) if selection.globs else desired
    live, filters, groups = three_in_parallel(
        partial(tenant.read_policies, selection.wanted(desired)),
        tenant.read_filters,
        partial(_find_groups, first, tenant),
        workers=max(workers, 1),
    )
    chosen, unmatched = selection.select(desired, live)
    if selection.globs:
        groups = _find_groups(chosen, tenant)
    return TenantReading(chosen, unmatched, live, Directory(groups, filters))


def _of_chosen(
    diagnostics: Iterable[Diagnostic], desired: DesiredState, chosen: DesiredState
) -> Iterator[Diagnostic]:
    """Leave out what is about policies that are declared and not chosen, and about files of theirs."""
    labels = set(map(_label, desired.policies)) - set(map(_label, chosen.policies))
    files = set(map(_file, desired.policies)) - set(map(_file, chosen.policies))
    return (
        each
        for each in diagnostics
        if each.policy not in labels
        and (each.policy or each.location is None or each.location.file not in files)
    )


def _file(policy: DesiredPolicy) -> str:
    return policy.reference.location.file


def _against_lock(reading: TenantReading) -> Iterator[Diagnostic]:
    """An error for every name that leads elsewhere than when the lock was written."""
    lock = reading.chosen.lock
    if lock is None:
        return iter(())
    return check_lock(reading.chosen, lock, reading.live, reading.directory)


def _about_multi_admin_approval(
    policies: Iterable[PolicyPlan], session: Session, connection: Connection
) -> Iterator[Diagnostic]:
    """Say before the merge that changes will wait for a second administrator, where Graph tells."""
    if not any(policy.changes for policy in policies):
        return
    now = multi_admin_approval_now(connection.client.within(session.spare_seconds()))
    if now is None or not now[0]:
        return
    is_open = f"; {now[1]} of its approval requests are open" if now[1] else ""
    yield warning(
        "multi-admin-approval",
        "this tenant demands Multi Admin Approval for compliance policies: each change waits for "
        f"a second administrator{is_open}",
        help="apply with --justification, and again after the approval",
    )


def _label(policy: DesiredPolicy) -> str:
    return policy.reference.name_or_id


def _find_groups(desired: DesiredState, tenant: Reader) -> GroupSearch:
    declared = referenced_groups(desired)
    return tenant.find_groups(
        names=declared.names, ids=declared.ids, other_names=declared.uncut_names
    )


def _with_live_groups(resolved: ResolvedState, directory: Directory, tenant: Reader) -> Directory:
    """Look up the groups that are assigned and not declared, so that people read names."""
    ids = assigned_groups(policy.live for policy in resolved.policies)
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
