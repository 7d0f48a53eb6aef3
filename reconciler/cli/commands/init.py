"""``reconciler init``: lay out a tenant root and the workflows of its repository."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    ConnectionOptions,
    SandboxOptions,
    connection_options,
    console_options,
    root_argument,
    sandbox_options,
)
from reconciler.cli.sectioned_command import SectionedCommand

_LABEL = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TENANT = re.compile(
    r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)


def _label(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _LABEL.fullmatch(value):
        raise click.BadParameter("write letters, digits, dots, dashes and underscores alone")
    return value


def _tenant(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _TENANT.fullmatch(value):
        raise click.BadParameter("write the tenant id, or a verified domain such as contoso.com")
    return value


@click.command(
    "init",
    cls=SectionedCommand,
    epilog="\b\nExamples:\n  reconciler init --tenant contoso.com\n"
    "  reconciler init desired-state --import",
)
@root_argument
@click.option(
    "--tenant",
    callback=_tenant,
    metavar="ID",
    help="Tenant id or verified domain. Default: that of the sign-in.",
)
@click.option("--label", callback=_label, help="What plans and comments call the tenant.")
@click.option(
    "--import", "with_import", is_flag=True, help="Write the live policies, as import does."
)
@click.option(
    "--shell",
    type=click.Choice(["sh", "powershell"]),
    default="powershell" if os.name == "nt" else "sh",
    show_default=True,
    help="For which shell the next steps are printed.",
)
@sandbox_options
@connection_options
@console_options
def command(
    *,
    path: Path,
    console: Console,
    tenant: str | None,
    label: str | None,
    with_import: bool,
    shell: str,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
) -> int:
    """Lay out a tenant root and the GitHub workflows. Overwrites nothing, only reads the tenant.

    PATH is the folder of the new tenant root. What can be found out is not asked: the tenant from
    the sign-in, the repository from its git remote.
    """
    from reconciler.cli.each_root import each_root
    from reconciler.cli.initializing import initialize
    from reconciler.operations.scaffolding import InitRequest

    request = InitRequest(
        root=path,
        tenant=tenant,
        label=label,
        with_import=with_import,
        ask=_ask if console.is_interactive else None,
    )
    return each_root(
        [path],
        lambda _root: initialize(request, console, sandbox, connection, shell=shell),
        console=console,
        format_="text",
    )


def _ask() -> str:
    """Ask on the terminal for the tenant."""

    def checked(value: str) -> str:
        if not _TENANT.fullmatch(value):
            raise click.BadParameter(
                "write the tenant id, or a verified domain such as contoso.com"
            )
        return value

    answer: str = click.prompt("Tenant id or verified domain", value_proc=checked, err=True)
    return answer
