"""The option ``--failure-out``: keep why a command ended without a plan or a result. Does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reconciler.cli.console import write_file
from reconciler.model.errors import (
    ConfigError,
    ReconcilerError,
    StalePlanError,
    UsageError,
)
from reconciler.operations.opening import InvalidFilesError
from reconciler.operations.planning import load
from reconciler.operations.roots import label_of
from reconciler.runtime.known_secrets import strike


@dataclass(slots=True)
class FailureFile:
    """Where the failure of a command is written, and what is known of its run so far.

    ``path`` is None where nobody asked for it. ``has_begun``: the first write may have been sent.
    """

    command: Literal["plan", "apply"]
    path: Path | None
    digest: str | None = None
    has_begun: bool = False

    def refuse_several(self, roots: int) -> None:
        """Raise where the failures of several roots would not make one document."""
        if self.path is not None and roots > 1:
            raise UsageError(
                f"--failure-out takes one tenant root, and there are {roots}; name one of them"
            )

    def write(self, root: Path, error: ReconcilerError) -> None:
        """Write why the command failed in this root; the file names the tenant as plans do."""
        if self.path is None:
            return
        from reconciler.documents.failures import Failure, dumps_failure

        diagnostics = error.diagnostics if isinstance(error, InvalidFilesError) else ()
        failure = Failure(
            command=self.command,
            label=_label(root),
            root=root.as_posix(),
            exit_code=error.exit_code,
            reason=strike(str(error)),
            diagnostics=diagnostics,
            digest=self.digest,
            has_begun=self.has_begun and not isinstance(error, StalePlanError),
        )
        write_file(self.path, dumps_failure(failure))


def _label(root: Path) -> str:
    try:
        return label_of(root, load(root))
    except ConfigError:  # the very failure may be that there is no tenant root
        return root.resolve().name
