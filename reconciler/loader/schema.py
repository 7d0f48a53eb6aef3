"""The shape of the YAML files as pydantic models, and their JSON Schema. Pure.

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
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import NullableSchema, TaggedUnionSchema, WithDefaultSchema

from reconciler.loader.scalar_types import (
    Day,
    Guid,
    Limit,
    Name,
    NameOrId,
    OptionalGuid,
    OptionalLabel,
    OptionalName,
    Reason,
    Tenant,
    present,
    refusal,
)
from reconciler.model.policy_types import PLATFORMS
from reconciler.model.state import BroadTargets, Cloud, FilterMode, Override, Ownership, Writes


class Shape(BaseModel):
    """A mapping of the YAML; keys it does not name are refused."""

    # Only the two models of whole files are built, below TenantFile, with all others inside.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _reference_shape(value: object) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<mapping>" if isinstance(value, dict) and value else None


_ANY_REFERENCE: JsonValue = [{"required": ["id"]}, {"required": ["name"]}]


class ObjectReference(Shape):
    """A group or filter by id and name; both must then lead to the same object."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _ANY_REFERENCE})

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


class HoldShape(Shape):
    """Nothing is written up to and including a day."""

    until: Day = Field(
        description="The last day (UTC) on which nothing is written; after it the hold has no effect.",
        examples=["2026-12-01"],
    )
    reason: Reason = Field(
        description="Why; shown beside the changes that are held.",
        examples=["Change freeze CHG-4711"],
    )


OptionalHold: TypeAlias = Annotated[HoldShape | None, BeforeValidator(present)]


class PolicyShape(Shape):
    """What one compliance policy is assigned to."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"anyOf": _ANY_REFERENCE},
                {"anyOf": [{"required": [key]} for key in TARGET_LISTS]},
            ]
        }
    )

    name: OptionalName = Field(
        default=None,
        description="The policy's display name in Intune, exactly.",
        examples=["Windows 11 - Baseline"],
    )
    id: OptionalGuid = Field(
        default=None, description="The policy's id, in place of its name or, as a check, with it."
    )
    platform: OptionalName = Field(
        default=None,
        description="Only where two policies share a name: windows10, macOS, iOS, linux, ...",
        examples=sorted(row.platform for row in PLATFORMS.values()),
    )
    ownership: Annotated[Ownership | None, BeforeValidator(present)] = Field(
        default=None, description="Overrides the tenant's ownership for this policy."
    )
    include: Annotated[list[InclusionShape] | None, BeforeValidator(present)] = Field(
        default=None,
        description="Who gets the policy. [] with ownership: authoritative means nobody.",
        examples=[[{"group": "Sales laptops", "filter": {"include": "Corporate owned"}}]],
    )
    exclude: Annotated[list[ExclusionShape] | None, BeforeValidator(present)] = Field(
        default=None,
        description="Groups that do not get it, whatever include says.",
        examples=[[{"group": "Break glass devices"}]],
    )
    remove: Annotated[list[RemovalShape] | None, BeforeValidator(present)] = Field(
        default=None,
        description="Targets that must not be assigned, on either side; additive policies too.",
        examples=[[{"group": "Old pilot"}]],
    )
    defaults: Annotated[StrictBool | None, BeforeValidator(present)] = Field(
        default=None,
        description="false leaves the defaults of tenant.yaml out of this policy.",
    )
    override: Annotated[Override | None, BeforeValidator(present)] = Field(
        default=None,
        description="Where an extended folder declares this policy too: replace it, or add to it.",
    )
    hold: OptionalHold = Field(
        default=None,
        description="Show what would change on this policy, and write nothing of it up to a day.",
    )


class PoliciesFile(Shape):
    """Compliance policies and who gets them. Keys that start with x- may hold anchors."""

    model_config = ConfigDict(
        title="reconciler policies", json_schema_extra={"patternProperties": {"^x-": {}}}
    )

    policies: list[PolicyShape] = Field(min_length=1, description="The policies, in any order.")


class GuardrailsShape(Shape):
    """Limits per run: going over one stops the run before its first write."""

    max_creates: Limit = Field(default=50, description="Assignments that one run may create.")
    max_updates: Limit = Field(
        default=20, description="Assignments whose filter one run may change."
    )
    max_deletes: Limit = Field(default=0, description="Assignments that one run may delete.")
    broad_targets: BroadTargets = Field(
        default=BroadTargets.CONFIRM,
        description="all_users or all_devices without a filter: confirm needs broad: true in the entry.",
    )


class DefaultsShape(Shape):
    """What holds for every policy that the root declares or inherits."""

    exclude: list[ExclusionShape] = Field(
        description="Groups that are excluded from every policy, besides its own list.",
        examples=[[{"group": "Break glass devices"}]],
    )


class TenantFile(Shape):
    """The tenant that this folder describes, and how much one run may change in it."""

    model_config = ConfigDict(
        title="reconciler tenant", json_schema_extra={"patternProperties": {"^x-": {}}}
    )

    tenant: Tenant = Field(
        description="Tenant id or a verified domain; nothing runs against another tenant.",
        examples=["contoso.com", "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"],
    )
    cloud: Cloud = Field(
        default=Cloud.GLOBAL, description="The Microsoft cloud the tenant lives in."
    )
    label: OptionalLabel = Field(
        default=None, description="What plans and comments call it; the folder's name if left out."
    )
    ownership: Ownership = Field(
        default=Ownership.ADDITIVE,
        description="additive leaves undeclared assignments alone; authoritative deletes them.",
    )
    writes: Writes = Field(default=Writes.AUTO, description="Which Graph call writes.")
    extends: list[Name] = Field(
        default_factory=list,
        description="Folders whose policy files count too, relative to this one; read before its own.",
        examples=[["../baseline"]],
    )
    guardrails: GuardrailsShape = Field(
        default_factory=GuardrailsShape, description="Limits per run."
    )
    defaults: Annotated[DefaultsShape | None, BeforeValidator(present)] = Field(
        default=None,
        description="What holds for every policy, unless it says defaults: false.",
    )
    hold: OptionalHold = Field(
        default=None,
        description="Show what would change in this tenant, and write nothing of it up to a day.",
    )


# Here, while one thread imports: several roots are read side by side.
PoliciesFile.model_rebuild()
TenantFile.model_rebuild()


class _NoNull(GenerateJsonSchema):
    """None stands for a key left out; written in a file, null is an error."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def tagged_union_schema(self, schema: TaggedUnionSchema) -> JsonSchemaValue:
        """Choose the branch by what is there, so that an editor names the key that is wrong in it.

        Of a plain ``oneOf`` it could only say that none of the branches fits.
        """
        tags = [tag for tag in map(str, schema["choices"]) if tag in _TARGET_TAGS]
        keys = [_key_of(tag) for tag in tags]
        branches = [
            {"if": _condition(str(tag)), "then": self.generate_inner(choice)}
            for tag, choice in schema["choices"].items()
        ]
        union: JsonSchemaValue = {"type": ["string", "object"], "allOf": branches}
        if keys:
            shapes = (REMOVALS if tags[0].startswith(_REMOVE) else TARGETS).values()
            models = [model.model_json_schema()["properties"] for model in shapes]
            about = {key: each["description"] for model in models for key, each in model.items()}
            union["properties"] = {key: {"description": text} for key, text in about.items()}
            union["propertyNames"] = {"enum": list(about)}
            union["if"] = {"type": "object"}
            union["then"] = {"anyOf": [{"required": [key]} for key in keys]}
        return union


_REMOVE = "<remove "
_TARGET_TAGS = frozenset(f"{start}{key}>" for key in TARGETS for start in ("<", _REMOVE))


def _key_of(tag: str) -> str:
    """The key of a target that a tag stands for."""
    return tag.removeprefix(_REMOVE).strip("<>")


def _condition(tag: str) -> JsonSchemaValue:
    if tag in _TARGET_TAGS:
        return {"type": "object", "required": [_key_of(tag)]}
    return {"type": "object" if tag == "<mapping>" else "string"}


def tenant_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of ``tenant.yaml``."""
    return _schema(TenantFile)


def policies_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of a policy file."""
    return _schema(PoliciesFile)


def _schema(model: type[Shape]) -> dict[str, object]:
    body = model.model_json_schema(schema_generator=_NoNull)
    return {"$schema": GenerateJsonSchema.schema_dialect, **body}
