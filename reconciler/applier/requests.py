"""Choose the one request that comes next for a policy, and tell the journal of it. I/O through ports.

``assign`` carries all that is left of a policy's part of the plan; each documented call carries one
operation, and the next one waits for a reading of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from reconciler.applier.merge import body_digest, describe, merge
from reconciler.applier.multi_admin_approval import Approver
from reconciler.applier.route import Method, Route
from reconciler.model.errors import ApprovalError, GraphError, ReconcilerError
from reconciler.model.plan import Create, Delete, Key, Operation, Update, action_of, key_of
from reconciler.model.ports import Journal, Receipt, Tenant, Wanted
from reconciler.model.state import Assignment, Policy
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff


@dataclass(frozen=True, slots=True)
class Means:
    """What a policy's run works with; shared by all policies of a run."""

    tenant: Tenant
    route: Route
    approver: Approver
    journal: Journal
    deadline: Deadline
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class Request:
    """One write: the operations that it carries, and the call that makes it.

    ``expected`` is the whole set that the policy should then have; ``replaces`` says that the
    request carries all of it. ``digest`` names what would be sent.
    """

    method: str
    operations: tuple[Operation, ...]
    expected: tuple[Wanted, ...]
    replaces: bool
    digest: str
    call: Callable[[str | None], Receipt]


def next_request(
    policy: Policy, to_do: Sequence[Operation], direct: Mapping[Key, Assignment], means: Means
) -> Request:
    """Choose the call. A write that was queued for approval goes by the call that queued it."""
    assign = _assign(policy, to_do, direct, means)
    if means.route.method(policy.family, to_do) is Method.ASSIGN:
        return assign
    if means.route.falls_back and means.approver.remembers(policy, assign.digest):
        return assign
    return _documented(policy, to_do[0], direct, means)


def announce(
    request: Request, policy: Policy, before: Sequence[Assignment], journal: Journal
) -> None:
    """Write into the journal what will be sent, and the policy's whole set before it."""
    journal.record(
        "write",
        policy,
        method=request.method,
        operations=[describe(operation) for operation in request.operations],
        before=[_audit(assignment) for assignment in before],
    )


def record_refusal(refused: ReconcilerError, policy: Policy, journal: Journal) -> None:
    """Write into the journal why a write did not happen."""
    journal.record("refused", policy, error=str(refused), **_facts(refused))


def _assign(
    policy: Policy, to_do: Sequence[Operation], direct: Mapping[Key, Assignment], means: Means
) -> Request:
    """Send the policy's whole set, merged on what was just read."""
    whole = merge(direct, to_do)

    def call(code: str | None) -> Receipt:
        return means.tenant.assign(policy, whole, approval_code=code)

    digest = body_digest("assign", whole, to_do)
    return Request("assign", tuple(to_do), whole, True, digest, call)


def _documented(
    policy: Policy, operation: Operation, direct: Mapping[Key, Assignment], means: Means
) -> Request:
    """Send one operation by the call that Microsoft documents for it."""
    tenant, key = means.tenant, key_of(operation.target)
    live = direct.get(key)

    def call(code: str | None) -> Receipt:
        match operation:
            case Create():
                return means.route.create(
                    policy.family,
                    lambda: tenant.create(
                        policy, operation.target, operation.filter, approval_code=code
                    ),
                )
            case Update():
                return tenant.update(policy, _there(live), operation.after, approval_code=code)
            case Delete():
                return tenant.delete(policy, _there(live), approval_code=code)
            case _:
                assert_never(operation)

    method = action_of(operation).value
    sent = merge({} if live is None else {key: live}, [operation])
    digest = body_digest(method, sent, [operation])
    return Request(method, (operation,), merge(direct, [operation]), False, digest, call)


def _there(live: Assignment | None) -> Assignment:
    if live is None:
        raise AssertionError("an operation that is to do has something live to work on")
    return live


def _facts(refused: ReconcilerError) -> dict[str, object]:
    facts: dict[str, object] = {}
    if isinstance(refused, GraphError):
        facts["request_id"] = refused.request_id
    if isinstance(refused, ApprovalError):
        facts["approval_code"] = refused.approval_code
    return facts


def _audit(assignment: Assignment) -> dict[str, object]:
    """Write an assignment so that it could be put back by hand: its target as Graph showed it."""
    target = json.loads(assignment.raw_target)
    return {"id": assignment.id, "source": assignment.source, "target": target}
