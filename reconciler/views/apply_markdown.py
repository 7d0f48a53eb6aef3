"""The result of an apply as Markdown, for a job summary or the comment of the plan. Pure.

The title says the outcome. Then comes what failed, with Graph's request-id; then what somebody must
do, as one line that can be copied; then every policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model import wording
from reconciler.model.plan import Change
from reconciler.model.policy_types import title_of
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.views.apply_by_hand import how_to_approve
from reconciler.views.escaping import markdown_code, markdown_prose
from reconciler.views.markdown_context import Context, marker, note, run_name, where
from reconciler.views.markdown_layout import alert, folded, row, size
from reconciler.views.markdown_names import MarkdownNames

_WORDS = {
    Status.FAILED: "**failed**",
    Status.UNKNOWN: "**unknown**",
    Status.STALE: "**skipped**: changed in Intune since the plan",
    Status.PENDING_APPROVAL: "**waiting** for a second administrator",
    Status.NOT_TRIED: "not tried",
    Status.APPLIED: "done",
    Status.ALREADY: "done before",
}
"""In the order of the table: what needs somebody comes first."""

_MOST_CHANGES = 10


def render(result: ApplyResult, context: Context, *, digest: str | None = None) -> str:
    """Write what was done, what failed, what waits and what was not tried.

    ``digest`` is that of what stays approved, for the marker; without one it is that of what is
    left to do.
    """
    label = result.tenant.label
    head = [
        marker(context, label, digest or result.left_digest),
        f"## {' · '.join([outcome_title(result, context), markdown_code(label, longest=100)])}",
        *note(context),
        f"{_sentence(result)} {' · '.join(_facts(result, context))}".strip(),
    ]
    foot = ["---", f"**What happens next.** {_next(result)}"]
    room = context.room - size([*head, *foot])
    blocks: list[str] = []
    for kind, title, items in (
        ("CAUTION", "Beside the policies this went wrong:", list(_faults(result))),
        ("CAUTION", "These policies need somebody to look at them:", list(_trouble(result))),
        ("WARNING", "These wait for a second administrator:", list(_waiting(result))),
        ("NOTE", "Somebody else changed something meanwhile:", list(_notes(result))),
    ):
        if items:
            blocks.append(alert(kind, title, items, (room - size(blocks)) // 2))
    blocks += _table(result, room - size(blocks))
    return "\n\n".join([*head, *blocks, *foot]) + "\n"


def outcome_title(result: ApplyResult, context: Context) -> str:
    """Say in one line how it ended, as in ``Applied 8, changed 1 · run 42``."""
    done = result.summary
    counts = f"Applied {done.create}"
    counts += f", changed {done.update}" if done.update else ""
    counts += f", removed {done.delete}" if done.delete else ""
    parts = [counts]
    state = _state(result)
    if state:
        parts = [state, counts] if done.has_changes else [state]
    run = run_name(context)
    return " · ".join([*parts, *([run] if run else [])])


def _state(result: ApplyResult) -> str:
    """What keeps the result from being complete; "" where nothing does."""
    if result.interrupted:
        return "Apply interrupted"
    if result.complete:
        return ""
    if result.having(Status.FAILED, Status.UNKNOWN, Status.NOT_TRIED):
        return "Apply failed in part" if result.summary.has_changes else "Apply failed"
    if result.having(Status.STALE):
        return "The tenant has changed: approve again"
    return "Waiting for a second administrator"


def _sentence(result: ApplyResult) -> str:
    if result.complete and not result.outcomes:
        return "There was nothing to apply."
    if result.complete:
        return "Everything in the plan is true in the tenant; each write was read back."
    whole = len(result.outcomes)
    done = len(result.having(Status.APPLIED, Status.ALREADY))
    return f"{done} of {whole} policies are as planned; the table has the others."


def _facts(result: ApplyResult, context: Context) -> Iterator[str]:
    tenant = result.tenant
    name = f"{markdown_code(tenant.display_name)} " if tenant.display_name else ""
    yield f"Tenant {name}({markdown_code(tenant.id)})"
    yield from where(context)


def _trouble(result: ApplyResult) -> Iterator[str]:
    for outcome in result.having(Status.FAILED, Status.UNKNOWN, Status.STALE):
        error = outcome.error or "no reason was given"
        text = f"{markdown_code(outcome.policy.name)}: {markdown_prose(error)}"
        if outcome.request_id and outcome.request_id not in error:
            text += f" (request-id {markdown_code(outcome.request_id)})"
        yield text


def _faults(result: ApplyResult) -> Iterator[str]:
    return (markdown_prose(fault) for fault in result.faults)


def _waiting(result: ApplyResult) -> Iterator[str]:
    for outcome in result.having(Status.PENDING_APPROVAL):
        text = markdown_code(outcome.policy.name)
        if outcome.error:
            text += f": {markdown_prose(outcome.error)}"
        if outcome.approval_code:
            text += f"; code {markdown_code(outcome.approval_code)}"
        yield text


def _notes(result: ApplyResult) -> Iterator[str]:
    for outcome in result.outcomes:
        for text in outcome.notes:
            yield f"{markdown_code(outcome.policy.name)}: {markdown_prose(text)}"


def _table(result: ApplyResult, room: int) -> list[str]:
    header = ("Outcome", "Policy", "Platform", "Changes")
    outcomes = [outcome for status in _WORDS for outcome in result.having(status)]
    if not outcomes:
        return []
    names = MarkdownNames(
        wording.Names.of_changes(change for each in outcomes for change in each.changes)
    )
    rows = [_row(outcome, names) for outcome in outcomes]
    title = "1 policy" if len(rows) == 1 else f"{len(rows)} policies"
    return [folded(title, header, rows, room, is_open=True)]


def _row(outcome: PolicyOutcome, names: MarkdownNames) -> str:
    return row(
        _WORDS[outcome.status],
        names.policy(outcome.policy),
        markdown_prose(title_of(outcome.policy)),
        _changes(outcome.changes, names),
    )


def _changes(changes: Iterable[Change], names: MarkdownNames) -> str:
    listed = [f"{wording.verb_of(each)} {names.target(each.target)}" for each in changes]
    rest = len(listed) - _MOST_CHANGES
    text = "; ".join(listed[:_MOST_CHANGES])
    return f"{text}; and {rest} more" if rest > 0 else text


def _next(result: ApplyResult) -> str:
    if result.complete:
        return "Nothing: a plan shows no changes now."
    steps: list[str] = []
    codes = [each.approval_code for each in result.outcomes if each.approval_code]
    if result.having(Status.PENDING_APPROVAL):
        steps.append(
            "A second administrator approves the requests in the Intune admin center "
            f"({wording.APPROVE_AT}). Then apply again with all codes: "
            f"{markdown_code(wording.approval_options(codes), longest=40_000)}"
        )
        if result.left_digest is not None and len(result.left) == len(_pending(result)):
            steps.append(how_to_approve(result.tenant.label, result.left_digest, codes))
    if result.having(Status.STALE):
        steps.append(
            "For what has changed in Intune since the plan, approve a new plan: the summary of the "
            "run shows what is left and its digest; run the workflow *apply* by hand with it, or "
            "merge files that say what the tenant has."
        )
    if result.having(Status.FAILED, Status.UNKNOWN, Status.NOT_TRIED):
        steps.append(
            "Fix what is named above and run the failed job again: the tenant is read first, and "
            "what is done is not written twice."
        )
    return "\n\n".join(steps)


def _pending(result: ApplyResult) -> list[Change]:
    return [change for each in result.having(Status.PENDING_APPROVAL) for change in each.changes]
