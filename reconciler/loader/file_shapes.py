"""The shape of a policy file and of ``tenant.yaml``, as pydantic models. Pure."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool

from reconciler.loader.entry_shapes import (
    ANY_REFERENCE,
    TARGET_LISTS,
    ExclusionShape,
    InclusionShape,
    RemovalShape,
    Shape,
)
from reconciler.loader.scalar_types import (
    Day,
    Limit,
    Name,
    OptionalGuid,
    OptionalLabel,
    OptionalName,
    Reason,
    Tenant,
    present,
)
from reconciler.model.policy_types import PLATFORMS
from reconciler.model.state import BroadTargets, Cloud, Override, Ownership, Writes


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
                {"anyOf": ANY_REFERENCE},
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
