"""A tenant's compliance policies and their assignments, behind `reconciler.model.ports`. Does I/O.

Reads are beta throughout: v1.0 shows neither filters nor where an assignment comes from, and a
whole set written from such a reading would drop them (graph.md section 3).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from reconciler.graph import wire
from reconciler.graph.client import GraphClient, Version
from reconciler.graph.encoding import encode, policy_path
from reconciler.graph.groups import find_groups
from reconciler.graph.parallel import in_parallel
from reconciler.graph.responses import APPROVAL_CODE_HEADER, JUSTIFICATION_HEADER
from reconciler.model.errors import GraphError, MultiAdminApprovalStatus
from reconciler.model.policy_types import FAMILIES, Family
from reconciler.model.ports import GroupSearch, Receipt
from reconciler.model.requests import EncodedRequest, WriteRequest
from reconciler.model.state import (
    Assignment,
    AssignmentFilter,
    LivePolicy,
    LiveState,
    Policy,
    TargetKind,
    TenantIdentity,
)

_APPROVALS = "deviceManagement/operationApprovalRequests"
_APPROVAL_STATUS = {
    "needsapproval": MultiAdminApprovalStatus.PENDING,
    "approved": MultiAdminApprovalStatus.APPROVED,
    "rejected": MultiAdminApprovalStatus.REJECTED,
    "cancelled": MultiAdminApprovalStatus.CANCELLED,
    "expired": MultiAdminApprovalStatus.EXPIRED,
    "completed": MultiAdminApprovalStatus.COMPLETED,
}


class GraphTenant:
    """Implements `reconciler.model.ports.Tenant` on Microsoft Graph.

    ``justification`` goes with every write, for tenants with Multi Admin Approval.
    """

    def __init__(self, client: GraphClient, *, justification: str | None = None) -> None:
        self._client = client
        self._justification = justification

    def identify(self) -> TenantIdentity:
        """Name the tenant that the token leads to."""
        attempted = "reading the tenant's identity"
        path = "organization?$select=id,displayName,verifiedDomains"
        found = list(self._client.pages(Version.V1, path, attempted=attempted))
        if len(found) != 1:
            raise GraphError(
                f"expected one organization, got {len(found)}",
                attempted=attempted,
                code="UnexpectedAnswer",
            )
        return wire.tenant(wire.parse(wire.OrganizationItem, found[0], attempted))

    def read_policies(self) -> LiveState:
        """Read both families with their assignments, side by side."""
        families = list(FAMILIES.values())
        listed = in_parallel(
            [partial(self._read_family, family) for family in families],
            workers=self._client.parallelism,
        )
        policies: dict[str, LivePolicy] = {}
        for found in listed:
            for live in found:
                if live.policy.id in policies:
                    raise GraphError(
                        f"Graph listed the policy {live.policy.id} twice",
                        attempted="reading compliance policies",
                        code="UnexpectedAnswer",
                    )
                policies[live.policy.id] = live
        return LiveState(policies)

    def read_policy(self, policy: Policy) -> LivePolicy:
        """Read one policy's assignments from their own collection, which never lies."""
        attempted = f'reading the assignments of "{policy.name}"'
        path = f"{policy_path(policy)}/assignments"
        items = self._client.pages(Version.BETA, path, attempted=attempted)
        return LivePolicy(policy, _assignments(items, attempted))

    def read_filters(self) -> Mapping[str, AssignmentFilter]:
        """Read every assignment filter; they exist in beta alone."""
        attempted = "reading assignment filters"
        path = (
            "deviceManagement/assignmentFilters"
            "?$select=id,displayName,platform,assignmentFilterManagementType"
        )
        found = [
            wire.assignment_filter(wire.parse(wire.FilterItem, item, attempted))
            for item in self._client.pages(Version.BETA, path, attempted=attempted)
        ]
        return {item.id: item for item in found}

    def find_groups(
        self, *, names: Iterable[str], ids: Iterable[str], other_names: Iterable[str] = ()
    ) -> GroupSearch:
        """Look groups up by name and by id."""
        return find_groups(self._client, names, ids, other_names)

    def prepare_write(self) -> None:
        """Wait for a turn under Graph's write rate, and have a token at hand."""
        self._client.transport.prepare_write()

    def encode(self, request: WriteRequest, *, reproducible: bool) -> EncodedRequest:
        """Write a request out; a justification asks for an approval, which compares bytes."""
        wanted = reproducible or self._justification is not None
        return encode(request, reproducible=wanted)

    def send(self, request: EncodedRequest, approval_code: str | None = None) -> Receipt:
        """Send the bytes of a request, once."""
        response = self._client.transport.write(
            request.method,
            f"{self._client.transport.graph}/{request.path}",
            attempted=request.attempted,
            content=request.body,
            headers=self._approval_headers(approval_code),
        )
        return Receipt(response.request_id)

    def approval_status(self, approval_code: str) -> MultiAdminApprovalStatus | None:
        """Ask where a queued write stands; None where this identity may not see it."""
        path = f"{_APPROVALS}/{quote(approval_code, safe='')}"
        try:
            found = self._client.get(Version.BETA, path, attempted="reading an approval request")
        except GraphError as refused:
            if refused.status in (400, 403, 404):
                return None
            raise
        return _APPROVAL_STATUS.get(str(found.get("status") or "").casefold())

    def _read_family(self, family: Family) -> list[LivePolicy]:
        attempted = f"reading {family.path}"
        path = f"{family.path}?$expand=assignments"
        return [
            self._with_assignments(wire.parse(wire.PolicyItem, item, attempted), family)
            for item in self._client.pages(Version.BETA, path, attempted=attempted)
        ]

    def _with_assignments(self, item: wire.PolicyItem, family: Family) -> LivePolicy:
        """Take the expanded assignments, or read them apart where the expansion is not whole."""
        policy = wire.policy(item, family)
        attempted = f'reading the assignments of "{policy.name}"'
        contradicts_itself = bool(item.is_assigned) and not item.assignments
        if item.assignments is None or contradicts_itself:
            return self.read_policy(policy)
        expanded: Iterable[Mapping[str, Any]] = item.assignments
        if item.assignments_next:
            rest = self._client.follow(item.assignments_next, attempted=attempted)
            expanded = [*expanded, *rest]
        return LivePolicy(policy, _assignments(expanded, attempted))

    def _approval_headers(self, approval_code: str | None) -> dict[str, str]:
        """The code finishes an approved write; the justification asks for approval of a new one."""
        if approval_code is not None:
            return {APPROVAL_CODE_HEADER: approval_code}
        if self._justification is None:
            return {}
        return {JUSTIFICATION_HEADER: base64.b64encode(self._justification.encode()).decode()}


def _assignments(items: Iterable[Mapping[str, Any]], attempted: str) -> tuple[Assignment, ...]:
    return tuple(
        _in_one_order(wire.assignment(wire.parse(wire.AssignmentItem, item, attempted)))
        for item in items
    )


def _in_one_order(assignment: Assignment) -> Assignment:
    """Sort the keys of a target, which Graph writes in another order at each reading ([O] graph.md 5).

    A queued write is finished only by the very same body. What is opaque stays as it was read.
    """
    if assignment.target.kind is TargetKind.OPAQUE:
        return assignment
    return replace(assignment, raw_target=wire.sorted_text(assignment.raw_target))
