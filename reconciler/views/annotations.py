"""Diagnostics as GitHub workflow commands, which show at their lines in a pull request. Pure.

Each command is one line that starts with ``::``, so nothing in a message can start another.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.diagnostics import Diagnostic, Severity, sort_diagnostics
from reconciler.model.plan import Plan
from reconciler.model.text import visible
from reconciler.views.escaping import repository_path, shortened
from reconciler.views.plan_diagnostics import diagnostics_of

_LONGEST_MESSAGE = 3_000


def render(diagnostics: Iterable[Diagnostic], *, root: str) -> str:
    """Write one command a line, errors first; ``root`` leads from the repository to the files.

    Errors come first because GitHub shows ten annotations of each kind per step.
    """
    listed = sorted(sort_diagnostics(diagnostics), key=lambda d: not d.is_error)
    return "".join(f"{_command(diagnostic, root)}\n" for diagnostic in listed)


def render_plan(plan: Plan, *, root: str) -> str:
    """Write a plan's diagnostics and dangers, the guardrails that stop it among the errors."""
    return render(diagnostics_of(plan), root=root)


def full_message(diagnostic: Diagnostic) -> str:
    """A diagnostic's policy, message and help in one text, whose only line break is our own."""
    policy = f"{diagnostic.policy}: " if diagnostic.policy else ""
    message = visible(f"{policy}{diagnostic.message}")
    if diagnostic.help:
        message = f"{message}\n{visible(diagnostic.help)}"
    return shortened(message, _LONGEST_MESSAGE)


def _command(diagnostic: Diagnostic, root: str) -> str:
    properties = {}
    place = diagnostic.location
    if place is not None:
        properties["file"] = visible(repository_path(root, place.file))
        properties["line"] = str(place.line)
        properties["col"] = str(place.column)
    properties["title"] = f"reconciler: {visible(diagnostic.code)}"
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    command = "error" if diagnostic.severity is Severity.ERROR else "warning"
    return f"::{command} {written}::{_escaped(full_message(diagnostic))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
