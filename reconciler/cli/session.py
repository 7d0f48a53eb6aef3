"""From options to a session, and to the tenant roots it is about."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.console import Console
from reconciler.cli.options import DEFAULT_ROOT
from reconciler.cli.progress import ConsoleProgress
from reconciler.loader import discover_roots, load
from reconciler.model.errors import UsageError
from reconciler.model.plan import Plan
from reconciler.operations.connect import STATE_FOLDER, SandboxAccess, Session
from reconciler.runtime.clock import SystemClock
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff

SANDBOX_FILE = "sandbox.json"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the program: its clock, its one deadline, its way to tell how far it is."""

    console: Console
    clock: SystemClock
    deadline: Deadline
    progress: ConsoleProgress

    @classmethod
    def start(cls, console: Console, timeout: float) -> Invocation:
        """Start counting; ``timeout`` is in seconds and bounds the whole call."""
        clock = SystemClock()
        return cls(console, clock, Deadline(clock, timeout), ConsoleProgress(console))

    def session(self, *, parallelism: int, sandbox: SandboxAccess | None) -> Session:
        """Begin with one tenant root."""
        return Session(
            clock=self.clock,
            deadline=self.deadline,
            backoff=Backoff(random.Random()),
            progress=self.progress,
            environ=self.console.environ,
            interactive=self.console.is_interactive,
            parallelism=parallelism,
            is_stopped=lambda: self.clock.is_stopped,
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
    roots = discover_roots(DEFAULT_ROOT)
    if len(roots) == 1:
        return roots[0]
    labelled = ((root, load(root).config) for root in roots)
    return next(
        (root for root, config in labelled if config and config.label == plan.tenant.label),
        path.parent,
    )
