"""A plan as versioned JSON, and back. No I/O: text in, text out.

Beyond the digest, which names the changes, a checksum over the whole document tells a file that
was cut off or edited. It guards against accident, not against somebody who means to deceive: that
is what the review of the digest is for.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from pydantic import ValidationError

from reconciler.documents import envelope, reading
from reconciler.documents.envelope import FORMAT_VERSION, Kind
from reconciler.documents.models import PlanModel
from reconciler.documents.writing import plan_json
from reconciler.model.errors import StalePlanError
from reconciler.model.saved_plan import SavedPlan


def dumps(saved: SavedPlan) -> str:
    """Write the plan as JSON text, with a final newline."""
    return "".join(dump_parts(saved))


def dump_parts(saved: SavedPlan) -> Iterator[str]:
    """Write the same text piece by piece, so that a large plan is never in memory as text."""
    document = {
        "kind": Kind.PLAN.value,
        "format_version": FORMAT_VERSION,
        "reconciler_version": saved.reconciler_version,
        "created_at": saved.created_at.isoformat().replace("+00:00", "Z"),
        **plan_json(saved.plan),
    }
    document["checksum"] = envelope.checksum(document)
    return envelope.json_parts(document)


def loads(text: str, *, source: str) -> SavedPlan:
    """Read a plan back; ``source`` names it in messages.

    Raises `PlanFileError` where the text is no plan this release can read, and `StalePlanError`
    where it was one and has been altered.
    """
    document = envelope.parse(text, source=source)
    del text  # a large plan is in memory once
    envelope.expect_kind(document, Kind.PLAN, source=source)
    return plan_of(document, source=source)


def plan_of(document: MutableMapping[str, Any], *, source: str) -> SavedPlan:
    """Read a plan from its parsed document, which is used up. Raises as `loads` does."""
    if document.get("checksum") != envelope.checksum(document):
        raise StalePlanError(
            f"{source} was altered after it was written (its checksum does not fit); "
            "make a new plan, and edit the YAML instead of the plan"
        )
    unchanged = reading.Unchanged(
        _taken_out(document, "unchanged_targets"), _taken_out(document, "unchanged")
    )
    try:
        model = PlanModel.model_validate(document)
        plan = reading.plan(model, unchanged)
    except (ValidationError, reading.IncoherentPlanError) as invalid:
        raise envelope.unreadable(source, Kind.PLAN, invalid) from None
    if plan.digest != model.digest:
        raise StalePlanError(
            f"{source} was altered after it was written: its changes have the digest "
            f"{plan.digest}, and it says {model.digest}; make a new plan"
        )
    return SavedPlan(plan, model.created_at, model.reconciler_version)


def _taken_out(document: MutableMapping[str, Any], member: str) -> list[Any]:
    """Take the entries of a long list out; what is no list is left to be refused."""
    entries = document.get(member)
    if not isinstance(entries, list):
        return []
    document[member] = []
    return entries


def schema() -> dict[str, Any]:
    """The JSON Schema of a plan."""
    return envelope.schema_of(PlanModel.model_json_schema(mode="serialization"), Kind.PLAN)
