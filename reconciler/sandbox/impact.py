"""What a plan's impact is read from: members, filter matches, overviews, settings, Conditional Access. Changes nothing.

Section 12 of `.github/docs/graph.md` lists the calls. What the tenant file does not hold is refused
with 403, as if a permission were missing; it is never 0.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from reconciler.sandbox.directory import existing_group
from reconciler.sandbox.errors import (
    Refusal,
    bad_request,
    conditional_access_denied,
    directory_denied,
    intune_denied,
    segment_not_found,
)
from reconciler.sandbox.exchange import SandboxResponse, TextBody, paged
from reconciler.sandbox.impact_checks import CONDITIONAL_ACCESS, DEVICES, HIDDEN, SETTINGS
from reconciler.sandbox.odata import project
from reconciler.sandbox.policies import existing_policy
from reconciler.sandbox.tenant_file import CATALOG

if TYPE_CHECKING:
    from reconciler.sandbox.checks import JsonObject
    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.service import Service

_BOM = "\ufeff"
_MAX_TOP = 100  # [D] assignmentFilterEvaluateRequest
_EVALUATION = frozenset({"@odata.type", "platform", "rule", "top", "skip", "orderBy", "search"})
_CONDITIONAL_ACCESS = frozenset(
    {
        "id",
        "displayName",
        "state",
        "grantControls",
        "conditions",
        "sessionControls",
        "templateId",
        "createdDateTime",
        "modifiedDateTime",
    }
)


def count_users(service: Service, request: SandboxRequest, group_id: str) -> SandboxResponse:
    """`GET /groups/{id}/transitiveMembers/microsoft.graph.user/$count`."""
    return _count(service, request, group_id, "users")


def count_devices(service: Service, request: SandboxRequest, group_id: str) -> SandboxResponse:
    """The same with `microsoft.graph.device`; whether it takes Device.Read.All is [U] section 12."""
    return _count(service, request, group_id, "devices")


def evaluate_filter(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`POST /deviceManagement/evaluateAssignmentFilter`: JSON text as a stream of bytes ([O] section 12).

    What Graph says to a rule that it cannot evaluate is [U]; here it is 400, as for a rule that no
    filter of the file has.
    """
    request.options()
    if request.in_batch:
        # Whether it works inside $batch is [U] section 12: a client must not rely on it.
        raise bad_request("evaluateAssignmentFilter is not served inside a batch.")
    data = _evaluation(request.json())
    rule = service.state.rule(data["platform"], data["rule"])
    if rule is None or rule.get("badRule"):
        raise bad_request("The rule is not valid for the platform.")
    if rule.get("matches") is None:
        raise intune_denied()
    total, skip, top = rule["matches"], data.get("skip", 0), data.get("top", _MAX_TOP)
    # A top outside its bounds counts as 100 ([D] assignmentFilterEvaluateRequest).
    shown = min(max(total - skip, 0), top if 0 <= top <= _MAX_TOP else _MAX_TOP)
    answer = {
        "TotalRowCount": total,
        "Columns": [{"Name": "deviceName"}],
        "Values": [[f"DEVICE-{skip + number}"] for number in range(1, shown + 1)],
    }
    text = TextBody(json.dumps(answer), "application/octet-stream", None)
    return SandboxResponse(200, text=text)


def get_status_overview(
    service: Service, request: SandboxRequest, family: str, policy_id: str
) -> SandboxResponse:
    """`GET .../deviceCompliancePolicies/{id}/deviceStatusOverview`; the settings catalog has none ([D] beta schema)."""
    request.options()
    if family == CATALOG:
        raise segment_not_found("deviceStatusOverview")
    policy = existing_policy(service, family, policy_id)
    overview = service.state.part_of_policy(policy["id"], "deviceStatusOverview")
    if overview is None:
        raise intune_denied()
    fragment = f"deviceManagement/{family}('{policy['id']}')/deviceStatusOverview/$entity"
    return SandboxResponse(200, {"@odata.context": request.context(fragment), **overview})


def get_settings(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`GET /beta/deviceManagement/settings`; one source asks for DeviceManagementApps.Read.All ([U] section 12)."""
    request.options()
    management = service.state.part("deviceManagement")
    if management is None or SETTINGS in service.state.withheld_permissions:
        raise intune_denied()
    context = request.context("deviceManagement/settings")
    return SandboxResponse(200, {"@odata.context": context, **management["settings"]})


def list_conditional_access(service: Service, request: SandboxRequest) -> SandboxResponse:
    """`GET /identity/conditionalAccess/policies`, which takes Policy.Read.All ([D] section 12)."""
    options = request.options("$select", "$top", "$skiptoken")
    policies = service.state.part("conditionalAccessPolicies")
    if policies is None or CONDITIONAL_ACCESS in service.state.withheld_permissions:
        raise conditional_access_denied()
    body = paged(
        request,
        "identity/conditionalAccess/policies",
        policies,
        lambda policy: project(
            policy, options, _CONDITIONAL_ACCESS, "microsoft.graph.conditionalAccessPolicy"
        ),
        options=options,
        page_size=service.page_size,
    )
    return SandboxResponse(200, body)


def _count(service: Service, request: SandboxRequest, group_id: str, kind: str) -> SandboxResponse:
    request.options()
    if not _accepts_text(request.headers.get("accept", "")):
        raise Refusal(  # [O] section 12
            415,
            "Request_BadRequest",
            "A supported MIME type could not be found that matches the acceptable MIME types for the "
            "request. The supported type(s) 'text/plain' do not match any of the acceptable types.",
        )
    if request.headers.get("consistencylevel", "").lower() != "eventual":
        # [O] https://github.com/microsoftgraph/microsoft-graph-docs/issues/11882
        raise Refusal(400, "Request_BadRequest", "$count is not currently supported.")
    group = existing_group(service, group_id)
    withheld = service.state.withheld_permissions
    if kind == "devices" and DEVICES in withheld:
        raise directory_denied()
    number = service.state.count_members(group["id"], kind, hidden=HIDDEN not in withheld)
    if number is None:
        raise directory_denied()
    return SandboxResponse(200, text=_count_body(number, service.count_form))


def _count_body(number: int, form: str) -> TextBody:
    """The number as text, and in the form in which a batch carries it, which is [U] section 12."""
    mark = _BOM if form.endswith("-bom") else ""
    text = f"{mark}{number}"
    in_batch: object = text
    if form == "number":
        in_batch = number
    elif form.startswith("base64"):
        in_batch = base64.b64encode(text.encode()).decode()
    return TextBody(text, "text/plain", in_batch)


def _accepts_text(accept: str) -> bool:
    types = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return bool(types & {"", "*/*", "text/*", "text/plain"})


def _evaluation(body: object) -> JsonObject:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise bad_request("The parameter 'data' is missing.")
    if foreign := sorted(data.keys() - _EVALUATION):
        raise bad_request(
            f"The property '{foreign[0]}' does not exist on type 'microsoft.graph.assignmentFilterEvaluateRequest'."
        )
    for name in ("platform", "rule"):
        if not isinstance(data.get(name), str):
            raise bad_request(f"The property '{name}' must be a string.")
    for name in ("top", "skip"):
        if type(data.get(name, 0)) is not int:
            raise bad_request(f"The property '{name}' must be a whole number.")
    return data
