"""Apply tenant roots, or a saved plan, from the command line's options."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.apply_result import ApplyResult
from reconciler.cli import render
from reconciler.cli.justification import justification
from reconciler.cli.planning import RunOptions, each_root
from reconciler.cli.progress import ConsoleProgress
from reconciler.cli.session import root_of_plan
from reconciler.cli.version import version
from reconciler.errors import ConfigError, ExitCode, PlanFileError, UsageError
from reconciler.operations import applying
from reconciler.operations.connect import STATE_FOLDER, Connection, Session, connect
from reconciler.operations.roots import tenant_roots
from reconciler.plan import Plan
from reconciler.planfile import SavedPlan, loads
from reconciler.system_clock import SystemClock
from reconciler.views import words


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyCommand(RunOptions):
    """The apply command."""

    auto_approve: bool
    journal: Path | None
    justification: str | None
    approval_codes: tuple[str, ...]

    def run(self, path: Path) -> int:
        """Apply a saved plan, or every root that the path means; the worst exit code wins."""
        if path.is_file():
            return self._apply_saved(path)
        return each_root(tenant_roots(path), self._apply_root)

    def _apply_root(self, root: Path) -> ExitCode:
        clock, progress = SystemClock(), ConsoleProgress(self.console)
        reason = justification(self.justification, self.console.environ)
        with (
            clock.stopping_gently(),
            self.planned(root, clock, progress, reason) as (saved, session, connection),
        ):
            self._show_plan(saved, root)
            applying.refuse_unsafe(saved.plan)
            applying.expect_digest(saved.plan, self.expect_digest)
            return self._write(saved.plan, root, session, connection)

    def _apply_saved(self, path: Path) -> ExitCode:
        if self.policies:
            raise UsageError("--policy goes with making a plan, not with applying a saved one")
        if self.allow_broad:
            raise UsageError(
                "--allow-broad goes with making a plan; a saved plan's guardrails can only be "
                "tightened"
            )
        saved = read_plan(path)
        plan = applying.tighten(saved.plan, self.limits)
        root = root_of_plan(path)
        clock, progress = SystemClock(), ConsoleProgress(self.console)
        reason = justification(self.justification, self.console.environ)
        session = self.session(root, clock, progress)
        with (
            clock.stopping_gently(),
            connect(
                session,
                cloud=plan.tenant.cloud,
                tenant=plan.tenant.id,
                justification=reason,
            ) as connection,
        ):
            applying.refuse_unsafe(plan)
            applying.expect_digest(plan, self.expect_digest)
            applying.refuse_stale(plan, session, connection)
            progress.end()
            self._show_plan(SavedPlan(plan, saved.created_at, saved.reconciler_version), root)
            return self._write(plan, root, session, connection)

    def _show_plan(self, saved: SavedPlan, root: Path) -> None:
        """Show the plan before the result; on stdout only where both are text for people."""
        text = render.plan(saved, "text", self.console, root=root.as_posix())
        if self.format_ == "text" and self.out is None:
            self.console.result(text)
        else:
            self.console.aside(text)

    def _write(self, plan: Plan, root: Path, session: Session, connection: Connection) -> ExitCode:
        if not plan.is_empty and not self._agreed(plan, session):
            self.console.aside("Not applied; nothing was written.\n")
            return ExitCode.ERROR
        options = applying.ApplyOptions(
            journal=self.journal,
            state_folder=root / STATE_FOLDER,
            approval_codes=self.approval_codes,
            reconciler_version=version(),
        )
        result = applying.write(plan, options, session=session, connection=connection)
        session.progress.end()
        self._report(result, plan)
        return result.exit_code

    def _report(self, result: ApplyResult, plan: Plan) -> None:
        if plan.is_empty and self.format_ == "text":
            return
        self.console.result(
            ("\n" if self.format_ == "text" and self.out is None else "")
            + render.result(result, self.format_, self.console),
            out=self.out,
        )

    def _agreed(self, plan: Plan, session: Session) -> bool:
        """Ask, on a terminal alone; the time that a person takes is not the run's."""
        if self.auto_approve:
            return True
        if not self.console.is_interactive:
            raise UsageError(
                "there is nobody to ask: stdin is not a terminal. To write without a question, "
                "give --auto-approve"
            )
        question = (
            f"\nApply this to {plan.tenant.label}: {words.counts(plan.summary)}?\n"
            'Only "yes" is accepted: '
        )
        with session.deadline.paused():
            click.echo(question, err=True, nl=False)
            answer = sys.stdin.readline()
        return answer.strip() == "yes"


def read_plan(path: Path) -> SavedPlan:
    """Read a saved plan. Raises `PlanFileError`, or `StalePlanError` where it was altered."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise PlanFileError(f"{path} is not a plan: it is not UTF-8 text") from None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be read ({fault.strerror or fault})") from fault
    return loads(text, source=str(path))
