"""The result of an apply, and diagnostics, as JSON. Pure. A plan's JSON is `reconciler.planfile`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from reconciler.apply_result import ApplyResult, PolicyOutcome
from reconciler.diagnostics import Diagnostic
from reconciler.planfile import FORMAT_VERSION
from reconciler.planfile.writing import change_json, location_json, policy_json, summary_json


def render_result(result: ApplyResult) -> str:
    """Write what an apply did."""
    return dump(
        {
            "format_version": FORMAT_VERSION,
            "tenant": {
                "id": result.tenant.id,
                "label": result.tenant.label,
                "display_name": result.tenant.display_name,
                "cloud": result.tenant.cloud.value,
            },
            "digest": result.digest,
            "complete": result.complete,
            "interrupted": result.interrupted,
            "summary": summary_json(result.summary),
            "outcomes": [_outcome(outcome) for outcome in result.outcomes],
        }
    )


def render_diagnostics(diagnostics: Iterable[Diagnostic]) -> str:
    """Write what ``validate`` found."""
    found = list(diagnostics)
    return dump(
        {
            "format_version": FORMAT_VERSION,
            "valid": not any(diagnostic.is_error for diagnostic in found),
            "diagnostics": [
                {
                    "severity": diagnostic.severity.value,
                    "code": diagnostic.code,
                    "message": diagnostic.message,
                    "help": diagnostic.help,
                    "policy": diagnostic.policy,
                    "declared_at": location_json(diagnostic.location),
                }
                for diagnostic in found
            ],
        }
    )


def dump(document: object) -> str:
    """Write any JSON document the way all of them are written."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _outcome(outcome: PolicyOutcome) -> dict[str, Any]:
    return {
        "policy": policy_json(outcome.policy),
        "status": outcome.status.value,
        "changes": [change_json(operation) for operation in outcome.operations],
        "written": len(outcome.written),
        "error": outcome.error,
        "request_id": outcome.request_id,
        "approval_code": outcome.approval_code,
        "notes": list(outcome.notes),
    }
