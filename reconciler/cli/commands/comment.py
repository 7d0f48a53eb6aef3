"""``reconciler comment``: put a plan, or what became of it, on its pull request."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import FILE, console_options


@click.command("comment")
@click.argument("file", type=FILE, metavar="FILE.json")
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
@click.option(
    "--problems", is_flag=True, help="For a fork: take a result of validate alone, and quote it."
)
@click.option(
    "--labels",
    is_flag=True,
    help='Keep the labels "reconciler: removes" and "reconciler: no changes" on the pull request.',
)
@click.option("--note", metavar="TEXT", help="A sentence to put below the title.")
@click.option(
    "--root", default="", metavar="PATH", help="Where the tenant root lies in the repository."
)
@click.option(
    "--commit", metavar="SHA", help="The commit that was planned; the event's head is the default."
)
@click.option(
    "--report-url",
    metavar="URL",
    help="Address of the plan's HTML report; the run's artifacts are the default.",
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
    labels: bool,
    note: str | None,
    root: str,
    commit: str | None,
    report_url: str | None,
    timeout: float,
) -> int:
    """Put a plan, or what became of it, on the pull request: one comment per tenant, edited in place.

    FILE.json is a plan (`plan --out`), the result of `apply --format json`, a failure
    (`--failure-out` of plan and apply), the result of `validate --format json`, or the list of
    `tenants --format json`: then comments about other tenants are updated to say so.
    Needs GITHUB_TOKEN and GITHUB_REPOSITORY. Comments of others are never touched, and none is
    deleted. With nothing to change an existing comment is brought up to date and none is created.
    Exits 1 where there is no plan, or one that cannot be applied.
    """
    from reconciler.cli.commenting import CommentCommand

    return CommentCommand(
        console=console,
        number=number,
        always=always,
        soft=soft,
        issue=issue,
        problems=problems,
        labels=labels,
        note=note,
        root=root,
        commit=commit,
        report_url=report_url,
        timeout=timeout,
    ).run(file)
