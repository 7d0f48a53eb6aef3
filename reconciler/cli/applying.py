"""Apply tenant roots, or a saved plan, from the command line's options."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reconciler.cli import github_actions, render
from reconciler.cli.justification import justification
from reconciler.cli.planning import RunOptions, refuse_several
from reconciler.cli.pull_request_approval import refuse_unapproved
from reconciler.cli.session import Invocation, root_of_plan
from reconciler.cli.version import version
from reconciler.documents import SavedPlan, loads
from reconciler.model import wording
from reconciler.model.errors import ConfigError, ExitCode, Interrupted, PlanFileError, UsageError
from reconciler.model.plan import Plan
from reconciler.model.result import ApplyResult
from reconciler.operations import applying
from reconciler.operations.connect import STATE_FOLDER, Connection, Session, connect
from reconciler.operations.roots import tenant_roots
from reconciler.views.escaping import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyCommand(RunOptions):
    """The apply command."""

    auto_approve: bool
    expect_approved: bool
    journal: Path | None
    justification: str | None
    approval_codes: tuple[str, ...]

    def run(self, path: Path) -> int:
        """Apply a saved plan, or every root that the path means; the worst exit code wins."""
        if path.is_file() or (path.suffix == ".json" and not path.exists()):
            return self._apply_saved(path)
        roots = tenant_roots(path)
        refuse_several(roots, path, self.format_)
        if len(roots) > 1 and self.out is not None:
            raise UsageError(f"--out takes one result, and there are {len(roots)} tenant roots")
        run = Invocation.start(self.console, self.timeout)
        return self.each_root(roots, lambda root: self._apply_root(root, run))

    def _apply_root(self, root: Path, run: Invocation) -> ExitCode:
        reason = justification(self.justification, self.console.environ)
        try:
            with self.planned(root, run, reason) as (saved, session, connection):
                self._show_plan(saved, root.as_posix())
                github_actions.plan_outputs(self.console.environ, saved.plan, None)
                self._refuse(saved.plan)
                if self.expect_approved:
                    refuse_unapproved(saved.plan, self.console, session)
                if not self._agreed(saved.plan, session):
                    return ExitCode.ERROR
                with run.clock.stopping_gently(run.progress.note):
                    return self._write(saved.plan, root, session, connection)
        finally:
            run.progress.end()

    def _apply_saved(self, path: Path) -> ExitCode:
        if self.policies:
            raise UsageError("--policy goes with making a plan, not with applying a saved one")
        if self.expect_approved:
            raise UsageError("--expect-approved goes with a fresh plan, not with a saved one")
        if self.allow_broad:
            raise UsageError(
                "--allow-broad goes with making a plan; a saved plan's guardrails can only be "
                "tightened"
            )
        saved = read_plan(path)
        plan = applying.tighten(saved.plan, self.limits)
        root = root_of_plan(path, plan, sandbox_file=self.sandbox_file)
        self._show_plan(replace(saved, plan=plan), "")
        self._refuse(plan)
        run = Invocation.start(self.console, self.timeout)
        session = self.session(root, run)
        reason = justification(self.justification, self.console.environ)
        try:
            with connect(
                session, cloud=plan.tenant.cloud, tenant=plan.tenant.id, justification=reason
            ) as connection:
                applying.refuse_stale(plan, session, connection)
                run.progress.end()
                if not self._agreed(plan, session):
                    return ExitCode.ERROR
                with run.clock.stopping_gently(run.progress.note):
                    return self._write(plan, root, session, connection)
        finally:
            run.progress.end()

    def _show_plan(self, saved: SavedPlan, root: str) -> None:
        """Show the plan before the result; on stdout only where both are text for people."""
        if self.format_ == "text" and self.out is None:
            self.console.result(render.plan(saved, "text", self.console, root=root))
        elif not (self.console.quiet and self.auto_approve):
            self.console.aside(render.plan(saved, "text", self.console, root=root))

    def _refuse(self, plan: Plan) -> None:
        applying.refuse_unsafe(plan)
        if not plan.is_empty:  # apply may skip what is already true, and here all of it is
            applying.expect_digest(plan, self.expect_digest)

    def _write(self, plan: Plan, root: Path, session: Session, connection: Connection) -> ExitCode:
        if plan.is_empty:
            self._report(ApplyResult(plan.tenant, plan.digest, ()), plan)
            return ExitCode.OK
        options = applying.ApplyOptions(
            journal=self.journal,
            state_folder=root / STATE_FOLDER,
            approval_codes=self.approval_codes,
            reconciler_version=version(),
        )
        try:
            result = applying.write(plan, options, session=session, connection=connection)
        except KeyboardInterrupt:  # the second one: the first lets the writes in flight end
            raise Interrupted(
                "stopped while writing: what was in flight may have been done or not. Invocation plan to "
                "see what is left; apply may be run again safely"
            ) from None
        session.progress.end()
        self._report(result, plan)
        return result.exit_code

    def _report(self, result: ApplyResult, plan: Plan) -> None:
        try:
            self._tell(result, plan)
        finally:
            self.console.summary(lambda: render.result(result, "markdown", self.console))

    def _tell(self, result: ApplyResult, plan: Plan) -> None:
        if plan.is_empty and self.format_ == "text":
            return
        text = render.result(result, self.format_, self.console)
        try:
            gap = "\n" if self.format_ == "text" and self.out is None else ""
            self.console.result(gap + text, out=self.out)
        except ConfigError:
            self.console.aside(text)  # what was written to a tenant must be told somewhere
            raise

    def _agreed(self, plan: Plan, session: Session) -> bool:
        """Ask, on a terminal alone; the time that a person takes is not the run's."""
        if self.auto_approve or plan.is_empty:
            return True
        if not self.console.is_interactive:
            raise UsageError(
                "there is nobody to ask: stdin is not a terminal. To write without a question, "
                "give --auto-approve"
            )
        question = visible(
            f"Apply this to {plan.tenant.label}: {wording.describe_counts(plan.summary)}?"
        )
        with session.deadline.paused():
            click.echo(f'\n{question}\nOnly "yes" is accepted: ', err=True, nl=False)
            answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            click.echo(err=True)
        if answer.strip() == "yes":
            return True
        self.console.aside("Not applied; nothing was written.\n")
        return False


def read_plan(path: Path) -> SavedPlan:
    """Read a saved plan. Raises `PlanFileError`, or `StalePlanError` where it was altered."""
    return loads(read_text(path), source=str(path))


def read_text(path: Path) -> str:
    """Read the file of a plan. Raises `ConfigError`, or `PlanFileError` where it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise PlanFileError(f"{path} is not a plan: it is not UTF-8 text") from None
    except FileNotFoundError:
        raise ConfigError(
            f"there is no plan file {path}; make one with: reconciler plan --out {path}"
        ) from None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be read ({fault.strerror or fault})") from fault
