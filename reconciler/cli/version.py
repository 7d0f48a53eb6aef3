"""The option that prints which release is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from reconciler import __version__

F = TypeVar("F", bound=Callable[..., Any])


def version_option(function: F) -> F:
    """``--version``: whatever else was asked for, it alone is answered."""
    return click.option(
        "--version",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_print,
        help="Print the version and exit.",
    )(function)


def _print(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"reconciler {__version__}")
        ctx.exit()
