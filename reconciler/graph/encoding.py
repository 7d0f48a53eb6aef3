"""Turn a write into the bytes that go to Graph: method, address, body. No I/O.

The same write gives the same bytes, whatever order Graph listed the assignments in. Sources:
graph.md sections 1, 3 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never
from urllib.parse import quote

from reconciler.graph import exact_json, wire
from reconciler.graph.client import Version
from reconciler.model.plan import key_of
from reconciler.model.policy_types import FAMILIES
from reconciler.model.requests import (
    AssignmentToSend,
    AssignRequest,
    CreateRequest,
    DeleteRequest,
    EncodedRequest,
    PatchRequest,
    WriteRequest,
)
from reconciler.model.state import Assignment, Policy


def encode(request: WriteRequest, *, reproducible: bool) -> EncodedRequest:
    """Write a request out.

    ``reproducible`` sorts the keys inside opaque targets too, for Multi Admin Approval, which
    compares two bodies. Otherwise an opaque target goes back byte for byte as it was read.
    """
    name = request.policy.name
    match request:
        case CreateRequest():
            return _create(request)
        case PatchRequest():
            live = request.assignment
            wanted = AssignmentToSend(live.target, request.filter, live.raw_target)
            body = {
                "@odata.type": FAMILIES[request.policy.family].assignment_type,
                **wire.wanted_json(wanted),
            }
            path = _assignment_path(request.policy, live)
            return _encoded(
                "PATCH", Version.BETA, path, body, f'changing an assignment of "{name}"'
            )
        case DeleteRequest():
            path = _assignment_path(request.policy, request.assignment)
            return _encoded(
                "DELETE", Version.BETA, path, None, f'deleting an assignment of "{name}"'
            )
        case AssignRequest():
            return _assign(request, reproducible=reproducible)
        case _:
            assert_never(request)


def policy_path(policy: Policy) -> str:
    """Address a policy, below the version."""
    return f"{FAMILIES[policy.family].path}/{quote(policy.id, safe='', errors='replace')}"


def _assignment_path(policy: Policy, assignment: Assignment) -> str:
    return f"{policy_path(policy)}/assignments/{quote(assignment.id, safe='', errors='replace')}"


def _create(request: CreateRequest) -> EncodedRequest:
    """Send to v1.0 with the reference page's body wherever that can say it."""
    family = FAMILIES[request.policy.family]
    is_documented = request.filter is None and family.has_documented_create
    body = {
        "@odata.type": family.assignment_type,
        "target": wire.target_json(request.target, request.filter, with_filter=not is_documented),
    }
    return _encoded(
        "POST",
        Version.V1 if is_documented else Version.BETA,
        f"{policy_path(request.policy)}/assignments",
        body,
        f'creating an assignment of "{request.policy.name}"',
    )


def _assign(request: AssignRequest, *, reproducible: bool) -> EncodedRequest:
    entries = sorted(request.assignments, key=lambda entry: key_of(entry.target))
    if reproducible:
        entries = [_with_sorted_keys(entry) for entry in entries]
    return _encoded(
        "POST",
        Version.BETA,
        f"{policy_path(request.policy)}/assign",
        {"assignments": [wire.wanted_json(entry) for entry in entries]},
        f'assigning "{request.policy.name}"',
    )


def _with_sorted_keys(wanted: AssignmentToSend) -> AssignmentToSend:
    if wanted.raw_target is None:
        return wanted
    return replace(wanted, raw_target=wire.sorted_text(wanted.raw_target))


def _encoded(
    method: str, version: Version, path: str, body: Mapping[str, Any] | None, attempted: str
) -> EncodedRequest:
    # Half a surrogate pair cannot be written in UTF-8; backslashreplace spells it as JSON does.
    content = (
        b""
        if body is None
        else exact_json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
    )
    return EncodedRequest(method, f"{version}/{path}", content, attempted)
