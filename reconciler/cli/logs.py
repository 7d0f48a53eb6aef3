"""Log lines on stderr, as text or as JSON. Does I/O."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

import click

from reconciler.cli.github_actions import harmless
from reconciler.model.text import visible

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def set_up_logging(*, verbose: int, as_json: bool) -> None:
    """Send the package's log records to stderr; ``verbose`` counts how often the option was given."""
    logger = logging.getLogger("reconciler")
    logger.handlers = [_JsonHandler() if as_json else _TextHandler()]
    logger.setLevel(_LEVELS[min(verbose, 2)])
    logger.propagate = False


def log_line(level: str, message: str, **facts: object) -> None:
    """Write one line of JSON to stderr."""
    entry = {
        "at": datetime.now(UTC).isoformat(),
        "level": level,
        "message": without_secrets(message),
        **facts,
    }
    click.echo(harmless(json.dumps(entry), os.environ), err=True)


def without_secrets(text: str) -> str:
    """Strike what this run knows of secrets: a library's or a server's text may be part of a message."""
    from reconciler.runtime.known_secrets import KNOWN, strike

    KNOWN.learn_environment(os.environ)  # an error may come before anything has signed in
    return strike(text)


def report_error(message: str, *, as_json: bool) -> None:
    """Say on stderr why the command failed."""
    if as_json:
        log_line("error", message)
        return
    # Split at nothing else that a name could hold, and indented, so that no line of a name can
    # pass for an error of its own.
    first, *rest = without_secrets(message).rstrip("\n").split("\n")
    lines = [f"Error: {first}", *(f"  {line.removeprefix('  ')}" for line in rest)]
    text = "\n".join(visible(line) for line in lines)
    click.echo(harmless(text, os.environ), err=True)


class _JsonHandler(logging.Handler):
    """Log records as lines of JSON on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        log_line(record.levelname.lower(), record.getMessage(), logger=record.name)


class _TextHandler(logging.Handler):
    """Log records as plain lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        # A counting line may stand there.
        over = "\r\x1b[2K" if sys.stderr is not None and sys.stderr.isatty() else ""
        text = visible(without_secrets(f"{record.levelname.lower()}: {record.getMessage()}"))
        click.echo(f"{over}{harmless(text, os.environ)}", err=True)
