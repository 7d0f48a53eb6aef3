"""The addresses that this Graph has, and the function for each. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule

from reconciler.sandbox import approval_requests, directory, impact, policies, writes
from reconciler.sandbox.errors import Refusal, bad_request, no_route, segment_not_found
from reconciler.sandbox.tenant_file import CATALOG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.sandbox.exchange import SandboxRequest, SandboxResponse
    from reconciler.sandbox.service import Service

    Handler = Callable[..., SandboxResponse]

VERSIONS = ("v1.0", "beta")
BATCH_PATHS = tuple(f"/{version}/$batch" for version in VERSIONS)
APPROVALS_PATH = "/sandbox/approvals/"


@dataclass(frozen=True, slots=True)
class _Route:
    """What one address takes."""

    methods: Mapping[str, Handler] = field(default_factory=dict)
    documented: Mapping[str, Handler] = field(default_factory=dict)
    """Answered only where Graph behaves as the reference pages say."""
    template: str | None = None
    """The OData template that Intune names when it has no route; None for what is not Intune's."""
    beta_only: str | None = None
    """The segment that v1.0 does not have."""


_ROUTES: Mapping[str, _Route] = {
    "organization": _Route({"GET": directory.list_organization}),
    "groups": _Route({"GET": directory.list_groups}),
    "group": _Route({"GET": directory.get_group}),
    "user_count": _Route({"GET": impact.count_users}),
    "device_count": _Route({"GET": impact.count_devices}),
    "conditional_access": _Route({"GET": impact.list_conditional_access}),
    "settings": _Route(
        {"GET": impact.get_settings},
        template="~/singleton/navigation",
        beta_only="settings",
    ),
    "evaluate_filter": _Route(
        {"POST": impact.evaluate_filter},
        template="~/singleton/action",
        beta_only="evaluateAssignmentFilter",
    ),
    "filters": _Route(
        {"GET": policies.list_filters},
        template="~/singleton/navigation",
        beta_only="assignmentFilters",
    ),
    "filter": _Route(
        {"GET": policies.get_filter},
        template="~/singleton/navigation/key",
        beta_only="assignmentFilters",
    ),
    "policies": _Route({"GET": policies.list_policies}, template="~/singleton/navigation"),
    "policy": _Route({"GET": policies.get_policy}, template="~/singleton/navigation/key"),
    "assignments": _Route(
        {"GET": policies.list_assignments},
        documented={"POST": writes.create_assignment},
        template="~/singleton/navigation/key/navigation",
    ),
    "assignment": _Route(
        documented={
            "GET": policies.get_assignment,
            "PATCH": writes.update_assignment,
            "DELETE": writes.delete_assignment,
        },
        template="~/singleton/navigation/key/navigation/key",
    ),
    "status_overview": _Route(
        {"GET": impact.get_status_overview}, template="~/singleton/navigation/key/navigation"
    ),
    # Documented, and without a route in real tenants ([O] section 4): `$expand` on the policy shows them.
    "scheduled_actions": _Route(template="~/singleton/navigation/key/navigation"),
    "assign": _Route({"POST": writes.assign}, template="~/singleton/navigation/key/action"),
    "approval_policies": _Route(
        {"GET": approval_requests.list_approval_policies},
        template="~/singleton/navigation",
        beta_only="operationApprovalPolicies",
    ),
    "approvals": _Route(
        {"GET": approval_requests.list_approvals},
        template="~/singleton/navigation",
        beta_only="operationApprovalRequests",
    ),
    "approval": _Route(
        {"GET": approval_requests.get_approval},
        template="~/singleton/navigation/key",
        beta_only="operationApprovalRequests",
    ),
    "decide": _Route({"POST": approval_requests.decide_approval}),
}

_V = f"/<any({', '.join(repr(version) for version in VERSIONS)}):version>"
_FAMILY = f"{_V}/deviceManagement/<any(deviceCompliancePolicies, compliancePolicies):family>"
_POLICY = f"{_FAMILY}/<policy_id>"
_MEMBERS = f"{_V}/groups/<group_id>/transitiveMembers"
_MAP = Map(
    [
        Rule(f"{_V}/organization", endpoint="organization"),
        Rule(f"{_V}/groups", endpoint="groups"),
        Rule(f"{_V}/groups/<group_id>", endpoint="group"),
        Rule(f"{_MEMBERS}/microsoft.graph.user/$count", endpoint="user_count"),
        Rule(f"{_MEMBERS}/microsoft.graph.device/$count", endpoint="device_count"),
        Rule(f"{_V}/identity/conditionalAccess/policies", endpoint="conditional_access"),
        Rule(f"{_V}/deviceManagement/settings", endpoint="settings"),
        Rule(f"{_V}/deviceManagement/evaluateAssignmentFilter", endpoint="evaluate_filter"),
        Rule(f"{_V}/deviceManagement/assignmentFilters", endpoint="filters"),
        Rule(f"{_V}/deviceManagement/assignmentFilters/<filter_id>", endpoint="filter"),
        Rule(_FAMILY, endpoint="policies"),
        Rule(_POLICY, endpoint="policy"),
        Rule(f"{_POLICY}/assignments", endpoint="assignments"),
        Rule(f"{_POLICY}/assignments/<assignment_id>", endpoint="assignment"),
        Rule(f"{_POLICY}/deviceStatusOverview", endpoint="status_overview"),
        Rule(f"{_POLICY}/scheduledActionsForRule", endpoint="scheduled_actions"),
        Rule(f"{_POLICY}/assign", endpoint="assign"),
        Rule(f"{_POLICY}/microsoft.graph.assign", endpoint="assign"),
        Rule(f"{_V}/deviceManagement/operationApprovalPolicies", endpoint="approval_policies"),
        Rule(f"{_V}/deviceManagement/operationApprovalRequests", endpoint="approvals"),
        Rule(f"{_V}/deviceManagement/operationApprovalRequests/<code>", endpoint="approval"),
        Rule(f"{APPROVALS_PATH}<code>", endpoint="decide"),
    ],
    merge_slashes=False,
)
_ADAPTER = _MAP.bind("sandbox")
_SEGMENTS = frozenset(
    {
        "deviceManagement",
        *(part for rule in _MAP.iter_rules() for part in rule.rule.split("/") if "<" not in part),
    }
)


def dispatch(service: Service, request: SandboxRequest) -> SandboxResponse:
    """Answer one request; Refusal for an address or a method that there is not."""
    try:
        # A slash at the end changes nothing: IntuneCD lists policies with one.
        endpoint, arguments = _ADAPTER.match(request.path.removesuffix("/"), method="GET")
    except NotFound as error:
        raise _unknown_address(request.path) from error
    values = {name: str(value) for name, value in arguments.items() if name != "version"}
    route = _ROUTES[str(endpoint)]
    beta_only = CATALOG if values.get("family") == CATALOG else route.beta_only
    is_missing = beta_only in service.state.missing_segments
    if beta_only is not None and (is_missing or not request.is_beta):
        raise segment_not_found(beta_only)
    handler = route.methods.get(request.method)
    if handler is None and service.documented:
        handler = route.documented.get(request.method)
    if handler is None:
        raise _no_method(route, request, values)
    return handler(service, request, **values)


def _no_method(route: _Route, request: SandboxRequest, values: Mapping[str, str]) -> Refusal:
    if route.template is None:
        message = "Specified HTTP method is not allowed for the request target."
        return Refusal(405, "Request_BadRequest", message)
    address = request.path.removeprefix(f"/{request.version}")
    for name in ("policy_id", "assignment_id", "filter_id", "code"):
        if name in values:
            address = address.replace(f"/{values[name]}", f"('{values[name]}')", 1)
    return no_route(request.method, route.template, address)


def _unknown_address(path: str) -> Refusal:
    version, _, rest = path.lstrip("/").partition("/")
    if version not in VERSIONS:
        return bad_request(f"Invalid version: {version}.")
    segments = rest.split("/")
    unknown = next((segment for segment in segments if segment not in _SEGMENTS), segments[-1])
    return segment_not_found(unknown)
