"""Reading approval requests, and the sandbox's own address to decide them. Changes the state it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sandbox.errors import Refusal, bad_request, intune_refusal
from reconciler.sandbox.exchange import SandboxResponse, collection

_ACCESS_POLICY = {
    "id": "5f1d0000-0000-4000-8000-000000000001",
    "displayName": "Compliance policies",
    "policyType": "compliancePolicy",
}

if TYPE_CHECKING:
    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.service import Service


def list_approval_policies(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`GET /beta/deviceManagement/operationApprovalPolicies`: what a second administrator is demanded for.

    https://learn.microsoft.com/graph/api/intune-rbac-operationapprovalpolicy-list
    """
    request.options()
    policies = [_ACCESS_POLICY] if service.state.approval_form else []
    path = "deviceManagement/operationApprovalPolicies"
    return SandboxResponse(200, collection(request, path, policies))


def list_approvals(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`GET /beta/deviceManagement/operationApprovalRequests` ([D] section 10)."""
    request.options()
    return SandboxResponse(
        200,
        collection(
            request, "deviceManagement/operationApprovalRequests", service.approval_queue.listed()
        ),
    )


def get_approval(service: Service, request: SandboxRequest, code: str) -> SandboxResponse:
    """`GET /beta/deviceManagement/operationApprovalRequests/{id}`."""
    request.options()
    for one in service.approval_queue.listed():
        if one["id"].lower() == code.lower():
            return SandboxResponse(200, one)
    raise intune_refusal(404, f"No approval request has the id {code}")


def decide_approval(service: Service, request: SandboxRequest, code: str) -> SandboxResponse:
    """`POST /sandbox/approvals/{code}`: the decision of the other administrator, which real Graph gives to nobody but a person."""
    body = request.json()
    if not isinstance(body, dict) or not isinstance(body.get("status"), str):
        raise bad_request('A body such as {"status": "approved"} is expected.')
    service.approval_queue.expire()
    try:
        service.state.decide(code, body["status"])
    except LookupError as error:
        raise Refusal(404, "ResourceNotFound", f"There is no approval request {code}.") from error
    except ValueError as error:
        raise bad_request(str(error)) from error
    service.on_write(service.state)
    return get_approval(service, request, code)
