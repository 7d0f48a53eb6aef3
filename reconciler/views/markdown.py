"""A plan as Markdown, for a pull-request comment or a job summary. Pure.

Written for a reviewer who has never seen the program: the title says how much changes and what
matters most; then what to look at first, one line each; then every change, grouped by policy; then
what happens next. What does not fit the budget goes in this order: what is left alone and the links,
then changes, then the ends of the lists. The counts always stay, and the text says what is missing
and where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from reconciler.differ.guardrails import BROAD_TARGET
from reconciler.differ.risk import Concern, RiskCode, dangers_of, risk_of
from reconciler.model import wording
from reconciler.model.diagnostics import Diagnostic, sort_diagnostics
from reconciler.model.plan import Delete, Plan, PolicyPlan
from reconciler.model.saved_plan import SavedPlan
from reconciler.model.state import Assignment, Policy
from reconciler.model.wording import Names
from reconciler.views.escaping import markdown_code, markdown_prose
from reconciler.views.headline import headline_of, risk_words
from reconciler.views.impact_text import ImpactText
from reconciler.views.markdown_context import (
    Context,
    is_address,
    link,
    marker,
    note,
    place,
    policy_url,
    where,
)
from reconciler.views.markdown_diff import Diff, render_diff
from reconciler.views.markdown_first import look_first, told_by
from reconciler.views.markdown_held import not_written_now
from reconciler.views.markdown_layout import alert, capital, folded, row, size, that_fit
from reconciler.views.markdown_names import MarkdownNames

_NOTICE_ROOM = 500
_MOST_PLACES = 12


def render(saved: SavedPlan, context: Context) -> str:
    """Write the plan."""
    plan = saved.plan
    names = Names.of_plan(plan)
    impact = ImpactText.of(plan)
    head = [
        marker(context, plan.tenant.label, plan.digest, plan.summary),
        f"## {_title(plan)}",
        *note(context),
        capital(" · ".join(_facts(saved, context))),
        *_selection(plan),
    ]
    foot = [*_left_alone(plan), _next(plan, context), _fine_print(saved)]
    room = context.room - _NOTICE_ROOM - size([*head, *foot])
    trouble = _trouble(plan, context, room // 3)
    first = look_first(plan, MarkdownNames(names), impact, context, room // 4)
    tenant = _in_this_tenant(impact, room // 8)
    warnings = _warnings(plan, first.listed, MarkdownNames(names), context, room // 8)
    room -= size([*trouble, *first.blocks, *tenant, *warnings])
    diff = render_diff(plan.policies, names, room, impact)
    room -= size(diff.blocks)
    blocks = [*trouble, *first.blocks, *tenant, *_changes(diff, context), *warnings]
    later = not_written_now(plan, MarkdownNames(names), room)
    room -= size(later)
    consequences = ImpactText() if diff.tells_consequences else impact
    details = _details(plan, MarkdownNames(names), consequences, context, room)
    return "\n\n".join([*head, *blocks, *later, *details, *foot]) + "\n"


def _title(plan: Plan) -> str:
    label = markdown_code(plan.tenant.label, longest=100)
    counts = wording.describe_counts(plan.summary)
    if plan.is_empty and plan.complete:
        held = wording.describe_held(plan.summary)
        return f"No changes{f', {held}' if held else ''} · {label}"
    state = "Plan"
    if not plan.complete:
        state = "Plan incomplete"
    elif plan.stopped_by:
        state = "Plan stopped by a guardrail"
    level = risk_words(plan, risk_of(plan))
    matters = headline_of(dangers_of(plan))
    risk = [f"risk: {level}"] if level else []
    return " · ".join([f"{state}: {counts}", *risk, *([matters] if matters else []), label])


def _facts(saved: SavedPlan, context: Context) -> Iterator[str]:
    tenant = saved.plan.tenant
    name = f"{markdown_code(tenant.display_name)} " if tenant.display_name else ""
    yield f"tenant {name}({markdown_code(tenant.id)})"
    yield f"read {saved.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if saved.plan.impact is None and not saved.plan.is_empty:
        yield "reach not read"
    yield from where(context)
    if is_address(context.report_url):
        yield link("HTML report", context.report_url)


def _selection(plan: Plan) -> Iterator[str]:
    if plan.selection:
        globs = ", ".join(markdown_code(glob, longest=80) for glob in plan.selection[:10])
        rest = len(plan.selection) - 10
        globs += f" and {rest} more patterns" if rest > 0 else ""
        text = f"Only policies that match {globs} were read (`--policy`)."
        yield f"> [!IMPORTANT]\n> **This plan is limited.** {text} There may be more to change."


def _trouble(plan: Plan, context: Context, room: int) -> list[str]:
    """Show the errors, and the guardrails that stop the plan."""
    errors = [
        diagnostic for diagnostic in sort_diagnostics(plan.diagnostics) if diagnostic.is_error
    ]
    stops = [
        _after_place(place(stop.declared_at, context)) + markdown_prose(stop.message)
        for stop in plan.stopped_by
    ]
    blocks = (
        (
            "This plan is incomplete and cannot be applied. These errors keep policies out of it:",
            [describe_diagnostic(each, context) for each in errors],
        ),
        ("A guardrail stops this plan: apply ends before its first write.", stops),
    )
    return [alert("CAUTION", title, items, room // 2) for title, items in blocks if items]


def _in_this_tenant(impact: ImpactText, room: int) -> list[str]:
    """What noncompliance means in the tenant, and what is not known for several changes."""
    texts = (impact.tenant(), *impact.not_known())
    lines = [markdown_prose(text) for text in texts if text]
    shown = list(that_fit(lines, room))
    return ["\\\n".join(shown)] if shown else []


def _warnings(
    plan: Plan, listed: tuple[Concern, ...], names: MarkdownNames, context: Context, room: int
) -> list[str]:
    """List what the plan warns of, without what stands above already."""
    broad = {
        each.change.declared_at
        for each in listed
        if each.code is RiskCode.REACHES_EVERYBODY and each.change is not None
    }
    told = told_by(listed, names)
    found = [
        each
        for each in sort_diagnostics(plan.open_diagnostics)
        if not each.is_error
        and (each.code, each.policy) not in told
        and not (each.code == BROAD_TARGET and each.location in broad)
    ]
    items = [describe_diagnostic(each, context) for each in found]
    return [alert("WARNING", "Warnings:", items, room)] if items else []


def describe_diagnostic(diagnostic: Diagnostic, context: Context) -> str:
    """Write a diagnostic as an entry of a list: place, policy, what is wrong, how to fix it."""
    policy = f"{markdown_code(diagnostic.policy)}: " if diagnostic.policy else ""
    where_it_is = _after_place(place(diagnostic.location, context, with_column=True))
    text = f"{where_it_is}{policy}{markdown_prose(diagnostic.message)}"
    if diagnostic.location is not None and diagnostic.location.text.strip():
        text += f"\\\n{markdown_code(diagnostic.location.text.strip(), longest=200)}"
    return f"{text}\\\n*Help:* {markdown_prose(diagnostic.help)}" if diagnostic.help else text


def _after_place(text: str) -> str:
    return f"{text} " if text else ""


def _changes(diff: Diff, context: Context) -> list[str]:
    """Show the changes, and say what of them is left out."""
    if not diff.total:
        return []
    notice = []
    if not (diff.is_whole and diff.tells_reach):
        source = "the HTML report" if context.report_url else "the plan file"
        run = "of the workflow run linked above" if context.run_url else "of the run that made it"
        unnamed = f" {diff.left_out} policies are not named." if diff.left_out else ""
        reach = "" if diff.tells_reach else " Their reach is left out."
        text = (
            f"> [!IMPORTANT]\n> **Shown here: {diff.shown} of {diff.total} changes**, as GitHub "
            f"limits the size of a comment.{unnamed}{reach} The whole plan is in {source} {run}."
        )
        notice = [text]
    return [*notice, "### Assignments that would change", *diff.blocks]


def _details(
    plan: Plan, names: MarkdownNames, impact: ImpactText, context: Context, room: int
) -> list[str]:
    """Show the links and what is left alone, folded; a plan without changes does without.

    ``impact`` holds the consequences that the changes do not show.
    """
    if plan.is_empty:
        return []
    blocks: list[str] = []
    for title, header, rows in _tables(plan, names, impact, context):
        if rows and room - size(blocks) > _NOTICE_ROOM:
            blocks.append(folded(title, header, rows, room - size(blocks)))
    return blocks


def _tables(
    plan: Plan, names: MarkdownNames, impact: ImpactText, context: Context
) -> tuple[tuple[str, tuple[str, ...], list[str]], ...]:
    """The title, the header and the rows of each folded table."""
    summary = plan.summary
    changed = [policy for policy in plan.policies if policy.changes]
    unmanaged = [
        _live_row(each.policy, each.assignment, names)
        for p in plan.policies
        for each in p.unmanaged
    ]
    inherited = [
        _live_row(each.policy, each.assignment, names, markdown_code(each.assignment.source))
        for p in plan.policies
        for each in p.inherited
    ]
    consequences = [
        row(names.policy(policy.policy), markdown_prose(impact.consequence(policy.policy)))
        for policy in changed
        if impact.consequence(policy.policy)
    ]
    return (
        (
            "Consequences: what noncompliance with the changed policies means, and how they do today",
            ("Policy", "Consequence"),
            consequences,
        ),
        (
            "Links: the changed policies in the Intune admin center, and their lines in the files",
            ("Policy", "Declared at"),
            [_links(policy, plan, names, context) for policy in changed],
        ),
        (
            f"{summary.unmanaged} unmanaged: in the tenant, not declared, left alone",
            ("Policy", "Assignment", "Filter"),
            unmanaged,
        ),
        (
            f"{summary.inherited} inherited: assigned by a policy set, left alone",
            ("Policy", "Assignment", "Filter", "Source"),
            inherited,
        ),
    )


def _links(policy: PolicyPlan, plan: Plan, names: MarkdownNames, context: Context) -> str:
    name = link(names.policy(policy.policy), policy_url(policy.policy, plan.tenant.cloud))
    places = dict.fromkeys(
        place(change.declared_at, context)
        for change in policy.changes
        if not isinstance(change, Delete)
    )
    listed = list(places)
    rest = f", and {len(listed) - _MOST_PLACES} more" if len(listed) > _MOST_PLACES else ""
    return row(name, ", ".join(listed[:_MOST_PLACES]) + rest)


def _live_row(policy: Policy, assignment: Assignment, names: MarkdownNames, *more: str) -> str:
    target, filter = names.target(assignment.target), names.filter(assignment.filter)
    return row(names.policy(policy), target, filter, *more)


def _left_alone(plan: Plan) -> list[str]:
    if plan.is_empty and plan.complete:
        held = wording.describe_held(plan.summary)
        if held:
            return [f"Beside what is held ({held}), Intune has everything that the files declare."]
        declared = wording.count_of(plan.summary.unchanged, "assignment")
        return [f"Intune has everything that the files declare ({declared})."]
    return [f"Also: {wording.describe_left_alone(plan.summary)}."]


def _next(plan: Plan, context: Context) -> str:
    if not plan.complete:
        text = "Nothing can be applied until the errors above are fixed."
    elif plan.stopped_by:
        text = (
            "As it is, apply ends before its first write (exit code 5) and nothing changes. The "
            "limits are those of `guardrails` in `tenant.yaml`."
        )
    elif plan.is_empty:
        text = "Nothing: apply would write nothing."
    elif context.on_merge:
        text = markdown_prose(context.on_merge)
    else:
        text = (
            "Nothing has been changed yet. `reconciler apply` makes these changes, usually after "
            "the merge. It reads the tenant again and refuses where something has changed."
        )
    return f"**What happens next.** {text}"


def _fine_print(saved: SavedPlan) -> str:
    guardrails = saved.plan.guardrails
    return (
        "<details><summary>Digest and guardrails</summary>\n\n"
        f"- Digest of these changes: {markdown_code(saved.plan.digest)}\n"
        f"- Guardrails per run: {wording.describe_limits(guardrails)}; all users or all devices "
        f"without a filter: {guardrails.broad_targets}\n"
        f"- Made by reconciler {markdown_code(saved.reconciler_version)}\n\n</details>"
    )
