"""``reconciler show``: render a saved plan."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import FILE, PLAN_FORMATS, output_options


@click.command("show")
@click.argument("plan", type=FILE)
@click.option(
    "--root", default="", metavar="PATH", help="Where the plan's files lie, to name them from here."
)
@output_options(PLAN_FORMATS)
def command(*, plan: Path, root: str, console: Console, format_: str, out: Path | None) -> None:
    """Render a plan that was saved with `plan --out`. Reads the file alone, no tenant."""
    from reconciler.cli import render
    from reconciler.cli.applying import read_plan

    text = render.plan(read_plan(plan), format_, console, root=root)
    console.result(text, out=out, is_commands=format_ == "github")
