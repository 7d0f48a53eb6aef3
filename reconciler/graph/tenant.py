"""A tenant's compliance policies and their assignments, behind `reconciler.model.ports`. Does I/O.

Reads are beta throughout: v1.0 shows neither filters nor where an assignment comes from, and a
whole set written from such a reading would drop them (graph.md section 3).

A reading of a policy counts only where it can be the policy's. A page or an assignment that names
another policy belongs to another request; a broken proxy may mix them up. A set that came in
several pages may have changed in between, so it counts once two readings agree.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import quote

from reconciler.graph import wire
from reconciler.graph.client import GraphClient, Version, items, next_link, refuse_repeated
from reconciler.graph.encoding import encode, policy_path
from reconciler.graph.groups import find_groups, list_groups
from reconciler.graph.parallel import in_parallel
from reconciler.graph.responses import (
    APPROVAL_CODE_HEADER,
    JUSTIFICATION_HEADER,
    GraphResponse,
)
from reconciler.model.errors import (
    GraphError,
    MultiAdminApprovalStatus,
    NotFoundError,
    RouteMissingError,
)
from reconciler.model.plan import fingerprint
from reconciler.model.policy_types import CLASSIC, SETTINGS_CATALOG, Family
from reconciler.model.ports import GroupSearch, Receipt
from reconciler.model.requests import EncodedRequest, WriteRequest
from reconciler.model.state import (
    Assignment,
    AssignmentFilter,
    Group,
    LivePolicy,
    LiveState,
    Policy,
    TenantIdentity,
    UnreadablePolicy,
)
from reconciler.runtime.retry import TransientError

LOG = logging.getLogger("reconciler.graph")

_Listed = LivePolicy | Policy | UnreadablePolicy
"""A policy of a list: with its assignments, without them, or with what kept them from being read."""

_APPROVALS = "deviceManagement/operationApprovalRequests"
_APPROVAL_STATUS = {
    "needsapproval": MultiAdminApprovalStatus.PENDING,
    "approved": MultiAdminApprovalStatus.APPROVED,
    "rejected": MultiAdminApprovalStatus.REJECTED,
    "cancelled": MultiAdminApprovalStatus.CANCELLED,
    "expired": MultiAdminApprovalStatus.EXPIRED,
    "completed": MultiAdminApprovalStatus.COMPLETED,
}


_PAGED_READINGS = 5
"""Maximum number of readings of a set in several pages that changes each time."""

_FOREIGN_TRIES = 4
"""Maximum number of readings of a policy that bring another policy's assignments."""


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
                code="UnexpectedResponse",
            )
        return wire.tenant(wire.parse(wire.OrganizationItem, found[0], attempted))

    def read_policies(self, wanted: Callable[[Policy], bool] | None = None) -> LiveState:
        """Read both families with the assignments of those wanted, side by side."""
        reads = wanted or _every
        listed = in_parallel(
            [partial(self._read_classic, reads), partial(self._read_settings_catalog, reads)],
            workers=self._client.parallelism,
        )
        by_id: dict[str, _Listed] = {}
        for listed_one in chain.from_iterable(listed):
            policy = listed_one if isinstance(listed_one, Policy) else listed_one.policy
            if policy.id in by_id:
                raise GraphError(
                    f"Graph listed the policy {policy.id} twice",
                    attempted="reading compliance policies",
                    code="UnexpectedResponse",
                )
            by_id[policy.id] = listed_one
        return LiveState(
            {id: each for id, each in by_id.items() if isinstance(each, LivePolicy)},
            {id: each for id, each in by_id.items() if isinstance(each, Policy)},
            {id: each for id, each in by_id.items() if isinstance(each, UnreadablePolicy)},
        )

    def read_policy(self, policy: Policy) -> LivePolicy:
        """Read one policy's assignments from their own collection, for either family.

        Raises `GraphError` where each response belongs to another policy, or where the set
        changes whenever its pages are read.
        """
        live, is_one_page = self._read_set(policy)
        for _ in range(_PAGED_READINGS):
            if is_one_page:
                return live
            former = fingerprint(live.assignments)
            live, is_one_page = self._read_set(policy)
            if fingerprint(live.assignments) == former:
                return live
        raise GraphError(
            f"the assignments changed while their pages were read, {_PAGED_READINGS} times in a "
            "row; nothing was concluded from it",
            attempted=_reading_of(policy),
            code="UnexpectedResponse",
        )

    def read_each(self, policies: Sequence[Policy]) -> Mapping[str, LivePolicy | GraphError]:
        """Read several policies' own collections of assignments, twenty to a ``$batch``."""
        found: dict[str, LivePolicy | GraphError] = {}
        by_id = {policy.id: policy for policy in policies}
        responses = self._client.batch(
            Version.BETA,
            {id: f"{policy_path(policy)}/assignments" for id, policy in by_id.items()},
            attempted="reading assignments",
        )
        for id, policy in by_id.items():
            try:
                found[id] = self._from_batch(policy, responses[id])
            except GraphError as refused:
                found[id] = refused
        return found

    def read_filters(self) -> Mapping[str, AssignmentFilter]:
        """Read every assignment filter; they exist in beta alone, and not in every cloud."""
        attempted = "reading assignment filters"
        path = (
            "deviceManagement/assignmentFilters"
            "?$select=id,displayName,platform,rule,assignmentFilterManagementType"
        )
        try:
            items = list(self._client.pages(Version.BETA, path, attempted=attempted))
        except GraphError as refused:
            _raise_unless_missing_route(refused)
            return {}
        # A filter without an id can be meant by nobody.
        parsed = (wire.parse(wire.FilterItem, item, attempted) for item in items if item.get("id"))
        filters = map(wire.assignment_filter, parsed)
        return {each.id: each for each in filters}

    def find_groups(
        self, *, names: Iterable[str], ids: Iterable[str], other_names: Iterable[str] = ()
    ) -> GroupSearch:
        """Look groups up by name and by id."""
        return find_groups(self._client, names, ids, other_names)

    def list_groups(self) -> tuple[Group, ...]:
        """Read every group of the tenant."""
        return list_groups(self._client)

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
        path = f"{_APPROVALS}/{quote(approval_code, safe='', errors='replace')}"
        try:
            found = self._client.get(Version.BETA, path, attempted="reading an approval request")
        except GraphError as refused:
            if refused.status in (400, 403, 404):
                return None
            raise
        return _APPROVAL_STATUS.get(str(found.get("status") or "").casefold())

    def _read_classic(self, wanted: Callable[[Policy], bool]) -> list[_Listed]:
        """Read the classic policies with their assignments expanded, one request a page."""
        listed: list[_Listed] = []
        for item in self._list(CLASSIC, "?$expand=assignments"):
            if isinstance(item, UnreadablePolicy):
                listed.append(item)
                continue
            policy = wire.policy(item, CLASSIC)
            listed.append(self._with_assignments(policy, item) if wanted(policy) else policy)
        return listed

    def _read_settings_catalog(self, wanted: Callable[[Policy], bool]) -> list[_Listed]:
        """Read the settings catalog's policies, and then each one's own collection of assignments.

        Whether its list expands truthfully is not known, and its single expansion is always empty
        (graph.md section 4). A policy that was deleted in between is left out. A tenant
        without this route has no such policies (graph.md section 4).
        """
        try:
            items = list(self._list(SETTINGS_CATALOG, ""))
        except GraphError as refused:
            _raise_unless_missing_route(refused)
            return []
        listed: list[_Listed] = [item for item in items if isinstance(item, UnreadablePolicy)]
        to_read: dict[str, Policy] = {}
        for item in items:
            if not isinstance(item, UnreadablePolicy):
                policy = wire.policy(item, SETTINGS_CATALOG)
                if wanted(policy):
                    to_read[policy.id] = policy
                else:
                    listed.append(policy)
        for id, result in self.read_each(tuple(to_read.values())).items():
            if isinstance(result, LivePolicy):
                listed.append(result)
            elif not isinstance(result, NotFoundError):
                listed.append(_unreadable(to_read[id], result))
        return listed

    def _list(self, family: Family, query: str) -> Iterator[wire.PolicyItem | UnreadablePolicy]:
        """Read a family's policies one by one, so that no more than a page is in memory as JSON."""
        attempted = f"reading {family.path}"
        pages = self._client.pages(Version.BETA, f"{family.path}{query}", attempted=attempted)
        return (_policy_item(item, family, attempted) for item in pages)

    def _with_assignments(
        self, policy: Policy, item: wire.PolicyItem
    ) -> LivePolicy | UnreadablePolicy:
        """Take the expanded assignments, or read them apart where they are not this policy's whole set."""
        contradicts_itself = bool(item.is_assigned) and not item.assignments
        try:
            if item.assignments is None or item.assignments_next or contradicts_itself:
                return self.read_policy(policy)
            try:
                return LivePolicy(policy, _assignments(policy, item.assignments))
            except _ForeignResponseError:
                return self.read_policy(policy)
        except GraphError as refused:
            return _unreadable(policy, refused)

    def _read_set(self, policy: Policy) -> tuple[LivePolicy, bool]:
        """Read a policy's collection once, and tell whether it came in one page."""

        def once() -> tuple[LivePolicy, bool]:
            try:
                return self._read_pages(policy)
            except _ForeignResponseError as foreign:
                raise TransientError(foreign, tries=_FOREIGN_TRIES) from foreign

        result: tuple[LivePolicy, bool] = self._client.transport.retrying()(once)
        return result

    def _read_pages(self, policy: Policy) -> tuple[LivePolicy, bool]:
        attempted = _reading_of(policy)
        url = self._client.url(Version.BETA, f"{policy_path(policy)}/assignments")
        first = self._client.transport.read(url, attempted=attempted)
        entries, link = _page(policy, first, attempted)
        pages = [entries]
        seen = {url}
        while link is not None:
            refuse_repeated(link, seen, attempted)
            response = self._client.transport.read(link, attempted=attempted)
            entries, link = _page(policy, response, attempted)
            pages.append(entries)
        assignments = _assignments(policy, chain.from_iterable(pages))
        return LivePolicy(policy, assignments, read_at=first.sent_at), len(pages) == 1

    def _from_batch(self, policy: Policy, response: GraphResponse) -> LivePolicy:
        """Take one policy's part of a batch; what came in pages or for another policy is read apart."""
        attempted = _reading_of(policy)
        self._client.transport.raise_for(response, attempted)
        try:
            entries, link = _page(policy, response, attempted)
            if link is None:
                return LivePolicy(policy, _assignments(policy, entries), read_at=response.sent_at)
        except _ForeignResponseError:
            pass
        return self.read_policy(policy)

    def _approval_headers(self, approval_code: str | None) -> dict[str, str]:
        """The code finishes an approved write; the justification asks for approval of a new one."""
        if approval_code is not None:
            return {APPROVAL_CODE_HEADER: approval_code}
        if self._justification is None:
            return {}
        return {JUSTIFICATION_HEADER: base64.b64encode(self._justification.encode()).decode()}


def _every(_policy: Policy) -> bool:
    return True


def _policy_item(
    item: Mapping[str, Any], family: Family, attempted: str
) -> wire.PolicyItem | UnreadablePolicy:
    """Read a policy of a list. One with an odd property must not keep the others from being planned."""
    try:
        return wire.parse(wire.PolicyItem, item, attempted)
    except GraphError as refused:
        names = ("id", "@odata.type", "displayName", "name")
        known = {key: value for key in names if isinstance(value := item.get(key), str)}
        policy = wire.policy(wire.parse(wire.PolicyItem, known, attempted), family)
        return _unreadable(policy, refused)


def _unreadable(policy: Policy, refused: GraphError) -> UnreadablePolicy:
    """Keep the fault of one policy; what every other policy would meet too is raised."""
    if not refused.status and not refused.code:
        raise refused
    return UnreadablePolicy(policy, str(refused))


def _raise_unless_missing_route(refused: GraphError) -> None:
    """Return where a tenant or cloud lacks a collection: 404, or 400 with these words (graph.md section 4)."""
    is_missing = isinstance(refused, NotFoundError | RouteMissingError) or (
        refused.status == 400 and "resource not found for the segment" in refused.message.casefold()
    )
    if not is_missing:
        raise refused
    LOG.info("not in this tenant, so nothing of it can be planned: %s", refused)


class _ForeignResponseError(GraphError):
    """The response belongs to the request for another policy."""


def _foreign(policy: Policy) -> _ForeignResponseError:
    return _ForeignResponseError(
        "the response belongs to another policy, so something between this machine and Microsoft "
        "Graph mixes up responses; nothing was concluded from it",
        attempted=_reading_of(policy),
        code="UnexpectedResponse",
    )


def _reading_of(policy: Policy) -> str:
    return f'reading the assignments of "{policy.name}"'


def _page(
    policy: Policy, response: GraphResponse, attempted: str
) -> tuple[list[Mapping[str, Any]], str | None]:
    """Take the entries of a page of one policy's assignments, and the link to the next one."""
    page = response.body if isinstance(response.body, dict) else {}
    if wire.is_of_another_policy(page, policy.id):
        raise _foreign(policy)
    return items(page, attempted), next_link(page, attempted)


def _assignments(policy: Policy, entries: Iterable[Mapping[str, Any]]) -> tuple[Assignment, ...]:
    """Read the assignments of a policy. Raises `_ForeignResponseError` where one is another's."""
    attempted = _reading_of(policy)
    parsed = [wire.parse(wire.AssignmentItem, entry, attempted) for entry in entries]
    if any(wire.names_another_policy(item, policy.id) for item in parsed):
        raise _foreign(policy)
    return tuple(map(wire.assignment, parsed))
