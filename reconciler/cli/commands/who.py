"""``reconciler who``: list what hangs on a group or filter."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    ConnectionOptions,
    OutputOptions,
    SandboxOptions,
    SnapshotOptions,
    connection_options,
    output_options,
    root_argument,
    sandbox_options,
    snapshot_options,
)
from reconciler.model.errors import ExitCode


@click.command(
    "who",
    epilog='\b\nExamples:\n  reconciler who "Sales laptops"\n  reconciler who Kiosks my-tenant --format json',
)
@click.argument("name")
@root_argument
@sandbox_options
@snapshot_options
@connection_options
@output_options(["text", "json", "markdown"])
def command(
    *,
    name: str,
    path: Path,
    console: Console,
    output: OutputOptions,
    sandbox: SandboxOptions,
    snapshot: SnapshotOptions,
    connection: ConnectionOptions,
) -> int:
    """List every assignment that uses the group or filter NAME, live or declared.

    NAME is a display name (case-sensitive) or an id. Only reads the tenant. PATH is a tenant root.
    """
    from reconciler.cli.each_root import each_root

    return each_root(
        [path],
        lambda root: _answer(name, root, console, output, sandbox, snapshot, connection),
        console=console,
        format_="text",
    )


def _answer(
    name: str,
    root: Path,
    console: Console,
    output: OutputOptions,
    sandbox: SandboxOptions,
    snapshot: SnapshotOptions,
    connection: ConnectionOptions,
) -> ExitCode:
    from reconciler.cli.session import Invocation
    from reconciler.operations.who import run_who
    from reconciler.views import who

    invocation = Invocation.start(console, connection)
    try:
        result = run_who(name, root, invocation.session(root, sandbox, snapshot))
    finally:
        invocation.progress.end()
    subjects = [(each.kind, each.id, each.name) for each in result.subjects]
    shown = root.as_posix()
    match output.format_:
        case "json":
            text = who.render_json(result.usages)
        case "markdown":
            text = who.render_markdown(subjects, result.usages, result.unresolved, root=shown)
        case _:
            text = who.render_text(subjects, result.usages, result.unresolved, root=shown)
    console.result(text, out=output.out)
    return ExitCode.OK
