"""The result of an apply as Markdown, for a job summary or a comment. Pure.

What went wrong comes first, with Graph's request-id; then what somebody must do; then the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model import wording
from reconciler.model.plan import Change
from reconciler.model.policy_types import title_of
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.views.escaping import markdown_code, markdown_prose
from reconciler.views.markdown import SMALLEST_BUDGET, Context, marker, note, where
from reconciler.views.markdown_layout import alert, folded, row, size
from reconciler.views.markdown_names import Names

_WORDS = {
    Status.FAILED: "**failed**",
    Status.UNKNOWN: "**unknown**",
    Status.STALE: "**left alone**: it has moved",
    Status.PENDING_APPROVAL: "**waiting** for approval",
    Status.NOT_TRIED: "not tried",
    Status.APPLIED: "done",
    Status.ALREADY: "already so",
}
"""In the order of the table: what needs somebody comes first."""

_MOST_CHANGES = 10


def render(result: ApplyResult, context: Context) -> str:
    """Write what was done, what failed, what waits and what was not tried.

    ``context.kind`` should be another than the plan's, as the two are comments of their own.
    """
    label = result.tenant.label
    head = [
        marker(context, label, result.digest),
        f"## {_state(result)}: {_counts(result)} · {markdown_code(label, longest=100)}",
        *note(context),
        f"{_sentence(result)} {' · '.join(_facts(result, context))}".strip(),
    ]
    foot = ["---", f"**What happens next.** {_next(result)}"]
    room = max(context.budget, SMALLEST_BUDGET) - size([*head, *foot])
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


def _state(result: ApplyResult) -> str:
    if result.interrupted:
        return "Apply interrupted"
    if result.complete:
        return "Applied"
    if result.having(Status.FAILED, Status.UNKNOWN, Status.NOT_TRIED):
        return "Apply failed in part" if any(o.written for o in result.outcomes) else "Apply failed"
    if result.having(Status.STALE):
        return "Apply incomplete"
    return "Apply waiting for approval"


def _counts(result: ApplyResult) -> str:
    return wording.describe_done(result.summary)


def _sentence(result: ApplyResult) -> str:
    if result.complete:
        return "Everything the plan wanted is true in the tenant; each write was read back."
    whole = len(result.outcomes)
    done = len(result.having(Status.APPLIED, Status.ALREADY))
    return f"{done} of {whole} policies are as the plan wanted; the table has the others."


def _facts(result: ApplyResult, context: Context) -> Iterator[str]:
    tenant = result.tenant
    name = f"{markdown_code(tenant.display_name)} " if tenant.display_name else ""
    yield f"Tenant {name}({markdown_code(tenant.id)})"
    yield from where(context)


def _trouble(result: ApplyResult) -> Iterator[str]:
    for outcome in result.having(Status.FAILED, Status.UNKNOWN, Status.STALE):
        error = outcome.error or "no reason was given"
        said = f"{markdown_code(outcome.policy.name)}: {markdown_prose(error)}"
        if outcome.request_id and outcome.request_id not in error:
            said += f" (request-id {markdown_code(outcome.request_id)})"
        yield said


def _faults(result: ApplyResult) -> Iterator[str]:
    return (markdown_prose(fault) for fault in result.faults)


def _waiting(result: ApplyResult) -> Iterator[str]:
    for outcome in result.having(Status.PENDING_APPROVAL):
        said = markdown_code(outcome.policy.name)
        if outcome.error:
            said += f": {markdown_prose(outcome.error)}"
        if outcome.approval_code:
            said += f"; once approved: `--approval-code` {markdown_code(outcome.approval_code)}"
        yield said


def _notes(result: ApplyResult) -> Iterator[str]:
    for outcome in result.outcomes:
        for said in outcome.notes:
            yield f"{markdown_code(outcome.policy.name)}: {markdown_prose(said)}"


def _table(result: ApplyResult, room: int) -> list[str]:
    header = ("Outcome", "Policy", "Platform", "Changes")
    outcomes = [outcome for status in _WORDS for outcome in result.having(status)]
    if not outcomes:
        return []
    rows = [_row(outcome) for outcome in outcomes]
    title = "1 policy" if len(rows) == 1 else f"{len(rows)} policies"
    return [folded(title, header, rows, room, is_open=True)]


def _row(outcome: PolicyOutcome) -> str:
    return row(
        _WORDS[outcome.status],
        markdown_code(outcome.policy.name),
        markdown_prose(title_of(outcome.policy)),
        _changes(outcome.changes),
    )


def _changes(changes: Iterable[Change]) -> str:
    names = Names()
    listed = [f"{wording.verb_of(o)} {names.target(o.target)}" for o in changes]
    rest = len(listed) - _MOST_CHANGES
    said = "; ".join(listed[:_MOST_CHANGES])
    return f"{said}; and {rest} more" if rest > 0 else said


def _next(result: ApplyResult) -> str:
    if result.complete:
        return "Nothing; planning again shows no changes."
    steps: list[str] = []
    if result.having(Status.PENDING_APPROVAL):
        steps.append(
            "A second administrator approves the requests in the Intune admin center (Tenant "
            "administration, Multi Admin Approval); then apply again with the codes above."
        )
    if result.having(Status.STALE):
        steps.append("For what has moved since the plan was made, plan again and review that plan.")
    if result.having(Status.FAILED, Status.UNKNOWN, Status.NOT_TRIED):
        steps.append(
            "Mend what is named above and apply again: the tenant is read first, and what is done "
            "is not written twice."
        )
    return " ".join(steps)
