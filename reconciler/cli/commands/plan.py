"""``reconciler plan``: show what apply would do."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    FILE,
    PLAN_FORMATS,
    ConnectionOptions,
    OutputOptions,
    PlanOptions,
    SandboxOptions,
    SnapshotOptions,
    connection_options,
    digest,
    output_options,
    plan_options,
    root_argument,
    sandbox_options,
    snapshot_options,
)
from reconciler.cli.sectioned_command import SectionedCommand


@click.command(
    "plan",
    cls=SectionedCommand,
    epilog='\b\nExamples:\n  reconciler plan --policy "Windows*"\n'
    "  reconciler plan my-tenant --out plan.json --detailed-exitcode",
)
@root_argument
@plan_options
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 when there are changes, 0 when there are none.",
)
@click.option(
    "--expect-digest",
    callback=digest,
    metavar="sha256:...",
    help="Exit 3 unless the plan has this digest.",
)
@click.option(
    "--impact/--no-impact",
    default=True,
    help="Ask what the changes reach, for at most 20 seconds.  [default: impact]",
)
@click.option(
    "--failure-out",
    type=FILE,
    metavar="FILE",
    help="Where there is no plan, write why to FILE, for comment.",
)
@sandbox_options
@snapshot_options
@connection_options
@output_options(
    PLAN_FORMATS,
    out="Save the plan to FILE, for show, apply and comment; to a folder, by each tenant's label.",
    saves_plan=True,
)
def command(
    *,
    path: Path,
    console: Console,
    scope: PlanOptions,
    sandbox: SandboxOptions,
    snapshot: SnapshotOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
    detailed_exitcode: bool,
    expect_digest: str | None,
    impact: bool,
    failure_out: Path | None,
) -> int:
    """Show what apply would do, and write nothing to the tenant.

    PATH is a tenant root (a folder with tenant.yaml), or a folder with tenant roots below it.
    """
    from reconciler.cli.planning import PlanCommand

    return PlanCommand(
        console=console,
        scope=scope,
        sandbox=sandbox,
        snapshot=snapshot,
        connection=connection,
        output=output,
        detailed_exitcode=detailed_exitcode,
        expect_digest=expect_digest,
        impact=impact,
        failure_out=failure_out,
    ).run(path)
