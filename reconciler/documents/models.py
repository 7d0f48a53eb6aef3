"""The parts of the JSON documents, as published (``reconciler schema plan``). No I/O.

Each field says what it means and what a reader may do with it. A reader of format 1.x passes over
members that it does not know, so that it can take a document of a later 1.y.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from reconciler.model.impact import LARGEST_COUNT, RiskLevel
from reconciler.model.state import BroadTargets, Cloud, FilterMode, Ownership, TargetKind, Writes


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]


class Model(BaseModel):
    """Every part of a document. Members that it does not name are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class LocationModel(Model):
    """A place in the desired state."""

    file: str = Field(
        description="Path with forward slashes, relative to the tenant root of the document."
    )
    line: int = Field(description="Line, counted from 1.")
    column: int = Field(description="Column in characters, counted from 1.")
    text: str = Field(
        default="",
        description="The line itself, to show it under a message; empty where it is not known.",
    )


class FilterModel(Model):
    """An assignment filter in use."""

    mode: FilterMode = Field(
        description="include: devices that match the filter; exclude: those that do not."
    )
    id: str = Field(description="Object id, in lower case. Compare filters by it.")
    name: str | None = Field(
        description="Display name when the plan was made, for people alone; null where it was not "
        "looked up."
    )


class TargetModel(Model):
    """Whom an assignment reaches, and through which filter."""

    kind: TargetKind = Field(
        description="Kind of target. With id and target_type it identifies the assignment on its "
        "policy. An opaque one is of a type that this release does not know; it is never changed."
    )
    id: str | None = Field(
        description="Object id in lower case; null for all_devices and all_users. Of an opaque "
        "target it is the assignment's own id."
    )
    name: str | None = Field(
        description="Display name when the plan was made, for people alone; null where it was not "
        "looked up or not found."
    )
    target_type: str | None = Field(
        default=None, description="device or user; of a scope_tag_group alone."
    )
    odata_type: str | None = Field(
        default=None, description="Graph's type of the target; of an opaque one alone."
    )
    filter: FilterModel | None = Field(description="The filter in use; null where there is none.")


class LiveTargetModel(Model):
    """A live assignment as it was read, but for its id."""

    source: str = Field(
        description="direct where it was made on the policy itself, else where it comes from, for "
        "example policySets."
    )
    target: TargetModel = Field(description="Whom it reaches.")
    graph_target: dict[str, Any] = Field(
        description="Graph's own JSON of the target. It is sent back unchanged, with members that "
        "this release does not know."
    )
    graph_properties: dict[str, Any] = Field(
        default_factory=dict,
        description="What Graph showed beside the target and this release does not know. It is sent "
        "back unchanged. Left out where there is nothing.",
    )


class LiveModel(LiveTargetModel):
    """A live assignment as it was read."""

    assignment_id: str = Field(description="Graph's id of the assignment.")


class PolicyModel(Model):
    """A compliance policy."""

    id: str = Field(description="Object id, in lower case. Compare policies by it.")
    name: str = Field(description="Display name in Intune when the plan was made.")
    odata_type: str | None = Field(description="Graph's type; null where Graph leaves it out.")
    platform: str | None = Field(
        description="The word that a policy file's platform is compared with; null where unknown."
    )
    family: str = Field(
        description="Which of Graph's collections holds the policy; apply refuses one it does not "
        "know."
    )


class DeclaredPolicyModel(PolicyModel):
    """A policy that the desired state declares."""

    ownership: Ownership = Field(
        description="additive leaves undeclared assignments alone; authoritative deletes them."
    )
    custom_compliance: bool = Field(
        default=False,
        description="Whether it runs a compliance script; such a policy takes no filters.",
    )


class FieldModel(Model):
    """One field that an update changes."""

    path: str = Field(description="Name of the field within the assignment, with dots.")
    before: str | None = Field(description="Value in the tenant; null for none.")
    after: str | None = Field(description="Declared value; null for none.")


class ReachModel(Model):
    """Whom a change concerns: what stands after it, for a delete what stands before it.

    Bounds that the tenant itself answered, no forecast.
    """

    users: Count | None = Field(
        description="Users among the transitive members of the group; null where the target has no "
        "members of its own, or where unknown says why."
    )
    devices: Count | None = Field(
        description="Devices among the transitive members of the group; null as users."
    )
    filter_matches: Count | None = Field(
        description="Devices of the tenant that match the filter in use, whatever its mode; null "
        "without a filter, or where unknown says why."
    )
    at_most: Count | None = Field(
        description="Upper bound in devices; null where nothing bounds it, or where unknown says "
        "why. Do not add it up: groups overlap."
    )
    unknown: dict[str, str] = Field(
        description="For each number that could not be had, the reason why it is null."
    )


class ChangeModel(Model):
    """One change of one assignment."""

    action: Literal["create", "update", "delete"] = Field(
        description="What apply does to the assignment."
    )
    policy: PolicyModel = Field(description="The policy whose assignment changes.")
    assignment_id: str | None = Field(
        description="Graph's id of the assignment; null for a create."
    )
    before: TargetModel | None = Field(description="How it stands now; null for a create.")
    after: TargetModel | None = Field(description="How it will stand; null for a delete.")
    declared_at: LocationModel | None = Field(
        description="The line that declares it, or that asks for its removal; null for a delete that "
        "no line asks for."
    )
    broad: bool = Field(
        default=False, description="Whether that line consents to a target that reaches everybody."
    )
    fields: tuple[FieldModel, ...] = Field(
        default=(), description="What an update changes, for people; before and after decide."
    )
    live: LiveModel | None = Field(
        default=None,
        description="The live assignment that an update or a delete starts from. Apply refuses "
        "where the tenant no longer has it.",
    )
    reach: ReachModel | None = Field(
        default=None,
        description="Whom it concerns, for people; left out where the impact was not read.",
    )


class HoldModel(Model):
    """A hold: nothing is written up to and including a day."""

    until: date = Field(description="The last day (UTC) on which nothing is written.")
    reason: str = Field(description="Why, as the file says it, for people.")


class HeldModel(ChangeModel):
    """A change that a hold keeps from being written."""

    hold: HoldModel = Field(description="What holds it. Apply writes nothing of it.")


class ScheduledModel(Model):
    """A declared assignment that is not in force yet."""

    policy: PolicyModel = Field(description="The policy that declares it.")
    target: TargetModel = Field(description="Whom it will reach.")
    from_: date = Field(
        alias="from",
        description="The first day (UTC) on which it is in force. Nothing is done before.",
    )
    declared_at: LocationModel = Field(description="The line that declares it.")


class UntouchedModel(LiveModel):
    """A live assignment that apply leaves alone."""

    policy: PolicyModel = Field(description="The policy that has it.")
    declared_at: LocationModel | None = Field(
        default=None, description="The line that declares it; null where none does."
    )


class PolicyIdModel(Model):
    """A policy that stands whole among the policies of the document."""

    id: str = Field(description="Object id, in lower case.")


class UnchangedModel(Model):
    """A declared assignment that the tenant has as declared."""

    policy: PolicyIdModel = Field(description="The policy that has it.")
    assignment_id: str = Field(description="Graph's id of the assignment.")
    target: int = Field(
        ge=0, description="Position of its target in unchanged_targets, counted from 0."
    )
    declared_at: LocationModel = Field(description="The line that declares it.")


class DiagnosticModel(Model):
    """An error or a warning."""

    code: str = Field(description="Stable name of this kind of diagnostic. Filter by it.")
    message: str = Field(description="What is wrong, for people. The wording may change.")
    help: str = Field(default="", description="How to fix it, for people; may be empty.")
    policy: str = Field(default="", description="Name of the policy concerned; may be empty.")
    declared_at: LocationModel | None = Field(
        description="The line concerned; null where there is none."
    )


class StopModel(Model):
    """A guardrail that stops apply."""

    code: str = Field(description="Stable name of the guardrail, for example max-deletes.")
    message: str = Field(description="What is over the limit, for people. The wording may change.")
    declared_at: LocationModel | None = Field(
        default=None, description="The line concerned; null where there is none."
    )


class GuardrailsModel(Model):
    """The limits that hold for this plan. An option of apply can only tighten them."""

    max_creates: int = Field(description="Most creates in one run.")
    max_updates: int = Field(description="Most updates in one run.")
    max_deletes: int = Field(description="Most deletes in one run.")
    broad_targets: BroadTargets = Field(
        description="What a target without a filter that reaches everybody needs."
    )
    stopped_by: tuple[StopModel, ...] = Field(
        description="The guardrails that stop apply; empty where none does."
    )


class TenantModel(Model):
    """The one tenant that a document is about. Apply writes to no other."""

    id: str = Field(description="Tenant id.")
    label: str = Field(description="What tenant.yaml calls it; comments are found again by it.")
    display_name: str | None = Field(
        description="Name of the organization in Graph, for people alone; null where unknown."
    )
    cloud: Cloud = Field(description="The Microsoft cloud that the tenant is in.")


class SummaryModel(Model):
    """Number of assignments of each sort."""

    create: int = Field(description="Changes with the action create.")
    update: int = Field(description="Changes with the action update.")
    delete: int = Field(description="Changes with the action delete.")
    unchanged: int = Field(description="Declared, and in the tenant as declared.")
    unmanaged: int = Field(description="In the tenant, not declared, left alone.")
    inherited: int = Field(description="In the tenant through a policy set, left alone.")
    held: int = Field(default=0, description="Changes that a hold keeps from being written.")
    scheduled: int = Field(default=0, description="Declared lines that are not in force yet.")


class ComplianceActionModel(Model):
    """An action for noncompliance."""

    type: str = Field(description="Graph's action type, for example block or notification.")
    after_days: float = Field(
        ge=0, allow_inf_nan=False, description="Days of grace; 0 for at once, 12 hours are 0.5."
    )


class StatusModel(Model):
    """How many devices have each state of a policy. It lags by up to 24 hours."""

    compliant: Count = Field(description="Devices that comply.")
    noncompliant: Count = Field(description="Devices that do not.")
    error: Count = Field(description="Devices with an error.")
    pending: Count = Field(description="Devices that have not reported yet.")
    not_applicable: Count = Field(description="Devices that the policy does not apply to.")
    as_of: Time | None = Field(description="Graph's own time; null where it gives none.")


class PolicyImpactModel(Model):
    """What noncompliance with a changed policy leads to, and how the policy does today."""

    policy: PolicyModel = Field(description="The policy.")
    actions: tuple[ComplianceActionModel, ...] | None = Field(
        description="What happens to a device that does not comply; null where unknown says why."
    )
    today: StatusModel | None = Field(
        description="How it does now; null where no device reports, or where unknown says why."
    )
    unknown: dict[str, str] = Field(
        description="For each member that could not be had, the reason why it is null."
    )


class TenantImpactModel(Model):
    """What decides in the whole tenant what noncompliance means."""

    secure_by_default: bool | None = Field(
        description="Whether a device without any compliance policy counts as not compliant; null "
        "where unknown says why."
    )
    conditional_access_policies: Count | None = Field(
        description="Number of enabled Conditional Access policies that require a compliant device, "
        "alone or as one of several controls; "
        "null where unknown says why."
    )
    disabled_filters: tuple[str, ...] | None = Field(
        description="Ids of the filters in the changes whose evaluation is disabled; null where "
        "unknown says why."
    )
    unknown: dict[str, str] = Field(
        description="For each member that could not be had, the reason why it is null."
    )


class ImpactModel(Model):
    """What the tenant answered about the changes. Nothing of it is in the digest."""

    read_at: Time = Field(description="When it was asked.")
    tenant: TenantImpactModel = Field(description="What holds for the whole tenant.")
    policies: tuple[PolicyImpactModel, ...] = Field(description="The policies that change.")


class RiskReasonModel(Model):
    """One thing that decided the level of the risk."""

    code: str = Field(description="Stable name of this kind of reason, for example filter-widened.")
    policy: str = Field(description="Name of the policy concerned.")
    message: str = Field(description="What it is, for people. The wording may change.")
    declared_at: LocationModel | None = Field(
        description="The line concerned; null where there is none."
    )


class RiskModel(Model):
    """How carefully the plan wants to be read. It decides nothing by itself."""

    level: RiskLevel = Field(description="routine, review or dangerous.")
    reasons: tuple[RiskReasonModel, ...] = Field(
        description="What decided the level, the worst first; empty for routine."
    )


class PlanModel(Model):
    """What apply would do to one tenant. A plan is for one apply, and holds no secret."""

    kind: Literal["plan"] = Field(description="What this document is.")
    format_version: str = Field(
        description="Version of the document. A reader of 1.x can read every later 1.y."
    )
    reconciler_version: str = Field(description="Release that made the plan, for people alone.")
    created_at: Time = Field(description="When the tenant had been read.")
    tenant: TenantModel = Field(description="The tenant that the plan is for.")
    complete: bool = Field(
        description="Whether everything declared could be planned; errors says why not. Apply "
        "refuses an incomplete plan."
    )
    applyable: bool = Field(
        description="Whether apply would start: complete, and stopped by no guardrail."
    )
    digest: str = Field(
        description="SHA-256 of the tenant id and the changes alone. Equal changes give equal "
        "digests. Give it to apply --expect-digest to apply what was reviewed and nothing else."
    )
    writes: Writes = Field(description="Which Graph call apply writes with.")
    selection: tuple[str, ...] = Field(
        default=(),
        description="The --policy globs that the plan was limited to; empty for all policies.",
    )
    summary: SummaryModel = Field(description="Counts of what follows.")
    risk: RiskModel | None = Field(
        default=None,
        description="How carefully the plan wants to be read; missing in a plan of an older release.",
    )
    policies: tuple[DeclaredPolicyModel, ...] = Field(
        description="The declared policies that were planned, by name and then id."
    )
    changes: tuple[ChangeModel, ...] = Field(
        description="What apply would do, in a stable order: by policy, then delete, update, "
        "create, then by kind and id."
    )
    held: tuple[HeldModel, ...] = Field(
        default=(),
        description="Changes that a hold keeps from being written. They are not in changes, digest "
        "or guardrails. After the hold a new plan has them.",
    )
    scheduled: tuple[ScheduledModel, ...] = Field(
        default=(), description="Declared lines that are not in force yet."
    )
    impact: ImpactModel | None = Field(
        default=None,
        description="What the tenant answered about the changes; null where it was not asked: without "
        "changes, with --no-impact, or from a snapshot.",
    )
    unchanged_targets: tuple[LiveTargetModel, ...] = Field(
        description="The targets of unchanged, each once: many policies have the same one."
    )
    unchanged: tuple[UnchangedModel, ...] = Field(
        description="Declared, and in the tenant as declared."
    )
    unmanaged: tuple[UntouchedModel, ...] = Field(
        description="On declared policies, not declared, left alone."
    )
    inherited: tuple[UntouchedModel, ...] = Field(
        description="On declared policies through a policy set, left alone."
    )
    errors: tuple[DiagnosticModel, ...] = Field(
        description="What keeps policies from being planned; empty where complete is true."
    )
    warnings: tuple[DiagnosticModel, ...] = Field(
        description="What a reviewer should know; no warning stops apply."
    )
    guardrails: GuardrailsModel = Field(description="The limits, and those that stop the plan.")
    baseline: dict[str, str] = Field(
        description="Per policy id, the SHA-256 of its live assignments when the plan was made. "
        "Apply compares it with a new reading."
    )
    checksum: str = Field(
        description="SHA-256 of this document's canonical JSON without this member. It finds a "
        "file that was cut or edited by accident; it is no signature."
    )
