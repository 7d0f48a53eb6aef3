"""Writing assignments: `assign`, and the documented calls on single assignments. Changes the state it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sandbox.assignments import (
    PolicySet,
    assigned,
    created,
    updated,
    with_replaced,
    without,
)
from reconciler.sandbox.exchange import SandboxResponse, collection
from reconciler.sandbox.policies import existing_policy, shown_assignment
from reconciler.sandbox.targets import TargetRules

if TYPE_CHECKING:
    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.service import Service


def assign(
    service: Service, request: SandboxRequest, family: str, policy_id: str
) -> SandboxResponse:
    """`POST .../{id}/assign`: replaces the direct set. 204 without a body as observed, 200 with it as documented."""
    request.options()
    policy = _policy_set(service, family, policy_id)
    after = assigned(policy, request.json(), _rules(service, request))
    service.commit(request, policy.policy_id, after)
    if not service.documented:
        return SandboxResponse(204)
    shown = [shown_assignment(assignment, request) for assignment in after]
    return SandboxResponse(200, collection(request, f"Collection({policy.assignment_type})", shown))


def create_assignment(
    service: Service, request: SandboxRequest, family: str, policy_id: str
) -> SandboxResponse:
    """`POST .../{id}/assignments` as documented ([D] section 1)."""
    request.options()
    policy = _policy_set(service, family, policy_id)
    new = created(policy, request.json(), _rules(service, request))
    service.commit(request, policy.policy_id, [*policy.assignments, new])
    return SandboxResponse(
        201, {"@odata.type": f"#{policy.assignment_type}", **shown_assignment(new, request)}
    )


def update_assignment(
    service: Service, request: SandboxRequest, family: str, policy_id: str, assignment_id: str
) -> SandboxResponse:
    """`PATCH .../assignments/{id}` as documented ([D] section 1)."""
    request.options()
    policy = _policy_set(service, family, policy_id)
    changed = updated(policy, assignment_id, request.json(), _rules(service, request))
    service.commit(request, policy.policy_id, with_replaced(policy, changed))
    return SandboxResponse(
        200, {"@odata.type": f"#{policy.assignment_type}", **shown_assignment(changed, request)}
    )


def delete_assignment(
    service: Service, request: SandboxRequest, family: str, policy_id: str, assignment_id: str
) -> SandboxResponse:
    """`DELETE .../assignments/{id}` as documented ([D] section 1)."""
    request.options()
    policy = _policy_set(service, family, policy_id)
    service.commit(request, policy.policy_id, without(policy, assignment_id))
    return SandboxResponse(204)


def _policy_set(service: Service, family: str, policy_id: str) -> PolicySet:
    policy = existing_policy(service, family, policy_id)
    return PolicySet(family, policy["id"], service.state.assignments_of(policy["id"]))


def _rules(service: Service, request: SandboxRequest) -> TargetRules:
    filter_ids = frozenset(one["id"].lower() for one in service.state.filters)
    return TargetRules(beta=request.is_beta, documented=service.documented, filter_ids=filter_ids)
