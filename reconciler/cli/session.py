"""From options to a session with one tenant root."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.console import Console
from reconciler.cli.options import ConnectionOptions, SandboxOptions, SnapshotOptions
from reconciler.cli.progress import ConsoleProgress
from reconciler.model.errors import UsageError
from reconciler.operations.connect import STATE_FOLDER, SandboxAccess, Session, SnapshotAccess
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
    parallelism: int

    @classmethod
    def start(cls, console: Console, options: ConnectionOptions) -> Invocation:
        """Start counting: the timeout is for the whole call."""
        clock = SystemClock()
        deadline = Deadline(clock, options.timeout)
        return cls(console, clock, deadline, ConsoleProgress(console), options.parallelism)

    def session(
        self, root: Path, sandbox: SandboxOptions, snapshot: SnapshotOptions | None = None
    ) -> Session:
        """Begin with one tenant root."""
        return Session(
            clock=self.clock,
            deadline=self.deadline,
            backoff=Backoff(random.Random()),
            progress=self.progress,
            environ=self.console.environ,
            interactive=self.console.is_interactive,
            parallelism=self.parallelism,
            is_stopped=lambda: self.clock.is_stopped,
            sandbox=_sandbox_access(root, sandbox),
            snapshot=_snapshot_access(sandbox, snapshot),
        )


def _snapshot_access(
    sandbox: SandboxOptions, options: SnapshotOptions | None
) -> SnapshotAccess | None:
    if options is None or options.file is None:
        return None
    if sandbox.enabled:
        raise UsageError("--snapshot and --sandbox exclude each other: name one of the two")
    return SnapshotAccess(options.file, options.max_age)


def _sandbox_access(root: Path, options: SandboxOptions) -> SandboxAccess | None:
    """Read the sandbox options; any of them without ``--sandbox`` is refused."""
    if not options.enabled:
        if options.file is not None or options.reset or options.mode != "production":
            raise UsageError("--sandbox-file, --sandbox-mode and --sandbox-reset need --sandbox")
        return None
    return SandboxAccess(
        file=options.file or root / SANDBOX_FILE,
        state_folder=root / STATE_FOLDER,
        mode=options.mode,
        reset=options.reset,
    )
