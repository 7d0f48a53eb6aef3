"""Read and check a sandbox tenant file, and write it back. Reads and writes one file; knows no HTTP."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.sandbox.checks import (
    JsonObject,
    check_choices,
    entries_at,
    guid_at,
    moment_at,
    object_at,
    text_at,
)
from reconciler.sandbox.impact_checks import (
    check_impact,
    check_matches,
    check_members,
    check_policy_impact,
)
from reconciler.sandbox.json_file import read_json

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSIC = "deviceCompliancePolicies"
CATALOG = "compliancePolicies"
"""The settings catalog, where Linux policies live."""
POLICY_LISTS = (CLASSIC, CATALOG)

APPROVAL_FORMS = ("documented", "observed")
APPROVAL_STATUSES = ("needsApproval", "approved", "rejected", "cancelled", "completed", "expired")
OPEN_STATUSES = ("needsApproval", "approved")
"""While a request has one of these, Graph takes no other for the same policy."""
OPTIONAL_SEGMENTS = (CATALOG, "assignmentFilters")
"""What a tenant's cloud may not have; `missingSegments` lists it."""

_KNOWN_KEYS = (
    "organization",
    "groups",
    "assignmentFilters",
    *POLICY_LISTS,
    "multiAdminApproval",
    "operationApprovalRequests",
    "missingSegments",
    "deviceManagement",
    "conditionalAccessPolicies",
    "withheldPermissions",
)


class SandboxFileError(ValueError):
    """The tenant file cannot be used; the message is one line that says where and why."""


def read_tenant_file(path: Path) -> JsonObject:
    """Read a tenant file and check it whole; SandboxFileError where it cannot be used."""
    try:
        document = read_json(path)
    except ValueError as error:
        raise SandboxFileError(str(error)) from error
    try:
        return check_tenant(document)
    except ValueError as error:
        raise SandboxFileError(f"{path}: {error}") from error


def write_tenant_file(path: Path, document: JsonObject) -> None:
    """Replace the file in one step, so that a reader sees the old tenant or the new one and no mixture.

    Only the owner can read it: it may hold a real tenant.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_tenant(document: object) -> JsonObject:
    """Check a tenant's shape and fill in what may be left out; ValueError says what is wrong."""
    tenant = object_at(document, "the tenant")
    unknown = sorted(
        key for key in tenant if key not in _KNOWN_KEYS and not key.startswith(("$", "_", "@"))
    )
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is not a part of a tenant; known: {', '.join(_KNOWN_KEYS)}"
        )
    if "organization" not in tenant:
        raise ValueError("'organization' is missing")
    _check_organization(tenant["organization"])
    for key in (*_KNOWN_KEYS[1:5], "operationApprovalRequests", "missingSegments"):
        if tenant.get(key) is None:
            tenant[key] = []
    _check_all(tenant, "groups", _check_group)
    _check_all(tenant, "assignmentFilters", _check_filter)
    for key in POLICY_LISTS:
        _check_all(tenant, key, _check_policy)
    _check_no_policy_in_both(tenant)
    _check_all(tenant, "operationApprovalRequests", _check_approval_request)
    _check_approval_form(tenant.setdefault("multiAdminApproval", None))
    check_choices(tenant["missingSegments"], "missingSegments", OPTIONAL_SEGMENTS)
    check_impact(tenant)
    return tenant


def _check_all(tenant: JsonObject, key: str, check: Callable[[JsonObject, str], None]) -> None:
    seen: dict[str, str] = {}
    for entry, where in entries_at(tenant, key, key):
        own = guid_at(entry, "id", where).lower()
        if own in seen:
            raise ValueError(f"{where}.id: {own!r} is also the id of {seen[own]}")
        seen[own] = where
        check(entry, where)


def _check_organization(value: object) -> None:
    organization = object_at(value, "organization")
    guid_at(organization, "id", "organization")
    text_at(organization, "displayName", "organization")
    organization.setdefault("verifiedDomains", [])
    for domain, where in entries_at(
        organization, "verifiedDomains", "organization.verifiedDomains"
    ):
        text_at(domain, "name", where)


def _check_group(group: JsonObject, where: str) -> None:
    text_at(group, "displayName", where)
    check_members(group, where)


def _check_filter(assignment_filter: JsonObject, where: str) -> None:
    text_at(assignment_filter, "displayName", where)
    text_at(assignment_filter, "platform", where)
    check_matches(assignment_filter, where)


def _check_policy(policy: JsonObject, where: str) -> None:
    if where.startswith(CLASSIC):
        text_at(policy, "displayName", where)
        text_at(policy, "@odata.type", where)
    else:
        text_at(policy, "name", where)
    policy.setdefault("assignments", [])
    check_assignments(policy, where)
    check_policy_impact(policy, where)


def check_assignments(policy: JsonObject, where: str) -> None:
    """Check a policy's assignments and fill in what may be left out; ValueError says what is wrong."""
    seen: set[tuple[str, str]] = set()
    for assignment, place in entries_at(policy, "assignments", f"{where}.assignments"):
        _check_assignment(assignment, policy["id"], place)
        # One group may stand twice, once direct and once from a policy set ([O] section 2).
        own = (assignment["id"].lower(), assignment["source"])
        if own in seen:
            raise ValueError(f"{place}.id: {own[0]!r} appears twice on this policy")
        seen.add(own)


def _check_assignment(assignment: JsonObject, policy_id: str, where: str) -> None:
    text_at(assignment, "id", where)
    # A source other than direct and policySets, or null, is served as it is: a client must not guess.
    if not isinstance(assignment.setdefault("source", "direct"), str | None):
        raise ValueError(f"{where}.source must be a string or null")  # noqa: TRY004 - a mistake in a file
    assignment.setdefault("sourceId", policy_id)
    target = object_at(assignment.get("target"), f"{where}.target")
    text_at(target, "@odata.type", f"{where}.target")


def _check_no_policy_in_both(tenant: JsonObject) -> None:
    classic = {policy["id"].lower() for policy in tenant[CLASSIC]}
    for index, policy in enumerate(tenant[CATALOG]):
        if policy["id"].lower() in classic:
            raise ValueError(
                f"{CATALOG}[{index}].id: {policy['id']!r} is also a policy of {CLASSIC}"
            )


def _check_approval_request(request: JsonObject, where: str) -> None:
    if request.get("status") not in APPROVAL_STATUSES:
        raise ValueError(f"{where}.status must be one of {', '.join(APPROVAL_STATUSES)}")
    moment_at(request, "expirationDateTime", where)


def _check_approval_form(value: object) -> None:
    if value is None:
        return
    form = object_at(value, "multiAdminApproval").get("form")
    if form not in APPROVAL_FORMS:
        raise ValueError(f"multiAdminApproval.form must be one of {', '.join(APPROVAL_FORMS)}")
