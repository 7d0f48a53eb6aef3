"""Choose the view that ``--format`` names."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from reconciler import __version__
from reconciler.cli.console import Console, is_terminal
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.errors import UsageError
from reconciler.model.result import ApplyResult
from reconciler.model.saved_plan import SavedPlan
from reconciler.model.text import visible
from reconciler.views import tenants_table
from reconciler.views.tenants_table import TenantRow

if TYPE_CHECKING:  # the documents are pydantic's, and most views are not made of them
    from reconciler.documents import Document, Failure, Validation

_RESULT_FORMATS = ("text", "json", "markdown")
_VALIDATION_FORMATS = (*_RESULT_FORMATS, "github", "sarif")


def document(shown: Document, format_: str, console: Console, *, root: str = "") -> str:
    """Render a saved document. Raises `UsageError` where its kind has no such view."""
    from reconciler.documents import Failure, Validation

    match shown:
        case SavedPlan():
            return plan(shown, format_, console, root=root)
        case ApplyResult():
            _refuse_other_formats("the result of an apply", format_, _RESULT_FORMATS)
            return result(shown, format_, console)
        case Validation():
            _refuse_other_formats("the result of validate", format_, _VALIDATION_FORMATS)
            return validation(shown, format_, console)
        case Failure():
            _refuse_other_formats("the failure of a command", format_, _RESULT_FORMATS)
            return failure(shown, format_, console)
        case _:
            assert_never(shown)


def _refuse_other_formats(what: str, format_: str, formats: Sequence[str]) -> None:
    if format_ not in formats:
        raise UsageError(f"{what} is shown as {', '.join(formats)}, not as {format_}")


def failure(shown: Failure, format_: str, console: Console) -> str:
    """Render why a command ended without a plan or a result."""
    match format_:
        case "json":
            from reconciler.documents.failures import dumps_failure

            return dumps_failure(shown)
        case "markdown":
            from reconciler.cli.github_context import context
            from reconciler.views.markdown_failure import render_failure

            return render_failure(shown, context(console.environ, kind="plan", root=shown.root))
        case _:
            found = [(Path(shown.root), shown.diagnostics)]
            return (
                f"{diagnostics_text(found, 'text', console.width)}Error: {visible(shown.reason)}\n"
            )


def plan(saved: SavedPlan, format_: str, console: Console, *, root: str = "") -> str:
    """Render a plan; ``root`` is where its files lie, for annotations and links."""
    match format_:
        case "json":
            from reconciler.documents import dumps

            return dumps(saved)
        case "markdown":
            from reconciler.cli.github_context import context
            from reconciler.views import markdown

            return markdown.render(saved, context(console.environ, kind="plan", root=root))
        case "html":
            from reconciler.views import html

            return html.render(saved)
        case "github":
            from reconciler.views import annotations

            return annotations.render_plan(saved.plan, root=root)
        case "sarif":
            from reconciler.views import sarif

            return sarif.render_plan(saved.plan, root=root, version=__version__)
        case _:
            from reconciler.views import text

            return text.render(
                saved.plan,
                width=console.width,
                verbose=console.verbose > 0,
                root=root,
                on_screen=is_terminal(sys.stdout),
            )


def tenants(rows: Sequence[TenantRow], format_: str) -> str:
    """Render one line per tenant."""
    show = tenants_table.render_markdown if format_ == "markdown" else tenants_table.render_text
    return show(rows)


def result(found: ApplyResult, format_: str, console: Console) -> str:
    """Render what an apply did."""
    match format_:
        case "json":
            from reconciler.documents.results import dumps_result

            return dumps_result(found)
        case "markdown":
            from reconciler.cli.github_context import context
            from reconciler.views import apply_markdown

            return apply_markdown.render(found, context(console.environ, kind="apply", root=""))
        case _:
            from reconciler.views import apply_text

            return apply_text.render(found, width=console.width, verbose=console.verbose > 0)


def validation(shown: Validation, format_: str, console: Console) -> str:
    """Render what validate found in the files of one or several roots."""
    if format_ == "json":
        from reconciler.documents.validation import dumps_validation

        return dumps_validation(shown)
    if format_ == "markdown":
        return "\n".join(
            diagnostics_markdown(Path(root.path), root.label, root.diagnostics, console.environ)
            for root in shown.roots
        )
    checked = [(Path(root.path), root.diagnostics) for root in shown.roots]
    text = diagnostics_text(checked, format_, console.width)
    if format_ != "text":
        return text
    from reconciler.views.validation import render_verdict

    verdict = render_verdict([d for _, diagnostics in checked for d in diagnostics])
    return f"{text}\n{verdict}" if text else verdict


def diagnostics_markdown(
    root: Path, label: str, diagnostics: Sequence[Diagnostic], environ: Mapping[str, str]
) -> str:
    """Render the diagnostics of one root for the job's summary."""
    from reconciler.cli.github_context import context
    from reconciler.views import markdown_failure

    made = context(environ, kind="plan", root=_prefix(root))
    return markdown_failure.render_validation(diagnostics, label, made)


def diagnostics_text(
    found: Sequence[tuple[Path, Sequence[Diagnostic]]], format_: str, width: int
) -> str:
    """Render diagnostics of one or several tenant roots."""
    if format_ == "github":
        from reconciler.views import annotations

        return "".join(annotations.render(ds, root=_prefix(root)) for root, ds in found)
    if format_ == "sarif":
        from reconciler.views import sarif

        placed = [_under(d, _prefix(root)) for root, ds in found for d in ds]
        return sarif.render(placed, root="", version=__version__)
    from reconciler.views.validation import render

    on_screen = is_terminal(sys.stdout)
    blocks = [
        render(ds, width=width, root=_prefix(root), on_screen=on_screen) for root, ds in found
    ]
    return "\n".join(block for block in blocks if block)


def _prefix(root: Path) -> str:
    text = root.as_posix()
    return "" if text == "." else text


def _under(diagnostic: Diagnostic, root: str) -> Diagnostic:
    place = diagnostic.location
    if place is None or not root:
        return diagnostic
    return replace(diagnostic, location=place._replace(file=f"{root}/{place.file}"))
