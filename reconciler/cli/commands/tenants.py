"""``reconciler tenants``: list the tenant roots below a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import github_actions
from reconciler.cli.console import Console
from reconciler.cli.options import OutputOptions, output_options, root_argument
from reconciler.model.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from reconciler.operations.roots import Root


@click.command("tenants")
@root_argument
@click.option("--label", metavar="LABEL", help="Only the root with this label.")
@click.option(
    "--changed-since",
    "since",
    metavar="REF",
    help="Only the roots that a change since this commit touches, in their own folders or in those "
    "that they extend. Needs git, and the commit in the clone.",
)
@output_options(["text", "json"])
def command(
    *,
    path: Path,
    label: str | None,
    since: str | None,
    console: Console,
    output: OutputOptions,
) -> int:
    """List the tenant roots at or below PATH.

    With --format json the list is a matrix for GitHub Actions: {"include": [{"path", "label",
    "tenant", "slug"}]}; the slug is the label as the name of an artifact or a file. A root whose
    tenant.yaml has errors is listed too, so that its own job can show them; by its folder's name where
    the label cannot be read. As a step of GitHub Actions it also sets the outputs "matrix", and "slugs", one on each line.
    """
    from reconciler.documents.writing import json_text
    from reconciler.operations.changed_roots import changed_roots
    from reconciler.operations.roots import list_roots

    every = list_roots(path)
    slugs = dict(zip(every, _slugs(root.label for root in every), strict=True))
    roots = _labelled(every, label, path)
    if since is not None:
        roots = changed_roots(roots, path, since)
        if not roots:
            console.note(f"no tenant root is touched by a change since {since}")
    if output.format_ == "text":
        text = "".join(f"{_words(root)}\n" for root in roots)
        console.result(text, out=output.out, is_private=False, format_=output.format_)
        return ExitCode.OK
    matrix = {"include": [_entry(root, slugs[root]) for root in roots]}
    console.result(json_text(matrix) if output.out else _line(matrix) + "\n", out=output.out)
    github_actions.set_outputs(
        console.environ,
        {"matrix": _line(matrix), "slugs": "\n".join(slugs[root] for root in roots)},
    )
    return ExitCode.OK


def _labelled(roots: Sequence[Root], label: str | None, path: Path) -> tuple[Root, ...]:
    chosen = tuple(root for root in roots if label in (None, root.label))
    if not chosen:
        labels = ", ".join(f'"{root.label}"' for root in roots)
        raise ConfigError(f'no tenant root below {path} has the label "{label}"; there is {labels}')
    return chosen


def _entry(root: Root, slug: str) -> dict[str, str]:
    return {
        "path": root.path.as_posix(),
        "label": root.label,
        "tenant": root.tenant or "",
        "slug": slug,
    }


def _words(root: Root) -> str:
    return f"{root.path.as_posix()}   {root.label}   {root.tenant or '(not readable)'}"


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

    return json.dumps(document, separators=(",", ":"))
