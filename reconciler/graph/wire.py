"""Graph's JSON at the door: read into the model, and written back out. No I/O.

What is not known is carried through: every live target keeps its JSON text, and that text is what
goes back when a whole set is sent. Sources: graph.md sections 1, 3, 4 and 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reconciler.graph import exact_json
from reconciler.model.errors import GraphError
from reconciler.model.identifiers import is_guid
from reconciler.model.policy_types import Family, platform_of
from reconciler.model.requests import AssignmentToSend
from reconciler.model.state import (
    DIRECT,
    HIDDEN_MEMBERSHIP,
    NO_FILTER_ID,
    UNKNOWN_SOURCE,
    Assignment,
    AssignmentFilter,
    Filter,
    FilterMode,
    Group,
    Policy,
    Target,
    TargetKind,
    TenantIdentity,
)

FILTER_ID = "deviceAndAppManagementAssignmentFilterId"
FILTER_TYPE = "deviceAndAppManagementAssignmentFilterType"

_GROUP_TYPES = {
    "microsoft.graph.groupassignmenttarget": TargetKind.GROUP,
    "microsoft.graph.exclusiongroupassignmenttarget": TargetKind.EXCLUSION_GROUP,
}
_BROAD_TYPES = {
    "microsoft.graph.alldevicesassignmenttarget": TargetKind.ALL_DEVICES,
    "microsoft.graph.alllicensedusersassignmenttarget": TargetKind.ALL_USERS,
}
_COLLECTION_TYPE = "microsoft.graph.configurationmanagercollectionassignmenttarget"
_SCOPE_TAG_TYPE = "microsoft.graph.scopetaggroupassignmenttarget"

_ODATA_TYPES = {
    TargetKind.ALL_DEVICES: "#microsoft.graph.allDevicesAssignmentTarget",
    TargetKind.ALL_USERS: "#microsoft.graph.allLicensedUsersAssignmentTarget",
    TargetKind.GROUP: "#microsoft.graph.groupAssignmentTarget",
    TargetKind.EXCLUSION_GROUP: "#microsoft.graph.exclusionGroupAssignmentTarget",
    TargetKind.COLLECTION: "#microsoft.graph.configurationManagerCollectionAssignmentTarget",
    # Without "#", just as Microsoft's page sends it: this type is in no schema to check against.
    TargetKind.SCOPE_TAG_GROUP: "microsoft.graph.scopeTagGroupAssignmentTarget",
}


def _whole(text: str | None) -> str | None:
    """Replace half surrogate pairs, which JSON can carry and no file or terminal can."""
    return text and text.encode("utf-8", "replace").decode()


Name = Annotated[str | None, AfterValidator(_whole)]
"""A display name. Graph leaves it null where the identity may not read it."""


class _Item(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)


class AssignmentItem(_Item):
    """One entry of ``assignments`` in beta. v1.0 shows neither ``source`` nor ``sourceId``.

    ``source_id`` is the policy's own id for a direct assignment, else that of the policy set
    (graph.md section 2). Other members are kept in ``model_extra``.
    """

    id: str
    source: str | None = None
    source_id: str | None = Field(None, alias="sourceId")
    target: dict[str, Any]


class PolicyItem(_Item):
    """A policy of either family, with its assignments where they were expanded."""

    id: str
    odata_type: str | None = Field(None, alias="@odata.type")
    display_name: Name = Field(None, alias="displayName")
    name: Name = None
    platforms: str | None = None
    is_assigned: bool | None = Field(None, alias="isAssigned")
    compliance_script: dict[str, Any] | None = Field(None, alias="deviceCompliancePolicyScript")
    assignments: list[dict[str, Any]] | None = None
    assignments_next: str | None = Field(None, alias="assignments@odata.nextLink")


class GroupItem(_Item):
    """A group, as selected. Without permission Graph leaves all but the id null."""

    id: str
    display_name: Name = Field(None, alias="displayName")
    membership_rule: Name = Field(None, alias="membershipRule")
    visibility: str | None = None


class FilterItem(_Item):
    """An assignment filter."""

    id: str
    display_name: Name = Field(None, alias="displayName")
    platform: str | None = None
    management_type: str | None = Field(None, alias="assignmentFilterManagementType")
    rule: str | None = None


class DomainItem(_Item):
    """One verified domain of an organization."""

    name: str


class OrganizationItem(_Item):
    """The tenant itself."""

    id: str
    display_name: Name = Field(None, alias="displayName")
    verified_domains: list[DomainItem] = Field(default_factory=list, alias="verifiedDomains")


M = TypeVar("M", bound=_Item)


def parse(model: type[M], item: Mapping[str, Any], attempted: str) -> M:
    """Read one object, or raise `GraphError` that names the properties which do not fit."""
    try:
        return model.model_validate(item)
    except ValidationError as invalid:
        fields = ", ".join(".".join(str(part) for part in e["loc"]) for e in invalid.errors())
        raise GraphError(
            f"the response does not have the form that Graph documents ({fields}); "
            "nothing was concluded from it",
            attempted=attempted,
            code="UnexpectedResponse",
        ) from None


def policy(item: PolicyItem, family: Family) -> Policy:
    """Read a policy; the settings catalog calls its name ``name`` and its platform ``platforms``."""
    if family.policy_type is None:
        name, odata_type, platform = (
            item.display_name,
            item.odata_type,
            platform_of(item.odata_type),
        )
    else:
        name, odata_type, platform = item.name, family.policy_type, item.platforms
    return Policy(
        id=item.id.lower(),
        name=name or "",
        family=family.key,
        odata_type=odata_type,
        platform=platform,
        custom_compliance=item.compliance_script is not None,
    )


def group(item: GroupItem) -> Group:
    """Read a group; its name is "" where Graph shows none."""
    return Group(
        item.id.lower(),
        item.display_name or "",
        item.membership_rule or None,
        hides_members=item.visibility == HIDDEN_MEMBERSHIP,
    )


def assignment_filter(item: FilterItem) -> AssignmentFilter:
    """Read an assignment filter; its name is "" where Graph shows none."""
    return AssignmentFilter(
        item.id.lower(), item.display_name or "", item.platform, item.management_type, item.rule
    )


def tenant(item: OrganizationItem) -> TenantIdentity:
    """Read the organization."""
    return TenantIdentity(
        item.id.lower(), item.display_name, tuple(d.name.lower() for d in item.verified_domains)
    )


def assignment(item: AssignmentItem) -> Assignment:
    """Read one live assignment. What does not fit a known target whole becomes opaque.

    The keys of a target are sorted: Graph writes them in another order at each reading, and a queued
    write is finished only by the very same body ([O] graph.md 5). What is opaque stays as it was read.
    """
    known = _known_target(exact_json.dumps(item.target, sort_keys=True))
    target, raw_target = known.target, known.raw_target
    if target is None:
        odata_type = str(item.target.get("@odata.type") or "")
        target = Target(TargetKind.OPAQUE, item.id.lower(), odata_type=odata_type)
        raw_target = _text(item.target)
    beside = {
        name: value
        for name, value in (item.model_extra or {}).items()
        if "@odata." not in name  # annotations are Graph's own, and are not sent
    }
    return Assignment(
        item.id,
        target,
        known.filter,
        item.source or UNKNOWN_SOURCE,
        raw_target=raw_target,
        raw_properties=_text(beside) if beside else "{}",
    )


class _KnownTarget(NamedTuple):
    """What a target's JSON text says; ``target`` is None where it fits no known one whole."""

    target: Target | None
    filter: Filter | None
    raw_target: str


@lru_cache(maxsize=10_000)
def _known_target(raw_target: str) -> _KnownTarget:
    """Read a target. Many policies have the same ones: each is read once, and kept once in memory."""
    target: dict[str, Any] = exact_json.loads(raw_target)
    known = _target(target) if _mode(target) in _MODES else None
    return _KnownTarget(known, _filter(target), raw_target)


def names_another_policy(item: AssignmentItem, policy_id: str) -> bool:
    """Whether an assignment says itself that it belongs to another policy.

    Graph builds ids as ``POLICY_GROUP`` (graph.md section 5), and a direct assignment's
    ``sourceId`` is its policy's id. An id that begins with the id of the policy set that made the
    assignment names no other policy.
    """
    own_id, source_id = policy_id.lower(), (item.source_id or NO_FILTER_ID).lower()
    owner = item.id.partition("_")[0].lower()
    if owner == source_id == own_id:
        return False
    is_direct = (item.source or "").casefold() == DIRECT
    if is_direct and source_id not in (own_id, NO_FILTER_ID):
        return True
    is_own = owner in (own_id, source_id)
    return "_" in item.id and is_guid(owner) and not is_own


_CONTEXT_POLICY = re.compile(r"\('([^']*)'\)/assignments", re.IGNORECASE)


def is_of_another_policy(page: Mapping[str, Any], policy_id: str) -> bool:
    """Whether a page's ``@odata.context`` says that it is not the assignments of this policy.

    It ends in ``('POLICY')/assignments``. This tells an empty page of another policy too.
    """
    context = page.get("@odata.context")
    if not isinstance(context, str):
        return False
    named = _CONTEXT_POLICY.search(context)
    if named is not None:
        return named[1].lower() != policy_id.lower()
    return "#" in context and "assignment" not in context.lower()


_MODES = frozenset({"none", *(mode.value for mode in FilterMode)})
"""The modes of a filter that are known."""


def _text(value: Mapping[str, Any]) -> str:
    return exact_json.dumps(value)


def _mode(target: Mapping[str, Any]) -> str:
    return str(target.get(FILTER_TYPE) or "none").casefold()


def _filter(target: Mapping[str, Any]) -> Filter | None:
    """Read a filter; mode none, a null id and an id of zeros all mean that there is none."""
    filter_id = str(target.get(FILTER_ID) or NO_FILTER_ID).lower()
    mode = _mode(target)
    if filter_id == NO_FILTER_ID or mode == "none" or mode not in _MODES:
        return None
    return Filter(FilterMode(mode), filter_id)


def _target(target: Mapping[str, Any]) -> Target | None:
    odata_type = str(target.get("@odata.type") or "").removeprefix("#").casefold()
    if odata_type in _BROAD_TYPES:
        return Target(_BROAD_TYPES[odata_type])
    if odata_type in _GROUP_TYPES and target.get("groupId"):
        return Target(_GROUP_TYPES[odata_type], str(target["groupId"]).lower())
    if odata_type == _COLLECTION_TYPE and target.get("collectionId"):
        collection = str(target["collectionId"])
        return Target(TargetKind.COLLECTION, collection.lower(), collection)
    if odata_type == _SCOPE_TAG_TYPE and target.get("entraObjectId"):
        return Target(
            TargetKind.SCOPE_TAG_GROUP,
            str(target["entraObjectId"]).lower(),
            target_type=str(target.get("targetType") or "").lower(),
        )
    return None


def target_json(target: Target, filter: Filter | None, *, with_filter: bool) -> dict[str, Any]:
    """Write a target. v1.0 knows no filter properties, beta is always sent both of them."""
    if target.kind is TargetKind.OPAQUE:
        raise AssertionError("an opaque target is only ever sent back as it was read")
    body: dict[str, Any] = {"@odata.type": _ODATA_TYPES[target.kind]}
    match target.kind:
        case TargetKind.GROUP | TargetKind.EXCLUSION_GROUP:
            body["groupId"] = target.id
        case TargetKind.COLLECTION:
            body["collectionId"] = target.name or target.id
        case TargetKind.SCOPE_TAG_GROUP:
            body["targetType"] = target.target_type
            body["entraObjectId"] = target.id
        case TargetKind.ALL_DEVICES | TargetKind.ALL_USERS:
            pass
    return body | filter_json(filter) if with_filter else body


def filter_json(filter: Filter | None) -> dict[str, Any]:
    """Write the two filter properties; "no filter" as Graph itself shows it."""
    if filter is None:
        return {FILTER_ID: None, FILTER_TYPE: "none"}
    return {FILTER_ID: filter.id, FILTER_TYPE: filter.mode.value}


def wanted_json(wanted: AssignmentToSend) -> dict[str, Any]:
    """Write one entry of a whole set: a live target as it was read, a new one from the model."""
    if wanted.raw_target is None:
        return {"target": target_json(wanted.target, wanted.filter, with_filter=True)}
    live: dict[str, Any] = exact_json.loads(wanted.raw_target)
    if _filter(live) != wanted.filter:
        live |= filter_json(wanted.filter)
    beside: dict[str, Any] = exact_json.loads(wanted.raw_properties)
    return {**beside, "target": live}


def sorted_text(raw: str) -> str:
    """The same JSON object with its keys sorted at every level."""
    return exact_json.dumps(exact_json.loads(raw), sort_keys=True)
