"""Work through several tenant roots: one root's failure hides no other, and the worst code wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reconciler.cli import github_actions, render
from reconciler.cli.console import Console
from reconciler.cli.entry import describe
from reconciler.cli.failure_file import FailureFile
from reconciler.cli.logs import report_error
from reconciler.model.errors import ExitCode, Interrupted, ReconcilerError, UsageError
from reconciler.operations.opening import InvalidFilesError

_WORST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.ERROR,
    ExitCode.USAGE,
    ExitCode.STALE,
    ExitCode.GUARDRAIL,
    ExitCode.PENDING_APPROVAL,
    ExitCode.CHANGES,
)


def each_root(
    roots: Sequence[Path],
    work: Callable[[Path], ExitCode],
    *,
    console: Console,
    format_: str,
    failures: FailureFile | None = None,
) -> ExitCode:
    """Do the work for each root, and give the worst exit code.

    When the user stops one, the rest are not begun. ``failures`` gets the failure of a single root.
    """
    if len(roots) == 1:
        return _only_root(roots[0], work, console, format_, failures)
    codes: list[ExitCode] = []
    has_shown = False
    for root in roots:
        if has_shown and format_ in ("text", "markdown"):
            console.result("\n")
        has_shown = False
        try:
            codes.append(_showing_files(root, work, console, format_))
            has_shown = True
        except KeyboardInterrupt:
            if not codes:
                raise
            console.aside("\n")
            raise Interrupted(
                f"nothing was written for {root}; what was done before is shown above"
            ) from None
        except (Interrupted, BrokenPipeError):  # nobody is left to work for, or to tell
            raise
        except ReconcilerError as failure:
            report_error(f"{root}: {failure}", as_json=console.log_json)
            codes.append(failure.exit_code)
        except Exception as fault:  # noqa: BLE001 - a bug in one root must not hide the others
            report_error(f"{root}: {describe(fault)}", as_json=console.log_json)
            codes.append(ExitCode.ERROR)
        if codes[-1] is ExitCode.INTERRUPTED:
            break
    return worst(codes)


def _only_root(
    root: Path,
    work: Callable[[Path], ExitCode],
    console: Console,
    format_: str,
    failures: FailureFile | None,
) -> ExitCode:
    try:
        return _showing_files(root, work, console, format_)
    except Interrupted:
        raise
    except ReconcilerError as failure:
        if failures is not None:
            failures.write(root, failure)
        raise


def code_of(failure: Exception) -> ExitCode:
    """The exit code of a root that failed."""
    return failure.exit_code if isinstance(failure, ReconcilerError) else ExitCode.ERROR


def worst(codes: Sequence[ExitCode]) -> ExitCode:
    """The code that says the most about what went wrong."""
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.OK)


def refuse_several(roots: Sequence[Path], path: Path, format_: str) -> None:
    """Raise where several results would not make one document."""
    if len(roots) > 1 and format_ in ("json", "html", "sarif"):
        raise UsageError(
            f"--format {format_} takes one tenant root, and there are {len(roots)} below {path}; "
            "name one of them, or save their plans with: plan --out FOLDER"
        )


def _showing_files(
    root: Path, work: Callable[[Path], ExitCode], console: Console, format_: str
) -> ExitCode:
    try:
        return work(root)
    except InvalidFilesError as invalid:
        _show(invalid, console, format_)
        raise


def _show(invalid: InvalidFilesError, console: Console, format_: str) -> None:
    """Show the errors in a root's files wherever somebody looks for them."""
    found = [(invalid.root, invalid.diagnostics)]
    environ = console.environ
    console.aside(render.diagnostics_text(found, "text", console.width))
    if format_ in ("github", "sarif"):
        text = render.diagnostics_text(found, format_, console.width)
        console.result(text, format_=format_)
    if format_ != "github":
        github_actions.annotate(environ, invalid.diagnostics, invalid.root.as_posix())
    console.summary(
        lambda: render.diagnostics_markdown(
            invalid.root, invalid.label, invalid.diagnostics, environ
        )
    )
