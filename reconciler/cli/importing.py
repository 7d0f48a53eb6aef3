"""The import command: from a request to what it prints."""

from __future__ import annotations

from reconciler.cli.console import Console
from reconciler.cli.options import ConnectionOptions, SandboxOptions
from reconciler.cli.session import Invocation
from reconciler.model.errors import ExitCode
from reconciler.operations.importing import ImportRequest, ImportResult, run_import
from reconciler.views import import_text


def import_root(
    request: ImportRequest,
    console: Console,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
) -> ExitCode:
    """Import into one tenant root and say what was written."""
    invocation = Invocation.start(console, connection)
    try:
        result = run_import(request, invocation.session(request.root, sandbox))
    finally:
        invocation.progress.end()
    show_import(result, console, dry_run=request.dry_run)
    return ExitCode.OK


def show_import(result: ImportResult, console: Console, *, dry_run: bool) -> None:
    """Print what an import wrote, or would write."""
    summary = _summary(result, dry_run=dry_run)
    console.result(import_text.render(summary, width=console.width))


def _summary(result: ImportResult, *, dry_run: bool) -> import_text.ImportSummary:
    return import_text.ImportSummary(
        diff=result.diff() if dry_run else None,
        new_files=[edit.path for edit in result.edits if edit.before is None],
        extended_files=[edit.path for edit in result.edits if edit.before is not None],
        policies=result.policies,
        assignments=result.assignments,
        declared=result.declared,
        not_declared=result.not_declared,
        left_out=[
            (each.policy.name or each.policy.id, [str(out) for out in each.left_out])
            for each in result.undeclarable
        ],
        unassigned=result.unassigned,
    )
