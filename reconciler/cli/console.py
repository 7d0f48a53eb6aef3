"""Where output goes: the result to stdout, everything else to stderr. Does I/O."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

from reconciler.cli.github_actions import harmless, summarize
from reconciler.cli.logs import log_line
from reconciler.cli.paint import paint
from reconciler.model.errors import ConfigError
from reconciler.model.text import visible

PIPE_WIDTH = 100
"""Columns for text that goes into a pipe or a file."""


@dataclass(frozen=True, slots=True)
class Console:
    """One command's way to speak. ``verbose`` counts how often the option was given."""

    color: bool
    quiet: bool
    verbose: int
    log_json: bool
    environ: Mapping[str, str]

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        no_color: bool,
        quiet: bool,
        verbose: int,
        log_json: bool,
    ) -> Console:
        """Make the console that the options and the environment ask for."""
        color = not no_color and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        return cls(color, quiet, verbose, log_json, environ)

    @property
    def width(self) -> int:
        """Columns to write text for."""
        if is_terminal(sys.stdout) or "COLUMNS" in self.environ:
            return shutil.get_terminal_size().columns
        return PIPE_WIDTH

    @property
    def is_interactive(self) -> bool:
        """Whether there is a person to ask: prompts go to stderr and answers come from stdin."""
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def result(self, text: str, *, out: Path | None = None, is_commands: bool = False) -> None:
        """Give the command's result, to stdout or to the file that the user named.

        In GitHub Actions no line of it is taken for a command, unless it ``is_commands``.
        """
        if out is not None:
            write_file(out, text)
            return
        said = text if is_commands else harmless(text, self.environ)
        click.echo(paint(said) if self._paints(sys.stdout) else said, nl=False)

    def aside(self, text: str) -> None:
        """Say something that is not the result, and that ``--quiet`` does not keep back."""
        if self.log_json and text:
            log_line("info", text.strip())
        elif text:
            said = harmless(text, self.environ)
            click.echo(paint(said) if self._paints(sys.stderr) else said, err=True, nl=False)

    def note(self, message: str) -> None:
        """Say one thing that the user should know; ``--quiet`` keeps it back."""
        if self.quiet:
            return
        if self.log_json:
            log_line("info", message)
        else:
            click.echo(harmless(visible(message), self.environ), err=True)

    def summary(self, markdown: Callable[[], str]) -> None:
        """Append to the job's summary in GitHub Actions; where that fails, say so and go on.

        It repeats what stands elsewhere, so its failure must not hide what was planned or done.
        """
        try:
            summarize(self.environ, markdown)
        except ConfigError as fault:
            self.aside(f"{visible(f'the job summary lacks this: {fault}')}\n")

    def _paints(self, stream: TextIO) -> bool:
        return self.color and is_terminal(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at the stream; one that was closed before the start is None."""
    return stream is not None and bool(stream.isatty())


def write_file(path: Path, text: str) -> None:
    """Write a file whole or not at all, and its folder where that is missing.

    What is no plain file, /dev/stdout for one, is written into and never replaced. Raises
    `ConfigError` where that fails.
    """
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and (path.is_symlink() or not path.is_file()):
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    except FileExistsError:
        raise ConfigError(f"{path} cannot be written ({path.parent} is not a folder)") from None
    except OSError as fault:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written ({fault.strerror or fault})") from fault
