"""Plan one or several tenant roots from the command line's options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli import github_actions, render
from reconciler.cli.console import Console, report_error, write_file
from reconciler.cli.entry import describe
from reconciler.cli.session import Invocation, sandbox_access
from reconciler.cli.version import version
from reconciler.differ.guardrails import Limits
from reconciler.documents import SavedPlan, dumps
from reconciler.loader import Loaded
from reconciler.model.diagnostics import has_errors
from reconciler.model.errors import ConfigError, ExitCode, Interrupted, ReconcilerError, UsageError
from reconciler.model.plan import Plan
from reconciler.operations import planning
from reconciler.operations.applying import expect_digest
from reconciler.operations.connect import Connection, Session, connect
from reconciler.operations.roots import label_of, tenant_roots

_WORST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.ERROR,
    ExitCode.USAGE,
    ExitCode.STALE,
    ExitCode.GUARDRAIL,
    ExitCode.PENDING_APPROVAL,
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

    def session(self, root: Path, run: Invocation) -> Session:
        """Begin with one root."""
        access = sandbox_access(
            root,
            sandbox=self.sandbox,
            file=self.sandbox_file,
            mode=self.sandbox_mode,
            reset=self.sandbox_reset,
        )
        return run.session(parallelism=self.parallelism, sandbox=access)

    @contextmanager
    def planned(
        self,
        root: Path,
        run: Invocation,
        justification: str | None = None,
    ) -> Iterator[tuple[SavedPlan, Session, Connection]]:
        """Load a root, plan it, and keep the way to its tenant open.

        Raises `InvalidFilesError` after showing the mistakes of files that have any.
        """
        session = self.session(root, run)
        run.progress.stage(f"Reading {root}")
        loaded = planning.load(root)
        desired = loaded.state
        if desired is None or has_errors(loaded.diagnostics):
            run.progress.end()
            self._show_problems(root, loaded)
            raise InvalidFilesError("the files have mistakes, shown above; nothing was planned")
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
            run.progress.end()
            yield SavedPlan(made, run.clock.now(), version()), session, connection

    def each_root(self, roots: tuple[Path, ...], work: Callable[[Path], ExitCode]) -> ExitCode:
        """Invocation the work for each root; one root's failure hides no other, and the worst code wins.

        When the user stops one, the rest are not begun.
        """
        if len(roots) == 1:
            return work(roots[0])
        codes: list[ExitCode] = []
        has_shown = False
        for root in roots:
            if has_shown and self.format_ in ("text", "markdown"):
                self.console.result("\n")
            try:
                codes.append(work(root))
                has_shown = True
            except (Interrupted, BrokenPipeError):  # nobody is left to work for, or to tell
                raise
            except ReconcilerError as failure:
                report_error(f"{root}: {failure}")
                codes.append(failure.exit_code)
                has_shown = False
            except Exception as fault:  # noqa: BLE001 - a bug in one root must not hide the others
                report_error(f"{root}: {describe(fault)}")
                codes.append(ExitCode.ERROR)
                has_shown = False
            if codes[-1] is ExitCode.INTERRUPTED:
                break
        return worst(codes)

    def _show_problems(self, root: Path, loaded: Loaded) -> None:
        found = [(root, loaded.diagnostics)]
        environ = self.console.environ
        self.console.aside(render.problems(found, "text", self.console.width))
        if self.format_ in ("github", "sarif"):
            text = render.problems(found, self.format_, self.console.width)
            self.console.result(text, is_commands=self.format_ == "github")
        if self.format_ != "github":
            github_actions.annotate(environ, loaded.diagnostics, root.as_posix())
        label = label_of(root, loaded)
        self.console.summary(
            lambda: render.problems_markdown(root, label, loaded.diagnostics, environ)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCommand(RunOptions):
    """The plan command."""

    detailed_exitcode: bool

    def run(self, path: Path) -> int:
        """Plan every root that the path means; the worst exit code wins."""
        roots = tenant_roots(path)
        refuse_several(roots, path, self.format_)
        written: set[str] = set()
        several = len(roots) > 1
        run = Invocation.start(self.console, self.timeout)
        return self.each_root(roots, lambda root: self._plan(root, run, written, several=several))

    def _plan(self, root: Path, run: Invocation, written: set[str], *, several: bool) -> ExitCode:
        try:
            with self.planned(root, run) as (saved, _session, _connection):
                out = None
                if self.out is not None:
                    out = _plan_file(self.out, saved.plan.tenant.label, several=several)
                    spelling = str(out).casefold()  # file systems may ignore case, too
                    if spelling in written:
                        raise ConfigError(
                            f"its plan would overwrite {out}, that of another tenant root; give "
                            "each tenant.yaml a label of its own"
                        )
                    write_file(out, dumps(saved))
                    written.add(spelling)
                self._show(saved, root)
                self._tell_actions(saved, root, out)
                return self._judge(saved.plan)
        finally:
            run.progress.end()

    def _tell_actions(self, saved: SavedPlan, root: Path, out: Path | None) -> None:
        environ = self.console.environ
        self.console.summary(
            lambda: render.plan(saved, "markdown", self.console, root=root.as_posix())
        )
        if self.format_ != "github":
            github_actions.annotate_plan(environ, saved.plan, root.as_posix())
        github_actions.plan_outputs(environ, saved.plan, out)

    def _show(self, saved: SavedPlan, root: Path) -> None:
        self.console.result(
            render.plan(saved, self.format_, self.console, root=root.as_posix()),
            is_commands=self.format_ == "github",
        )

    def _judge(self, plan: Plan) -> ExitCode:
        expect_digest(plan, self.expect_digest)
        if not plan.complete:
            return ExitCode.ERROR
        if self.detailed_exitcode and not plan.is_empty:
            return ExitCode.CHANGES
        return ExitCode.OK


def refuse_several(roots: tuple[Path, ...], path: Path, format_: str) -> None:
    """Raise where several results would not make one document."""
    if len(roots) > 1 and format_ in ("json", "html", "sarif"):
        raise UsageError(
            f"--format {format_} takes one tenant root, and there are {len(roots)} below {path}; "
            "name one of them, or save their plans with: plan --out FOLDER"
        )


def _plan_file(out: Path, label: str, *, several: bool) -> Path:
    """Name the file after the tenant's label where a folder is meant; a label may hold anything."""
    if not several and not out.is_dir():
        return out
    name = re.sub(r"[^\w .-]+", "-", label).strip(" .-") or "tenant"
    return out / f"{name}.json"


def worst(codes: list[ExitCode]) -> ExitCode:
    """The code that says the most about what went wrong."""
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.OK)
