"""The init command: from a request to what it prints."""

from __future__ import annotations

import shlex
from pathlib import Path

from reconciler.cli.console import Console
from reconciler.cli.importing import show_import
from reconciler.cli.options import ConnectionOptions, SandboxOptions
from reconciler.cli.session import Invocation
from reconciler.model.errors import ExitCode
from reconciler.model.text import visible
from reconciler.operations.scaffolding import OWNER_AND_REPO, InitRequest, InitResult, run_init
from reconciler.views import next_steps


def initialize(
    request: InitRequest,
    console: Console,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
    *,
    shell: str,
) -> ExitCode:
    """Lay out the files, and print what was written and what is left to do."""
    invocation = Invocation.start(console, connection)
    try:
        result = run_init(request, invocation.session(request.root, sandbox))
    finally:
        invocation.progress.end()
    console.result("".join(f"{visible(line)}\n" for line in _lines(result)))
    if result.imported is not None:
        console.result("\n")
        show_import(result.imported, console, dry_run=False)
    if result.written:
        steps = next_steps.render(
            tenant=result.tenant,
            label=result.label,
            repository=result.repository,
            shell=next_steps.POWERSHELL if shell == "powershell" else next_steps.SH,
        )
        root = request.root.as_posix()
        console.result(
            f"\nNext, see what would change:\n\nreconciler plan {shlex.quote(root)}\n"
            f"\nThen, to run it on GitHub:\n\n{steps}"
        )
    return ExitCode.OK


def _from_here(shown: str) -> str:
    """Shorten a path below the working folder, so that all are shown the same way."""
    path, here = Path(shown), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else shown


def _lines(result: InitResult) -> list[str]:
    lines = [f"wrote {_from_here(path)}" for path in result.written]
    lines += [f"kept {_from_here(path)}, as it was there" for path in result.kept]
    if not result.written:
        return [*lines, "Nothing to do: everything is there."]
    lines.append("")
    if result.is_checked:
        lines.append(f"The tenant {result.tenant} has answered.")
    else:
        lines.append(f"The tenant {result.tenant} was not checked: no sign-in is complete.")
    if result.repository == OWNER_AND_REPO:
        lines.append("The git remote names no repository on GitHub: replace OWNER/REPO below.")
    lines.append(
        "In the workflows replace OWNER/REPO and COMMIT: the repository of reconciler, and the "
        "commit that you trust."
    )
    return lines
