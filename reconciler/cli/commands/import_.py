"""``reconciler import``: write YAML for live policies that no file declares."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    ConnectionOptions,
    SandboxOptions,
    connection_options,
    console_options,
    policy_option,
    root_argument,
    sandbox_options,
)
from reconciler.cli.sectioned_command import SectionedCommand


@click.command(
    "import",
    cls=SectionedCommand,
    epilog="\b\nExamples:\n  reconciler import my-tenant --dry-run\n"
    '  reconciler import my-tenant --policy "Windows*" --layout per-policy',
)
@root_argument
@policy_option
@click.option(
    "--layout",
    type=click.Choice(["platform", "per-policy"]),
    default="platform",
    show_default=True,
    help="One file per platform, or one per policy, below policies/.",
)
@click.option(
    "--ownership",
    type=click.Choice(["additive", "authoritative"]),
    help="Ownership of the imported policies. Default: that of tenant.yaml.",
)
@click.option("--dry-run", is_flag=True, help="Show the diff, and write no file.")
@sandbox_options
@connection_options
@console_options
def command(
    *,
    path: Path,
    console: Console,
    policies: tuple[str, ...],
    layout: str,
    ownership: str | None,
    dry_run: bool,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
) -> int:
    """Write YAML for live policies that no file declares. Only reads the tenant.

    A plan right after it is empty. What stands in existing files stays as it is. What cannot be
    declared becomes a comment. PATH is a tenant root: a folder with tenant.yaml.
    """
    from reconciler.cli.each_root import each_root
    from reconciler.cli.importing import import_root
    from reconciler.model.state import Ownership
    from reconciler.operations.import_files import Layout
    from reconciler.operations.importing import ImportRequest

    request = ImportRequest(
        root=path,
        globs=policies,
        layout=Layout(layout),
        ownership=None if ownership is None else Ownership(ownership),
        dry_run=dry_run,
    )
    return each_root(
        [path],
        lambda _root: import_root(request, console, sandbox, connection),
        console=console,
        format_="text",
    )
