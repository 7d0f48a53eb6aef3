"""``reconciler validate``: check the files offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import OutputOptions, output_options, root_argument
from reconciler.model.diagnostics import Diagnostic, has_errors
from reconciler.model.errors import ExitCode


@click.command("validate")
@root_argument
@output_options(["text", "json", "github", "sarif"])
def command(*, path: Path, console: Console, output: OutputOptions) -> int:
    """Check the files of a tenant root offline.

    PATH is a tenant root (a folder with tenant.yaml), or a folder with tenant roots below it.
    Every error of every file is shown, with its place and how to fix it.
    """
    from reconciler.cli import github_actions
    from reconciler.documents.validation import CheckedRoot, Validation, dumps_validation
    from reconciler.loader import load
    from reconciler.operations.roots import label_of, tenant_roots

    checked: list[CheckedRoot] = []
    found: list[tuple[Path, Sequence[Diagnostic]]] = []
    policies = 0
    for root in tenant_roots(path):
        loaded = load(root)
        found.append((root, loaded.diagnostics))
        checked.append(CheckedRoot(root.as_posix(), label_of(root, loaded), loaded.diagnostics))
        policies += len(loaded.state.policies) if loaded.state else 0
    text = (
        dumps_validation(Validation(tuple(checked)))
        if output.format_ == "json"
        else _render(found, output.format_, console.width, policies)
    )
    console.result(text, out=output.out, is_private=False, format_=output.format_)
    if output.format_ != "github":
        for root, diagnostics in found:
            github_actions.annotate(console.environ, diagnostics, root.as_posix())
    failed = any(has_errors(diagnostics) for _, diagnostics in found)
    return ExitCode.ERROR if failed else ExitCode.OK


def _render(
    found: Sequence[tuple[Path, Sequence[Diagnostic]]], format_: str, width: int, policies: int
) -> str:
    from reconciler.cli.render import diagnostics_text
    from reconciler.views.validation import render_verdict

    text = diagnostics_text(found, format_, width)
    if format_ != "text":
        return text
    verdict = render_verdict(
        [d for _, diagnostics in found for d in diagnostics], policies=policies
    )
    return f"{text}\n{verdict}" if text else verdict
