"""Diagnostics as SARIF 2.1.0, for GitHub code scanning and its like. Pure.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from reconciler.model.diagnostics import Diagnostic, sort_diagnostics
from reconciler.model.plan import Plan
from reconciler.views.annotations import full_message
from reconciler.views.escaping import repository_path
from reconciler.views.plan_diagnostics import diagnostics_of

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LINK_SIGNS = re.compile(r"([\\\[\]])")
_ROOT_ID = "%SRCROOT%"


def render(diagnostics: Iterable[Diagnostic], *, root: str, version: str) -> str:
    """Write a SARIF log with a final newline; ``version`` is this program's."""
    listed = sort_diagnostics(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in listed})
    seen: Counter[str] = Counter()
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "reconciler",
                        "semanticVersion": version,
                        "rules": [_rule(code, listed) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(d, codes.index(d.code), root, seen) for d in listed],
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def render_plan(plan: Plan, *, root: str, version: str) -> str:
    """Write a plan's diagnostics and dangers, the guardrails that stop it among the errors."""
    return render(diagnostics_of(plan), root=root, version=version)


def _rule(code: str, diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """Describe one code; its level is the worst that it has here."""
    of_code = [diagnostic for diagnostic in diagnostics if diagnostic.code == code]
    words = code.replace("-", " ")
    return {
        "id": code,
        "name": words.title().replace(" ", ""),
        "shortDescription": {"text": words[:1].upper() + words[1:]},
        "defaultConfiguration": {
            "level": "error" if any(d.is_error for d in of_code) else "warning"
        },
    }


def _result(diagnostic: Diagnostic, rule: int, root: str, seen: Counter[str]) -> dict[str, Any]:
    identity = _identity(diagnostic, root)
    seen[identity] += 1
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": _LINK_SIGNS.sub(r"\\\1", full_message(diagnostic))},
        "locations": [{"physicalLocation": _place(diagnostic, root)}],
        "partialFingerprints": {"findingHash/v1": f"{identity}:{seen[identity]}"},
    }


def _place(diagnostic: Diagnostic, root: str) -> dict[str, Any]:
    """Name the file and the line; code scanning shows no result that has neither.

    What has no place of its own (a limit, a fault in the tenant) stands with the tenant's file.
    """
    place = diagnostic.location
    path = _path(diagnostic, root)
    uri = quote(path, safe="/", errors="backslashreplace")
    document: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": _ROOT_ID}}
    if place is not None:
        document["region"] = {"startLine": place.line, "startColumn": place.column}
    return document


def _path(diagnostic: Diagnostic, root: str) -> str:
    return repository_path(root, diagnostic.location.file if diagnostic.location else "tenant.yaml")


def _identity(diagnostic: Diagnostic, root: str) -> str:
    """Name a diagnostic by what it is about: lines that move above it do not make it a new one."""
    line = diagnostic.location.text.strip() if diagnostic.location else ""
    parts = [
        diagnostic.code,
        _path(diagnostic, root),
        diagnostic.policy,
        diagnostic.message,
        line,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
