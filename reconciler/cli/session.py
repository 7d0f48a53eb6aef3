"""From options to a session, and to the tenant roots it is about."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.actions import mask_token
from reconciler.cli.console import Console
from reconciler.cli.options import DEFAULT_ROOT
from reconciler.cli.progress import ConsoleProgress
from reconciler.errors import UsageError
from reconciler.loader import load
from reconciler.operations.connect import STATE_FOLDER, SandboxAccess, Session
from reconciler.operations.roots import tenant_roots
from reconciler.plan import Plan
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
    mask_token(console.environ)
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
            raise UsageError("--sandbox-file, --sandbox-mode and --sandbox-reset need --sandbox")
        return None
    return SandboxAccess(
        file=file or root / SANDBOX_FILE,
        state_folder=root / STATE_FOLDER,
        mode=mode,
        reset=reset,
    )


def root_of_plan(path: Path, plan: Plan, *, sandbox_file: Path | None) -> Path:
    """The tenant root whose sandbox and state folder serve a saved plan.

    That of the sandbox file where one is named, else the one below the default folder that bears
    the plan's label, else the plan file's own folder.
    """
    if sandbox_file is not None and (sandbox_file.parent / "tenant.yaml").is_file():
        return sandbox_file.parent
    if not DEFAULT_ROOT.is_dir():
        return path.parent
    roots = tenant_roots(DEFAULT_ROOT)
    if len(roots) == 1:
        return roots[0]
    labelled = ((root, load(root).config) for root in roots)
    return next(
        (root for root, config in labelled if config and config.label == plan.tenant.label),
        path.parent,
    )
