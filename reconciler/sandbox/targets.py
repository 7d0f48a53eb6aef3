"""Assignment targets: which exist, which properties they take, what makes two of them the same. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.sandbox.checks import is_guid
from reconciler.sandbox.errors import bad_request, intune_refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.sandbox.checks import JsonObject

FILTER_ID = "deviceAndAppManagementAssignmentFilterId"
FILTER_MODE = "deviceAndAppManagementAssignmentFilterType"
FILTER_KEYS = (FILTER_ID, FILTER_MODE)
_NAMESPACE = "microsoft.graph."
_NIL = "00000000-0000-0000-0000-000000000000"
_SCOPE_TAG_TYPES = ("none", "user", "device", "unknownFutureValue")
# What Intune puts behind the underscore of an assignment's id for the two broad targets ([O] section 5).
_ALL_DEVICES_KEY = "adadadad-808e-44e2-905a-0b7873a8a531"
_ALL_USERS_KEY = "acacacac-9df4-4c7d-9d50-4ef0226f57a9"
_GROUP = "groupAssignmentTarget"
_EXCLUSION = "exclusionGroupAssignmentTarget"
_SCOPE_TAG = "scopeTagGroupAssignmentTarget"


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    key_property: str | None = None
    fixed_key: str | None = None
    own: tuple[str, ...] = ()
    key_is_guid: bool = False


_KINDS: Mapping[str, _Kind] = {
    f"{_NAMESPACE}{kind.name}".lower(): kind
    for kind in (
        _Kind("allDevicesAssignmentTarget", fixed_key=_ALL_DEVICES_KEY),
        _Kind("allLicensedUsersAssignmentTarget", fixed_key=_ALL_USERS_KEY),
        _Kind(_GROUP, "groupId", own=("groupId",), key_is_guid=True),
        _Kind(_EXCLUSION, "groupId", own=("groupId",), key_is_guid=True),
        _Kind(
            "configurationManagerCollectionAssignmentTarget", "collectionId", own=("collectionId",)
        ),
        _Kind(_SCOPE_TAG, "entraObjectId", own=("entraObjectId", "targetType")),
    )
}


@dataclass(frozen=True, slots=True)
class TargetRules:
    """What holds for the targets of one request."""

    beta: bool
    documented: bool
    filter_ids: Collection[str]
    """Ids of the tenant's filters, in lower case."""


def kind_of(target: JsonObject) -> str:
    """The type's name in lower case: documents write it with and without `#` ([D]/[O] section 3)."""
    return str(target.get("@odata.type", "")).removeprefix("#").lower()


def included_group(target: JsonObject) -> str | None:
    """The id of the group that the target includes; None for any other target."""
    return key_of(target) if kind_of(target) == f"{_NAMESPACE}{_GROUP}".lower() else None


def excluded_group(target: JsonObject) -> str | None:
    """The id of the group that the target excludes; None for any other target."""
    return key_of(target) if kind_of(target) == f"{_NAMESPACE}{_EXCLUSION}".lower() else None


def same_target(one: JsonObject, other: JsonObject) -> bool:
    """Whether two targets say the same, however no filter and ids are spelled."""
    return _normal(one) == _normal(other)


def shown(target: JsonObject, *, beta: bool) -> JsonObject:
    """The target as one version of Graph shows it: v1.0 knows no filters ([D] section 3)."""
    if beta:
        return target
    return {key: value for key, value in target.items() if key not in FILTER_KEYS}


def key_of(target: JsonObject) -> str | None:
    """What comes after the underscore of the assignment's id; None for an unknown type.

    [O] section 5 for groups and the broad targets, [I] for collections and scope tag groups.
    """
    kind = _KINDS.get(kind_of(target))
    if kind is None:
        return None
    return str(
        kind.fixed_key if kind.key_property is None else target.get(kind.key_property)
    ).lower()


def checked_target(target: object, rules: TargetRules) -> JsonObject:
    """The target as Graph would store it; Refusal for one that it would not take."""
    if not isinstance(target, dict):
        raise bad_request("A 'target' that is an object is required.")
    kind = _known_kind(target, rules)
    foreign = sorted(set(target) - {"@odata.type", *kind.own, *FILTER_KEYS})
    if foreign:
        raise bad_request(
            f"The property '{foreign[0]}' does not exist on type '{_NAMESPACE}{kind.name}'."
        )
    stored: JsonObject = {
        "@odata.type": f"#{_NAMESPACE}{kind.name}",
        **_checked_filter(target, kind, rules),
    }
    if kind.key_property is not None:
        stored[kind.key_property] = _checked_key(target, kind, kind.key_property)
    if kind.name == _SCOPE_TAG:
        if target.get("targetType") not in _SCOPE_TAG_TYPES:
            raise bad_request(
                f"The value of 'targetType' must be one of {', '.join(_SCOPE_TAG_TYPES)}."
            )
        stored["targetType"] = target["targetType"]
    return stored


def _known_kind(target: JsonObject, rules: TargetRules) -> _Kind:
    written = target.get("@odata.type")
    if not isinstance(written, str) or not written:
        raise bad_request("The target must state its '@odata.type': the declared type is abstract.")
    kind = _KINDS.get(kind_of(target))
    # The page's own example is in no metadata of the service ([D/O] section 3).
    unlisted = kind is not None and kind.name == _SCOPE_TAG and not rules.documented
    if kind is None or unlisted:
        raise bad_request(
            f"A type named '{written.removeprefix('#')}' could not be resolved by the model."
        )
    return kind


def _checked_key(target: JsonObject, kind: _Kind, name: str) -> str:
    value = target.get(name)
    if not kind.key_is_guid:
        if not isinstance(value, str) or not value:
            raise bad_request(f"The property '{name}' is required on '{_NAMESPACE}{kind.name}'.")
        return value
    if not is_guid(value) or value == _NIL:
        # The wording is the service's own ([O] section 2).
        raise intune_refusal(
            400, f"Invalid GroupId : {value} provided, a valid AADGroupId is expected."
        )
    return str(value).lower()


def _checked_filter(target: JsonObject, kind: _Kind, rules: TargetRules) -> JsonObject:
    present = [key for key in FILTER_KEYS if key in target]
    if present and not rules.beta:
        raise bad_request(
            f"The property '{present[0]}' does not exist on type '{_NAMESPACE}{kind.name}'."
        )
    mode = target.get(FILTER_MODE) or "none"
    filter_id = target.get(FILTER_ID)
    if filter_id in (_NIL, ""):
        filter_id = None
    if mode not in ("none", "include", "exclude"):
        raise bad_request(
            f"The value '{mode}' is not a member of 'deviceAndAppManagementAssignmentFilterType'."
        )
    if (filter_id is None) != (mode == "none"):
        raise intune_refusal(
            400, "An assignment filter needs both its id and the mode include or exclude."
        )
    if filter_id is not None:
        if kind.name == _EXCLUSION:
            raise intune_refusal(400, "An excluded group takes no assignment filter.")
        if str(filter_id).lower() not in rules.filter_ids:
            raise intune_refusal(400, f"There is no assignment filter with the id {filter_id}.")
        filter_id = str(filter_id).lower()
    return {FILTER_ID: filter_id, FILTER_MODE: mode}


def _normal(target: JsonObject) -> JsonObject:
    rest = {key: value for key, value in target.items() if key not in (*FILTER_KEYS, "@odata.type")}
    for key in ("groupId", "collectionId", "entraObjectId"):
        if isinstance(rest.get(key), str):
            rest[key] = rest[key].lower()
    filter_id = str(target.get(FILTER_ID) or _NIL).lower()
    mode = str(target.get(FILTER_MODE) or "none")
    if filter_id != _NIL or mode != "none":
        rest["filter"] = (filter_id, mode)
    return {"type": kind_of(target), **rest}
