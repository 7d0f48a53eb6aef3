"""``reconciler apply``: plan, ask, write, read back."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    FILE,
    ConnectionOptions,
    OutputOptions,
    PlanOptions,
    SandboxOptions,
    connection_options,
    digest,
    output_options,
    plan_options,
    root_argument,
    sandbox_options,
)
from reconciler.cli.sectioned_command import SectionedCommand


def _codes(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    import uuid

    try:
        return tuple(str(uuid.UUID(value)) for value in values)
    except ValueError:
        raise click.BadParameter("an approval code is a GUID") from None


@click.command(
    "apply",
    cls=SectionedCommand,
    epilog="\b\nExamples:\n  reconciler apply my-tenant --expect-digest sha256:...\n  reconciler apply plan.json",
)
@root_argument
@plan_options
@click.option("--auto-approve", is_flag=True, help="Do not ask before writing.")
@click.option(
    "--expect-digest",
    callback=digest,
    metavar="sha256:...",
    help="Write only if the plan has this digest, the one that was approved; else exit 3.",
)
@click.option(
    "--expect-approved",
    is_flag=True,
    help="In GitHub Actions, on a push: write only what the plan comment of the merged pull request "
    "showed; else exit 3.",
)
@click.option(
    "--journal", type=FILE, metavar="FILE", help="Append what was, was sent and came back to FILE."
)
@click.option(
    "--justification",
    metavar="TEXT",
    help="Reason to give to Multi Admin Approval, 1,024 bytes at most; in GitHub Actions the pull "
    "request or commit is the default.",
)
@click.option(
    "--approval-code",
    "approval_codes",
    multiple=True,
    callback=_codes,
    metavar="GUID",
    help="Finish a write that was queued and is now approved; repeatable.",
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="With a saved plan: its tenant root, where it cannot be found by label and tenant.",
)
@click.option(
    "--failure-out",
    type=FILE,
    metavar="FILE",
    help="Where there is no result, write why to FILE, for comment.",
)
@sandbox_options
@connection_options
@output_options(["text", "json", "markdown"])
def command(
    *,
    path: Path,
    console: Console,
    scope: PlanOptions,
    sandbox: SandboxOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
    auto_approve: bool,
    expect_digest: str | None,
    failure_out: Path | None,
    expect_approved: bool,
    journal: Path | None,
    justification: str | None,
    approval_codes: tuple[str, ...],
    root: Path | None,
) -> int:
    """Plan, ask, write, and read back what was written. The only command that writes.

    PATH is a tenant root, a folder with tenant roots below it, or a plan saved with
    `plan --out`. A saved plan is applied only as long as the tenant is as the plan saw it, and
    within the guardrails stored in it, which options can only tighten.
    """
    from reconciler.cli.applying import ApplyCommand

    return ApplyCommand(
        console=console,
        scope=scope,
        sandbox=sandbox,
        connection=connection,
        output=output,
        auto_approve=auto_approve,
        expect_digest=expect_digest,
        failure_out=failure_out,
        expect_approved=expect_approved,
        journal=journal,
        justification=justification,
        approval_codes=approval_codes,
        root=root,
    ).run(path)
