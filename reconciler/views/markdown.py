"""A plan as Markdown, for a pull-request comment or a job summary. Pure.

Written for a reviewer who has never seen the program: what will change, for whom, what of it is
dangerous, what happens next. What does not fit the budget goes in this order: the lists of what is
left alone, then the changes policy by policy, then the ends of the lists of dangers. The counts
always stay, and the top says what is missing and where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC

from reconciler.differ.guardrails import reaches_everybody
from reconciler.documents import SavedPlan
from reconciler.model import wording
from reconciler.model.diagnostics import Diagnostic, Location, sort_diagnostics
from reconciler.model.plan import (
    Change,
    Create,
    Delete,
    Plan,
    PolicyPlan,
    Summary,
    Update,
    filter_after,
)
from reconciler.model.policy_types import title_of
from reconciler.model.result import count
from reconciler.model.state import Assignment, Filter, Policy, TargetKind
from reconciler.views.escaping import (
    comment_value,
    markdown_code,
    markdown_prose,
    repository_path,
)
from reconciler.views.markdown_layout import (
    alert,
    bullets,
    capital,
    folded,
    row,
    size,
    table,
)
from reconciler.views.markdown_names import Names, with_id

SMALLEST_BUDGET = 8_000
"""Room for title, counts and footer in the worst case; a budget below it counts as this much."""

_NOTICE_ROOM = 1_000
_RUN = re.compile(r"/actions/runs/([0-9]{1,20})\Z")
_ADDRESS = re.compile(r"https?://[^\s<>()\[\]`\"\\|]{1,500}")

_HEADING = "### Assignments that would change"
"""Says *assignments*, as a reader might take "create" for the creation of a policy."""


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a plan where it is shown.

    ``kind`` tells one comment of a tenant from another. ``on_merge`` is a sentence (plain text)
    that says what happens next; without one the footer says what is always true. ``note`` is
    another, put below the title. ``root`` leads from the repository's top to the tenant root.
    ``budget`` is in characters; GitHub takes 65,536.
    """

    kind: str = "plan"
    commit: str | None = None
    run_url: str | None = None
    on_merge: str | None = None
    note: str | None = None
    root: str = ""
    budget: int = 60_000

    @property
    def run_id(self) -> str | None:
        """The number of the workflow run, from its address."""
        found = _RUN.search(self.run_url or "")
        return found[1] if found else None


def marker_prefix(kind: str, label: str) -> str:
    """Start of the hidden first line, by which the comment of a tenant is found again."""
    return f"<!-- reconciler:{comment_value(kind)} tenant={comment_value(label)} "


def marker(context: Context, label: str, digest: str | None, summary: Summary | None = None) -> str:
    """Write the hidden first line. ``summary`` counts the changes that the text shows."""
    counts = f"{summary.create}/{summary.update}/{summary.delete}" if summary else None
    facts = {
        "digest": digest,
        "commit": context.commit,
        "run": context.run_id,
        "changes": counts,
    }
    fields = "".join(
        f"{key}={comment_value(value).replace('%3A', ':').replace('%2F', '/')} "
        for key, value in facts.items()
        if value
    )
    return f"{marker_prefix(context.kind, label)}{fields}v=1 -->"


def render(saved: SavedPlan, context: Context) -> str:
    """Write the plan."""
    plan = saved.plan
    names = Names.of(plan)
    head = [marker(context, plan.tenant.label, plan.digest, plan.summary), f"## {_title(plan)}"]
    head += [*note(context), _origin(saved, context), *_selection(plan)]
    counts = list(_below_the_table(plan))
    foot = ["---", _next(plan, context), _facts(saved)]
    room = max(context.budget, SMALLEST_BUDGET) - _NOTICE_ROOM - size([*head, *counts, *foot])
    dangers, room = _dangers(plan, names, context, room)
    changes, missing, room = _changes(plan, names, context, room)
    details = _details(plan, names, room)
    notice = _notice(missing, plan, context)
    return "\n\n".join([*head, *notice, *dangers, *changes, *counts, *details, *foot]) + "\n"


def render_problems(diagnostics: Iterable[Diagnostic], label: str, context: Context) -> str:
    """Write the mistakes in the files, where there is no plan."""
    found = sort_diagnostics(diagnostics)
    errors = [d for d in found if d.is_error]
    warnings = [d for d in found if not d.is_error]
    state = "No plan" if errors else "The files are valid"
    said = f"{wording.count_of(len(errors), 'error')}, {wording.count_of(len(warnings), 'warning')}"
    head = [marker(context, label, None), f"## {state}: {said} · {markdown_code(label)}"]
    head += [*note(context), *filter(None, [capital(" · ".join(where(context)))])]
    foot = ["Mend the files and push again: nothing was compared, and nothing has been changed."]
    foot = ["---", *foot] if errors else []
    room = max(context.budget, SMALLEST_BUDGET) - size([*head, *foot])
    blocks: list[str] = []
    for kind, title, chosen in (
        ("CAUTION", "The files have mistakes, so there is no plan.", errors),
        ("WARNING", "Please look at:", warnings),
    ):
        block = alert(kind, title, (finding(d, context) for d in chosen), room - size(blocks))
        blocks += [block] if chosen else []
    return "\n\n".join([*head, *blocks, *foot]) + "\n"


def _title(plan: Plan) -> str:
    label = markdown_code(plan.tenant.label, longest=100)
    if not plan.complete:
        state = "Plan incomplete"
    elif plan.stopped_by:
        state = "Plan stopped by a guardrail"
    elif plan.is_empty:
        return f"No changes · {label}"
    else:
        state = "Plan"
    return f"{state}: {wording.describe_counts(plan.summary)} · {label}"


def _origin(saved: SavedPlan, context: Context) -> str:
    """Say what was compared with what, for those who meet the program here."""
    tenant = saved.plan.tenant
    name = f"{markdown_code(tenant.display_name)} " if tenant.display_name else ""
    if saved.plan.is_empty and saved.plan.complete:
        declared = wording.count_of(saved.plan.summary.unchanged, "assignment")
        said = f"Intune has all that the files of this repository declare ({declared})"
    else:
        said = (
            "Where the files of this repository and the tenant differ in who is assigned which "
            "Intune compliance policy"
        )
    read = saved.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = [f"tenant {name}({markdown_code(tenant.id)})", f"read {read}", *where(context)]
    return f"{said}. {capital(' · '.join(facts))}"


def note(context: Context) -> list[str]:
    """The caller's own sentence, as a paragraph."""
    return [markdown_prose(context.note)] if context.note else []


def where(context: Context) -> Iterator[str]:
    """Name the commit and the run, as far as they are known."""
    if context.commit:
        yield f"commit {markdown_code(context.commit[:12])}"
    if context.run_url and _ADDRESS.fullmatch(context.run_url):
        yield f"[workflow run]({context.run_url})"


def _selection(plan: Plan) -> Iterator[str]:
    if plan.selection:
        globs = ", ".join(markdown_code(glob, longest=80) for glob in plan.selection[:10])
        rest = len(plan.selection) - 10
        globs += f" and {rest} more patterns" if rest > 0 else ""
        said = f"Only policies that match {globs} were looked at (`--policy`)."
        yield f"> [!IMPORTANT]\n> **This plan is limited.** {said} There may be more to change."


def _dangers(plan: Plan, names: Names, context: Context, room: int) -> tuple[list[str], int]:
    """Show errors, stops and warnings, in that order and open, in at most half of the room."""
    stops = {(stop.code, stop.declared_at) for stop in plan.stopped_by}
    found = sort_diagnostics(d for d in plan.diagnostics if (d.code, d.location) not in stops)
    warnings = [d for d in found if not d.is_error]
    attention = [
        *(finding(d, context) for d in warnings if d.code == "broad-target"),
        *_deletes(plan, names),
        *(finding(d, context) for d in warnings if d.code != "broad-target"),
    ]
    blocks = (
        (
            "CAUTION",
            "This plan is incomplete and cannot be applied. These mistakes keep policies out of it:",
            [finding(d, context) for d in found if d.is_error],
        ),
        (
            "CAUTION",
            "A guardrail stops this plan: apply ends before its first write.",
            [
                _place(stop.declared_at, context) + markdown_prose(stop.message)
                for stop in plan.stopped_by
            ],
        ),
        ("WARNING", "Please check before you approve:", attention),
    )
    present = [block for block in blocks if block[2]]
    shown: list[str] = []
    for index, (kind, title, items) in enumerate(present):
        share = (room // 2 - size(shown)) // (len(present) - index)
        shown.append(alert(kind, title, items, share))
    return shown, room - size(shown)


def _deletes(plan: Plan, names: Names) -> Iterator[str]:
    for change in plan.changes:
        if isinstance(change, Delete):
            who = names.target(change.target)
            if change.target.kind is TargetKind.EXCLUSION_GROUP:
                group = with_id(change.target.name, change.target.id or "", is_shared=False)
                group += wording.not_in_directory(change.target)
                effect = f"would no longer exclude {group} and **may then reach** it"
            else:
                effect = f"would **no longer be assigned** to {who}"
            yield (
                f"{names.policy(change.policy)} {effect} "
                "(not declared, and the policy's ownership is authoritative)"
            )


def finding(diagnostic: Diagnostic, context: Context) -> str:
    """Write a diagnostic as an entry of a list: place, policy, what is wrong, how to mend it."""
    policy = f"{markdown_code(diagnostic.policy)}: " if diagnostic.policy else ""
    said = f"{_place(diagnostic.location, context)}{policy}{markdown_prose(diagnostic.message)}"
    if diagnostic.location is not None and diagnostic.location.text.strip():
        said += f"\\\n{markdown_code(diagnostic.location.text.strip(), longest=200)}"
    return f"{said}\\\n*Help:* {markdown_prose(diagnostic.help)}" if diagnostic.help else said


def _place(location: Location | None, context: Context) -> str:
    if location is None:
        return ""
    path = repository_path(context.root, location.file)
    return f"{markdown_code(f'{path}:{location.line}:{location.column}')} "


def _changes(plan: Plan, names: Names, context: Context, room: int) -> tuple[list[str], int, int]:
    """Show the table of changes; give what it left out, and the room that is left.

    A policy stands in the table whole or not at all; one that does not fit is named with its counts.
    """
    if plan.is_empty:
        return [], 0, room
    header = ("", "Policy", "Platform", "Who", "Filter", "Declared at")
    policies = [policy for policy in plan.policies if policy.changes]
    rows = [[_row(o, names, context) for o in policy.changes] for policy in policies]
    free = room - size([_HEADING, table(header, ())])
    if sum(map(size, rows)) > free:
        free = free * 3 // 4  # the rest is for the names of what is left out
    shown: list[str] = []
    left_out: list[PolicyPlan] = []
    for policy, its_rows in zip(policies, rows, strict=True):
        needed = size(its_rows)
        if needed <= free:
            shown += its_rows
            free -= needed
        else:
            left_out.append(policy)
    blocks = [f"{_HEADING}\n\n{table(header, shown)}"] if shown else [_HEADING]
    if left_out:
        entries = (
            f"{names.policy(p.policy)}: {wording.describe_counts(count(p.changes))}"
            for p in left_out
        )
        blocks.append(bullets("Not shown here:", entries, room - size(blocks)))
    missing = sum(len(policy.changes) for policy in left_out)
    return blocks, missing, room - size(blocks)


def _below_the_table(plan: Plan) -> Iterator[str]:
    """Explain what the table leaves open."""
    if plan.is_empty:
        return
    if any(filter_after(o) or _filter_before(o) for o in plan.changes):
        yield (
            "A filter narrows its assignment: *include* to the devices that match it, *exclude* to "
            "those that do not."
        )
    yield f"Besides: {wording.describe_left_alone(plan.summary)}."


def _filter_before(change: Change) -> Filter | None:
    return None if isinstance(change, Create) else change.live.filter


def _row(change: Change, names: Names, context: Context) -> str:
    who = names.target(change.target)
    action = f"{wording.sign_of(change)} {wording.verb_of(change)}"
    place = "not declared"
    if not isinstance(change, Delete):
        path = repository_path(context.root, change.declared_at.file)
        place = markdown_code(f"{path}:{change.declared_at.line}")
    return row(
        f"**{action}**" if isinstance(change, Delete) else action,
        names.policy(change.policy),
        markdown_prose(title_of(change.policy)),
        f"**{who}**" if reaches_everybody(change) else who,
        _filter(change, names),
        place,
    )


def _filter(change: Change, names: Names) -> str:
    if change.target.kind is TargetKind.EXCLUSION_GROUP:
        return ""  # exclusions take none
    match change:
        case Create():
            return names.filter(change.filter)
        case Update():
            return f"{names.filter(change.live.filter)} → {names.filter(change.after)}"
        case Delete():
            return names.filter(change.live.filter)


def _notice(missing: int, plan: Plan, context: Context) -> list[str]:
    if not missing:
        return []
    total = sum(1 for _ in plan.changes)
    run = "of the workflow run linked above" if context.run_url else "of the run that made it"
    said = (
        f"**Shown here: {total - missing} of {total} changes**, for want of room. "
        f"The whole plan is in the plan file {run}; read it with `reconciler show PLAN.json`."
    )
    return [f"> [!IMPORTANT]\n> {said}"]


def _details(plan: Plan, names: Names, room: int) -> list[str]:
    """Show what is left alone, folded; a plan without changes stays short and does without."""
    if plan.is_empty:
        return []
    summary = plan.summary
    unmanaged = [
        _live_row(c.policy, c.assignment, names) for p in plan.policies for c in p.unmanaged
    ]
    inherited = [
        _live_row(c.policy, c.assignment, names, markdown_code(c.assignment.source))
        for p in plan.policies
        for c in p.inherited
    ]
    unchanged = [row(names.policy(p.policy), str(len(p.kept))) for p in plan.policies if p.kept]
    blocks: list[str] = []
    for title, header, rows in (
        (
            f"{summary.unmanaged} unmanaged: in the tenant, not declared, left alone",
            ("Policy", "Who", "Filter"),
            unmanaged,
        ),
        (
            f"{summary.inherited} inherited: assigned by a policy set, left alone",
            ("Policy", "Who", "Filter", "Source"),
            inherited,
        ),
        (
            f"{summary.unchanged} unchanged: declared, and in the tenant just so",
            ("Policy", "Assignments"),
            unchanged,
        ),
    ):
        if rows:
            blocks.append(folded(title, header, rows, room - size(blocks)))
    return [block for block in blocks if block]


def _live_row(policy: Policy, assignment: Assignment, names: Names, *more: str) -> str:
    who, filter = names.target(assignment.target), names.filter(assignment.filter)
    return row(names.policy(policy), who, filter, *more)


def _next(plan: Plan, context: Context) -> str:
    if not plan.complete:
        said = (
            "Nothing can be applied until the mistakes above are mended; "
            "apply refuses an incomplete plan."
        )
    elif plan.stopped_by:
        said = (
            "As it stands, apply ends before its first write (exit code 5) and nothing changes. "
            "Consent or raise the limit as said above, or make the change smaller; then plan again."
        )
    elif plan.is_empty:
        said = "Nothing: apply would write nothing."
    elif context.on_merge:
        said = markdown_prose(context.on_merge)
    else:
        said = (
            "Nothing has been changed yet. `reconciler apply` makes these changes, usually once "
            "they are merged; it reads the tenant again and refuses where something has moved."
        )
    return f"**What happens next.** {said}"


def _facts(saved: SavedPlan) -> str:
    most = saved.plan.guardrails
    guards = f"{wording.describe_limits(most)}; all users or all devices without a filter: {most.broad_targets}"
    return "\n".join(
        [
            f"- Guardrails per run (`guardrails` in `tenant.yaml`): {guards}",
            f"- Digest of these changes, for `--expect-digest`: `{saved.plan.digest}`",
            f"- Made by reconciler {markdown_code(saved.reconciler_version)}",
        ]
    )
