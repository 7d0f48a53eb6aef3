"""Plan one or several tenant roots from the command line's options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli import render
from reconciler.cli.console import Console, report_error, write_file
from reconciler.cli.progress import ConsoleProgress
from reconciler.cli.session import begin, sandbox_access
from reconciler.cli.version import version
from reconciler.diagnostics import has_errors
from reconciler.errors import ConfigError, ExitCode, Interrupted, ReconcilerError
from reconciler.guards import Limits
from reconciler.operations import planning
from reconciler.operations.applying import expect_digest
from reconciler.operations.connect import Connection, Session, connect
from reconciler.operations.roots import tenant_roots
from reconciler.planfile import SavedPlan, dumps
from reconciler.system_clock import SystemClock

_WORST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.ERROR,
    ExitCode.STALE,
    ExitCode.GUARDRAIL,
    ExitCode.APPROVAL,
    ExitCode.CHANGES,
)


class InvalidFilesError(ConfigError):
    """The files of a root have mistakes, which have been shown already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What plan and apply share on the command line."""

    console: Console
    policies: tuple[str, ...]
    max_creates: int | None
    max_updates: int | None
    max_deletes: int | None
    allow_broad: bool
    expect_digest: str | None
    format_: str
    out: Path | None
    parallelism: int
    timeout: float
    sandbox: bool
    sandbox_file: Path | None
    sandbox_mode: str
    sandbox_reset: bool

    @property
    def limits(self) -> Limits:
        """The guardrails that the command line sets."""
        return Limits(self.max_creates, self.max_updates, self.max_deletes, self.allow_broad)

    def session(self, root: Path, clock: SystemClock, progress: ConsoleProgress) -> Session:
        """Start the run for one root."""
        access = sandbox_access(
            root,
            sandbox=self.sandbox,
            file=self.sandbox_file,
            mode=self.sandbox_mode,
            reset=self.sandbox_reset,
        )
        return begin(
            self.console,
            clock,
            progress,
            parallelism=self.parallelism,
            timeout=self.timeout,
            sandbox=access,
        )

    @contextmanager
    def planned(
        self,
        root: Path,
        clock: SystemClock,
        progress: ConsoleProgress,
        justification: str | None = None,
    ) -> Iterator[tuple[SavedPlan, Session, Connection]]:
        """Load a root, plan it, and keep the way to its tenant open.

        Raises `InvalidFilesError` after showing the mistakes of files that have any.
        """
        session = self.session(root, clock, progress)
        progress.stage(f"Reading {root}")
        loaded = planning.load(root)
        desired = loaded.state
        if desired is None or has_errors(loaded.diagnostics):
            progress.end()
            self._show_problems(root, loaded.diagnostics)
            raise InvalidFilesError(f"{root} has mistakes, shown above; nothing was planned")
        with connect(
            session,
            cloud=desired.config.cloud,
            tenant=desired.config.tenant,
            justification=justification,
        ) as connection:
            made = planning.plan(
                desired,
                loaded.diagnostics,
                session=session,
                connection=connection,
                selection=planning.Selection(self.policies),
                limits=self.limits,
            )
            progress.end()
            yield SavedPlan(made, clock.now(), version()), session, connection

    def _show_problems(self, root: Path, diagnostics: object) -> None:
        found = [(root, diagnostics)]
        self.console.aside(render.problems(found, "text", self.console.width))  # type: ignore[arg-type]
        if self.format_ in ("github", "sarif"):
            text = render.problems(found, self.format_, self.console.width)  # type: ignore[arg-type]
            self.console.result(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCommand(RunOptions):
    """The plan command."""

    detailed_exitcode: bool

    def run(self, path: Path) -> int:
        """Plan every root that the path means; the worst exit code wins."""
        roots = tenant_roots(path)
        return each_root(roots, lambda root: self._plan(root, several=len(roots) > 1))

    def _plan(self, root: Path, *, several: bool) -> ExitCode:
        clock, progress = SystemClock(), ConsoleProgress(self.console)
        try:
            with self.planned(root, clock, progress) as (saved, _session, _connection):
                return self._show(saved, root, several=several)
        finally:
            progress.end()

    def _show(self, saved: SavedPlan, root: Path, *, several: bool) -> ExitCode:
        plan = saved.plan
        if self.out is not None:
            out = self.out / f"{plan.tenant.label}.json" if several else self.out
            out.parent.mkdir(parents=True, exist_ok=True)
            write_file(out, dumps(saved))
        self.console.result(render.plan(saved, self.format_, self.console, root=root.as_posix()))
        expect_digest(plan, self.expect_digest)
        if not plan.complete:
            return ExitCode.ERROR
        if self.detailed_exitcode and not plan.is_empty:
            return ExitCode.CHANGES
        return ExitCode.OK


def each_root(roots: tuple[Path, ...], work: Callable[[Path], ExitCode]) -> ExitCode:
    """Run the work for each root; one root's failure hides no other, and the worst code wins."""
    if len(roots) == 1:
        return work(roots[0])
    codes: list[ExitCode] = []
    for root in roots:
        try:
            codes.append(work(root))
        except Interrupted:
            raise
        except ReconcilerError as failure:
            report_error(f"{root}: {failure}")
            codes.append(failure.exit_code)
    return worst(codes)


def worst(codes: list[ExitCode]) -> ExitCode:
    """The code that says the most about what went wrong."""
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.OK)
