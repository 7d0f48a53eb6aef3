"""Reading compliance policies, their assignments, and assignment filters. Pure but for the state it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sandbox.errors import intune_denied, intune_refusal, missing_policy
from reconciler.sandbox.exchange import SandboxResponse, paged
from reconciler.sandbox.odata import Options, next_link, page, project
from reconciler.sandbox.targets import shown as shown_target
from reconciler.sandbox.tenant_file import CATALOG, CLASSIC

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.sandbox.checks import JsonObject
    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.service import Service

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
_FILTER_TYPE = "microsoft.graph.deviceAndAppManagementAssignmentFilter"
_ACTIONS = "scheduledActionsForRule($expand=scheduledActionConfigurations)"
_ASSIGNMENT = frozenset({"id", "target", "source", "sourceId"})


def list_policies(service: Service, request: SandboxRequest, family: str) -> SandboxResponse:
    """`GET /deviceManagement/{family}`, paged."""
    options = request.options("$expand", "$select", "$top", "$skiptoken")
    expanded = options.expanded("assignments", _ACTIONS)

    def show(policy_id: str) -> JsonObject:
        policy = existing_policy(service, family, policy_id)
        entry = _shown_policy(service, request, family, policy, options)
        return entry | _expansions(service, request, family, policy["id"], expanded)

    body = paged(
        request,
        f"deviceManagement/{family}",
        service.state.policy_ids(family),
        show,
        options=options,
        page_size=service.page_size,
    )
    return SandboxResponse(200, body)


def get_policy(
    service: Service, request: SandboxRequest, family: str, policy_id: str
) -> SandboxResponse:
    """`GET /deviceManagement/{family}/{id}`."""
    options = request.options("$expand", "$select")
    expanded = options.expanded("assignments", _ACTIONS)
    policy = existing_policy(service, family, policy_id)
    entry = _shown_policy(service, request, family, policy, options)
    entry |= _expansions(service, request, family, policy["id"], expanded)
    return SandboxResponse(
        200, {"@odata.context": request.context(f"deviceManagement/{family}/$entity"), **entry}
    )


def list_assignments(
    service: Service, request: SandboxRequest, family: str, policy_id: str
) -> SandboxResponse:
    """`GET .../{id}/assignments`, which does not page ([O] section 4) unless a fault makes it."""
    options = request.options("$select", "$top", "$skiptoken")
    policy = existing_policy(service, family, policy_id)
    assignments = _assignments(service, request, family, policy["id"])
    short = None
    if "$skiptoken" not in options.values:
        short = service.short_pages(request, family, policy["id"], len(assignments))
    if short is not None:
        options = Options({**options.values, "$top": str(short)})
    known = _ASSIGNMENT if request.is_beta else _ASSIGNMENT - {"source", "sourceId"}
    type_name = "microsoft.graph.deviceCompliancePolicyAssignment"
    body = paged(
        request,
        f"deviceManagement/{family}('{policy['id']}')/assignments",
        assignments,
        lambda assignment: project(assignment, options, known, type_name),
        options=options,
        page_size=max(len(assignments), 1),
    )
    return SandboxResponse(200, body)


def get_assignment(
    service: Service, request: SandboxRequest, family: str, policy_id: str, assignment_id: str
) -> SandboxResponse:
    """`GET .../{id}/assignments/{id}` ([D] section 1)."""
    request.options()
    policy = existing_policy(service, family, policy_id)
    for assignment in _assignments(service, request, family, policy["id"]):
        if assignment["id"].lower() == assignment_id.lower():
            return SandboxResponse(200, assignment)
    raise intune_refusal(404, f"No assignment has the id {assignment_id}")


def list_filters(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`GET /deviceManagement/assignmentFilters`."""
    options = request.options("$select", "$top", "$skiptoken")
    filters = service.state.filters
    known = _FILTER.union(*(assignment_filter.keys() for assignment_filter in filters))
    body = paged(
        request,
        "deviceManagement/assignmentFilters",
        filters,
        lambda one: project(one, options, known, _FILTER_TYPE),
        options=options,
        page_size=service.page_size,
    )
    return SandboxResponse(200, body)


def get_filter(service: Service, request: SandboxRequest, filter_id: str) -> SandboxResponse:
    """`GET /deviceManagement/assignmentFilters/{id}`; a missing one is 404 ([O] section 6)."""
    options = request.options("$select")
    for one in service.state.filters:
        if one["id"].lower() == filter_id.lower():
            known = _FILTER | one.keys()
            # The id comes along when it is not selected: IntuneCD selects the name alone, and uses it.
            shown = {"id": one["id"]} | project(one, options, known, _FILTER_TYPE)
            context = request.context("deviceManagement/assignmentFilters/$entity")
            return SandboxResponse(200, {"@odata.context": context, **shown})
    raise intune_refusal(404, f"No assignment filter has the id {filter_id}")


def existing_policy(service: Service, family: str, policy_id: str) -> JsonObject:
    """The policy without its assignments; Refusal where there is none."""
    policy = service.state.policy(family, policy_id)
    if policy is None:
        raise missing_policy(policy_id, catalog=family == CATALOG)
    return policy


def shown_assignment(assignment: JsonObject, request: SandboxRequest) -> JsonObject:
    """An assignment as the request's version of Graph shows it: v1.0 has `id` and `target` ([D] section 1)."""
    target = shown_target(assignment["target"], beta=request.is_beta)
    if not request.is_beta:
        return {"id": assignment["id"], "target": target}
    return {**assignment, "target": target}


def _assignments(
    service: Service, request: SandboxRequest, family: str, policy_id: str
) -> list[JsonObject]:
    return [
        shown_assignment(assignment, request)
        for assignment in service.read_assignments(request, family, policy_id)
    ]


def _expansions(
    service: Service,
    request: SandboxRequest,
    family: str,
    policy_id: str,
    expanded: Collection[str],
) -> JsonObject:
    """What `$expand` adds to a policy, read alone or listed.

    IntuneCD, which is in daily use, lists with the actions
    (https://github.com/almenscorner/IntuneCD, ``backup/Intune/Compliance.py``).
    """
    entry: JsonObject = {}
    if "assignments" in expanded:
        entry |= _expanded_assignments(service, request, family, policy_id)
    if _ACTIONS in expanded:
        entry |= _actions(service, request, family, policy_id)
    return entry


def _expanded_assignments(
    service: Service, request: SandboxRequest, family: str, policy_id: str
) -> JsonObject:
    """What `$expand=assignments` adds to a policy.

    For the settings catalog it is empty, whatever is assigned: so it is when one policy is read ([O] section 4).
    Whether it is when they are listed, nobody knows ([U] section 4); a client must not rely on it.
    """
    context = request.context(f"deviceManagement/{family}('{policy_id}')/assignments")
    expansion: JsonObject = {"assignments@odata.context": context, "assignments": []}
    if family == CATALOG:
        return expansion
    expansion["assignments"] = assignments = _assignments(service, request, family, policy_id)
    short = service.short_pages(request, family, policy_id, len(assignments))
    if short is None:
        return expansion
    options = Options({"$top": str(short)})
    part = page(options, len(assignments), short)
    expansion["assignments"] = assignments[: part.stop]
    if part.next_token is not None:
        url = f"{request.root}/{request.version}/deviceManagement/{family}/{policy_id}/assignments"
        expansion["assignments@odata.nextLink"] = next_link(url, options, part.next_token)
    return expansion


def _actions(service: Service, request: SandboxRequest, family: str, policy_id: str) -> JsonObject:
    """What `$expand` adds of the actions for noncompliance; for the settings catalog always nothing ([O] section 12)."""
    name = "scheduledActionsForRule"
    rules = [] if family == CATALOG else service.state.part_of_policy(policy_id, name)
    if rules is None:
        raise intune_denied()
    context = request.context(f"deviceManagement/{family}('{policy_id}')/{name}")
    return {f"{name}@odata.context": context, name: rules}


def _shown_policy(
    service: Service, request: SandboxRequest, family: str, policy: JsonObject, options: Options
) -> JsonObject:
    known = _PROPERTIES[family]
    if family == CATALOG and "isAssigned" in (options.selected or ()):
        # A reading of all properties does not carry it ([O] section 4).
        policy = {**policy, "isAssigned": bool(service.state.assignments_of(policy["id"]))}
    if not request.is_beta:
        known = known - {"roleScopeTagIds"}
        shown = (
            policy.keys() - {"roleScopeTagIds"} if policy.get("@odata.type") in _IN_V1 else _BASE
        )
        policy = {key: value for key, value in policy.items() if key in shown}
    return project(policy, options, known, _POLICY_TYPES[family])
