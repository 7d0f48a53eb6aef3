"""Choose the one request that comes next for a policy, and tell the journal of it. I/O through ports.

``assign`` carries all that is left of a policy's part of the plan. Each documented call carries one
change, and the next one waits for a reading of its own.

Order of the documented calls. What is added is there before anything that covers the same people
is taken away, so no device is without its policy in between: first exclusions, then includes, then
changes of a filter, then removals. One case allows no such order. A group that changes sides has
one assignment id on both (graph.md section 2), so its old side goes first, and its new side next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from reconciler.applier.merge import OPPOSITE_SIDE, merge
from reconciler.applier.multi_admin_approval import MultiAdminApprover
from reconciler.applier.readings import Reading
from reconciler.applier.route import Place, Route
from reconciler.model.errors import GraphError, MultiAdminApprovalError, ReconcilerError
from reconciler.model.plan import Change, Create, Delete, Key, Update, action_of, key_of
from reconciler.model.ports import Clock, Journal, Tenant
from reconciler.model.requests import (
    AssignmentToSend,
    AssignRequest,
    CreateRequest,
    DeleteRequest,
    EncodedRequest,
    PatchRequest,
    WriteRequest,
)
from reconciler.model.state import Assignment, Policy, TargetKind
from reconciler.model.wording import describe_change, describe_target
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """What a policy's run works with; shared by all policies of a run.

    ``faults`` takes what went wrong beside the policies, such as a journal that is full.
    """

    tenant: Tenant
    route: Route
    multi_admin_approver: MultiAdminApprover
    journal: Journal
    clock: Clock
    deadline: Deadline
    backoff: Backoff
    faults: list[str]


@dataclass(frozen=True, slots=True)
class Write:
    """One write, ready to go.

    ``request`` says what it means and ``encoded`` is what goes out. ``changes`` are the plan's
    changes that it carries. ``expected`` is the whole direct set that the policy has afterwards,
    if nobody else writes.
    """

    request: WriteRequest
    encoded: EncodedRequest
    changes: tuple[Change, ...]
    expected: tuple[AssignmentToSend, ...]

    @property
    def method(self) -> str:
        """Graph's word for it, as the journal has it: create, update, delete or assign."""
        return "assign" if self.replaces else action_of(self.changes[0]).value

    @property
    def replaces(self) -> bool:
        """Whether it replaces the policy's whole direct set."""
        return isinstance(self.request, AssignRequest)

    @property
    def create_place(self) -> Place | None:
        """Where its route may be missing: the place of a create call, None for every other call."""
        if isinstance(self.request, CreateRequest):
            return self.request.policy.family, self.encoded.version
        return None


def next_write(
    policy: Policy, to_do: Sequence[Change], reading: Reading, context: ApplyContext
) -> Write:
    """Choose the call. A write that was queued for approval goes by the call that queued it.

    Raises `ReconcilerError` where only ``assign`` is left, and an assignment of the policy comes
    from a source that this program does not know.
    """
    route, direct = context.route, reading.direct
    assign = _assign(policy, to_do, direct, context)
    if not route.wants_create(to_do):
        return _allowed(assign, reading)
    documented = [_documented(policy, change, direct, context) for change in _in_order(to_do)]
    if not route.falls_back:
        return documented[0]
    places = [write.create_place for write in documented]
    if any(place is not None and route.is_missing(place) for place in places):
        return _allowed(assign, reading)
    if context.multi_admin_approver.remembers(policy, assign.encoded.digest):
        return _allowed(assign, reading)
    return documented[0]


def _allowed(assign: Write, reading: Reading) -> Write:
    """Let a whole-set write through where it is known what that does to every assignment."""
    unknown = [each for each in reading.assignments if each.is_of_unknown_source]
    if unknown:
        named = "; ".join(
            f'{describe_target(each.target)}, source "{each.source}"' for each in unknown
        )
        raise ReconcilerError(
            "not written: this policy has assignments that were made neither directly nor by a "
            f"policy set ({named}), and nobody knows what the assign call does to them. Change "
            "this policy in the Intune portal"
        )
    return assign


def announce(write: Write, policy: Policy, before: Sequence[Assignment], journal: Journal) -> None:
    """Write into the journal what will be sent, and the policy's whole set before it."""
    journal.record(
        "write",
        policy,
        method=write.method,
        changes=[describe_change(change) for change in write.changes],
        before=[_audit(assignment) for assignment in before],
    )


def record_refusal(refused: ReconcilerError, policy: Policy, journal: Journal) -> None:
    """Write into the journal why a write did not happen."""
    journal.record("refused", policy, error=str(refused), **_facts(refused))


def _in_order(changes: Sequence[Change]) -> Sequence[Change]:
    """Sort changes so that nothing is taken away too early (see the module's text)."""
    keys = {
        key_of(change.target): type(change) for change in changes if not isinstance(change, Update)
    }
    return sorted(changes, key=lambda change: (_rank(change, keys), change.target.sort_key))


def _rank(change: Change, others: Mapping[Key, type[Change]]) -> int:
    opposite = OPPOSITE_SIDE.get(change.target.kind)
    other = opposite and others.get(key_of(replace(change.target, kind=opposite)))
    is_exclusion = change.target.kind is TargetKind.EXCLUSION_GROUP
    match change:
        case Create():
            if other is Delete:
                return 4
            return 0 if is_exclusion else 1
        case Update():
            return 2
        case Delete():
            if other is Create:
                return 3
            return 6 if is_exclusion else 5
        case _:
            assert_never(change)


def _assign(
    policy: Policy, to_do: Sequence[Change], direct: Mapping[Key, Assignment], context: ApplyContext
) -> Write:
    """Send the policy's whole set, merged on what was just read."""
    whole = merge(direct, to_do)
    return _write(AssignRequest(policy, whole), to_do, whole, context)


def _documented(
    policy: Policy, change: Change, direct: Mapping[Key, Assignment], context: ApplyContext
) -> Write:
    """Send one change by the call that Microsoft documents for it."""
    request: WriteRequest
    match change:
        case Create():
            request = CreateRequest(policy, change.target, change.filter)
        case Update():
            request = PatchRequest(policy, direct[key_of(change.target)], change.after)
        case Delete():
            request = DeleteRequest(policy, direct[key_of(change.target)])
        case _:
            assert_never(change)
    return _write(request, [change], merge(direct, [change]), context)


def _write(
    request: WriteRequest,
    changes: Sequence[Change],
    expected: Sequence[AssignmentToSend],
    context: ApplyContext,
) -> Write:
    is_involved = context.multi_admin_approver.is_involved(request.policy)
    encoded = context.tenant.encode(request, reproducible=is_involved)
    return Write(request, encoded, tuple(changes), tuple(expected))


def _facts(refused: ReconcilerError) -> dict[str, object]:
    facts: dict[str, object] = {}
    if isinstance(refused, GraphError):
        facts["request_id"] = refused.request_id
    if isinstance(refused, MultiAdminApprovalError):
        facts["approval_code"] = refused.approval_code
    return facts


def _audit(assignment: Assignment) -> dict[str, object]:
    """Write an assignment so that it could be put back by hand: its target as Graph showed it."""
    target = json.loads(assignment.raw_target)
    beside = json.loads(assignment.raw_properties)
    return {"id": assignment.id, "source": assignment.source, **beside, "target": target}
