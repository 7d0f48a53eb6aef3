"""The JSON documents: plan, result, validation, failure. Text in, text out; pydantic at the door."""

from __future__ import annotations

from typing import TypeAlias

from reconciler.documents import envelope
from reconciler.documents.envelope import Kind
from reconciler.documents.failures import Failure, failure_of
from reconciler.documents.plans import dump_parts, dumps, loads, plan_of
from reconciler.documents.results import result_of
from reconciler.documents.validation import Validation, validation_of
from reconciler.model.errors import PlanFileError
from reconciler.model.result import ApplyResult
from reconciler.model.saved_plan import SavedPlan

__all__ = [
    "Document",
    "Failure",
    "SavedPlan",
    "Validation",
    "dump_parts",
    "dumps",
    "loads",
    "read_document",
]

Document: TypeAlias = SavedPlan | ApplyResult | Validation | Failure


def read_document(text: str, *, source: str) -> Document:
    """Read a document of any kind; ``source`` names it in messages.

    Raises `PlanFileError` where the text is no document that this release can read, and
    `StalePlanError` where it was a plan and has been altered.
    """
    document = envelope.parse(text, source=source)
    del text  # a large plan is in memory once
    match envelope.kind_of(document, source=source):
        case Kind.PLAN:
            return plan_of(document, source=source)
        case Kind.RESULT:
            return result_of(document, source=source)
        case Kind.VALIDATION:
            return validation_of(document, source=source)
        case Kind.FAILURE:
            return failure_of(document, source=source)
        case Kind.SNAPSHOT:
            raise PlanFileError(
                f"{source} is a snapshot of a tenant; use it with: reconciler plan --snapshot FILE"
            )
