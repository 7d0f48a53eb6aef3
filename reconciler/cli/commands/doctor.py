"""``reconciler doctor``: check sign-in, tenant, permissions and reachability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    connection_options,
    output_options,
    root_argument,
    sandbox_options,
)
from reconciler.model.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from reconciler.operations.doctor import Check


@click.command("doctor")
@root_argument
@output_options(["text", "json"])
@connection_options
@sandbox_options
def command(*, path: Path, console: Console, format_: str, out: Path | None, **options: Any) -> int:
    """Sign in and check everything a run depends on. Changes nothing.

    Exits 1 when something that plan needs is missing. PATH is a tenant root.
    """
    from reconciler.operations.doctor import Health
    from reconciler.views import doctor

    checks = _examined(path, console, **options)
    text = (
        doctor.render_json(checks)
        if format_ == "json"
        else doctor.render_text(checks, width=console.width)
    )
    console.result(text, out=out)
    failed = any(check.health is Health.MISSING for check in checks)
    return ExitCode.ERROR if failed else ExitCode.OK


def _examined(
    path: Path,
    console: Console,
    *,
    parallelism: int,
    timeout: float,
    sandbox: bool,
    sandbox_file: Path | None,
    sandbox_mode: str,
    sandbox_reset: bool,
) -> Sequence[Check]:
    """Connect to the tenant that a root names, and look at everything."""
    from reconciler.cli.session import Invocation, sandbox_access
    from reconciler.operations.connect import connect
    from reconciler.operations.doctor import examine
    from reconciler.operations.planning import load

    config = load(path).config
    if config is None:
        raise ConfigError(f"{path} has mistakes; see them with: reconciler validate {path}")
    access = sandbox_access(
        path, sandbox=sandbox, file=sandbox_file, mode=sandbox_mode, reset=sandbox_reset
    )
    run = Invocation.start(console, timeout)
    session = run.session(parallelism=parallelism, sandbox=access)
    run.progress.stage("Examining")
    with connect(session, cloud=config.cloud, tenant=config.tenant) as connection:
        checks = examine(config, session, connection)
    run.progress.end()
    return checks
