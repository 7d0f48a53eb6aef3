"""Where output goes: the result to stdout, everything else to stderr. Does I/O."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.cli.paint import paint
from reconciler.errors import ConfigError
from reconciler.views.escaping import visible

F = TypeVar("F", bound=Callable[..., Any])

PIPE_WIDTH = 100
"""Columns for text that goes into a pipe or a file."""

_settings = {"json": False}


@dataclass(frozen=True, slots=True)
class Console:
    """One command's way to speak. ``verbose`` counts how often the option was given."""

    color: bool
    quiet: bool
    verbose: int
    log_json: bool
    environ: Mapping[str, str]

    @property
    def width(self) -> int:
        """Columns to write text for."""
        if sys.stdout.isatty() or "COLUMNS" in self.environ:
            return shutil.get_terminal_size().columns
        return PIPE_WIDTH

    @property
    def is_interactive(self) -> bool:
        """Whether there is a person to ask: prompts go to stderr and answers come from stdin."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def result(self, text: str, *, out: Path | None = None) -> None:
        """Give the command's result, to stdout or to the file that the user named."""
        if out is not None:
            write_file(out, text)
        else:
            click.echo(paint(text) if self._paints(sys.stdout) else text, nl=False)

    def aside(self, text: str) -> None:
        """Say something that is not the result."""
        if text:
            click.echo(paint(text) if self._paints(sys.stderr) else text, err=True, nl=False)

    def note(self, message: str) -> None:
        """Say one thing that the user should know; ``--quiet`` keeps it back."""
        if self.log_json:
            log_line("info", message)
        elif not self.quiet:
            click.echo(visible(message), err=True)

    def _paints(self, stream: Any) -> bool:
        return self.color and bool(stream.isatty())


def write_file(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises `ConfigError` where that fails."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written ({fault.strerror or fault})") from fault


def log_line(level: str, message: str, **facts: object) -> None:
    """Write one line of JSON to stderr."""
    entry = {"at": datetime.now(UTC).isoformat(), "level": level, "message": message, **facts}
    click.echo(json.dumps(entry, ensure_ascii=False), err=True)


def report_error(message: str) -> None:
    """Say on stderr why the command failed."""
    if _settings["json"]:
        log_line("error", message)
    else:
        lines = message.splitlines() or [""]
        click.echo(
            "\n".join(visible(line) for line in (f"Error: {lines[0]}", *lines[1:])), err=True
        )


class _JsonHandler(logging.Handler):
    """Log records as lines of JSON on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        log_line(record.levelname.lower(), record.getMessage(), logger=record.name)


class _TextHandler(logging.Handler):
    """Log records as plain lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        click.echo(visible(f"{record.levelname.lower()}: {record.getMessage()}"), err=True)


_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def console(
    *, no_color: bool, quiet: bool, verbose: int, log_format: str, environ: Mapping[str, str]
) -> Console:
    """Set logging up, and make the console that the options ask for."""
    logger = logging.getLogger("reconciler")
    logger.handlers = [_JsonHandler() if log_format == "json" else _TextHandler()]
    logger.setLevel(_LEVELS[min(verbose, 2)])
    logger.propagate = False
    _settings["json"] = log_format == "json"
    return Console(
        color=not no_color and not environ.get("NO_COLOR"),
        quiet=quiet,
        verbose=verbose,
        log_json=log_format == "json",
        environ=environ,
    )
