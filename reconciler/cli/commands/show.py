"""``reconciler show``: render a saved plan."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import FILE, PLAN_FORMATS, OutputOptions, output_options


@click.command("show")
@click.argument("plan", type=FILE)
@click.option(
    "--root", default="", metavar="PATH", help="Where the plan's files lie, to name them from here."
)
@output_options(PLAN_FORMATS)
def command(*, plan: Path, root: str, console: Console, output: OutputOptions) -> None:
    """Render a plan that was saved with `plan --out`. Reads the file alone, no tenant."""
    from reconciler.cli import render
    from reconciler.cli.plan_files import read_plan

    text = render.plan(read_plan(plan), output.format_, console, root=root)
    console.result(text, out=output.out, format_=output.format_)
