"""Reading the organisation and the groups. Pure but for the state it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.exchange import SandboxResponse, collection, paged
from reconciler.sandbox.group_filter import parse_group_filter
from reconciler.sandbox.odata import project

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.sandbox.checks import JsonObject
    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.odata import Options
    from reconciler.sandbox.service import Service

_MAX_ADVANCED_URL = 2048  # characters, [D] section 6
_ORGANIZATION = frozenset(
    {
        "id",
        "displayName",
        "verifiedDomains",
        "tenantType",
        "countryLetterCode",
        "createdDateTime",
        "assignedPlans",
    }
)
_GROUP = frozenset(
    {
        "id",
        "displayName",
        "description",
        "groupTypes",
        "membershipRule",
        "membershipRuleProcessingState",
        "securityEnabled",
        "mailEnabled",
        "mail",
        "mailNickname",
        "createdDateTime",
        "deletedDateTime",
        "isAssignableToRole",
        "onPremisesSyncEnabled",
        "visibility",
    }
)


def list_organization(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`GET /organization`: a list of the one that the token belongs to."""
    options = request.options("$select")
    organization = service.state.organization
    known = _ORGANIZATION | organization.keys()
    shown = project(organization, options, known, "microsoft.graph.organization")
    return SandboxResponse(200, collection(request, "organization", [shown]))


def list_groups(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`GET /groups`, filtered and paged."""
    options = request.options("$filter", "$select", "$top", "$skiptoken", "$count")
    counts = options.values.get("$count") == "true"
    # Without the header $count is ignored in silence ([D] section 6).
    advanced = counts and request.headers.get("consistencylevel", "").lower() == "eventual"
    if advanced and len(request.url) + 1 + len(request.query) > _MAX_ADVANCED_URL:
        raise Refusal(
            400,
            "Request_UnsupportedQuery",
            f"The URL is longer than {_MAX_ADVANCED_URL} characters.",
        )
    groups = service.state.groups
    if (text := options.values.get("$filter")) is not None:
        wanted = parse_group_filter(text, advanced=advanced)
        groups = [group for group in groups if wanted.matches(group)]
    known = _GROUP.union(*(group.keys() for group in service.state.groups))
    body = paged(
        request,
        "groups",
        groups,
        lambda group: _shown_group(group, options, known),
        options=options,
        page_size=service.page_size,
    )
    if advanced:
        body["@odata.count"] = len(groups)
    return SandboxResponse(200, body)


def get_group(service: Service, request: SandboxRequest, group_id: str) -> SandboxResponse:
    """`GET /groups/{id}`; the ids that Intune shows for all devices and all users find nothing ([O] section 5)."""
    options = request.options("$select")
    group = existing_group(service, group_id)
    shown = _shown_group(group, options, _GROUP | group.keys())
    return SandboxResponse(200, {"@odata.context": request.context("groups/$entity"), **shown})


def _shown_group(group: JsonObject, options: Options, known: Collection[str]) -> JsonObject:
    """A group of no type has an empty list of them, as every collection in Graph may be empty and not null."""
    return project({"groupTypes": [], **group}, options, known, "microsoft.graph.group")


def existing_group(service: Service, group_id: str) -> JsonObject:
    """The group without its members; Refusal where there is none."""
    for group in service.state.groups:
        if group["id"].lower() == group_id.lower():
            return group
    message = f"Resource '{group_id}' does not exist or one of its queried reference-property objects are not present."
    raise Refusal(404, "Request_ResourceNotFound", message)
