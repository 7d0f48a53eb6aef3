"""The result of an apply as text: done, failed, waiting, not tried. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model import wording
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.text import visible
from reconciler.model.wording import Names
from reconciler.views.text import render_changes
from reconciler.views.wrapping import wrapped

_TITLES = {
    Status.APPLIED: "Applied and read back",
    Status.ALREADY: "Already as declared",
    Status.STALE: "Skipped: changed in Intune since the plan",
    Status.FAILED: "Failed",
    Status.UNKNOWN: "Outcome unknown",
    Status.PENDING_APPROVAL: "Waiting for a second administrator (Multi Admin Approval)",
    Status.NOT_TRIED: "Not tried",
}

_COUNTED = {
    Status.FAILED: "failed",
    Status.UNKNOWN: "unknown",
    Status.STALE: "skipped, changed in Intune since the plan",
    Status.PENDING_APPROVAL: "waiting for approval",
    Status.NOT_TRIED: "not tried",
}

_WELL = (Status.APPLIED, Status.ALREADY)


def render(result: ApplyResult, *, width: int, verbose: bool = False) -> str:
    """Show every policy under the heading of how it came out, and the totals last.

    ``width`` is in characters. ``verbose`` shows Graph's request-ids of what went well too.
    """
    names = Names.of_changes(
        change for outcome in result.outcomes for change in (*outcome.changes, *outcome.written)
    )
    blocks = [
        "\n".join(_group(status, result, names, max(width, 40), verbose))
        for status in _TITLES
        if result.having(status)
    ]
    return "\n\n".join([*blocks, _closing(result)]) + "\n"


def _group(
    status: Status, result: ApplyResult, names: Names, width: int, verbose: bool
) -> Iterator[str]:
    yield f"{_TITLES[status]}:"
    for outcome in result.having(status):
        yield visible(f"  {names.policy(outcome.policy)}")
        changes = outcome.written if status is Status.APPLIED else outcome.changes
        yield from render_changes(changes, names, width=width, indent=4)
        for fact in _facts(outcome, verbose):
            yield from wrapped(visible(fact), width, first="      ")


def _facts(outcome: PolicyOutcome, verbose: bool) -> Iterator[str]:
    if outcome.error:
        yield outcome.error
    yield from outcome.notes
    if outcome.approval_code:
        yield f"approval code {outcome.approval_code}"
    shows_id = verbose or outcome.status not in _WELL
    if shows_id and outcome.request_id and outcome.request_id not in (outcome.error or ""):
        yield f"request-id {outcome.request_id}"


def _closing(result: ApplyResult) -> str:
    lines = [f"{_state(result)}: {wording.describe_done(result.summary)}."]
    rest = [
        f"{len(result.having(status))} {words}"
        for status, words in _COUNTED.items()
        if result.having(status)
    ]
    if rest:
        lines.append(f"Policies: {', '.join(rest)}.")
    lines += _approval(result)
    if result.having(Status.FAILED, Status.UNKNOWN, Status.STALE, Status.NOT_TRIED):
        lines.append("Run plan to see what is left. It is safe to run apply again.")
    lines += [visible(f"Error: {fault}") for fault in result.faults]
    return "\n".join(lines)


def _state(result: ApplyResult) -> str:
    if result.complete:
        return "Apply complete"
    is_waiting = len(result.having(*_WELL, Status.PENDING_APPROVAL)) == len(result.outcomes)
    return "Apply waiting for approval" if is_waiting else "Apply incomplete"


def _approval(result: ApplyResult) -> Iterator[str]:
    """Say where to approve, and how to finish; the options stay on one line, to be copied."""
    waiting = result.having(Status.PENDING_APPROVAL)
    if not waiting:
        return
    yield "A second administrator approves in the Intune admin center:"
    yield f"  {wording.APPROVE_AT}"
    codes = [outcome.approval_code for outcome in waiting if outcome.approval_code]
    if codes:
        yield "After that, run the same command again with:"
        yield visible(f"  {wording.approval_options(codes)}")
    else:
        yield "After that, run the same command again."
