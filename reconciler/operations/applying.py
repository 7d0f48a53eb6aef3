"""Apply a plan that was just made, or one that was saved and reviewed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from reconciler import applier
from reconciler.applier.journal import FileJournal, NoJournal
from reconciler.applier.pending import FilePendingApprovals
from reconciler.applier.staleness import StaleAssignment, stale_assignments
from reconciler.differ.guardrails import Limits, stops, tightened
from reconciler.model.errors import (
    GuardrailError,
    Interrupted,
    ReconcilerError,
    StalePlanError,
)
from reconciler.model.plan import Change, Create, Plan, PolicyPlan, filter_after
from reconciler.model.ports import Reader
from reconciler.model.result import ApplyResult
from reconciler.model.state import (
    GROUP_KINDS,
    AssignmentFilter,
    Filter,
    Group,
    LivePolicy,
    LiveState,
    Policy,
    TargetKind,
)
from reconciler.model.text import visible
from reconciler.model.wording import describe_filter, describe_target
from reconciler.operations.connect import Connection, Session, connect
from reconciler.operations.planning import PlanRequest, expect_digest, open_plan
from reconciler.operations.tenant_check import check_tenant, identify

APPROVALS_FILE = "approvals.json"

_LAG_WAITS = (0.5, 1.0, 2.0)
"""Seconds before each further reading of a policy that lacks what a saved plan saw there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How to write. ``journal`` is the file to append to, None for none."""

    journal: Path | None
    state_folder: Path
    approval_codes: tuple[str, ...]
    reconciler_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """Plan a tenant root and write what the plan says.

    ``approve`` is the check on the pull request: it raises `StalePlanError` for a plan that nobody
    approved. None leaves it out.
    """

    plan: PlanRequest
    options: ApplyOptions
    expect_digest: str | None = None
    approve: Callable[[Plan, Session], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlanRequest:
    """Write what a saved plan says. ``limits`` can only tighten the plan's own guardrails.

    ``declared_tenant`` is the tenant of the root that the plan belongs to, where there is one.
    """

    plan: Plan
    options: ApplyOptions
    declared_tenant: str | None
    limits: Limits
    expect_digest: str | None = None
    justification: str | None = None


class Reviewer(Protocol):
    """The person, or the program, that an apply asks before its first write."""

    def show(self, plan: Plan) -> None:
        """Show the plan. It may be one that is refused next."""
        ...

    def confirms(self, plan: Plan) -> bool:
        """Whether this plan, which has changes, is to be written."""
        ...

    def while_writing(self) -> AbstractContextManager[None]:
        """Entered for the time of the writes: a request to stop then waits for those in flight."""
        ...


def apply_root(request: ApplyRequest, session: Session, reviewer: Reviewer) -> ApplyResult | None:
    """Plan, show, check, ask, write, read back. None where the reviewer did not confirm.

    Raises what `reconciler.operations.planning.make_plan` and the checks raise; nothing was
    written then.
    """
    with open_plan(request.plan, session) as planned:
        plan = planned.plan
        reviewer.show(plan)
        _check(plan, request.expect_digest, is_saved=False)
        if request.approve is not None and not plan.is_empty:
            request.approve(plan, session)
        return _ask_and_write(plan, request.options, session, planned.connection, reviewer)


def apply_saved(
    request: SavedPlanRequest, session: Session, reviewer: Reviewer
) -> ApplyResult | None:
    """Show, check, compare with the tenant, ask, write, read back. As `apply_root`, without planning."""
    plan = tighten(request.plan, request.limits)
    reviewer.show(plan)
    _check(plan, request.expect_digest, is_saved=True)
    with connect(
        session,
        cloud=plan.tenant.cloud,
        tenant=plan.tenant.id,
        justification=request.justification,
    ) as connection:
        refuse_stale(plan, session, connection, declared=request.declared_tenant)
        session.progress.end()
        return _ask_and_write(plan, request.options, session, connection, reviewer)


def _check(plan: Plan, expected: str | None, *, is_saved: bool) -> None:
    refuse_unsafe(plan, is_saved=is_saved)
    if not plan.is_empty:  # apply may skip what is already true, and here all of it is
        expect_digest(plan, expected)


def _ask_and_write(
    plan: Plan,
    options: ApplyOptions,
    session: Session,
    connection: Connection,
    reviewer: Reviewer,
) -> ApplyResult | None:
    if plan.is_empty:
        return ApplyResult(plan.tenant, plan.digest, ())
    if not reviewer.confirms(plan):
        return None
    with reviewer.while_writing():
        result = write(plan, options, session=session, connection=connection)
    return replace(result, faults=(*result.faults, *connection.faults))


def refuse_unsafe(plan: Plan, *, is_saved: bool = False) -> None:
    """Raise unless the plan may be applied: whole, and within its guardrails.

    The advice depends on ``is_saved``: no option changes what a saved plan holds.
    """
    again = "; then make a new plan: reconciler plan --out FILE" if is_saved else ""
    if not plan.complete:
        raise ReconcilerError(
            f"the plan is incomplete, so nothing was written; fix the errors above{again}"
        )
    if plan.stopped_by:
        reasons = "; ".join(stop.message for stop in plan.stopped_by)
        kept = ". A saved plan keeps its limits: a change of them needs a new plan"
        raise GuardrailError(f"stopped before the first write: {reasons}{kept if is_saved else ''}")


def tighten(plan: Plan, limits: Limits) -> Plan:
    """Judge a saved plan anew: by its own guardrails, which the command line can only tighten.

    What the file says of stops counts too, and is not relied upon: a file can be edited.
    """
    guardrails = tightened(plan.guardrails, limits)
    known = set(plan.stopped_by)
    found = [stop for stop in stops(tuple(plan.changes), guardrails) if stop not in known]
    return replace(plan, guardrails=guardrails, stopped_by=(*plan.stopped_by, *found))


def refuse_stale(
    plan: Plan, session: Session, connection: Connection, *, declared: str | None = None
) -> None:
    """Read the tenant again, and raise where it is not as a saved plan saw it.

    ``declared`` is the tenant of the plan's root, an id or a domain, which must be the same.

    Raises `AuthError` for another tenant and `StalePlanError` that names each difference, a name
    that the plan shows for another object among them.
    """
    identity = identify(
        session,
        connection.tenant,
        connection.tokens,
        declared=declared or plan.tenant.id,
        cloud=plan.tenant.cloud,
    )
    check_tenant(plan.tenant.id, identity, declared_in="this plan")
    if declared is not None:
        check_tenant(declared, identity, declared_in="the tenant root of this plan")
    session.progress.stage("Comparing with the tenant")
    touched = [policy for policy in plan.policies if policy.changes]
    ids = {policy.policy.id for policy in touched}
    live = connection.tenant.read_policies(lambda policy: policy.id in ids)
    differences = _differences(
        [policy for policy in touched if policy.policy.id in live.policies],
        live.policies,
        session,
        connection.tenant,
    )
    names = _names(differences, connection.tenant)
    _refuse(
        [
            *(line for policy in touched for line in _renamed(policy.policy, live)),
            *(_line(difference, names) for difference in differences),
        ]
    )
    refuse_renamed(plan, session, connection.tenant)


def _differences(
    plans: Sequence[PolicyPlan],
    readings: Mapping[str, LivePolicy],
    session: Session,
    tenant: Reader,
) -> list[StaleAssignment]:
    """Compare, and read again what lacks anything that the plan saw: a reading may lag."""
    found = {each.policy.id: _stale(each, readings) for each in plans}
    for wait in _LAG_WAITS:
        lacking = [each for each in plans if any(d.before for d in found[each.policy.id])]
        if not lacking:
            break
        session.deadline.sleep(wait, "waiting for Graph's readings to agree")
        again = tenant.read_each([each.policy for each in lacking])
        readings = {id: live for id, live in again.items() if isinstance(live, LivePolicy)}
        found |= {e.policy.id: _stale(e, readings) for e in lacking if e.policy.id in readings}
    return [difference for each in plans for difference in found[each.policy.id]]


def _stale(plan: PolicyPlan, readings: Mapping[str, LivePolicy]) -> tuple[StaleAssignment, ...]:
    return stale_assignments(plan, readings[plan.policy.id].assignments)


def _renamed(policy: Policy, live: LiveState) -> Iterator[str]:
    now = live.policies.get(policy.id)
    if policy.id in live.unreadable:
        yield f'"{policy.name}": the policy cannot be read: {live.unreadable[policy.id].reason}'
    elif now is None:
        yield f'"{policy.name}": the policy is gone'
    elif now.policy.name != policy.name:
        yield f'"{policy.name}": the policy is now called "{now.policy.name}"'


def _names(differences: Iterable[StaleAssignment], tenant: Reader) -> Mapping[str, Group]:
    """Look up the groups that the plan did not know, so that people read names."""
    ids = {
        found.target.id
        for found in differences
        if found.target.kind in GROUP_KINDS and found.target.name is None
    }
    known = [id for id in ids if id is not None]
    return tenant.find_groups(names=(), ids=known).by_id if known else {}


def refuse_renamed(plan: Plan, session: Session, tenant: Reader) -> None:
    """Raise where a name in the plan's changes does not belong to the object that is written.

    A reviewer reads names, and Graph gets ids. So each group and each filter that a change shows,
    before and after, must still bear the name that the plan shows. What is newly assigned must
    exist: Graph takes the id of a deleted group without a word, and shows it as deleted afterwards.
    """
    session.progress.stage("Checking groups and filters")
    changes = tuple(plan.changes)
    ids = {each.target.id for each in changes if each.target.kind in GROUP_KINDS} - {None}
    groups = tenant.find_groups(names=(), ids=[id for id in ids if id]).by_id if ids else {}
    filters = tenant.read_filters() if any(any(_filters(each)) for each in changes) else {}
    lines = [line for each in changes for line in _misnamed(each, groups, filters)]
    _refuse(list(dict.fromkeys(lines)))


def _filters(change: Change) -> tuple[Filter | None, Filter | None]:
    """The filter that a change finds, and the one that it leaves."""
    return None if isinstance(change, Create) else change.live.filter, filter_after(change)


def _misnamed(
    change: Change, groups: Mapping[str, Group], filters: Mapping[str, AssignmentFilter]
) -> Iterator[str]:
    policy, target = f'"{change.policy.name}"', change.target
    if target.kind in GROUP_KINDS:
        what = f"{policy}: {describe_target(target)}"
        must_exist = isinstance(change, Create)
        yield from _differs(what, target.name, groups.get(target.id or ""), must_exist=must_exist)
    elif target.kind is TargetKind.COLLECTION and (target.name or "").lower() != target.id:
        # Its name is its id as it was spelt, and is what goes out.
        yield f"{policy}: {describe_target(target)} is not the collection {target.id}"
    before, after = _filters(change)
    for filter, must_exist in ((before, False), (after, True)):
        if filter is not None:
            what = f"{policy}: filter {describe_filter(filter)}"
            found = filters.get(filter.id)
            yield from _differs(what, filter.name, found, must_exist=must_exist)


def _differs(
    what: str, name: str | None, found: Group | AssignmentFilter | None, *, must_exist: bool
) -> Iterator[str]:
    """Compare a name of the plan with the object of its id; without a name there is no claim."""
    if found is None:
        if must_exist or name is not None:
            yield f"{what} no longer exists"
    elif name is not None and found.name != name:
        yield f'{what} is now called "{found.name}"'


def _refuse(lines: list[str]) -> None:
    if lines:
        raise StalePlanError(
            "the tenant has changed since this plan was made, so nothing was written:\n"
            + "\n".join(f"  {visible(line)}" for line in lines)
            + "\nmake a new plan and review it"
        )


def _line(difference: StaleAssignment, names: Mapping[str, Group]) -> str:
    target = difference.target
    group = names.get(target.id or "")
    target = replace(target, name=group.name) if group else target
    where = f'"{difference.policy.name}": {describe_target(target)}'
    if difference.before is None:
        return f"{where} was added"
    if difference.now is None:
        return f"{where} is gone"
    fields = ", ".join(
        f"{field.path} was {field.before or 'none'}, is now {field.after or 'none'}"
        for field in difference.fields
    )
    return f"{where}: {fields}"


def write(
    plan: Plan, options: ApplyOptions, *, session: Session, connection: Connection
) -> ApplyResult:
    """Write what the plan says. The plan has been judged, and the user has been asked.

    Raises `StalePlanError` where a name no longer leads to its object, and `JournalError`; what
    happens to single policies is in the result.
    """
    refuse_unsafe(plan)
    try:
        refuse_renamed(plan, session, connection.tenant)
    except Interrupted:
        raise Interrupted("stopped before the first write; nothing was written") from None
    run: dict[str, object] = {
        "tenant": plan.tenant.id,
        "digest": plan.digest,
        "reconciler_version": options.reconciler_version,
    }
    journal = (
        NoJournal()
        if options.journal is None
        else FileJournal(options.journal, session.clock, run=run)
    )
    try:
        with journal as opened:
            return applier.apply(
                plan,
                tenant=connection.tenant,
                journal=opened,
                approvals=FilePendingApprovals(options.state_folder / APPROVALS_FILE),
                approval_codes=options.approval_codes,
                progress=session.progress,
                clock=session.clock,
                deadline=session.deadline,
                backoff=session.backoff,
                parallelism=session.parallelism,
                is_stopped=session.is_stopped,
            )
    except KeyboardInterrupt:  # the second one: the first lets the writes in flight end
        raise Interrupted(
            "stopped while writing. A write in flight may have been done or not. Run plan to see "
            "what is left; apply may be run again safely"
        ) from None
    finally:
        session.progress.end()
