"""Where output goes: the result to stdout, everything else to stderr. Does I/O."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TextIO

import click

from reconciler.cli.github_actions import harmless, summarize
from reconciler.cli.logs import log_line, without_secrets
from reconciler.cli.paint import paint
from reconciler.model.errors import ConfigError
from reconciler.model.text import visible
from reconciler.runtime.private_files import write_whole

PIPE_WIDTH = 100
"""Columns for text that goes into a pipe or a file."""


class Color(Enum):
    """Where text is coloured."""

    NEVER = auto()
    AUTO = auto()
    """On a terminal."""
    ALWAYS = auto()

    @classmethod
    def of(cls, environ: Mapping[str, str], *, no_color: bool) -> Color:
        """``--no-color`` goes before NO_COLOR, and that before FORCE_COLOR."""
        if no_color or environ.get("NO_COLOR"):
            return cls.NEVER
        if environ.get("FORCE_COLOR", "") not in ("", "0", "false"):
            return cls.ALWAYS
        return cls.NEVER if environ.get("TERM") == "dumb" else cls.AUTO


@dataclass(frozen=True, slots=True)
class Console:
    """One command's way to speak. ``verbose`` counts how often the option was given."""

    color: Color
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
        color = Color.of(environ, no_color=no_color)
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

    def result(
        self,
        text: str,
        *,
        format_: str = "text",
        out: Path | None = None,
        is_private: bool = True,
    ) -> None:
        """Give the command's result, to stdout or to the file that the user named.

        In GitHub Actions no line of it is taken for a command, unless it is in the format
        ``github``, which is made of them. Raises `OSError` where stdout takes no more, and
        `ConfigError` where the file cannot be written.
        """
        if out is not None:
            write_file(out, text, is_private=is_private)
            return
        shown = text if format_ == "github" else harmless(text, self.environ)
        self._echo(shown, is_text=format_ == "text", err=False)
        if sys.stdout is not None:
            sys.stdout.flush()

    def aside(self, text: str, *, format_: str = "text") -> None:
        """Say something that is not the result, and that ``--quiet`` does not keep back."""
        if self.log_json:
            if text.strip():
                log_line("info", text.strip())
        elif text:
            told = harmless(without_secrets(text), self.environ)
            self._echo(told, is_text=format_ == "text", err=True)

    def note(self, message: str) -> None:
        """Say one thing that the user should know; ``--quiet`` keeps it back."""
        if self.quiet:
            return
        if self.log_json:
            log_line("info", message)
        else:
            click.echo(harmless(visible(without_secrets(message)), self.environ), err=True)

    def summary(self, markdown: Callable[[], str]) -> bool:
        """Append to the job's summary in GitHub Actions; where that fails, say so and go on.

        It repeats what stands elsewhere, so its failure must not hide what was planned or done.
        The result tells whether it went well.
        """
        try:
            summarize(self.environ, markdown)
        except ConfigError as fault:
            self.aside(f"{visible(f'the job summary lacks this: {fault}')}\n")
            return False
        return True

    def _echo(self, text: str, *, is_text: bool, err: bool) -> None:
        """Print, in colours where that is wanted; click takes them out where they are not."""
        stream = sys.stderr if err else sys.stdout
        paints = is_text and self._has_color(stream)
        click.echo(paint(text) if paints else text, err=err, nl=False, color=paints or None)

    def _has_color(self, stream: TextIO) -> bool:
        if self.color is Color.AUTO:
            return is_terminal(stream)
        return self.color is Color.ALWAYS


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at the stream; one that was closed before the start is None."""
    return stream is not None and bool(stream.isatty())


def write_file(path: Path, text: str | Iterable[str], *, is_private: bool = True) -> None:
    """Write a file whole or not at all, and its folder where that is missing.

    ``text`` may come in parts.

    A private file is for its owner alone. What is no plain file, /dev/stdout for one, is written
    into and never replaced. Raises `ConfigError` where that fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and (path.is_symlink() or not path.is_file()):
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines([text] if isinstance(text, str) else text)
            return
        write_whole(path, text, mode=0o600 if is_private else 0o666)
    except FileExistsError:
        raise ConfigError(f"{path} cannot be written ({path.parent} is not a folder)") from None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be written ({fault.strerror or fault})") from fault
