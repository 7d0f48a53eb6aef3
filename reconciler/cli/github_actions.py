"""What a run tells GitHub Actions besides its result: outputs, summary, annotations. I/O.

Everything here does nothing outside of Actions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from reconciler.model.diagnostics import Diagnostic
from reconciler.model.plan import Plan

_COMMAND = re.compile(r"(^|[\r\n])(\s*)::")
_OLD_COMMAND = re.compile(r"##(?=\[)")
"""The runner still obeys ``##[error]`` and its like, wherever in a line they stand."""


def in_actions(environ: Mapping[str, str]) -> bool:
    """Whether this runs as a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def harmless(text: str, environ: Mapping[str, str]) -> str:
    """Keep text that quotes foreign names from being taken for a workflow command.

    The runner ends a line at a lone carriage return, too.
    """
    if not in_actions(environ):
        return text
    return _OLD_COMMAND.sub("# #", _COMMAND.sub(r"\1\2: :", text))


def annotate_plan(environ: Mapping[str, str], plan: Plan, root: str) -> None:
    """Put a plan's diagnostics, and the guardrails that stop it, on the lines of the YAML."""
    if in_actions(environ):
        from reconciler.views import annotations

        click.echo(annotations.render_plan(plan, root=root), err=True, nl=False)


def annotate(environ: Mapping[str, str], diagnostics: Sequence[Diagnostic], root: str) -> None:
    """Put errors and warnings on the lines of the YAML, where "Files changed" shows them."""
    if in_actions(environ) and diagnostics:
        from reconciler.views import annotations

        click.echo(annotations.render(diagnostics, root=root), err=True, nl=False)


def set_outputs(environ: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Set the step's outputs."""
    path = environ.get("GITHUB_OUTPUT")
    if in_actions(environ) and path:
        from reconciler.github.outputs import write_outputs

        write_outputs(Path(path), outputs)


def summarize(environ: Mapping[str, str], markdown: Callable[[], str]) -> None:
    """Append to the job's summary; the text is made only where there is one."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if in_actions(environ) and path:
        from reconciler.github.outputs import write_summary

        write_summary(Path(path), markdown())


def plan_outputs(environ: Mapping[str, str], plan: Plan, path: Path | None) -> None:
    """Set the outputs that describe a plan; ``path`` is where it was saved."""
    if in_actions(environ):
        from reconciler.github.outputs import plan_outputs as outputs

        set_outputs(environ, outputs(plan, str(path) if path else None))
