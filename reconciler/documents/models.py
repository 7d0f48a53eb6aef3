"""The plan document's shape, as published (README, ``reconciler schema plan``). No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.model.state import BroadTargets, Cloud, FilterMode, Ownership, TargetKind, Writes


class Model(BaseModel):
    """Every part of the document: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LocationModel(Model):
    """A place in the desired state; the file is relative to the tenant root."""

    file: str
    line: int
    column: int
    text: str = ""


class FilterModel(Model):
    """An assignment filter in use."""

    mode: FilterMode
    id: str
    name: str | None


class TargetModel(Model):
    """Whom an assignment reaches, and through which filter; ``filter`` is null without one."""

    kind: TargetKind
    id: str | None
    name: str | None
    target_type: str | None = None
    odata_type: str | None = None
    filter: FilterModel | None


class LiveModel(Model):
    """A live assignment as it was read; ``graph_target`` is Graph's own JSON of its target."""

    assignment_id: str
    source: str
    target: TargetModel
    graph_target: dict[str, Any]


class PolicyModel(Model):
    """A compliance policy."""

    id: str
    name: str
    odata_type: str | None
    platform: str | None
    family: str


class DeclaredPolicyModel(PolicyModel):
    """A policy that the desired state declares."""

    ownership: Ownership
    custom_compliance: bool = False


class FieldModel(Model):
    """One field that an update changes."""

    path: str
    before: str | None
    after: str | None


class ChangeModel(Model):
    """One change. ``before`` is null for a create, ``after`` for a delete."""

    action: Literal["create", "update", "delete"]
    policy: PolicyModel
    assignment_id: str | None
    before: TargetModel | None
    after: TargetModel | None
    declared_at: LocationModel | None
    broad: bool = False
    fields: tuple[FieldModel, ...] = ()
    live: LiveModel | None = None


class UntouchedModel(LiveModel):
    """A live assignment that apply leaves alone."""

    policy: PolicyModel
    declared_at: LocationModel | None = None


class DiagnosticModel(Model):
    """An error or a warning."""

    code: str
    message: str
    help: str = ""
    policy: str = ""
    declared_at: LocationModel | None


class StopModel(Model):
    """A guardrail that stops apply."""

    code: str
    message: str
    declared_at: LocationModel | None = None


class GuardrailsModel(Model):
    """The limits that hold for this plan, and those that stop it."""

    max_creates: int
    max_updates: int
    max_deletes: int
    broad_targets: BroadTargets
    stopped_by: tuple[StopModel, ...]


class TenantModel(Model):
    """The tenant the plan is for."""

    id: str
    label: str
    display_name: str | None
    cloud: Cloud


class SummaryModel(Model):
    """How many of each."""

    create: int
    update: int
    delete: int
    unchanged: int
    unmanaged: int
    inherited: int


class PlanModel(Model):
    """The whole document."""

    format_version: str
    reconciler_version: str
    created_at: datetime
    tenant: TenantModel
    complete: bool
    applyable: bool
    digest: str
    writes: Writes
    selection: tuple[str, ...] = Field(
        default=(), description="The --policy globs that the plan was limited to."
    )
    summary: SummaryModel
    policies: tuple[DeclaredPolicyModel, ...]
    changes: tuple[ChangeModel, ...]
    unchanged: tuple[UntouchedModel, ...]
    unmanaged: tuple[UntouchedModel, ...]
    inherited: tuple[UntouchedModel, ...]
    errors: tuple[DiagnosticModel, ...]
    warnings: tuple[DiagnosticModel, ...]
    guardrails: GuardrailsModel
    baseline: dict[str, str] = Field(
        description="Per policy id, the sha256 of its live assignments when the plan was made."
    )
    checksum: str = Field(description="sha256 of this document without this member.")
