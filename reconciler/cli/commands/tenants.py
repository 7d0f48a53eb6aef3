"""``reconciler tenants``: list the tenant roots below a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import OutputOptions, output_options, root_argument
from reconciler.model.errors import ConfigError, ExitCode


@click.command("tenants")
@root_argument
@click.option("--label", metavar="LABEL", help="Only the root with this label.")
@output_options(["text", "json"])
def command(*, path: Path, label: str | None, console: Console, output: OutputOptions) -> int:
    """List the tenant roots at or below PATH.

    With --format json the list is a matrix for GitHub Actions: {"include": [{"path", "label",
    "tenant", "slug"}]}; the slug is the label as the name of an artifact or a file. A root whose
    tenant.yaml has mistakes is listed by its folder's name, so that its own job can show them.
    """
    from reconciler.documents.writing import json_text
    from reconciler.operations.roots import list_roots

    found = list_roots(path)
    slugs = dict(zip(found, _slugs(root.label for root in found), strict=True))
    roots = tuple(root for root in found if label in (None, root.label))
    if not roots:
        labels = ", ".join(f'"{root.label}"' for root in found)
        raise ConfigError(f'no tenant root below {path} has the label "{label}"; there is {labels}')
    if output.format_ == "json":
        matrix = [
            {
                "path": root.path.as_posix(),
                "label": root.label,
                "tenant": root.tenant or "",
                "slug": slugs[root],
            }
            for root in roots
        ]
        console.result(
            json_text({"include": matrix}) if output.out else _line({"include": matrix}),
            out=output.out,
        )
        return ExitCode.OK
    lines = [
        f"{root.path.as_posix()}   {root.label}   {root.tenant or '(not readable)'}"
        for root in roots
    ]
    console.result(
        "".join(f"{line}\n" for line in lines),
        out=output.out,
        is_private=False,
        format_=output.format_,
    )
    return ExitCode.OK


def _slugs(labels: Iterable[str]) -> list[str]:
    """Spell labels so that any file system and GitHub take them, each another, case aside."""
    slugs: list[str] = []
    for label in labels:
        plain = re.sub(r"[^0-9A-Za-z._-]+", "-", label)[:100].strip("-.") or "tenant"
        number, slug = 1, plain
        while slug.casefold() in {taken.casefold() for taken in slugs}:
            number += 1
            slug = f"{plain}-{number}"
        slugs.append(slug)
    return slugs


def _line(document: object) -> str:
    """On one line, as GITHUB_OUTPUT wants a value."""
    import json

    return json.dumps(document, separators=(",", ":")) + "\n"
