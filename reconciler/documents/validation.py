"""The result of ``validate`` as versioned JSON, and back. No I/O: text in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError

from reconciler.documents import envelope
from reconciler.documents.envelope import FORMAT_VERSION, Kind
from reconciler.documents.models import DiagnosticModel, Model
from reconciler.documents.reading import diagnostic_of
from reconciler.documents.writing import diagnostic_json, json_text
from reconciler.model.diagnostics import Diagnostic, Severity, has_errors


class RootModel(Model):
    """A tenant root that was checked."""

    path: str = Field(description="Path of the root, as it was given or found.")
    label: str = Field(description="What its tenant.yaml calls the tenant.")
    valid: bool = Field(description="Whether its files have no errors; warnings are none.")


class RootDiagnosticModel(DiagnosticModel):
    """A diagnostic of one root."""

    root: str = Field(description="Path of the root that the place is relative to.")
    severity: Severity = Field(description="error or warning.")


class ValidationModel(Model):
    """What the files of one or several tenant roots have wrong."""

    kind: Literal["validation"] = Field(description="What this document is.")
    format_version: str = Field(
        description="Version of the document. A reader of 1.x can read every later 1.y."
    )
    valid: bool = Field(description="Whether no root has errors.")
    roots: tuple[RootModel, ...] = Field(description="Every root that was checked.")
    diagnostics: tuple[RootDiagnosticModel, ...] = Field(
        description="Errors and warnings of all roots, root by root."
    )


@dataclass(frozen=True, slots=True)
class Validation:
    """Every root that one run of ``validate`` checked."""

    roots: tuple[CheckedRoot, ...]

    @property
    def valid(self) -> bool:
        """Whether no root has errors."""
        return not any(has_errors(root.diagnostics) for root in self.roots)


@dataclass(frozen=True, slots=True)
class CheckedRoot:
    """A tenant root that was validated: its path, what comments call it, and its diagnostics."""

    path: str
    label: str
    diagnostics: Sequence[Diagnostic]


def dumps_validation(validation: Validation) -> str:
    """Write the result of ``validate``, with a final newline."""
    document = {
        "kind": Kind.VALIDATION.value,
        "format_version": FORMAT_VERSION,
        "valid": validation.valid,
        "roots": [
            {"path": root.path, "label": root.label, "valid": not has_errors(root.diagnostics)}
            for root in validation.roots
        ],
        "diagnostics": [
            {"root": root.path, "severity": diagnostic.severity.value} | diagnostic_json(diagnostic)
            for root in validation.roots
            for diagnostic in root.diagnostics
        ],
    }
    return json_text(document)


def validation_of(document: Mapping[str, Any], *, source: str) -> Validation:
    """Read the result of ``validate`` from a parsed document.

    Raises `PlanFileError` where it is none that this release can read.
    """
    envelope.expect_kind(document, Kind.VALIDATION, source=source)
    try:
        model = ValidationModel.model_validate(document)
    except ValidationError as invalid:
        raise envelope.unreadable(source, Kind.VALIDATION, invalid) from None
    return Validation(
        tuple(
            CheckedRoot(
                root.path,
                root.label,
                tuple(
                    diagnostic_of(d, d.severity) for d in model.diagnostics if d.root == root.path
                ),
            )
            for root in model.roots
        )
    )
