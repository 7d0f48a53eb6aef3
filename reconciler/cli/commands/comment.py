"""``reconciler comment``: put a plan on its pull request."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import FILE, console_options


@click.command("comment")
@click.argument("file", type=FILE, metavar="PLAN.json")
@click.option(
    "--pr",
    "number",
    type=click.IntRange(min=1),
    metavar="N",
    help="The pull request; in GitHub Actions the event's own is the default.",
)
@click.option("--always", is_flag=True, help="Comment even when there is nothing to change.")
@click.option(
    "--soft", is_flag=True, help="Exit 0 where the token may not comment; say so in the summary."
)
@click.option(
    "--issue",
    is_flag=True,
    help="Keep an issue instead: open while something differs, closed when nothing does.",
)
@click.option("--problems", is_flag=True, help="Take a result of validate alone, and never a plan.")
@click.option("--note", metavar="TEXT", help="A sentence to put below the title.")
@click.option(
    "--root", default="", metavar="PATH", help="Where the tenant root lies in the repository."
)
@click.option(
    "--commit", metavar="SHA", help="The commit that was planned; the event's head is the default."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default="120",
    metavar="SECONDS",
    help="Maximum seconds for the whole run.",
)
@console_options
def command(
    *,
    file: Path,
    console: Console,
    number: int | None,
    always: bool,
    soft: bool,
    issue: bool,
    problems: bool,
    note: str | None,
    root: str,
    commit: str | None,
    timeout: float,
) -> int:
    """Put a plan on its pull request: one comment per tenant, edited in place.

    PLAN.json is a plan saved with `plan --out`, or the JSON result of `apply` or `validate`.
    Needs GITHUB_TOKEN and GITHUB_REPOSITORY. Comments of others are never touched, and none is
    deleted. With nothing to change an existing comment is brought up to date and none is created.
    """
    from reconciler.cli.commenting import CommentCommand

    return CommentCommand(
        console=console,
        number=number,
        always=always,
        soft=soft,
        issue=issue,
        problems=problems,
        note=note,
        root=root,
        commit=commit,
        timeout=timeout,
    ).run(file)
