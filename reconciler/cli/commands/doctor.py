"""``reconciler doctor``: check sign-in, tenant, permissions and reachability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    ConnectionOptions,
    OutputOptions,
    SandboxOptions,
    connection_options,
    output_options,
    root_argument,
    sandbox_options,
)
from reconciler.model.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from reconciler.operations.health import Check


@click.command("doctor")
@root_argument
@output_options(["text", "json"])
@connection_options
@sandbox_options
def command(
    *,
    path: Path,
    console: Console,
    output: OutputOptions,
    connection: ConnectionOptions,
    sandbox: SandboxOptions,
) -> int:
    """Sign in and check everything a run depends on. Changes nothing.

    Exits 1 when something that plan needs is missing. PATH is a tenant root.
    """
    from reconciler.operations.health import Health
    from reconciler.views import doctor

    checks = _examined(path, console, connection, sandbox)
    text = (
        doctor.render_json(checks)
        if output.format_ == "json"
        else doctor.render_text(checks, width=console.width)
    )
    console.result(text, out=output.out, format_=output.format_)
    failed = any(check.health is Health.MISSING for check in checks)
    return ExitCode.ERROR if failed else ExitCode.OK


def _examined(
    path: Path, console: Console, connection: ConnectionOptions, sandbox: SandboxOptions
) -> Sequence[Check]:
    """Look at everything that a plan of this root needs."""
    from reconciler.cli.session import Invocation
    from reconciler.operations.doctor import examine
    from reconciler.operations.planning import load

    config = load(path).config
    if config is None:
        raise ConfigError(f"{path} has errors; see them with: reconciler validate {path}")
    invocation = Invocation.start(console, connection)
    session = invocation.session(path, sandbox)
    invocation.progress.stage("Examining")
    checks = examine(config, session)
    invocation.progress.end()
    return checks
