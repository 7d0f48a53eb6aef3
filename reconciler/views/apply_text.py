"""The result of an apply as text: done, failed, not tried. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model import wording
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.views.escaping import visible
from reconciler.views.text import render_changes
from reconciler.views.wrapping import wrapped

_TITLES = {
    Status.APPLIED: "Applied and read back",
    Status.ALREADY: "Already as declared",
    Status.STALE: "Changed by somebody else since it was planned, left alone",
    Status.FAILED: "Failed",
    Status.UNKNOWN: "Outcome unknown",
    Status.PENDING_APPROVAL: "Waiting for a second administrator (Multi Admin Approval)",
    Status.NOT_TRIED: "Not tried",
}


def render(result: ApplyResult, *, width: int) -> str:
    """Show every policy under the heading of how it came out, and the totals last."""
    blocks = [
        "\n".join(_group(status, title, result, width))
        for status, title in _TITLES.items()
        if result.having(status)
    ]
    return "\n\n".join([*blocks, _closing(result)]) + "\n"


def _group(status: Status, title: str, result: ApplyResult, width: int) -> Iterator[str]:
    yield f"{title}:"
    for outcome in result.having(status):
        yield visible(f"  {outcome.policy.name}")
        changes = outcome.written if status is Status.APPLIED else outcome.changes
        yield from render_changes(changes, width=width, indent=4)
        yield from _facts(outcome, width)


def _facts(outcome: PolicyOutcome, width: int) -> Iterator[str]:
    facts = list(outcome.notes)
    if outcome.error:
        facts.insert(0, outcome.error)
    if outcome.approval_code:
        facts.append(f"approval code {outcome.approval_code}")
    if outcome.request_id and outcome.request_id not in (outcome.error or ""):
        facts.append(f"request-id {outcome.request_id}")
    for fact in facts:
        yield from wrapped(visible(fact), max(width, 40), first="      ")


def _closing(result: ApplyResult) -> str:
    state = "Apply complete" if result.complete else "Apply incomplete"
    lines = [f"{state}: {wording.describe_done(result.summary)}."]
    trouble = [
        f"{len(result.having(status))} {words_for}"
        for status, words_for in (
            (Status.FAILED, "failed"),
            (Status.UNKNOWN, "unknown"),
            (Status.STALE, "left alone because they moved"),
            (Status.PENDING_APPROVAL, "waiting for approval"),
            (Status.NOT_TRIED, "not tried"),
        )
        if result.having(status)
    ]
    if trouble:
        lines.append(f"Policies: {', '.join(trouble)}.")
        lines.append("Run plan to see what is left; apply may be run again safely.")
    return "\n".join(lines)
