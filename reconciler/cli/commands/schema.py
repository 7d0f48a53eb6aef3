"""``reconciler schema``: JSON Schema of the files."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import FILE, console_options


@click.command("schema")
@click.argument(
    "name", type=click.Choice(["tenant", "policies", "plan", "result"]), default="policies"
)
@click.option("--out", type=FILE, metavar="FILE", help="Write the schema to FILE.")
@console_options
def command(*, name: str, console: Console, out: Path | None) -> None:
    """Print the JSON Schema of tenant.yaml, of policy files, of a saved plan or of a result.

    Editors use it to complete and check YAML as you type.
    """
    from reconciler.documents.plans import schema as plan_schema
    from reconciler.documents.results import result_schema
    from reconciler.documents.writing import json_text
    from reconciler.loader import json_schema

    document = {
        "tenant": json_schema.tenant_schema,
        "policies": json_schema.policies_schema,
        "plan": plan_schema,
        "result": result_schema,
    }[name]()
    console.result(json_text(document), out=out, is_private=False, format_="json")
