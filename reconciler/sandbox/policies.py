"""Reading compliance policies, their assignments, and assignment filters. Pure but for the state it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sandbox.errors import intune_refusal, missing_policy
from reconciler.sandbox.exchange import SandboxResponse, collection
from reconciler.sandbox.odata import Options, next_link, page, project
from reconciler.sandbox.targets import shown as shown_target
from reconciler.sandbox.tenant_file import CATALOG, CLASSIC

if TYPE_CHECKING:
    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.service import Service
    from reconciler.sandbox.tenant_file import JsonObject

_BASE = frozenset(
    {"id", "displayName", "description", "createdDateTime", "lastModifiedDateTime", "version"}
)
_PROPERTIES = {
    CLASSIC: _BASE | {"roleScopeTagIds"},
    CATALOG: frozenset(
        {
            "id",
            "name",
            "description",
            "platforms",
            "technologies",
            "createdDateTime",
            "lastModifiedDateTime",
            "settingCount",
            "isAssigned",
            "creationSource",
            "roleScopeTagIds",
        }
    ),
}
_POLICY_TYPES = {
    CLASSIC: "microsoft.graph.deviceCompliancePolicy",
    CATALOG: "microsoft.graph.deviceManagementCompliancePolicy",
}
# The policy types that v1.0 knows ([D] section 4); of the others it shows the base properties alone ([O] section 4).
_IN_V1 = frozenset(
    f"#microsoft.graph.{name}CompliancePolicy"
    for name in (
        "android",
        "androidWorkProfile",
        "ios",
        "macOS",
        "windows10",
        "windows10Mobile",
        "windows81",
        "windowsPhone81",
    )
)
_FILTER = frozenset(
    {
        "id",
        "displayName",
        "description",
        "platform",
        "rule",
        "assignmentFilterManagementType",
        "evaluationMode",
        "roleScopeTags",
        "createdDateTime",
        "lastModifiedDateTime",
    }
)
_ASSIGNMENT = frozenset({"id", "target", "source", "sourceId"})


def list_policies(service: Service, call: SandboxRequest, family: str) -> SandboxResponse:
    """`GET /deviceManagement/{family}`, paged.

    The expansion is right for classic policies ([O] section 4). For the settings catalog nobody knows
    ([U] section 12): `empty_catalog_expansion` decides.
    """
    options = call.options("$expand", "$select", "$top", "$skiptoken")
    policies = service.state.policies(family)
    part = page(options, len(policies), service.page_size)
    shown = []
    for policy in policies[part.start : part.stop]:
        entry = _shown_policy(service, call, family, policy, options)
        if options.expands_assignments:
            is_empty = family == CATALOG and service.empty_catalog_expansion
            entry |= _expansion(service, call, family, policy["id"], is_empty=is_empty)
        shown.append(entry)
    body = collection(call, f"deviceManagement/{family}", shown)
    if part.next_token is not None:
        body["@odata.nextLink"] = next_link(call.url, options, part.next_token)
    return SandboxResponse(200, body)


def get_policy(
    service: Service, call: SandboxRequest, family: str, policy_id: str
) -> SandboxResponse:
    """`GET /deviceManagement/{family}/{id}`."""
    options = call.options("$expand", "$select")
    policy = existing_policy(service, family, policy_id)
    entry = _shown_policy(service, call, family, policy, options)
    if options.expands_assignments:
        # Expanding a single policy of the settings catalog always shows none ([O] section 4).
        entry |= _expansion(service, call, family, policy["id"], is_empty=family == CATALOG)
    return SandboxResponse(
        200, {"@odata.context": call.context(f"deviceManagement/{family}/$entity"), **entry}
    )


def list_assignments(
    service: Service, call: SandboxRequest, family: str, policy_id: str
) -> SandboxResponse:
    """`GET .../{id}/assignments`, which does not page ([O] section 4) unless a fault makes it."""
    options = call.options("$select", "$top", "$skiptoken")
    policy = existing_policy(service, family, policy_id)
    assignments = _assignments(service, call, family, policy["id"])
    short = None
    if "$skiptoken" not in options.values:
        short = service.short_pages(call, family, policy["id"], len(assignments))
    if short is not None:
        options = Options({**options.values, "$top": str(short)})
    part = page(options, len(assignments), max(len(assignments), 1))
    known = _ASSIGNMENT if call.is_beta else _ASSIGNMENT - {"source", "sourceId"}
    shown = [
        project(assignment, options, known, "microsoft.graph.deviceCompliancePolicyAssignment")
        for assignment in assignments[part.start : part.stop]
    ]
    body = collection(call, f"deviceManagement/{family}('{policy['id']}')/assignments", shown)
    if part.next_token is not None:
        body["@odata.nextLink"] = next_link(call.url, options, part.next_token)
    return SandboxResponse(200, body)


def get_assignment(
    service: Service, call: SandboxRequest, family: str, policy_id: str, assignment_id: str
) -> SandboxResponse:
    """`GET .../{id}/assignments/{id}` ([D] section 1)."""
    call.options()
    policy = existing_policy(service, family, policy_id)
    for assignment in _assignments(service, call, family, policy["id"]):
        if assignment["id"].lower() == assignment_id.lower():
            return SandboxResponse(200, assignment)
    raise intune_refusal(404, f"No assignment has the id {assignment_id}")


def list_filters(service: Service, call: SandboxRequest) -> SandboxResponse:
    """`GET /deviceManagement/assignmentFilters`."""
    options = call.options("$select", "$top", "$skiptoken")
    filters = service.state.filters
    part = page(options, len(filters), service.page_size)
    known = _FILTER.union(*(assignment_filter.keys() for assignment_filter in filters))
    type_name = "microsoft.graph.deviceAndAppManagementAssignmentFilter"
    shown = [project(one, options, known, type_name) for one in filters[part.start : part.stop]]
    body = collection(call, "deviceManagement/assignmentFilters", shown)
    if part.next_token is not None:
        body["@odata.nextLink"] = next_link(call.url, options, part.next_token)
    return SandboxResponse(200, body)


def get_filter(service: Service, call: SandboxRequest, filter_id: str) -> SandboxResponse:
    """`GET /deviceManagement/assignmentFilters/{id}`; a missing one is 404 ([O] section 6)."""
    options = call.options("$select")
    for one in service.state.filters:
        if one["id"].lower() == filter_id.lower():
            known = _FILTER | one.keys()
            shown = project(
                one, options, known, "microsoft.graph.deviceAndAppManagementAssignmentFilter"
            )
            return SandboxResponse(
                200,
                {
                    "@odata.context": call.context("deviceManagement/assignmentFilters/$entity"),
                    **shown,
                },
            )
    raise intune_refusal(404, f"No assignment filter has the id {filter_id}")


def existing_policy(service: Service, family: str, policy_id: str) -> JsonObject:
    """The policy without its assignments; Refusal where there is none."""
    policy = service.state.policy(family, policy_id)
    if policy is None:
        raise missing_policy(policy_id, catalog=family == CATALOG)
    return policy


def shown_assignment(assignment: JsonObject, call: SandboxRequest) -> JsonObject:
    """An assignment as the call's version of Graph shows it: v1.0 has `id` and `target` ([D] section 1)."""
    target = shown_target(assignment["target"], beta=call.is_beta)
    if not call.is_beta:
        return {"id": assignment["id"], "target": target}
    return {**assignment, "target": target}


def _assignments(
    service: Service, call: SandboxRequest, family: str, policy_id: str
) -> list[JsonObject]:
    return [
        shown_assignment(assignment, call)
        for assignment in service.read_assignments(call, family, policy_id)
    ]


def _expansion(
    service: Service, call: SandboxRequest, family: str, policy_id: str, *, is_empty: bool
) -> JsonObject:
    context = call.context(f"deviceManagement/{family}('{policy_id}')/assignments")
    expansion: JsonObject = {"assignments@odata.context": context, "assignments": []}
    if is_empty:
        return expansion
    expansion["assignments"] = assignments = _assignments(service, call, family, policy_id)
    short = service.short_pages(call, family, policy_id, len(assignments))
    if short is None:
        return expansion
    options = Options({"$top": str(short)})
    part = page(options, len(assignments), short)
    expansion["assignments"] = assignments[: part.stop]
    if part.next_token is not None:
        url = f"{call.root}/{call.version}/deviceManagement/{family}/{policy_id}/assignments"
        expansion["assignments@odata.nextLink"] = next_link(url, options, part.next_token)
    return expansion


def _shown_policy(
    service: Service, call: SandboxRequest, family: str, policy: JsonObject, options: Options
) -> JsonObject:
    known = _PROPERTIES[family]
    if family == CATALOG and "isAssigned" in (options.selected or ()):
        # A reading of all properties does not carry it ([O] section 12).
        policy = {**policy, "isAssigned": bool(service.state.assignments_of(policy["id"]))}
    if not call.is_beta:
        known = known - {"roleScopeTagIds"}
        shown = (
            policy.keys() - {"roleScopeTagIds"} if policy.get("@odata.type") in _IN_V1 else _BASE
        )
        policy = {key: value for key, value in policy.items() if key in shown}
    return project(policy, options, known, _POLICY_TYPES[family])
