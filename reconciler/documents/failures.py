"""Why a command ended without a plan or a result, as versioned JSON, and back. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError

from reconciler.documents import envelope
from reconciler.documents.envelope import FORMAT_VERSION, Kind
from reconciler.documents.models import DiagnosticModel, Model
from reconciler.documents.reading import diagnostic_of
from reconciler.documents.writing import diagnostic_json, json_text
from reconciler.model.diagnostics import Diagnostic, Severity


@dataclass(frozen=True, slots=True)
class Failure:
    """A ``plan`` that made no plan, or an ``apply`` that has no result.

    ``label`` is the tenant's, ``root`` leads from where the command ran to the tenant root.
    ``reason`` is the message that the command ended with, Graph's own sentence in it.
    ``diagnostics`` are those of the files. ``digest`` names the plan that apply made and did not
    write, None where there was none. ``has_begun``: writes may have been sent before it failed.
    """

    command: Literal["plan", "apply"]
    label: str
    root: str
    exit_code: int
    reason: str
    diagnostics: tuple[Diagnostic, ...] = ()
    digest: str | None = None
    has_begun: bool = False


class FailureDiagnosticModel(DiagnosticModel):
    """An error or a warning in the files."""

    severity: Severity = Field(description="error or warning.")


class FailureModel(Model):
    """Why a command ended without a plan or a result."""

    kind: Literal["failure"] = Field(description="What this document is.")
    format_version: str = Field(
        description="Version of the document. A reader of 1.x can read every later 1.y."
    )
    command: Literal["plan", "apply"] = Field(description="The command that failed.")
    label: str = Field(description="What tenant.yaml calls the tenant.")
    root: str = Field(description="Path of the tenant root, as it was given or found.")
    exit_code: int = Field(description="The command's exit code.")
    reason: str = Field(description="The command's message, for people.")
    diagnostics: tuple[FailureDiagnosticModel, ...] = Field(
        description="Errors and warnings in the files; the places are relative to the root."
    )
    digest: str | None = Field(
        description="The digest of the plan that apply made and did not write; null without one."
    )
    has_begun: bool = Field(
        description="Whether writes may have been sent. Where false, nothing was written."
    )


def dumps_failure(failure: Failure) -> str:
    """Write a failure, with a final newline."""
    return json_text(
        {
            "kind": Kind.FAILURE.value,
            "format_version": FORMAT_VERSION,
            "command": failure.command,
            "label": failure.label,
            "root": failure.root,
            "exit_code": failure.exit_code,
            "reason": failure.reason,
            "diagnostics": [
                {"severity": each.severity.value} | diagnostic_json(each)
                for each in failure.diagnostics
            ],
            "digest": failure.digest,
            "has_begun": failure.has_begun,
        }
    )


def failure_of(document: Mapping[str, Any], *, source: str) -> Failure:
    """Read a failure from a parsed document.

    Raises `PlanFileError` where it is none that this release can read.
    """
    envelope.expect_kind(document, Kind.FAILURE, source=source)
    try:
        model = FailureModel.model_validate(document)
    except ValidationError as invalid:
        raise envelope.unreadable(source, Kind.FAILURE, invalid) from None
    return Failure(
        command=model.command,
        label=model.label,
        root=model.root,
        exit_code=model.exit_code,
        reason=model.reason,
        diagnostics=tuple(diagnostic_of(each, each.severity) for each in model.diagnostics),
        digest=model.digest,
        has_begun=model.has_begun,
    )
