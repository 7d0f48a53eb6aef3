"""Diagnostics as JSON. Pure. The JSON of plans and results is `reconciler.documents`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.documents import FORMAT_VERSION
from reconciler.documents.writing import location_json
from reconciler.model.diagnostics import Diagnostic, has_errors


@dataclass(frozen=True, slots=True)
class CheckedRoot:
    """A tenant root that was validated: its path, what comments call it, what was found."""

    path: str
    label: str
    diagnostics: Sequence[Diagnostic]


def render_validation(roots: Sequence[CheckedRoot]) -> str:
    """Write what ``validate`` found; each finding names the root that its file is relative to."""
    return dump(
        {
            "format_version": FORMAT_VERSION,
            "valid": not any(has_errors(root.diagnostics) for root in roots),
            "roots": [
                {
                    "path": root.path,
                    "label": root.label,
                    "valid": not has_errors(root.diagnostics),
                }
                for root in roots
            ],
            "diagnostics": [
                {
                    "root": root.path,
                    "severity": diagnostic.severity.value,
                    "code": diagnostic.code,
                    "message": diagnostic.message,
                    "help": diagnostic.help,
                    "policy": diagnostic.policy,
                    "declared_at": location_json(diagnostic.location),
                }
                for root in roots
                for diagnostic in root.diagnostics
            ],
        }
    )


def dump(document: object) -> str:
    """Write any JSON document the way all of them are written."""
    return inert(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def inert(text: str) -> str:
    """Escape what JSON lets through and a terminal may act on: C1 controls and unseen signs."""
    return _UNSEEN.sub(_escaped, text)


_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
