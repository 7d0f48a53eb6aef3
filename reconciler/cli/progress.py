"""Progress on stderr: a counting line on a terminal, a line now and then elsewhere. Does I/O."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable

import click

from reconciler.cli.console import Console, is_terminal
from reconciler.cli.github_actions import harmless
from reconciler.cli.logs import log_line
from reconciler.model.text import visible

EVERY = 10.0
"""Seconds between two lines that count, where no terminal can show a counting line."""


class ConsoleProgress:
    """Implements `reconciler.model.ports.Progress`. Safe to share between threads.

    A terminal that has gone, or a log file on a full disk, ends no run: what cannot be shown is
    left out.
    """

    def __init__(
        self, console: Console, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._title = ""
        self._total: int | None = None
        self._done = 0
        self._shown_at = 0.0
        self._counts = (
            is_terminal(sys.stderr)
            and console.environ.get("TERM") != "dumb"
            and not console.quiet
            and not console.log_json
        )

    def stage(self, title: str, total: int | None = None) -> None:
        """Begin a stage."""
        with self._lock:
            self._clear()
            self._title, self._total, self._done = visible(title), total, 0
            self._show()

    def advance(self, count: int = 1) -> None:
        """Count steps of the stage."""
        with self._lock:
            self._count(count)

    def read(self, count: int) -> None:
        """Count objects, where the stage has no steps of its own to count."""
        with self._lock:
            if self._total is None:
                self._count(count)

    def note(self, message: str) -> None:
        """Say one thing, above the counting line."""
        with self._lock, contextlib.suppress(OSError):
            self._clear()
            self._console.note(message)

    def end(self) -> None:
        """Take the counting line away, before the result is printed."""
        with self._lock:
            self._clear()
            self._title = ""

    def _count(self, count: int) -> None:
        self._done += count
        if self._title and (self._counts or self._monotonic() - self._shown_at >= EVERY):
            self._show()

    def _show(self) -> None:
        self._shown_at = self._monotonic()
        if self._console.quiet:
            return
        line = f"{self._title}...{self._progress()}"
        with contextlib.suppress(OSError):
            if self._counts:
                room = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be cleared
                click.echo(f"\r\x1b[2K{line[:room]}", err=True, nl=False)
            elif self._console.log_json:
                log_line("info", self._title, done=self._done, total=self._total)
            else:
                click.echo(harmless(line, self._console.environ), err=True)

    def _progress(self) -> str:
        if self._total is not None and (self._counts or self._done):
            return f" {self._done} of {self._total} {'policy' if self._total == 1 else 'policies'}"
        return f" {self._done} {'object' if self._done == 1 else 'objects'}" * bool(self._done)

    def _clear(self) -> None:
        if self._counts and self._title:
            with contextlib.suppress(OSError):
                click.echo("\r\x1b[2K", err=True, nl=False)


class RootProgress:
    """Implements `reconciler.model.ports.Progress` for one of several roots side by side.

    The stage shown is that of all roots. This adds the objects read, and names the root in notes.
    """

    def __init__(self, shared: ConsoleProgress, root: str) -> None:
        self._shared = shared
        self._root = root

    def stage(self, title: str, total: int | None = None) -> None:
        """Begin a stage of this root, which is not shown."""

    def advance(self, count: int = 1) -> None:
        """Count steps of this root, which are not shown."""

    def read(self, count: int) -> None:
        """Count objects, together with those of the other roots."""
        self._shared.read(count)

    def note(self, message: str) -> None:
        """Say one thing, and of which root."""
        self._shared.note(f"{self._root}: {message}")

    def end(self) -> None:
        """End this root; the other ones go on."""
