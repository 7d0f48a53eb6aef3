"""``reconciler schema``: JSON Schema of the files."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import FILE, console_options


@click.command("schema")
@click.argument("name", type=click.Choice(["tenant", "policies", "plan"]), default="policies")
@click.option("--out", type=FILE, metavar="FILE", help="Write the schema to FILE.")
@console_options
def command(*, name: str, console: Console, out: Path | None) -> None:
    """Print the JSON Schema of tenant.yaml, of policy files, or of a saved plan.

    Editors use it to complete and check YAML as you type.
    """
    from reconciler import documents
    from reconciler.loader import schema
    from reconciler.views.json import dump

    document = {
        "tenant": schema.tenant_schema,
        "policies": schema.policies_schema,
        "plan": documents.schema,
    }[name]()
    console.result(dump(document), out=out)
