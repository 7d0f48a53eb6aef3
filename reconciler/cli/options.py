"""Options that mean the same on every command that has them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, TypeVar, cast

import click

from reconciler.cli.console import Console
from reconciler.cli.logs import set_up_logging
from reconciler.cli.version import version_option
from reconciler.differ.guardrails import Limits

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., object])

PLAN_FORMATS = ("text", "json", "markdown", "html", "github", "sarif")
"""The views of a plan."""

DEFAULT_ROOT = Path("desired-state")
DEFAULT_TIMEOUT = 600.0
DEFAULT_PARALLELISM = 4

FILE = click.Path(dir_okay=False, path_type=Path)
_DURATION = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """``--format`` and ``--out``; ``is_folder`` says that the latter ends with a slash."""

    format_: str
    out: Path | None
    is_folder: bool = False


_ENDINGS = {
    ".json": ("json", "sarif"),
    ".sarif": ("sarif",),
    ".md": ("markdown",),
    ".markdown": ("markdown",),
    ".html": ("html",),
    ".htm": ("html",),
}
"""What the ending of a file says about its format."""

_NO_PLAN: Mapping[str, tuple[str, ...]] = {
    ".txt": ("text",),
    ".log": ("text",),
    **dict.fromkeys((".yaml", ".yml", ".csv", ".xml", ".pdf"), ()),
}
"""Endings that no saved plan has, besides, and the views that fit them."""


def _no_dash(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value == "-":
        raise click.BadParameter(
            "name a file. Without --out the result goes to stdout; --format json prints JSON there."
        )
    return value


def _check_ending(out: Path, format_: str) -> None:
    """Raise where a file's ending says another format than it would hold."""
    formats = _ENDINGS.get(out.suffix.lower(), (format_,))
    if format_ not in formats:
        raise click.UsageError(
            f"{out} would hold {format_}; add --format {formats[0]}, or name another file."
        )


def _check_plan_file(out: Path) -> None:
    """Raise where the ending of the file for a plan says another format; a folder may have any name."""
    ending = out.suffix.lower()
    views = _ENDINGS.get(ending) or _NO_PLAN.get(ending, ("json",))
    if "json" in views or out.is_dir():
        return
    commands = f"\n  reconciler plan --out {quote(str(out.with_suffix('.json')))}"
    for view in views:
        commands += (
            f"\n  reconciler show {quote(str(out.with_suffix('.json')))} "
            f"--format {view} --out {quote(str(out))}"
        )
    raise click.UsageError(f"--out saves the plan as JSON, and {out} says {ending}. Use:{commands}")


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """``--sandbox`` and those that need it."""

    enabled: bool
    file: Path | None
    mode: str
    reset: bool


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """``--snapshot``, and how old it may be; ``file`` is None without one."""

    file: Path | None
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """``--parallelism``, in requests, and ``--timeout``, in seconds."""

    parallelism: int
    timeout: float


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """``--policy``, and the guardrails that the command line sets."""

    policies: tuple[str, ...]
    limits: Limits


def _policy_names(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For shells: the policies that the files of the root name. Offline; no names on any error."""
    from reconciler.cli.completion import policy_names

    path = context.params.get("path")
    return policy_names(path if isinstance(path, Path) else default_root(), incomplete)


def policy_option(function: F) -> F:
    """``--policy``, as often as wanted; the function gets ``policies``."""
    return click.option(
        "--policy",
        "policies",
        multiple=True,
        metavar="GLOB",
        shell_complete=_policy_names,
        help="Only the policies with this exact name or id. In a name, * and ? are "
        "wildcards. Repeatable.",
    )(function)


def root_argument(function: F) -> F:
    """PATH: a tenant root."""
    return click.argument(
        "path", type=click.Path(path_type=Path), default=default_root, required=False
    )(function)


def default_root() -> Path:
    """``desired-state``; the working folder where that is a tenant root and has no such folder."""
    here = Path()
    is_root = (here / "tenant.yaml").is_file() and not DEFAULT_ROOT.exists()
    return here if is_root else DEFAULT_ROOT


def output_options(
    formats: Sequence[str], *, out: str = "Write the result to FILE.", saves_plan: bool = False
) -> Callable[[F], F]:
    """``--format``, ``--out`` and those that every command has; gives an ``output`` too.

    ``saves_plan`` says that ``--out`` takes the plan, whatever the format, and may be a folder.
    """

    def decorate(function: F) -> F:
        inner = console_options(function)

        def with_output(*, format_: str, out: str | None, **rest: object) -> object:
            if out is None:
                return inner(output=OutputOptions(format_, None), **rest)
            is_folder = saves_plan and out.endswith(("/", os.sep))
            if not is_folder:
                check = _check_plan_file if saves_plan else partial(_check_ending, format_=format_)
                check(Path(out))
            return inner(output=OutputOptions(format_, Path(out), is_folder), **rest)

        options = (
            click.option(
                "--format",
                "format_",
                type=click.Choice(list(formats)),
                default=formats[0],
                show_default=True,
                help="Form of the result on stdout.",
            ),
            click.option(
                "--out",
                type=click.Path(dir_okay=saves_plan, path_type=str),
                callback=_no_dash,
                metavar="FILE",
                help=out,
            ),
        )
        return _before(inner, with_output, options)

    return decorate


def console_options(function: F) -> F:
    """Options of every command; the function gets a ``console``."""

    def with_console(
        *, no_color: bool, quiet: bool, verbose: int, log_format: str, **rest: object
    ) -> object:
        console = Console.of(
            os.environ,
            no_color=no_color,
            quiet=quiet,
            verbose=verbose,
            log_json=log_format == "json",
        )
        set_up_logging(verbose=verbose, as_json=console.log_json)
        return function(console=console, **rest)

    options = (
        click.option("--no-color", is_flag=True, help="No colours (NO_COLOR does the same)."),
        click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
        click.option(
            "-v",
            "--verbose",
            count=True,
            help="Show more: what is left alone, and retries; twice: every request.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="Form of progress and logs on stderr.",
        ),
        version_option,
    )
    return _before(function, with_console, options)


def sandbox_options(function: F) -> F:
    """Where the embedded Graph stands in for the tenant; the function gets a ``sandbox``."""

    def with_sandbox(
        *,
        sandbox: bool,
        sandbox_file: Path | None,
        sandbox_mode: str,
        sandbox_reset: bool,
        **rest: object,
    ) -> object:
        options = SandboxOptions(sandbox, sandbox_file, sandbox_mode, sandbox_reset)
        return function(sandbox=options, **rest)

    options = (
        click.option(
            "--sandbox",
            is_flag=True,
            help="Use the embedded Graph on the root's sandbox.json instead of a tenant.",
        ),
        click.option(
            "--sandbox-file", type=FILE, metavar="FILE", help="With --sandbox: another tenant file."
        ),
        click.option(
            "--sandbox-mode",
            type=click.Choice(["production", "documented"]),
            default="production",
            show_default=True,
            help="With --sandbox: behave as real tenants do, or as Microsoft's page says.",
        ),
        click.option(
            "--sandbox-reset",
            is_flag=True,
            help="With --sandbox: forget what was written and start over.",
        ),
    )
    return _before(function, with_sandbox, options)


def snapshot_options(function: F) -> F:
    """Work offline on a snapshot; the function gets a ``snapshot``."""

    def with_snapshot(
        *, snapshot: Path | None, max_snapshot_age: timedelta, **rest: object
    ) -> object:
        return function(snapshot=SnapshotOptions(snapshot, max_snapshot_age), **rest)

    options = (
        click.option(
            "--snapshot",
            type=FILE,
            metavar="FILE",
            help="Work offline, on a file that the snapshot command wrote.",
        ),
        click.option(
            "--max-snapshot-age",
            callback=_duration,
            default="24h",
            show_default=True,
            metavar="DURATION",
            help="Refuse a snapshot that is older, as in 30m, 24h or 7d.",
        ),
    )
    return _before(function, with_snapshot, options)


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> timedelta:
    """Read a time such as 30m, 24h or 7d."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise click.BadParameter("write a number with m, h or d, as in 30m, 24h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def connection_options(function: F) -> F:
    """How long, and how much at once; the function gets a ``connection``."""

    def with_connection(*, parallelism: int, timeout: float, **rest: object) -> object:
        return function(connection=ConnectionOptions(parallelism, timeout), **rest)

    options = (
        click.option(
            "--parallelism",
            type=click.IntRange(1, 16),
            default=DEFAULT_PARALLELISM,
            show_default=True,
            metavar="N",
            help="Maximum number of requests at the same time, of all tenants together.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=DEFAULT_TIMEOUT,
            show_default=f"{DEFAULT_TIMEOUT:g}",
            metavar="SECONDS",
            help="Maximum seconds for the whole run.",
        ),
    )
    return _before(function, with_connection, options)


def plan_options(function: F) -> F:
    """What is planned, and within which limits; the function gets a ``scope``."""

    def with_scope(
        *,
        policies: tuple[str, ...],
        max_creates: int | None,
        max_updates: int | None,
        max_deletes: int | None,
        allow_broad: bool,
        **rest: object,
    ) -> object:
        limits = Limits(
            max_creates=max_creates,
            max_updates=max_updates,
            max_deletes=max_deletes,
            allow_broad=allow_broad,
        )
        return function(scope=PlanOptions(policies, limits), **rest)

    options = (
        policy_option,
        *(
            click.option(
                f"--max-{kind}",
                type=click.IntRange(min=0),
                metavar="N",
                help=f"Limit of this run, in place of guardrails.max_{kind}.",
            )
            for kind in ("creates", "updates", "deletes")
        ),
        click.option(
            "--allow-broad",
            is_flag=True,
            help="Consent to all_users and all_devices without a filter, for this run.",
        ),
    )
    return _before(function, with_scope, options)


def _before(
    function: F,
    gathering: Callable[..., object],
    options: Sequence[Callable[[Callable[..., object]], Callable[..., object]]],
) -> F:
    """Have ``gathering`` take the options and call the function with one value made of them."""
    gathering.__name__ = getattr(function, "__name__", "command")
    gathering.__doc__ = function.__doc__
    vars(gathering)["__click_params__"] = getattr(function, "__click_params__", [])
    for option in reversed(options):
        gathering = option(gathering)
    return cast(F, gathering)


def digest(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Check the form of a digest."""
    if value is not None and not _DIGEST.fullmatch(value):
        raise click.BadParameter("a digest is sha256: and 64 hexadecimal digits, in lower case")
    return value
