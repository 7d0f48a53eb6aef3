"""The plan command: from its options to a request, and from the plan to output and exit code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.cli import github_actions, render
from reconciler.cli.console import Console, write_file
from reconciler.cli.each_root import each_root, refuse_several
from reconciler.cli.failure_file import FailureFile
from reconciler.cli.options import (
    ConnectionOptions,
    OutputOptions,
    PlanOptions,
    SandboxOptions,
    SnapshotOptions,
)
from reconciler.cli.session import Invocation
from reconciler.cli.usage_advice import note_expanded_glob, refuse_expanded_glob
from reconciler.cli.version import version
from reconciler.documents import SavedPlan, dumps
from reconciler.model.errors import ConfigError, ExitCode, UsageError
from reconciler.model.plan import Plan
from reconciler.operations.applying import expect_digest
from reconciler.operations.planning import PlanRequest, make_plan
from reconciler.operations.roots import tenant_roots
from reconciler.operations.selection import Selection


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
        several = len(roots) > 1
        invocation = Invocation.start(self.console, self.connection)
        return each_root(
            roots,
            lambda root: self._plan(root, invocation, several=several),
            console=self.console,
            format_=self.output.format_,
            failures=failures,
        )

    def _plan(self, root: Path, invocation: Invocation, *, several: bool) -> ExitCode:
        request = PlanRequest(
            root=root, selection=Selection(self.scope.policies), limits=self.scope.limits
        )
        try:
            plan = make_plan(request, invocation.session(root, self.sandbox, self.snapshot))
        finally:
            invocation.progress.end()
        saved = SavedPlan(plan, invocation.clock.now(), version())
        file = self._save(saved, several=several)
        self._show(saved, root)
        note_expanded_glob(self.console, self.scope.policies, plan)
        self._tell_actions(saved, root, file)
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
        write_file(file, dumps(saved))
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
