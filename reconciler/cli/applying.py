"""The apply command: from its options to a request, and from the result to output and exit code."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from reconciler import __version__
from reconciler.cli import github_actions, render
from reconciler.cli.console import Console, is_terminal
from reconciler.cli.each_root import each_root, refuse_several, worst
from reconciler.cli.entry import wake_collector
from reconciler.cli.failure_file import FailureFile
from reconciler.cli.justification import justification
from reconciler.cli.options import (
    DEFAULT_ROOT,
    ConnectionOptions,
    OutputOptions,
    PlanOptions,
    SandboxOptions,
)
from reconciler.cli.plan_files import read_plan
from reconciler.cli.pull_request_approval import refuse_unapproved
from reconciler.cli.session import Invocation
from reconciler.cli.usage_advice import note_expanded_glob, refuse_expanded_glob
from reconciler.loader.source_files import TENANT_FILE
from reconciler.model import wording
from reconciler.model.errors import ConfigError, ExitCode, Interrupted, UsageError
from reconciler.model.plan import Plan
from reconciler.model.result import ApplyResult
from reconciler.model.saved_plan import SavedPlan
from reconciler.model.text import visible
from reconciler.operations.applying import (
    ApplyOptions,
    ApplyRequest,
    SavedPlanRequest,
    apply_root,
    apply_saved,
)
from reconciler.operations.connect import STATE_FOLDER, Session
from reconciler.operations.planning import PlanRequest
from reconciler.operations.roots import root_of_plan, tenant_roots
from reconciler.operations.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyCommand:
    """The apply command."""

    console: Console
    scope: PlanOptions
    sandbox: SandboxOptions
    connection: ConnectionOptions
    output: OutputOptions
    auto_approve: bool
    expect_digest: str | None
    expect_approved: bool
    journal: Path | None
    justification: str | None
    approval_codes: tuple[str, ...]
    root: Path | None
    failure_out: Path | None

    def run(self, path: Path) -> ExitCode:
        """Apply a saved plan, or every root that the path means; the worst exit code wins."""
        refuse_expanded_glob(self.scope.policies, path)
        if path.is_file() or (path.suffix == ".json" and not path.exists()):
            return self._apply_saved(path)
        if self.root is not None:
            raise UsageError("--root goes with a saved plan; without one, the root is PATH itself")
        roots = tenant_roots(path)
        refuse_several(roots, path, self.output.format_)
        if len(roots) > 1 and self.output.out is not None:
            raise UsageError(f"--out takes one result, and there are {len(roots)} tenant roots")
        invocation = Invocation.start(self.console, self.connection)
        failures = FailureFile("apply", self.failure_out)
        failures.refuse_several(len(roots))
        return each_root(
            roots,
            lambda root: self._apply_root(root, invocation, failures),
            console=self.console,
            format_=self.output.format_,
            failures=failures,
        )

    def _apply_root(self, root: Path, invocation: Invocation, failures: FailureFile) -> ExitCode:
        session = invocation.session(root, self.sandbox)
        approve = partial(refuse_unapproved, self.console) if self.expect_approved else None
        request = ApplyRequest(
            plan=PlanRequest(
                root=root,
                selection=Selection(self.scope.policies),
                limits=self.scope.limits,
                justification=justification(self.justification, self.console.environ),
            ),
            options=self._options(root),
            expect_digest=self.expect_digest,
            approve=approve,
        )
        reviewer = _ConsoleReviewer(
            self, invocation, session, root.as_posix(), is_fresh=True, failures=failures
        )
        try:
            return self._report(apply_root(request, session, reviewer))
        finally:
            invocation.progress.end()

    def _apply_saved(self, path: Path) -> ExitCode:
        self._refuse_planning_options()
        saved = read_plan(path)
        root = root_of_plan(
            saved.plan, plan_file=path, below=DEFAULT_ROOT, named=self._named_root()
        )
        invocation = Invocation.start(self.console, self.connection)
        session = invocation.session(root.path, self.sandbox)
        request = SavedPlanRequest(
            plan=saved.plan,
            options=self._options(root.path),
            declared_tenant=root.tenant,
            limits=self.scope.limits,
            expect_digest=self.expect_digest,
            justification=justification(self.justification, self.console.environ),
        )
        reviewer = _ConsoleReviewer(
            self,
            invocation,
            session,
            "",
            is_fresh=False,
            failures=FailureFile("apply", self.failure_out),
        )
        try:
            return self._report(apply_saved(request, session, reviewer))
        finally:
            invocation.progress.end()

    def _named_root(self) -> Path | None:
        """The root that the options name; the sandbox file of a root names it too."""
        file = self.sandbox.file
        if self.root is None and file is not None and (file.parent / TENANT_FILE).is_file():
            return file.parent
        return self.root

    def _refuse_planning_options(self) -> None:
        if self.scope.policies:
            raise UsageError("--policy goes with making a plan, not with applying a saved one")
        if self.expect_approved:
            raise UsageError("--expect-approved goes with a fresh plan, not with a saved one")
        if self.failure_out is not None:
            raise UsageError("--failure-out goes with a tenant root, not with a saved plan")
        if self.scope.limits.allow_broad:
            raise UsageError(
                "--allow-broad goes with making a plan; a saved plan's guardrails can only be "
                "tightened"
            )

    def _options(self, root: Path) -> ApplyOptions:
        return ApplyOptions(
            journal=self.journal,
            state_folder=root / STATE_FOLDER,
            approval_codes=self.approval_codes,
            reconciler_version=__version__,
        )

    def _report(self, result: ApplyResult | None) -> ExitCode:
        """Show the result, and append it to the job's summary whatever becomes of that."""
        if result is None:
            self.console.aside("Not applied; nothing was written.\n")
            return ExitCode.ERROR
        try:
            self._show_result(result)
        except KeyboardInterrupt:
            raise Interrupted("the writes are done, but the result was not shown whole") from None
        finally:
            has_summary = self.console.summary(
                lambda: render.result(result, "markdown", self.console)
            )
        return worst([result.exit_code] if has_summary else [result.exit_code, ExitCode.ERROR])

    def _show_result(self, result: ApplyResult) -> None:
        format_, out = self.output.format_, self.output.out
        if not result.outcomes and format_ == "text":
            return
        text = render.result(result, format_, self.console)
        gap = "\n" if format_ == "text" and out is None else ""
        try:
            self.console.result(gap + text, out=out, format_=format_)
        except (ConfigError, OSError):  # a full disk, or a reader that has gone
            self.console.aside(
                text, format_=format_
            )  # what was written to a tenant must be shown somewhere
            raise


@dataclass(frozen=True, slots=True)
class _ConsoleReviewer:
    """Implements `reconciler.operations.applying.Reviewer` on the terminal.

    ``root`` is where the plan's files lie; ``is_fresh`` says that the plan was made in this run.
    """

    command: ApplyCommand
    invocation: Invocation
    session: Session
    root: str
    is_fresh: bool
    failures: FailureFile

    def show(self, plan: Plan) -> None:
        """Show the plan before the result; on stdout only where both are text for people."""
        self.failures.digest = plan.digest
        console, output = self.command.console, self.command.output
        saved = SavedPlan(plan, self.invocation.clock.now(), __version__)
        text = render.plan(saved, "text", console, root=self.root)
        if output.format_ == "text" and output.out is None:
            self._show_on_stdout(text)
            if self._asks(plan) and not is_terminal(sys.stdout):
                console.aside(text)  # nobody confirms what cannot be seen
        elif not (console.quiet and self.command.auto_approve):
            console.aside(text)
        note_expanded_glob(console, self.command.scope.policies, plan)
        if self.is_fresh:
            github_actions.plan_outputs(console.environ, plan, None)

    def _asks(self, plan: Plan) -> bool:
        is_due = plan.complete and not plan.stopped_by and not plan.is_empty
        return is_due and not self.command.auto_approve and self.command.console.is_interactive

    def _show_on_stdout(self, text: str) -> None:
        """Show the plan where the result follows."""
        try:
            self.command.console.result(text)
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise ConfigError(
                f"the plan cannot be shown on stdout ({fault.strerror or fault}), so nothing was "
                "written"
            ) from fault

    def confirms(self, plan: Plan) -> bool:
        """Ask, on a terminal alone; the time that a person takes is not the run's."""
        if self.command.auto_approve:
            return True
        if self.command.console.log_json:
            raise UsageError("--log-format json leaves no place to ask; use --auto-approve.")
        if not self.command.console.is_interactive:
            raise UsageError("No terminal to confirm on; use --auto-approve.")
        question = visible(
            f"Apply this to {plan.tenant.label}: {wording.describe_counts(plan.summary)}?"
        )
        with self.session.deadline.paused():
            click.echo(f'\n{question}\nOnly "yes" is accepted: ', err=True, nl=False)
            answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            click.echo(err=True)
        return answer.strip() == "yes"

    def while_writing(self) -> AbstractContextManager[None]:
        """Let the first Ctrl-C wait for the writes in flight."""
        self.failures.has_begun = True
        wake_collector()
        return self.invocation.clock.stopping_gently(self.invocation.progress.note)
