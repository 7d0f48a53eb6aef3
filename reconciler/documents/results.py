"""The result of an apply as versioned JSON, and back. No I/O: text in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from reconciler.documents import envelope, reading
from reconciler.documents.envelope import FORMAT_VERSION, Kind
from reconciler.documents.models import ChangeModel, Model, PolicyModel, TenantModel
from reconciler.documents.writing import change_json, json_text, policy_json, tenant_json
from reconciler.model.plan import PlanTenant
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.state import Policy


class DoneModel(Model):
    """Number of changes that this run wrote and saw in a later reading."""

    create: int = Field(description="Assignments created.")
    update: int = Field(description="Assignments whose filter was changed.")
    delete: int = Field(description="Assignments deleted.")


class OutcomeModel(Model):
    """What became of one policy."""

    policy: PolicyModel = Field(description="The policy.")
    status: Status = Field(
        description="applied: written, and seen in a later reading. already: nothing to do. "
        "stale: changed in Intune since the plan, not written. failed: Graph refused, or an error "
        "stopped it. unknown: a write was sent and no reading shows whether it happened. "
        "pending_approval: waits for a second administrator. not_tried: the run ended before it."
    )
    changes: tuple[ChangeModel, ...] = Field(description="What the plan wanted of the policy.")
    written: tuple[int, ...] = Field(
        description="Positions in changes, from 0, of those that this run carried out and saw in "
        "a later reading. Those of an applied policy that are not listed were already true."
    )
    error: str | None = Field(
        description="What went wrong and what to do, for people; null where nothing did."
    )
    request_id: str | None = Field(
        description="Graph's id of the last request; Microsoft's support asks for it."
    )
    approval_code: str | None = Field(
        description="Code of the request that waits for a second administrator. Give it to apply "
        "--approval-code after the approval."
    )
    notes: tuple[str, ...] = Field(
        description="What somebody else changed meanwhile, for people; often empty."
    )


class ResultModel(Model):
    """What an apply did, policy by policy."""

    kind: Literal["result"] = Field(description="What this document is.")
    format_version: str = Field(
        description="Version of the document. A reader of 1.x can read every later 1.y."
    )
    tenant: TenantModel = Field(description="The tenant that was written to.")
    digest: str = Field(description="The digest of the plan that was applied.")
    complete: bool = Field(
        description="Whether everything that the plan wanted is now true in the tenant."
    )
    interrupted: bool = Field(description="Whether the run was stopped before its end.")
    faults: tuple[str, ...] = Field(
        default=(),
        description="What failed beside the policies, such as a journal that could not be written. "
        "The run then ends with exit code 1, whatever the outcomes say.",
    )
    summary: DoneModel = Field(description="Counts of what was written.")
    outcomes: tuple[OutcomeModel, ...] = Field(description="One per policy, in the plan's order.")


def dumps_result(result: ApplyResult) -> str:
    """Write what an apply did, with a final newline."""
    done = result.summary
    document = {
        "kind": Kind.RESULT.value,
        "format_version": FORMAT_VERSION,
        "tenant": tenant_json(result.tenant),
        "digest": result.digest,
        "complete": result.complete,
        "interrupted": result.interrupted,
        **({"faults": list(result.faults)} if result.faults else {}),
        "summary": {"create": done.create, "update": done.update, "delete": done.delete},
        "outcomes": [_outcome_json(outcome) for outcome in result.outcomes],
    }
    return json_text(document)


def result_of(document: Mapping[str, Any], *, source: str) -> ApplyResult:
    """Read a result from its parsed document.

    Raises `PlanFileError` where it is none that this release can read.
    """
    envelope.expect_kind(document, Kind.RESULT, source=source)
    try:
        model = ResultModel.model_validate(document)
        outcomes = tuple(_outcome(item) for item in model.outcomes)
    except (ValidationError, reading.IncoherentPlanError) as invalid:
        raise envelope.unreadable(source, Kind.RESULT, invalid) from None
    tenant = PlanTenant(
        model.tenant.id, model.tenant.label, model.tenant.display_name, model.tenant.cloud
    )
    return ApplyResult(
        tenant, model.digest, outcomes, interrupted=model.interrupted, faults=model.faults
    )


def result_schema() -> dict[str, Any]:
    """The JSON Schema of a result."""
    return envelope.schema_of(ResultModel.model_json_schema(mode="serialization"), Kind.RESULT)


def _outcome_json(outcome: PolicyOutcome) -> dict[str, Any]:
    return {
        "policy": policy_json(outcome.policy),
        "status": outcome.status.value,
        "changes": [change_json(change) for change in outcome.changes],
        "written": [
            number for number, change in enumerate(outcome.changes) if change in outcome.written
        ],
        "error": outcome.error,
        "request_id": outcome.request_id,
        "approval_code": outcome.approval_code,
        "notes": list(outcome.notes),
    }


def _outcome(item: OutcomeModel) -> PolicyOutcome:
    policy = Policy(
        item.policy.id,
        item.policy.name,
        item.policy.family,
        item.policy.odata_type,
        item.policy.platform,
    )
    changes = tuple(reading.change(change, policy) for change in item.changes)
    return PolicyOutcome(
        policy,
        item.status,
        changes,
        tuple(changes[number] for number in item.written if 0 <= number < len(changes)),
        error=item.error,
        request_id=item.request_id,
        approval_code=item.approval_code,
        notes=item.notes,
    )
