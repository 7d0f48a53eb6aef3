"""Ask Graph what this identity may see and do, changing nothing. Does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.graph.client import BatchEntry, GraphClient, Version, items, object_of
from reconciler.model.errors import (
    GraphError,
    Interrupted,
    MultiAdminApprovalError,
    NotFoundError,
    OutcomeUnknownError,
    ReconcilerError,
    RouteMissingError,
)
from reconciler.model.impact import ImpactQuestions
from reconciler.model.policy_types import CLASSIC
from reconciler.model.state import AssignmentFilter, Policy
from reconciler.runtime.retry import TransientError

_NO_POLICY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A collection that the program reads, and what it is read for."""

    title: str
    version: Version
    path: str
    is_needed: bool = True


ENDPOINTS = (
    Endpoint("tenant", Version.V1, "organization?$select=id", is_needed=False),
    Endpoint(
        "compliance policies", Version.BETA, "deviceManagement/deviceCompliancePolicies?$top=1"
    ),
    Endpoint(
        "Linux compliance policies", Version.BETA, "deviceManagement/compliancePolicies?$top=1"
    ),
    Endpoint("assignment filters", Version.BETA, "deviceManagement/assignmentFilters?$top=1"),
    Endpoint("groups", Version.V1, "groups?$top=1&$select=id"),
)


def refusal_of(client: GraphClient, endpoint: Endpoint) -> GraphError | None:
    """Read one page of a collection; None where that works, else why it does not."""
    try:
        client.get(endpoint.version, endpoint.path, attempted=f"reading {endpoint.title}")
    except GraphError as refused:
        return refused
    return None


_LONGEST_WAIT = 10.0
"""Seconds that a plan waits for what it can do without."""

_APPROVAL_POLICIES = "deviceManagement/operationApprovalPolicies"
_APPROVAL_REQUESTS = "deviceManagement/operationApprovalRequests"
_ABOUT_COMPLIANCE = "compliancepolicy"
"""The policy type of compliance policies, in small letters:
https://learn.microsoft.com/graph/api/resources/intune-rbac-operationapprovalpolicytype."""


def multi_admin_approval_now(client: GraphClient) -> tuple[bool, int] | None:
    """Whether the tenant demands a second administrator, and how many requests are open.

    One request, sent once and waited for a few seconds. None where this identity may not see it,
    which is usual for the app that plans, and where Graph does not say: no plan fails for it.
    Raises `Interrupted` alone.
    """
    attempted = "asking about Multi Admin Approval"
    paths = {"policies": _APPROVAL_POLICIES, "requests": _APPROVAL_REQUESTS}
    entries = {key: BatchEntry(path) for key, path in paths.items()}
    try:
        responses = client.within(_LONGEST_WAIT).ask_batch(
            Version.BETA, entries, attempted=attempted
        )
        if any(response.status != 200 for response in responses.values()):
            return None
        policies, requests = (
            items(object_of(responses[key], attempted), attempted) for key in paths
        )
    except Interrupted:
        raise
    except (ReconcilerError, TransientError):
        return None
    is_demanded = any(_is_about_compliance(policy.get("policyType")) for policy in policies)
    return is_demanded, sum(map(_is_pending, requests))


def demands_multi_admin_approval(client: GraphClient) -> bool:
    """Whether an access policy of the tenant asks for a second administrator for compliance policies.

    Raises `GraphError` where this identity may not see that.
    """
    policies = client.pages(
        Version.BETA, _APPROVAL_POLICIES, attempted="reading the access policies of Intune"
    )
    return any(_is_about_compliance(policy.get("policyType")) for policy in policies)


def pending_approval_requests(client: GraphClient) -> tuple[str, ...]:
    """Ids of the open approval requests for compliance policies. Raises `GraphError`."""
    requests = client.pages(
        Version.BETA, _APPROVAL_REQUESTS, attempted="reading Multi Admin Approval requests"
    )
    return tuple(str(request.get("id")) for request in requests if _is_pending(request))


def _is_pending(request: Mapping[str, Any]) -> bool:
    types = request.get("requiredOperationApprovalPolicyTypes")
    about = types if isinstance(types, list) else []
    is_ours = not about or any(map(_is_about_compliance, about))
    return is_ours and str(request.get("status")).casefold() in ("needsapproval", "approved")


def _is_about_compliance(policy_type: object) -> bool:
    return str(policy_type).casefold() == _ABOUT_COMPLIANCE


def create_route_exists(client: GraphClient) -> bool | None:
    """Tell whether the documented create call has a route; None where that could not be determined.

    The request names a policy that cannot exist and carries no assignment, so it cannot have
    changed anything, whatever the response is.
    """
    url = client.url(Version.V1, f"{CLASSIC.path}/{_NO_POLICY}/assignments")
    try:
        client.transport.write("POST", url, attempted="looking for the create call", content=b"{}")
    except RouteMissingError:
        return False
    except (MultiAdminApprovalError, OutcomeUnknownError):
        return None
    except NotFoundError:
        return True
    except GraphError as refused:
        return True if refused.status == 400 else None
    return None


def sample_questions(client: GraphClient) -> ImpactQuestions:
    """One group, one filter and one policy of the tenant, to try what can be seen of them.

    What cannot be listed is left out.
    """
    groups = _first_page(client, Version.V1, "groups?$top=1&$select=id")
    filters = _first_page(
        client, Version.BETA, "deviceManagement/assignmentFilters?$select=id,platform,rule"
    )
    policies = _first_page(client, Version.BETA, f"{CLASSIC.path}?$top=1")
    return ImpactQuestions(
        groups=tuple(str(item.get("id")) for item in groups[:1]),
        filters=tuple(
            AssignmentFilter(str(item["id"]), "", str(item["platform"]), rule=str(item["rule"]))
            for item in filters
            if all(item.get(member) for member in ("id", "platform", "rule"))
        )[:1],
        policies=tuple(Policy(str(item.get("id")), "", CLASSIC.key) for item in policies[:1]),
    )


def _first_page(client: GraphClient, version: Version, path: str) -> list[Mapping[str, Any]]:
    attempted = "looking for something to count"
    try:
        return items(client.get(version, path, attempted=attempted), attempted)
    except GraphError:
        return []
