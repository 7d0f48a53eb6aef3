"""``reconciler sandbox``: serve the embedded Graph on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.console import Console
from reconciler.cli.entry import wake_collector
from reconciler.cli.options import FILE, console_options, default_root
from reconciler.model.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from reconciler.sandbox.app import SandboxApp
    from reconciler.sandbox.server import SandboxServer


@click.command("sandbox")
@click.argument("file", type=FILE, default=lambda: default_root() / "sandbox.json", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8085,
    show_default=True,
    metavar="N",
    help="0: any free one.",
)
@click.option(
    "--sandbox-mode",
    type=click.Choice(["production", "documented"]),
    default="production",
    show_default=True,
    help="Behave as real tenants do, or as Microsoft's reference page says.",
)
@click.option(
    "--page-size",
    type=click.IntRange(1, 1000),
    default=25,
    show_default=True,
    metavar="N",
    help="Items a page.",
)
@click.option("--faults", type=FILE, metavar="FILE", help="JSON list of faults to rehearse.")
@click.option("--keep", type=FILE, metavar="FILE", help="Save the tenant to FILE after each write.")
@console_options
def command(
    *,
    file: Path,
    host: str,
    port: int,
    sandbox_mode: str,
    page_size: int,
    faults: Path | None,
    keep: Path | None,
    console: Console,
) -> None:
    """Serve a small, strict Microsoft Graph on a tenant FILE, until Ctrl-C.

    Its address is the one line on stdout. Point reconciler at it with RECONCILER_GRAPH_URL, and
    give any RECONCILER_ACCESS_TOKEN.

    --faults takes a JSON list of objects. Each has a "kind" and may have "method", "path" (a regular
    expression, searched in path and query), "skip" (requests that pass first; 0) and "times" (how many
    it hits; 1; null for all). The kinds and what else they take:

    \b
    status          error "code"; "retry_after", "error_code", "message",
                    "intune" (message as Intune wraps it), "after" (carry
                    the request out first)
    batch_status    the same for one entry of a $batch, without "after"
    html            a proxy's page; "code", "after"
    body            "text" as the whole body ("code", "after"), or in place
                    of every part of the body that "find" matches ("code")
    reset_before    the connection drops before the request is carried out
    reset_after     the connection drops after the request is carried out
    truncated       half of the body arrives
    slow            the answer comes after "seconds"
    expired_token   the token is refused from now on
    stale_reads     after a write, the next "reads" readings of that policy
                    show the set before it
    lagging_reads   readings of a policy's assignments show an older set:
                    "behind" changes ago (1), without the assignments whose
                    id matches "lacks"
    short_pages     a policy's assignments come in pages of "size"; after the
                    first page those whose id matches "removes" are removed
    swapped_answer  the answer of another request: a GET of "of", or the
                    reading before this one

    For lagging_reads and short_pages, "path" is searched in the address of the policy's assignments
    (.../POLICY-ID/assignments), by whatever route they are read.

    In the tenant FILE, "missingSegments" lists what the tenant's cloud lacks: "compliancePolicies",
    "assignmentFilters". What a plan's impact is read from may stand in it, too. What it does not
    hold is refused with 403:

    \b
    groups          "members": {"users": N, "devices": N, "groups": [IDS]};
                    a list of ids may stand for N
    assignmentFilters
                    "matches": how many devices; "badRule": true
    deviceCompliancePolicies
                    "scheduledActionsForRule", "deviceStatusOverview"
    deviceManagement
                    {"settings": {"secureByDefault": false}}
    conditionalAccessPolicies
                    a list, each with "id", "displayName", "state" and
                    "grantControls"
    withheldPermissions
                    a list of "Device.Read.All", "Policy.Read.All",
                    "DeviceManagementApps.Read.All", "Member.Read.Hidden";
                    the last one alone if it is not written
    """  # noqa: D301 - click wants the control character before a block that keeps its lines
    app = _app(file, mode=sandbox_mode, page_size=page_size, faults=faults, keep=keep)
    server = _server(app, host, port, verbose=console.verbose > 0 and not console.log_json)
    try:
        console.result(f"{server.url}\n")
        console.note(f"serving {file}; stop with Ctrl-C")
        wake_collector()
        server.serve_forever()
    except KeyboardInterrupt:
        console.note("stopped")
    finally:
        server.stop()


def _app(
    file: Path, *, mode: str, page_size: int, faults: Path | None, keep: Path | None
) -> SandboxApp:
    """Make the Graph of a tenant file. Raises `ConfigError` where a file cannot be used."""
    from reconciler.sandbox.app import SandboxApp
    from reconciler.sandbox.faults import Faults
    from reconciler.sandbox.state import SandboxState

    try:
        state = SandboxState.load(file)
        planned = Faults.load(faults) if faults else None
    except (OSError, ValueError) as broken:
        raise ConfigError(str(broken)) from broken
    return SandboxApp(
        state,
        mode=mode,
        page_size=page_size,
        faults=planned,
        on_write=(lambda state: state.save(keep)) if keep else None,
    )


def _server(app: SandboxApp, host: str, port: int, *, verbose: bool) -> SandboxServer:
    """Listen. Raises `UsageError` where the address cannot be had."""
    from reconciler.sandbox.server import SandboxServer

    try:
        return SandboxServer(app, host, port, verbose=verbose)
    except OSError as refused:
        raise UsageError(
            f"cannot listen on {host}:{port} ({refused.strerror or refused}); name another port, "
            "or take any free one with --port 0"
        ) from refused
    except ValueError as refused:
        raise UsageError(f"cannot listen on {host}: {refused}") from refused
