"""Choose the one request that comes next for a policy, and tell the journal of it. I/O through ports.

``assign`` carries all that is left of a policy's part of the plan; each documented call carries one
change, and the next one waits for a reading of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from reconciler.applier.merge import body_digest, merge
from reconciler.applier.multi_admin_approval import MultiAdminApprover
from reconciler.applier.route import Route, WriteMethod
from reconciler.model.errors import GraphError, MultiAdminApprovalError, ReconcilerError
from reconciler.model.plan import Change, Create, Delete, Key, Update, action_of, key_of
from reconciler.model.ports import AssignmentToSend, Journal, Receipt, Tenant
from reconciler.model.state import Assignment, Policy
from reconciler.model.wording import describe_change
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """What a policy's run works with; shared by all policies of a run."""

    tenant: Tenant
    route: Route
    multi_admin_approver: MultiAdminApprover
    journal: Journal
    deadline: Deadline
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class Request:
    """One write: the changes that it carries, and the call that makes it.

    ``expected`` is the whole set that the policy should then have; ``replaces`` says that the
    request carries all of it. ``digest`` names what would be sent.
    """

    method: str
    changes: tuple[Change, ...]
    expected: tuple[AssignmentToSend, ...]
    replaces: bool
    digest: str
    call: Callable[[str | None], Receipt]


def next_request(
    policy: Policy, to_do: Sequence[Change], direct: Mapping[Key, Assignment], context: ApplyContext
) -> Request:
    """Choose the call. A write that was queued for approval goes by the call that queued it."""
    assign = _assign(policy, to_do, direct, context)
    if context.route.method(policy.family, to_do) is WriteMethod.ASSIGN:
        return assign
    if context.route.falls_back and context.multi_admin_approver.remembers(policy, assign.digest):
        return assign
    return _documented(policy, to_do[0], direct, context)


def announce(
    request: Request, policy: Policy, before: Sequence[Assignment], journal: Journal
) -> None:
    """Write into the journal what will be sent, and the policy's whole set before it."""
    journal.record(
        "write",
        policy,
        method=request.method,
        changes=[describe_change(change) for change in request.changes],
        before=[_audit(assignment) for assignment in before],
    )


def record_refusal(refused: ReconcilerError, policy: Policy, journal: Journal) -> None:
    """Write into the journal why a write did not happen."""
    journal.record("refused", policy, error=str(refused), **_facts(refused))


def _assign(
    policy: Policy, to_do: Sequence[Change], direct: Mapping[Key, Assignment], context: ApplyContext
) -> Request:
    """Send the policy's whole set, merged on what was just read."""
    whole = merge(direct, to_do)

    def call(code: str | None) -> Receipt:
        return context.tenant.assign(policy, whole, approval_code=code)

    digest = body_digest("assign", whole, to_do)
    return Request("assign", tuple(to_do), whole, True, digest, call)


def _documented(
    policy: Policy, change: Change, direct: Mapping[Key, Assignment], context: ApplyContext
) -> Request:
    """Send one change by the call that Microsoft documents for it."""
    tenant, key = context.tenant, key_of(change.target)
    live = direct.get(key)

    def call(code: str | None) -> Receipt:
        match change:
            case Create():
                return context.route.create(
                    policy.family,
                    lambda: tenant.create(policy, change.target, change.filter, approval_code=code),
                )
            case Update():
                return tenant.update(policy, _there(live), change.after, approval_code=code)
            case Delete():
                return tenant.delete(policy, _there(live), approval_code=code)
            case _:
                assert_never(change)

    method = action_of(change).value
    sent = merge({} if live is None else {key: live}, [change])
    digest = body_digest(method, sent, [change])
    return Request(method, (change,), merge(direct, [change]), False, digest, call)


def _there(live: Assignment | None) -> Assignment:
    if live is None:
        raise AssertionError("a change that is to do has something live to work on")
    return live


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
    return {"id": assignment.id, "source": assignment.source, "target": target}
