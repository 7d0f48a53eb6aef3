"""From options to a session, and to the tenant roots it is about."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import DEFAULT_ROOT
from reconciler.cli.progress import ConsoleProgress
from reconciler.operations.connect import STATE_FOLDER, SandboxAccess, Session
from reconciler.system_clock import SystemClock

SANDBOX_FILE = "sandbox.json"


def begin(
    console: Console,
    clock: SystemClock,
    progress: ConsoleProgress,
    *,
    parallelism: int,
    timeout: float,
    sandbox: SandboxAccess | None,
) -> Session:
    """Start a session on the machine's clock."""
    return Session.begin(
        clock=clock,
        progress=progress,
        environ=console.environ,
        interactive=console.is_interactive,
        parallelism=parallelism,
        is_stopped=lambda: clock.is_stopped,
        timeout=timeout,
        sandbox=sandbox,
    )


def sandbox_access(
    root: Path, *, sandbox: bool, file: Path | None, mode: str, reset: bool
) -> SandboxAccess | None:
    """Read the sandbox options; any of them without ``--sandbox`` is a mistake worth naming."""
    if not sandbox:
        if file is not None or reset or mode != "production":
            raise click.UsageError(
                "--sandbox-file, --sandbox-mode and --sandbox-reset need --sandbox"
            )
        return None
    return SandboxAccess(
        file=file or root / SANDBOX_FILE,
        state_folder=root / STATE_FOLDER,
        mode=mode,
        reset=reset,
    )


def root_of_plan(path: Path) -> Path:
    """The tenant root whose state folder serves a saved plan: the default one, else beside it."""
    return DEFAULT_ROOT if DEFAULT_ROOT.is_dir() else path.parent
