"""Progress on stderr: a counting line on a terminal, one line per stage elsewhere. Does I/O."""

from __future__ import annotations

import sys
import threading

import click

from reconciler.cli.console import Console, is_terminal
from reconciler.cli.github_actions import harmless
from reconciler.cli.logs import log_line
from reconciler.model.text import visible


class ConsoleProgress:
    """Implements `reconciler.model.ports.Progress`. Safe to share between threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._title = ""
        self._total: int | None = None
        self._done = 0
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
            if self._counts:
                self._draw()
            elif self._console.quiet:
                pass
            elif self._console.log_json:
                log_line("info", title, total=total)
            else:
                click.echo(harmless(f"{self._title}...", self._console.environ), err=True)

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
        with self._lock:
            self._clear()
            self._console.note(message)

    def end(self) -> None:
        """Take the counting line away, before the result is printed."""
        with self._lock:
            self._clear()
            self._title = ""

    def _count(self, count: int) -> None:
        self._done += count
        if self._counts and self._title:
            self._draw()

    def _draw(self) -> None:
        if self._total is not None:
            count = f" {self._done} of {self._total} {'policy' if self._total == 1 else 'policies'}"
        else:
            count = f" {self._done} {'object' if self._done == 1 else 'objects'}" * bool(self._done)
        click.echo(f"\r\x1b[2K{self._title}...{count}", err=True, nl=False)

    def _clear(self) -> None:
        if self._counts and self._title:
            click.echo("\r\x1b[2K", err=True, nl=False)
