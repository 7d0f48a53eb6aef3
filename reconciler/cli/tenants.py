"""``reconciler tenants``: list the tenant roots below a folder."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import output_options, root_argument
from reconciler.errors import ExitCode


@click.command("tenants")
@root_argument
@output_options(["text", "json"])
def command(*, path: Path, console: Console, format_: str, out: Path | None) -> int:
    """List the tenant roots at or below PATH.

    With --format json the list is a matrix for GitHub Actions: {"include": [{"path", "label",
    "tenant"}]}. A root whose tenant.yaml has mistakes is listed by its folder's name, so that its
    own job can show them.
    """
    from reconciler.operations.roots import list_roots  # noqa: PLC0415 - pydantic, not for --help
    from reconciler.views.json import dump  # noqa: PLC0415

    roots = list_roots(path)
    if format_ == "json":
        matrix = [
            {"path": root.path.as_posix(), "label": root.label, "tenant": root.tenant or ""}
            for root in roots
        ]
        console.result(dump({"include": matrix}) if out else _line({"include": matrix}), out=out)
        return ExitCode.OK
    lines = [
        f"{root.path.as_posix()}   {root.label}   {root.tenant or '(not readable)'}"
        for root in roots
    ]
    console.result("".join(f"{line}\n" for line in lines), out=out)
    return ExitCode.OK


def _line(document: object) -> str:
    """On one line, as GITHUB_OUTPUT wants a value."""
    import json  # noqa: PLC0415 - beside its one use

    return json.dumps(document, separators=(",", ":")) + "\n"
