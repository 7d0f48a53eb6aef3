"""In Markdown: why there is no plan, why nothing was applied, and what a fork reports. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.documents.failures import Failure
from reconciler.model.diagnostics import Diagnostic, sort_diagnostics
from reconciler.model.errors import ExitCode
from reconciler.model.wording import count_of
from reconciler.views.apply_by_hand import how_to_approve
from reconciler.views.escaping import markdown_code, markdown_prose
from reconciler.views.markdown import describe_diagnostic
from reconciler.views.markdown_context import Context, marker, note, where
from reconciler.views.markdown_layout import alert, capital, size

_LONGEST_TITLE = 140
_LONGEST_REASON = 4_000


def render_failure(failure: Failure, context: Context, *, digest: str | None = None) -> str:
    """Write why a plan or an apply failed. ``digest`` is that of what stays approved, if anything."""
    label = markdown_code(failure.label, longest=100)
    head = [
        marker(context, failure.label, digest),
        f"## {_title(failure)} · {label}",
        *note(context),
        *_facts(context),
    ]
    foot = ["---", f"**What happens next.** {_next(failure)}"]
    room = context.room - size([*head, *foot])
    reason = _reason(failure, room // 2)
    blocks = [reason, *_diagnostics(failure.diagnostics, context, room - size([reason]))]
    return "\n\n".join([*head, *blocks, *foot]) + "\n"


def render_validation(diagnostics: Iterable[Diagnostic], label: str, context: Context) -> str:
    """Write the errors and warnings in the files, where there is no plan."""
    found = sort_diagnostics(diagnostics)
    errors = [each for each in found if each.is_error]
    warnings = [each for each in found if not each.is_error]
    state = "No plan" if errors else "The files are valid"
    counts = f"{count_of(len(errors), 'error')}, {count_of(len(warnings), 'warning')}"
    head = [marker(context, label, None), f"## {state}: {counts} · {markdown_code(label)}"]
    head += [*note(context), *_facts(context)]
    foot = ["---", "Fix the files and push again. Nothing has been changed."] if errors else []
    blocks = _diagnostics(found, context, context.room - size([*head, *foot]))
    return "\n\n".join([*head, *blocks, *foot]) + "\n"


def render_fork_report(diagnostics: Iterable[Diagnostic], label: str, context: Context) -> str:
    """Quote what a fork's own run reports. All of it is that run's word, and checked by nobody.

    So nothing of it becomes a link, and the text asks for nothing.
    """
    found = sort_diagnostics(diagnostics)
    context = replace(context, repository_url=None)
    head = [
        marker(context, label, None),
        "## Report of a fork, not checked by this repository",
        (
            "This pull request comes from a fork, so there is no plan: its run gets no credentials. "
            "What is quoted here was written by that run. Whoever owns the fork decides what it says."
        ),
        *note(context),
        *_facts(context),
    ]
    errors = sum(each.is_error for each in found)
    counts = f"{count_of(errors, 'error')}, {count_of(len(found) - errors, 'warning')}"
    title = f"{markdown_code(label)}: {counts}"
    items = [describe_diagnostic(each, context) for each in found]
    blocks = [alert("NOTE", title, items, context.room - size(head))]
    return "\n\n".join([*head, *blocks]) + "\n"


def _title(failure: Failure) -> str:
    errors = sum(each.is_error for each in failure.diagnostics)
    if failure.command == "plan" and errors:
        return f"No plan: {count_of(errors, 'error')} in the files"
    is_begun = failure.has_begun
    if failure.command == "apply" and failure.exit_code == ExitCode.STALE and not is_begun:
        return "The tenant has changed: approve again"
    state = "No plan" if failure.command == "plan" else "Not applied"
    state = "Apply failed" if failure.has_begun else state
    first = failure.reason.strip().partition("\n")[0]
    return f"{state}: {markdown_prose(textwrap.shorten(first, _LONGEST_TITLE, placeholder=' …'))}"


def _reason(failure: Failure, room: int) -> str:
    """Show the whole message, line by line; a message that lists the diagnostics is left out."""
    lines = [line.strip() for line in failure.reason.splitlines() if line.strip()]
    title = "There is no plan:" if failure.command == "plan" else "Nothing was written:"
    title = "The run failed while it wrote:" if failure.has_begun else title
    shown = [markdown_prose(line) for line in lines]
    return alert("CAUTION", title, shown, min(room, _LONGEST_REASON))


def _diagnostics(diagnostics: Sequence[Diagnostic], context: Context, room: int) -> list[str]:
    blocks: list[str] = []
    for kind, title, is_error in (
        ("CAUTION", "Errors in the files:", True),
        ("WARNING", "Warnings:", False),
    ):
        items = [
            describe_diagnostic(each, context)
            for each in sort_diagnostics(diagnostics)
            if each.is_error is is_error
        ]
        if items:
            blocks.append(alert(kind, title, items, room - size(blocks)))
    return blocks


def _facts(context: Context) -> list[str]:
    return [text for text in [capital(" · ".join(where(context)))] if text]


def _next(failure: Failure) -> str:
    if failure.command == "plan":
        return "Nothing has been changed. Fix what is named above and run the plan again."
    if failure.has_begun:
        return (
            "Some changes may be done and others not; the journal of the run has every write. Run "
            "the failed job again: the tenant is read first, and what is done is not written twice."
        )
    if failure.exit_code == ExitCode.STALE and failure.digest:
        return (
            "Nothing was written. The log and the summary of the run show the plan as it is now. "
            f"{how_to_approve(failure.label, failure.digest)}"
        )
    if failure.exit_code == ExitCode.GUARDRAIL:
        return (
            "Nothing was written. The limits are those of `guardrails` in `tenant.yaml`; make the "
            "change smaller, or review the limits in a pull request."
        )
    return (
        "Nothing was written, and what was approved stays approved. Fix what is named above and "
        "run the failed job again."
    )
