"""The journal of an apply: one line of JSON before and after each write, on disk at once. I/O.

It holds a policy's whole assignment set before each write: enough to audit, and to put things back
by hand. No token and no header ever gets near it.

The file may be a pipe or ``/dev/null`` too. It is opened without blocking, and a full pipe is
waited for by the run's own clock, so that a reader that does not read holds up no signal.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.model.errors import ReconcilerError
from reconciler.model.ports import Clock
from reconciler.model.state import Policy

_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_APPEND
    | getattr(os, "O_NONBLOCK", 0)  # Windows has no pipes among its files
    | getattr(os, "O_BINARY", 0)  # and would write each line's end twice
)
_OWNER_ONLY = 0o600

_PIPE_WAIT = 0.1
"""Seconds between two tries to write to a full pipe."""

_LONGEST_PIPE_WAIT = 30.0
"""Seconds without one byte read before a pipe is given up on."""


class JournalError(ReconcilerError):
    """The journal cannot be written, so nothing more is written to the tenant either."""


class FileJournal:
    """Implements `reconciler.model.ports.Journal` on a file, which it appends to. Thread safe.

    A file that it makes may be read by its owner alone.
    """

    def __init__(self, path: Path, clock: Clock, *, run: dict[str, object]) -> None:
        self._path = path
        self._clock = clock
        self._run = run
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._is_regular = False
        self._is_torn = False

    def __enter__(self) -> Self:
        """Open the file and name the run, so that a journal that cannot be kept stops it early."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, _FLAGS, _OWNER_ONLY)
            status = os.fstat(self._descriptor)
            self._is_regular = stat.S_ISREG(status.st_mode)
            self._is_torn = (
                self._is_regular and status.st_size > 0 and _ends_within_a_line(self._path)
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
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # it would hide the result of what was written
                os.close(self._descriptor)

    def record(self, event: str, policy: Policy, **facts: object) -> None:
        """Append one line, and return once the disk has it. Raises `JournalError`."""
        self._append({"event": event, "policy": {"id": policy.id, "name": policy.name}, **facts})

    def _append(self, entry: dict[str, object]) -> None:
        line = json.dumps({"at": self._clock.now().isoformat(), **entry}, ensure_ascii=False) + "\n"
        with self._lock:
            if self._descriptor is None:
                raise JournalError("the journal is not open")
            start = "\n" if self._is_torn else ""  # a line that was cut short stays by itself
            self._is_torn = True
            try:
                # A name may hold half a surrogate pair; JSON can spell it, UTF-8 cannot.
                self._write(self._descriptor, (start + line).encode("utf-8", "backslashreplace"))
                if self._is_regular:
                    os.fsync(self._descriptor)
            except OSError as fault:
                raise self._error(fault) from fault
            self._is_torn = False

    def _write(self, descriptor: int, content: bytes) -> None:
        """Write all of it. A full pipe is waited for; a request to stop ends the wait."""
        left, waited = memoryview(content), 0.0
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:
                if waited >= _LONGEST_PIPE_WAIT:
                    raise
                self._clock.sleep(_PIPE_WAIT)
                waited += _PIPE_WAIT
            else:
                waited = 0.0

    def _error(self, fault: OSError) -> JournalError:
        why = fault.strerror or str(fault)
        if fault.errno in (errno.ENXIO, errno.EAGAIN, errno.EPIPE):
            why = "no program reads this pipe"
        return JournalError(
            f"the journal {self._path} cannot be written ({why}); name another file with --journal"
        )


def _ends_within_a_line(path: Path) -> bool:
    """Whether the last line has no end: the run that wrote it was killed, or the disk was full."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


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
