"""Options that mean the same on every command that has them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.cli.console import Console, console
from reconciler.cli.version import version_option

F = TypeVar("F", bound=Callable[..., Any])

PLAN_FORMATS = ("text", "json", "markdown", "html", "github", "sarif")
"""The views of a plan."""

DEFAULT_ROOT = Path("desired-state")
DEFAULT_TIMEOUT = 600.0
DEFAULT_PARALLELISM = 4

FILE = click.Path(dir_okay=False, path_type=Path)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def root_argument(function: F) -> F:
    """PATH: a tenant root."""
    return click.argument(
        "path", type=click.Path(path_type=Path), default=DEFAULT_ROOT, required=False
    )(function)


def output_options(
    formats: Sequence[str], *, out: str = "Write the result to FILE.", folder: bool = False
) -> Callable[[F], F]:
    """``--format``, ``--out`` and those that every command has.

    ``folder`` says that ``--out`` may be a folder.
    """

    def decorate(function: F) -> F:
        function = console_options(function)
        for option in reversed(
            [
                click.option(
                    "--format",
                    "format_",
                    type=click.Choice(list(formats)),
                    default=formats[0],
                    show_default=True,
                    help="Form of the result on stdout.",
                ),
                click.option(
                    "--out",
                    type=click.Path(dir_okay=folder, path_type=Path),
                    metavar="FILE",
                    help=out,
                ),
            ]
        ):
            function = option(function)
        return function

    return decorate


def console_options(function: F) -> F:
    """Options of every command; the function gets a ``console``."""
    decorated: Any = _with_console(function)
    for option in reversed(
        [
            click.option("--no-color", is_flag=True, help="No colours (NO_COLOR does the same)."),
            click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
            click.option(
                "-v",
                "--verbose",
                count=True,
                help="Show more: what is left alone, and retries; twice: every request.",
            ),
            click.option(
                "--log-format",
                type=click.Choice(["text", "json"]),
                default="text",
                show_default=True,
                help="Form of progress and logs on stderr.",
            ),
            version_option,
        ]
    ):
        decorated = option(decorated)
    result: F = decorated
    return result


def _with_console(function: Callable[..., Any]) -> Callable[..., Any]:
    """Put one ``console`` in the place of the options that it is made from."""

    def with_console(
        *, no_color: bool, quiet: bool, verbose: int, log_format: str, **rest: Any
    ) -> Any:
        made = console(
            no_color=no_color,
            quiet=quiet,
            verbose=verbose,
            log_format=log_format,
            environ=os.environ,
        )
        return function(console=made, **rest)

    with_console.__name__ = getattr(function, "__name__", "command")
    with_console.__doc__ = function.__doc__
    with_console.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    return with_console


def sandbox_options(function: F) -> F:
    """Where the embedded Graph stands in for the tenant."""
    for option in reversed(
        [
            click.option(
                "--sandbox",
                is_flag=True,
                help="Instead of a tenant, use the embedded Graph on the root's sandbox.json.",
            ),
            click.option(
                "--sandbox-file",
                type=FILE,
                metavar="FILE",
                help="With --sandbox: another tenant file.",
            ),
            click.option(
                "--sandbox-mode",
                type=click.Choice(["production", "documented"]),
                default="production",
                show_default=True,
                help="With --sandbox: behave as real tenants do, or as Microsoft's page says.",
            ),
            click.option(
                "--sandbox-reset",
                is_flag=True,
                help="With --sandbox: forget what was written, start over.",
            ),
        ]
    ):
        function = option(function)
    return function


def connection_options(function: F) -> F:
    """How long, and how much at once."""
    for option in reversed(
        [
            click.option(
                "--parallelism",
                type=click.IntRange(1, 16),
                default=DEFAULT_PARALLELISM,
                show_default=True,
                metavar="N",
                help="Requests in flight at once.",
            ),
            click.option(
                "--timeout",
                type=click.FloatRange(min=0, min_open=True),
                default=DEFAULT_TIMEOUT,
                show_default=True,
                metavar="SECONDS",
                help="Bound on the whole run, sign-in included.",
            ),
        ]
    ):
        function = option(function)
    return function


def plan_options(function: F) -> F:
    """What is planned, and within which limits."""
    count = click.IntRange(min=0)
    for option in reversed(
        [
            click.option(
                "--policy",
                "policies",
                multiple=True,
                metavar="GLOB",
                help="Only policies whose name matches, case included; * and ? are wildcards; "
                "repeatable.",
            ),
            *(
                click.option(
                    f"--max-{kind}",
                    type=count,
                    metavar="N",
                    help=f"Limit of this run, in place of guardrails.max_{kind}.",
                )
                for kind in ("creates", "updates", "deletes")
            ),
            click.option(
                "--allow-broad",
                is_flag=True,
                help="Consent to all_users and all_devices without a filter, for this run.",
            ),
        ]
    ):
        function = option(function)
    return function


def digest(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Check the form of a digest."""
    if value is not None and not _DIGEST.fullmatch(value):
        raise click.BadParameter("a digest is sha256: and 64 hexadecimal digits, in lower case")
    return value


__all__ = [
    "Console",
    "connection_options",
    "console_options",
    "digest",
    "output_options",
    "plan_options",
    "root_argument",
    "sandbox_options",
]
