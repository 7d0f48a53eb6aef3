"""The result of an apply as versioned JSON, and back. Pure: text in, text out."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from reconciler.documents import FORMAT_VERSION, reading
from reconciler.documents.models import (
    ChangeModel,
    Model,
    PolicyModel,
    SummaryModel,
    TenantModel,
)
from reconciler.documents.writing import (
    change_json,
    json_text,
    policy_json,
    summary_json,
    tenant_json,
)
from reconciler.model.errors import PlanFileError
from reconciler.model.plan import PlanTenant
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.state import Policy


class OutcomeModel(Model):
    """What became of one policy; ``written`` counts off the changes that this run carried out."""

    policy: PolicyModel
    status: Status
    changes: tuple[ChangeModel, ...]
    written: tuple[int, ...]
    error: str | None
    request_id: str | None
    approval_code: str | None
    notes: tuple[str, ...]


class ResultModel(Model):
    """The whole document."""

    format_version: str
    tenant: TenantModel
    digest: str
    complete: bool
    interrupted: bool
    summary: SummaryModel
    outcomes: tuple[OutcomeModel, ...]


def dumps_result(result: ApplyResult) -> str:
    """Write what an apply did, with a final newline."""
    document = {
        "format_version": FORMAT_VERSION,
        "tenant": tenant_json(result.tenant),
        "digest": result.digest,
        "complete": result.complete,
        "interrupted": result.interrupted,
        "summary": summary_json(result.summary),
        "outcomes": [_outcome_json(outcome) for outcome in result.outcomes],
    }
    return json_text(document)


def loads_result(document: dict[str, Any], *, source: str) -> ApplyResult:
    """Read a result back. Raises `PlanFileError` where it is none that this release can read."""
    try:
        model = ResultModel.model_validate(document)
        outcomes = tuple(_outcome(item) for item in model.outcomes)
    except (ValidationError, reading.IncoherentPlanError) as invalid:
        raise PlanFileError(
            f"{source} is not an apply result that this release can read"
        ) from invalid
    tenant = PlanTenant(
        model.tenant.id, model.tenant.label, model.tenant.display_name, model.tenant.cloud
    )
    return ApplyResult(tenant, model.digest, outcomes, interrupted=model.interrupted)


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
    found = item.policy
    policy = Policy(found.id, found.name, found.family, found.odata_type, found.platform)
    changes = tuple(reading.change(change, policy) for change in item.changes)
    return PolicyOutcome(
        policy,
        item.status,
        changes,
        tuple(changes[number] for number in item.written if number < len(changes)),
        error=item.error,
        request_id=item.request_id,
        approval_code=item.approval_code,
        notes=item.notes,
    )
