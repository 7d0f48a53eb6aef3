"""The journal of an apply: one line of JSON before and after each write, on disk at once. I/O.

It holds a policy's whole assignment set before each write: enough to audit, and to put things back
by hand. No token and no header ever gets near it.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from reconciler.model.errors import ReconcilerError
from reconciler.model.ports import Clock
from reconciler.model.state import Policy
from reconciler.runtime.private_files import open_private


class JournalError(ReconcilerError):
    """The journal cannot be written, so nothing more is written to the tenant either."""


class FileJournal:
    """Implements `reconciler.model.ports.Journal` on a file, which it appends to. Thread safe."""

    def __init__(self, path: Path, clock: Clock, *, run: dict[str, object]) -> None:
        self._path = path
        self._clock = clock
        self._run = run
        self._lock = threading.Lock()
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        """Open the file and name the run, so that a journal that cannot be kept stops it early."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A name may hold half a surrogate pair; JSON can spell it, UTF-8 cannot.
            self._file = open_private(
                self._path,
                os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                errors="backslashreplace",
            )
        except OSError as fault:
            raise self._error(fault) from fault
        self._append({"event": "run", **self._run})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file. Each line is on the disk already, or its failure was told."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # it would hide the result of what was written
                self._file.close()

    def record(self, event: str, policy: Policy, **facts: object) -> None:
        """Append one line, and return once the disk has it."""
        self._append({"event": event, "policy": {"id": policy.id, "name": policy.name}, **facts})

    def _append(self, entry: dict[str, object]) -> None:
        line = json.dumps({"at": self._clock.now().isoformat(), **entry}, ensure_ascii=False)
        with self._lock:
            if self._file is None:
                raise JournalError("the journal is not open")
            try:
                self._file.write(line + "\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as fault:
                raise self._error(fault) from fault

    def _error(self, fault: OSError) -> JournalError:
        return JournalError(
            f"the journal {self._path} cannot be written ({fault.strerror or fault}); "
            "name another file with --journal"
        )


class NoJournal:
    """Implements `reconciler.model.ports.Journal` for runs without ``--journal``: keeps nothing."""

    def __enter__(self) -> Self:
        """Nothing to open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to close."""

    def record(self, event: str, policy: Policy, **facts: object) -> None:
        """Keep nothing."""
