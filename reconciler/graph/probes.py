"""Ask Graph what this identity may see and do, changing nothing. Does I/O."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.graph.client import GraphClient, Version
from reconciler.model.errors import (
    GraphError,
    MultiAdminApprovalError,
    NotFoundError,
    OutcomeUnknownError,
    RouteMissingError,
)
from reconciler.model.policy_types import CLASSIC

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
    Endpoint(
        "Multi Admin Approval requests",
        Version.BETA,
        "deviceManagement/operationApprovalRequests",
        is_needed=False,
    ),
)


def refusal_of(client: GraphClient, endpoint: Endpoint) -> GraphError | None:
    """Read one page of a collection; None where that works, else why it does not."""
    try:
        client.get(endpoint.version, endpoint.path, attempted=f"reading {endpoint.title}")
    except GraphError as refused:
        return refused
    return None


def create_route_exists(client: GraphClient) -> bool | None:
    """Tell whether the documented create call has a route; None where Graph does not let on.

    The request names a policy that cannot exist and carries no assignment, so no answer to it can
    have changed anything.
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
