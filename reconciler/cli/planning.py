"""The plan command: from its options to a request, and from the plan to output and exit code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from reconciler import __version__
from reconciler.cli import github_actions, render
from reconciler.cli.console import Console, write_file
from reconciler.cli.each_root import code_of, each_root, refuse_several
from reconciler.cli.failure_file import FailureFile
from reconciler.cli.options import (
    ConnectionOptions,
    OutputOptions,
    PlanOptions,
    SandboxOptions,
    SnapshotOptions,
)
from reconciler.cli.progress import RootProgress
from reconciler.cli.session import Invocation
from reconciler.cli.usage_advice import note_expanded_glob, refuse_expanded_glob
from reconciler.model.errors import ConfigError, ExitCode, ReconcilerError, UsageError
from reconciler.model.plan import Plan
from reconciler.model.saved_plan import SavedPlan
from reconciler.operations.planning import PlanRequest, expect_digest, make_plan
from reconciler.operations.roots import label_at, tenant_roots
from reconciler.operations.selection import Selection
from reconciler.operations.side_by_side import SpareTime, share, try_each
from reconciler.views.tenants_table import TenantRow, row_of


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan that is not shown yet, and where it was saved."""

    saved: SavedPlan
    file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCommand:
    """The plan command. ``written`` holds the files that plans were saved to, case aside."""

    console: Console
    scope: PlanOptions
    sandbox: SandboxOptions
    snapshot: SnapshotOptions
    connection: ConnectionOptions
    output: OutputOptions
    detailed_exitcode: bool
    expect_digest: str | None
    impact: bool
    failure_out: Path | None
    written: set[str] = field(default_factory=set)

    def run(self, path: Path) -> ExitCode:
        """Plan every root that the path means; the worst exit code wins."""
        refuse_expanded_glob(self.scope.policies, path)
        if path.is_file():
            raise UsageError(
                f"{path} is a file, and plan takes the folder of a tenant root. To show a saved "
                f"plan: reconciler show {path}"
            )
        roots = tenant_roots(path)
        refuse_several(roots, path, self.output.format_)
        failures = FailureFile("plan", self.failure_out)
        failures.refuse_several(len(roots))
        invocation = Invocation.start(self.console, self.connection)
        work = (
            partial(self._plan_one, invocation)
            if len(roots) == 1
            else self._work_of(self._plan_all(roots, invocation))
        )
        return each_root(
            roots,
            work,
            console=self.console,
            format_=self.output.format_,
            failures=failures,
        )

    def _plan_one(self, invocation: Invocation, root: Path) -> ExitCode:
        session = invocation.session(root, self.sandbox, self.snapshot)
        try:
            plan = make_plan(self._request(root), session)
        finally:
            invocation.progress.end()
        return self._present(self._kept(plan, invocation, several=False), root)

    def _plan_all(
        self, roots: Sequence[Path], invocation: Invocation
    ) -> Mapping[Path, _Made | Exception]:
        """Plan the roots side by side, or one after the other where people are asked to sign in."""
        sessions = {root: invocation.session(root, self.sandbox, self.snapshot) for root in roots}
        if any(session.asks_a_person for session in sessions.values()):
            at_once = 1
        else:
            part = share(invocation.parallelism, len(roots))
            at_once = part.roots
            sessions = {
                root: replace(
                    session,
                    parallelism=part.requests,
                    progress=RootProgress(invocation.progress, root.as_posix()),
                )
                for root, session in sessions.items()
            }
            invocation.progress.stage(f"Planning {len(roots)} tenant roots")
        spare = SpareTime(invocation.deadline, roots=len(roots), at_once=at_once)

        def plan(root: Path) -> Plan:
            try:
                session = replace(sessions[root], spare_seconds=spare.seconds)
                return make_plan(self._request(root), session)
            finally:
                spare.root_ended()

        try:
            plans = try_each(roots, plan, at_once=at_once)
        finally:
            invocation.progress.end()
        return {
            root: plan if isinstance(plan, Exception) else self._try_keeping(plan, invocation)
            for root, plan in zip(roots, plans, strict=True)
        }

    def _work_of(self, made: Mapping[Path, _Made | Exception]) -> Callable[[Path], ExitCode]:
        """Show the table of all tenants, and give the work that shows one of them."""
        rows = [self._row(root, each) for root, each in made.items()]
        if self.output.format_ in ("text", "markdown"):
            table = render.tenants(rows, self.output.format_)
            self.console.result(f"{table}\n", format_=self.output.format_)
        self.console.summary(lambda: render.tenants(rows, "markdown"))

        def work(root: Path) -> ExitCode:
            each = made[root]
            if isinstance(each, Exception):
                raise each
            return self._present(each, root)

        return work

    def _row(self, root: Path, made: _Made | Exception) -> TenantRow:
        if isinstance(made, Exception):
            return TenantRow(label_at(root), None, code_of(made))
        plan = made.saved.plan
        try:
            code = self._exit_code(plan)
        except ReconcilerError as failure:
            code = failure.exit_code
        return row_of(plan, code)

    def _request(self, root: Path) -> PlanRequest:
        return PlanRequest(
            root=root,
            selection=Selection(self.scope.policies),
            limits=self.scope.limits,
            impact=self.impact,
        )

    def _try_keeping(self, plan: Plan, invocation: Invocation) -> _Made | Exception:
        try:
            return self._kept(plan, invocation, several=True)
        except ReconcilerError as failure:
            return failure

    def _kept(self, plan: Plan, invocation: Invocation, *, several: bool) -> _Made:
        saved = SavedPlan(plan, invocation.clock.now(), __version__)
        return _Made(saved, self._save(saved, several=several))

    def _present(self, made: _Made, root: Path) -> ExitCode:
        plan = made.saved.plan
        self._show(made.saved, root)
        note_expanded_glob(self.console, self.scope.policies, plan)
        self._tell_actions(made.saved, root, made.file)
        return self._exit_code(plan)

    def _save(self, saved: SavedPlan, *, several: bool) -> Path | None:
        if self.output.out is None:
            return None
        file = _plan_file(
            self.output.out,
            saved.plan.tenant.label,
            is_folder=several or self.output.is_folder or self.output.out.is_dir(),
        )
        spelling = str(file).casefold()  # file systems may ignore case, too
        if spelling in self.written:
            raise ConfigError(
                f"its plan would overwrite {file}, that of another tenant root; give each "
                "tenant.yaml a label of its own"
            )
        from reconciler.documents import dump_parts

        write_file(file, dump_parts(saved))
        self.written.add(spelling)
        return file

    def _tell_actions(self, saved: SavedPlan, root: Path, file: Path | None) -> None:
        environ = self.console.environ
        self.console.summary(
            lambda: render.plan(saved, "markdown", self.console, root=root.as_posix())
        )
        if self.output.format_ != "github":
            github_actions.annotate_plan(environ, saved.plan, root.as_posix())
        github_actions.plan_outputs(environ, saved.plan, file)

    def _show(self, saved: SavedPlan, root: Path) -> None:
        format_ = self.output.format_
        self.console.result(
            render.plan(saved, format_, self.console, root=root.as_posix()),
            format_=format_,
        )

    def _exit_code(self, plan: Plan) -> ExitCode:
        expect_digest(plan, self.expect_digest)
        if not plan.complete:
            return ExitCode.ERROR
        if self.detailed_exitcode and not plan.is_empty:
            return ExitCode.CHANGES
        return ExitCode.OK


def _plan_file(out: Path, label: str, *, is_folder: bool) -> Path:
    """Name the file after the tenant's label where a folder is meant; a label may hold anything."""
    if not is_folder:
        return out
    name = re.sub(r"[^\w .-]+", "-", label).strip(" .-") or "tenant"
    return out / f"{name}.json"
