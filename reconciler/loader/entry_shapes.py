"""The shape of what stands in a policy's lists, as pydantic models: targets, exclusions, filters. Pure.

The models say what each key means (the descriptions reach editors through JSON Schema) and refuse
what does not fit; `reconciler.loader.validation_errors` puts a refusal into words for people and gives it a place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StrictBool,
    Tag,
    model_validator,
)

from reconciler.loader.scalar_types import (
    Day,
    Guid,
    Name,
    NameOrId,
    OptionalGuid,
    OptionalName,
    present,
    refusal,
)
from reconciler.model.state import FilterMode


class Shape(BaseModel):
    """A mapping of the YAML; keys it does not name are refused."""

    # Only the two models of whole files are built, below TenantFile, with all others inside.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _reference_shape(value: object) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<mapping>" if isinstance(value, dict) and value else None


ANY_REFERENCE: JsonValue = [{"required": ["id"]}, {"required": ["name"]}]


class ObjectReference(Shape):
    """A group or filter by id and name; both must then lead to the same object."""

    model_config = ConfigDict(json_schema_extra={"anyOf": ANY_REFERENCE})

    id: OptionalGuid = Field(default=None, description="Object id.")
    name: OptionalName = Field(
        default=None,
        description="Display name, exactly. With an id too, a rename in the tenant is reported.",
    )


ReferenceShape: TypeAlias = Annotated[
    Annotated[NameOrId, Tag("<text>")] | Annotated[ObjectReference, Tag("<mapping>")],
    Discriminator(_reference_shape),
]


class FilterShape(Shape):
    """An assignment filter with its mode."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    include: Annotated[ReferenceShape | None, BeforeValidator(present)] = Field(
        default=None,
        description="Only devices that match this filter (display name or id) get the policy.",
    )
    exclude: Annotated[ReferenceShape | None, BeforeValidator(present)] = Field(
        default=None,
        description="Devices that match this filter (display name or id) do not get the policy.",
    )

    @property
    def mode(self) -> FilterMode:
        """The mode written out; `reconciler.loader.validation_errors` has seen to it that there is exactly one."""
        return FilterMode.INCLUDE if self.include is not None else FilterMode.EXCLUDE

    @property
    def reference(self) -> str | ObjectReference:
        """Name or id of the filter."""
        chosen = self.include if self.include is not None else self.exclude
        return "" if chosen is None else chosen


def _one_mode(value: object) -> object:
    """Refuse a filter with two modes, or with none and no misspelt key that may have been meant."""
    if isinstance(value, dict):
        if "include" in value and "exclude" in value:
            raise refusal("filter-mode", "the filter has two modes", "keep include or exclude")
        if not value:
            raise refusal("filter-mode", "the filter has no mode", NO_MODE_HELP)
    return value


NO_MODE_HELP = "write filter: {include: NAME} or filter: {exclude: NAME}"
OptionalFilter: TypeAlias = Annotated[
    FilterShape | None, BeforeValidator(_one_mode), BeforeValidator(present)
]
FILTER_FIELD: Any = Field(
    default=None,
    description="Narrow the target by an assignment filter; the mode is never guessed.",
)
BROAD_FIELD: Any = Field(
    default=False,
    description="Consent to assigning everybody without a filter (see guardrails.broad_targets).",
)


OptionalDay: TypeAlias = Annotated[Day | None, BeforeValidator(present)]


class ScheduledEntry(Shape):
    """An entry that may be in force for some days alone."""

    from_: OptionalDay = Field(
        default=None,
        alias="from",
        description="The first day (UTC) on which this entry is in force. Before it nothing is done for it.",
        examples=["2026-12-03"],
    )
    until: OptionalDay = Field(
        default=None,
        description="The last day (UTC) on which this entry is in force. After it the assignment is removed.",
        examples=["2027-01-31"],
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ is not None and self.until is not None and self.from_ > self.until:
            message = f'"from" ({self.from_}) is after "until" ({self.until})'
            raise refusal("dates-out-of-order", message, "write the earlier day after from:")
        return self


TargetType: TypeAlias = Literal["user", "device"]


class AllDevices(ScheduledEntry):
    """Every device of the tenant."""

    all_devices: Literal[True] = Field(description="Every device of the tenant.")
    filter: OptionalFilter = FILTER_FIELD
    broad: StrictBool = BROAD_FIELD


class AllUsers(ScheduledEntry):
    """Every user of the tenant."""

    all_users: Literal[True] = Field(description="Every user of the tenant.")
    filter: OptionalFilter = FILTER_FIELD
    broad: StrictBool = BROAD_FIELD


class GroupTarget(ScheduledEntry):
    """The members of a Microsoft Entra group."""

    group: ReferenceShape = Field(
        description="Display name or object id of a Microsoft Entra group."
    )
    filter: OptionalFilter = FILTER_FIELD


class CollectionTarget(ScheduledEntry):
    """A Configuration Manager collection."""

    collection: Name = Field(description="Id of a Configuration Manager collection.")
    filter: OptionalFilter = FILTER_FIELD


class ScopeTagGroup(Shape):
    """The group of a scope tag, for users or for devices."""

    target_type: TargetType = Field(description="What the group is used for.")
    entra_object_id: Guid = Field(description="Object id in Microsoft Entra.")


class ScopeTagGroupTarget(ScheduledEntry):
    """A scope-tag group."""

    scope_tag_group: ScopeTagGroup = Field(description="A scope-tag group.")
    filter: OptionalFilter = FILTER_FIELD


class Exclusion(ScheduledEntry):
    """A group that does not get the policy."""

    group: ReferenceShape = Field(
        description="Display name or object id of a Microsoft Entra group."
    )


class RemovedAllDevices(Shape):
    """All devices, which must not be assigned."""

    all_devices: Literal[True] = Field(description="Every device of the tenant.")


class RemovedAllUsers(Shape):
    """All users, who must not be assigned."""

    all_users: Literal[True] = Field(description="Every user of the tenant.")


class RemovedGroup(Shape):
    """A group that must not be assigned, neither included nor excluded."""

    group: ReferenceShape = Field(
        description="Display name or object id of a Microsoft Entra group."
    )


class RemovedCollection(Shape):
    """A Configuration Manager collection that must not be assigned."""

    collection: Name = Field(description="Id of a Configuration Manager collection.")


class RemovedScopeTagGroup(Shape):
    """A scope-tag group that must not be assigned."""

    scope_tag_group: ScopeTagGroup = Field(description="A scope-tag group.")


BROAD_WORDS = ("all_devices", "all_users")
TARGETS: dict[str, type[Shape]] = {
    "all_devices": AllDevices,
    "all_users": AllUsers,
    "group": GroupTarget,
    "collection": CollectionTarget,
    "scope_tag_group": ScopeTagGroupTarget,
}
"""By the key that chooses the target."""
REMOVALS: dict[str, type[Shape]] = {
    "all_devices": RemovedAllDevices,
    "all_users": RemovedAllUsers,
    "group": RemovedGroup,
    "collection": RemovedCollection,
    "scope_tag_group": RemovedScopeTagGroup,
}
"""The same for entries of ``remove``."""

Inclusion: TypeAlias = (
    Literal["all_devices", "all_users"]
    | AllDevices
    | AllUsers
    | GroupTarget
    | CollectionTarget
    | ScopeTagGroupTarget
)


Removal: TypeAlias = (
    Literal["all_devices", "all_users"]
    | RemovedAllDevices
    | RemovedAllUsers
    | RemovedGroup
    | RemovedCollection
    | RemovedScopeTagGroup
)


def _removal_shape(value: object) -> str | None:
    shape = _inclusion_shape(value)
    return f"<remove {shape[1:]}" if shape and shape != "<word>" else shape


def _inclusion_shape(value: object) -> str | None:
    if isinstance(value, str):
        return "<word>" if value in BROAD_WORDS else None
    if isinstance(value, dict):
        chosen = value.keys() & TARGETS.keys()
        return f"<{chosen.pop()}>" if len(chosen) == 1 else None
    return None


def _excluded_group(value: object) -> object:
    """Only what is plainly a group goes on to the model; the rest gets one clear refusal."""
    if isinstance(value, dict) and "group" in value:
        return value
    raise refusal("exclusion-not-group", "exclusions are groups")


InclusionShape: TypeAlias = Annotated[
    Annotated[Literal["all_devices", "all_users"], Tag("<word>")]
    | Annotated[AllDevices, Tag("<all_devices>")]
    | Annotated[AllUsers, Tag("<all_users>")]
    | Annotated[GroupTarget, Tag("<group>")]
    | Annotated[CollectionTarget, Tag("<collection>")]
    | Annotated[ScopeTagGroupTarget, Tag("<scope_tag_group>")],
    Discriminator(_inclusion_shape),
]
RemovalShape: TypeAlias = Annotated[
    Annotated[Literal["all_devices", "all_users"], Tag("<word>")]
    | Annotated[RemovedAllDevices, Tag("<remove all_devices>")]
    | Annotated[RemovedAllUsers, Tag("<remove all_users>")]
    | Annotated[RemovedGroup, Tag("<remove group>")]
    | Annotated[RemovedCollection, Tag("<remove collection>")]
    | Annotated[RemovedScopeTagGroup, Tag("<remove scope_tag_group>")],
    Discriminator(_removal_shape),
]
ExclusionShape: TypeAlias = Annotated[Exclusion, BeforeValidator(_excluded_group)]


TARGET_LISTS = ("include", "exclude", "remove")
"""The lists of which a policy has one at least."""
