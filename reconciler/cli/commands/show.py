"""``reconciler show``: render a saved plan, result or validation."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import FILE, PLAN_FORMATS, OutputOptions, output_options


@click.command("show")
@click.argument("file", type=FILE)
@click.option(
    "--root", default="", metavar="PATH", help="Where the plan's files lie, to name them from here."
)
@output_options(PLAN_FORMATS)
def command(*, file: Path, root: str, console: Console, output: OutputOptions) -> None:
    """Render a saved plan, result or validation. Reads the file alone, no tenant.

    FILE is what `plan --out`, `apply --format json` or `validate --format json` wrote.
    """
    from reconciler.cli import render
    from reconciler.cli.plan_files import read_saved

    text = render.document(read_saved(file), output.format_, console, root=root)
    console.result(text, out=output.out, format_=output.format_)
