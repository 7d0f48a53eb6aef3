"""A plan as versioned JSON, and back. No I/O: text in, text out.

Beyond the digest, which names the changes, a checksum over the whole document tells a file that
was cut off or edited. It guards against accident, not against somebody who means to deceive: that
is what the review of the digest is for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from reconciler.documents import reading
from reconciler.documents.models import PlanModel
from reconciler.documents.writing import json_text, plan_json
from reconciler.model.errors import PlanFileError, StalePlanError
from reconciler.model.plan import Plan

FORMAT_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan with the moment it was made and the release that made it."""

    plan: Plan
    created_at: datetime
    reconciler_version: str


def dumps(saved: SavedPlan) -> str:
    """Write the plan as JSON text, with a final newline."""
    document = {
        "format_version": FORMAT_VERSION,
        "reconciler_version": saved.reconciler_version,
        "created_at": saved.created_at.isoformat().replace("+00:00", "Z"),
        **plan_json(saved.plan),
    }
    document["checksum"] = _checksum(document)
    return json_text(document)


def loads(text: str, *, source: str) -> SavedPlan:
    """Read a plan back; ``source`` names it in messages.

    Raises `PlanFileError` where the text is no plan this release can read, and `StalePlanError`
    where it was one and has been altered.
    """
    document = _parse(text, source)
    _check_version(document, source)
    if document.get("checksum") != _checksum(document):
        raise StalePlanError(
            f"{source} was altered after it was written (its checksum does not fit); "
            "make a new plan, and edit the YAML instead of the plan"
        )
    try:
        model = PlanModel.model_validate(document)
        plan = reading.plan(model)
    except ValidationError as invalid:
        where = ".".join(str(part) for part in invalid.errors()[0]["loc"])
        raise _unreadable(source, where) from None
    except reading.IncoherentPlanError as incoherent:
        raise _unreadable(source, str(incoherent)) from None
    if plan.digest != model.digest:
        raise StalePlanError(
            f"{source} was altered after it was written: its changes have the digest "
            f"{plan.digest}, and it says {model.digest}; make a new plan"
        )
    return SavedPlan(plan, model.created_at, model.reconciler_version)


def schema() -> dict[str, Any]:
    """The JSON Schema of a plan."""
    found = PlanModel.model_json_schema(mode="serialization")
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "reconciler plan"
    return found


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as broken:
        raise PlanFileError(
            f"{source} is not a plan: it is not JSON, or was cut off ({broken})"
        ) from None
    except RecursionError:
        raise PlanFileError(f"{source} is not a plan: it is nested too deep") from None
    if not isinstance(document, dict) or "format_version" not in document:
        raise PlanFileError(
            f"{source} is not a plan of reconciler; a plan is made with: reconciler plan --out plan.json"
        )
    return document


def _check_version(document: Mapping[str, Any], source: str) -> None:
    version = str(document["format_version"])
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise PlanFileError(
            f"{source} has plan format {version}, and this release reads {FORMAT_VERSION}; "
            "make a new plan with the release that applies it"
        )
    if "outcomes" in document:
        raise PlanFileError(f"{source} is the result of an apply, not a plan")


def _checksum(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != "checksum"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _unreadable(source: str, why: str) -> PlanFileError:
    return PlanFileError(
        f"{source} is not a plan that this release can read ({why}); make a new plan"
    )
