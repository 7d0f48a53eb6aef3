"""What a plan needs of a tenant, as versioned JSON, and back. No I/O: text in, text out.

``tenant`` holds Graph's own words, trimmed to what the client reads, so that an offline plan runs the same
client on it. ``coverage`` says which groups were looked up: a name that it lacks is unknown, never missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, ValidationError

from reconciler.documents import envelope
from reconciler.documents.envelope import FORMAT_VERSION, Kind, LongList
from reconciler.documents.models import Model, Time
from reconciler.model.errors import PlanFileError
from reconciler.model.ports import Directory
from reconciler.model.state import (
    UNKNOWN_SOURCE,
    Assignment,
    AssignmentFilter,
    Cloud,
    Group,
    LivePolicy,
    LiveState,
    TenantIdentity,
)

_SETTINGS_CATALOG = "settings_catalog"


class SnapshotTenantModel(Model):
    """The tenant that was read."""

    id: str = Field(description="Tenant id, in lower case.")
    display_name: str | None = Field(
        description="Its display name; null where it could not be read."
    )
    cloud: Cloud = Field(description="The Microsoft cloud it lives in.")
    domains: tuple[str, ...] = Field(description="Its verified domains, in lower case.")


class CoverageModel(Model):
    """Which groups the snapshot can tell of."""

    all_groups: bool = Field(description="Whether every group of the tenant is in it.")
    group_names: tuple[str, ...] = Field(description="Names that were looked up.")
    group_ids: tuple[str, ...] = Field(description="Ids that were looked up, in lower case.")


class SnapshotModel(Model):
    """Everything that a plan of one tenant root needs of its tenant."""

    kind: Literal["snapshot"] = Field(description="What this document is.")
    format_version: str = Field(
        description="Version of the document. A reader of 1.x can read every later 1.y."
    )
    reconciler_version: str = Field(description="The release that made it.")
    created_at: Time = Field(description="When the tenant had been read, in UTC.")
    tenant: SnapshotTenantModel = Field(description="The tenant that was read.")
    coverage: CoverageModel = Field(description="Which groups the snapshot can tell of.")
    graph: dict[str, Any] = Field(
        description="Policies with assignments, filters and groups as Graph shows them, trimmed."
    )
    checksum: str = Field(description="SHA-256 of the document without it.")


class _Domain(Model):
    name: str


class _Organization(Model):
    id: str
    domains: list[_Domain] = Field(alias="verifiedDomains")


class _NamedObject(Model):
    id: str
    display_name: str | None = Field(alias="displayName")


class _Assignment(Model):
    id: str
    target: dict[str, Any]


class _Policy(Model):
    id: str
    assignments: list[_Assignment]


class _Graph(Model):
    """The members of ``graph`` that the embedded Graph relies on."""

    organization: _Organization
    groups: list[_NamedObject]
    filters: list[_NamedObject] = Field(alias="assignmentFilters")
    classic: list[_Policy] = Field(alias="deviceCompliancePolicies")
    catalog: list[_Policy] = Field(alias="compliancePolicies")


_PARTS = tuple(field.alias or name for name, field in _Graph.model_fields.items())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as read. ``graph`` is in the shape of the embedded Graph's tenant file."""

    created_at: datetime
    identity: TenantIdentity
    cloud: Cloud
    all_groups: bool
    group_names: frozenset[str]
    group_ids: frozenset[str]
    graph: dict[str, Any]


def dump_parts(
    live: LiveState,
    directory: Directory,
    *,
    identity: TenantIdentity,
    cloud: Cloud,
    names: Collection[str],
    ids: Collection[str],
    all_groups: bool,
    created_at: datetime,
    reconciler_version: str,
) -> Iterator[str]:
    """Write a snapshot as JSON text, piece by piece, so that a large one is never in memory as text.

    ``names`` and ``ids`` are the groups that were looked up.
    """
    document: dict[str, Any] = {
        "kind": Kind.SNAPSHOT.value,
        "format_version": FORMAT_VERSION,
        "reconciler_version": reconciler_version,
        "created_at": created_at.isoformat().replace("+00:00", "Z"),
        "tenant": {
            "id": identity.id,
            "display_name": identity.display_name,
            "cloud": cloud.value,
            "domains": sorted(identity.domains),
        },
        "coverage": {
            "all_groups": all_groups,
            "group_names": sorted(names),
            "group_ids": sorted(ids),
        },
        "graph": _graph(live, directory, identity),
    }
    document["checksum"] = envelope.checksum(document)
    return envelope.json_parts(document)


def loads(text: str, *, source: str) -> Snapshot:
    """Read a snapshot back; ``source`` names it in messages.

    Raises `PlanFileError` where the text is no snapshot that this release can read, or was altered.
    """
    try:
        document = envelope.parse(text, source=source)
        envelope.expect_kind(document, Kind.SNAPSHOT, source=source)
    except PlanFileError as unusable:
        raise PlanFileError(
            f"{source} is not a snapshot that this release can read; make one with: "
            "reconciler snapshot --out FILE"
        ) from unusable
    if document.get("checksum") != envelope.checksum(document):
        raise PlanFileError(
            f"{source} was altered or cut off after it was written; make a new snapshot"
        )
    try:
        model = SnapshotModel.model_validate(document)
        _Graph.model_validate(model.graph)
    except ValidationError as invalid:
        raise envelope.unreadable(source, Kind.SNAPSHOT, invalid) from None
    return Snapshot(
        model.created_at,
        TenantIdentity(model.tenant.id, model.tenant.display_name, model.tenant.domains),
        model.tenant.cloud,
        model.coverage.all_groups,
        frozenset(model.coverage.group_names),
        frozenset(model.coverage.group_ids),
        {part: model.graph[part] for part in _PARTS},
    )


def _graph(live: LiveState, directory: Directory, identity: TenantIdentity) -> dict[str, Any]:
    policies = list(live)
    catalog = [each for each in policies if each.policy.family == _SETTINGS_CATALOG]
    classic = [each for each in policies if each.policy.family != _SETTINGS_CATALOG]
    groups = sorted(directory.groups.by_id.values(), key=lambda group: group.id)
    filters = sorted(directory.filters.values(), key=lambda each: each.id)
    return {
        "organization": {
            "id": identity.id,
            "displayName": identity.display_name,
            "verifiedDomains": [{"name": name} for name in sorted(identity.domains)],
        },
        "groups": LongList(lambda: map(_group, groups)),
        "assignmentFilters": LongList(lambda: map(_filter, filters)),
        "deviceCompliancePolicies": LongList(lambda: _policies(classic, _classic)),
        "compliancePolicies": LongList(lambda: _policies(catalog, _catalog)),
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "displayName": group.name or None,
        "membershipRule": group.membership_rule,
    }


def _filter(each: AssignmentFilter) -> dict[str, Any]:
    return {
        "id": each.id,
        "displayName": each.name or None,
        "platform": each.platform,
        "assignmentFilterManagementType": each.management_type,
    }


def _policies(
    policies: Iterable[LivePolicy], members: Callable[[LivePolicy], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for live in policies:
        yield members(live) | {
            "id": live.policy.id,
            "assignments": [_assignment(each, live.policy.id) for each in live.assignments],
        }


def _classic(live: LivePolicy) -> dict[str, Any]:
    policy = live.policy
    document: dict[str, Any] = {"displayName": policy.name or None}
    if policy.odata_type is not None:
        document["@odata.type"] = policy.odata_type
    if policy.custom_compliance:
        document["deviceCompliancePolicyScript"] = {}
    return document


def _catalog(live: LivePolicy) -> dict[str, Any]:
    return {"name": live.policy.name or None, "platforms": live.policy.platform}


def _assignment(assignment: Assignment, policy_id: str) -> dict[str, Any]:
    beside: dict[str, Any] = json.loads(assignment.raw_properties)
    owner = {"sourceId": policy_id} if assignment.is_direct else {}
    return (
        beside
        | owner
        | {
            "id": assignment.id,
            "source": None if assignment.source == UNKNOWN_SOURCE else assignment.source,
            "target": json.loads(assignment.raw_target),
        }
    )
