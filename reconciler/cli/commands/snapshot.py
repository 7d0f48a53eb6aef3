"""``reconciler snapshot``: save what a plan needs of the tenant."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    FILE,
    ConnectionOptions,
    SandboxOptions,
    connection_options,
    console_options,
    root_argument,
    sandbox_options,
)
from reconciler.model.errors import ExitCode


@click.command(
    "snapshot",
    epilog="\b\nExamples:\n  reconciler snapshot my-tenant --out tenant.json\n"
    "  reconciler plan my-tenant --snapshot tenant.json",
)
@root_argument
@click.option("--out", type=FILE, required=True, metavar="FILE", help="Where to save it.")
@click.option(
    "--all-groups",
    is_flag=True,
    help="Save every group of the tenant, not only those that are assigned or named.",
)
@sandbox_options
@connection_options
@console_options
def command(
    *,
    path: Path,
    console: Console,
    out: Path,
    all_groups: bool,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
) -> int:
    """Save what a plan of PATH needs of the tenant, complete or not at all. Only reads the tenant.

    The file holds names of policies, groups and filters, and no secret. PATH is a tenant root.
    """
    from reconciler.cli.each_root import each_root

    return each_root(
        [path],
        lambda root: _save(root, console, out, sandbox, connection, all_groups=all_groups),
        console=console,
        format_="text",
    )


def _save(
    root: Path,
    console: Console,
    out: Path,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
    *,
    all_groups: bool,
) -> ExitCode:
    from reconciler import __version__
    from reconciler.cli.console import write_file
    from reconciler.cli.session import Invocation
    from reconciler.model.text import visible
    from reconciler.operations.snapshotting import run_snapshot

    invocation = Invocation.start(console, connection)
    try:
        made = run_snapshot(
            root,
            invocation.session(root, sandbox),
            all_groups=all_groups,
            reconciler_version=__version__,
        )
    finally:
        invocation.progress.end()
    write_file(out, made.parts)
    counts = (
        f"{made.policies} policies, {made.assignments} assignments, {made.filters} filters, "
        f"{made.groups} groups"
    )
    console.result(visible(f"Saved {out}: {counts}.") + "\n")
    return ExitCode.OK
