"""``reconciler lock``: write down which id every name leads to."""

from __future__ import annotations

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
from reconciler.model.errors import ExitCode


@click.command(
    "lock", epilog="\b\nExamples:\n  reconciler lock my-tenant\n  reconciler lock my-tenant --check"
)
@root_argument
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 where the lock is missing or out of date."
)
@sandbox_options
@connection_options
@console_options
def command(
    *,
    path: Path,
    console: Console,
    check: bool,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
) -> int:
    """Write reconciler.lock.yaml: the id of every group, filter and policy that the files name.

    From then on a name that leads to another id is an error, until the lock is written anew. Only
    reads the tenant. PATH is a tenant root: a folder with tenant.yaml.
    """
    from reconciler.cli.each_root import each_root

    return each_root(
        [path],
        lambda root: _lock(root, console, sandbox, connection, check=check),
        console=console,
        format_="text",
    )


def _lock(
    root: Path,
    console: Console,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
    *,
    check: bool,
) -> ExitCode:
    from reconciler.cli.session import Invocation
    from reconciler.operations.locking import run_lock
    from reconciler.views import lock_text

    invocation = Invocation.start(console, connection)
    try:
        result = run_lock(root, invocation.session(root, sandbox), check=check)
    finally:
        invocation.progress.end()
    text = lock_text.render(
        result.path.as_posix(),
        result.lock,
        result.differences,
        is_missing=result.is_missing,
        is_written=not check and not result.is_current,
    )
    console.result(text)
    return ExitCode.OK if result.is_current or not check else ExitCode.ERROR
