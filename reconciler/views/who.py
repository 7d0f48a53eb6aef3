"""What hangs on a group or filter, as text, Markdown and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from reconciler.documents.writing import (
    filter_json,
    json_text,
    location_json,
    policy_json,
    target_json,
)
from reconciler.model import wording
from reconciler.model.policy_types import title_of
from reconciler.model.state import Policy
from reconciler.model.text import visible
from reconciler.model.usage import Usage
from reconciler.model.wording import Names
from reconciler.views.escaping import markdown_code

Heading = tuple[str, str, str | None]
"""Kind, id and name of a group or filter that was meant."""


def render_text(
    subjects: Sequence[Heading], usages: Sequence[Usage], unresolved: int, *, root: str
) -> str:
    """List the assignments policy by policy, and count them last."""
    lines = [visible(_title(subject)) for subject in subjects]
    names = _names(usages)
    for policy, used in groupby(usages, key=lambda usage: usage.policy):
        lines += ["", visible(f"{names.policy(policy)}  ({title_of(policy)})")]
        lines += [visible(f"    {line}") for usage in used for line in _lines(usage, names, root)]
    lines += ["", *_closing(usages, unresolved)]
    return "\n".join(lines) + "\n"


def render_markdown(
    subjects: Sequence[Heading], usages: Sequence[Usage], unresolved: int, *, root: str
) -> str:
    """The same as a table."""
    lines = [f"### {markdown_code(_title(subject))}" for subject in subjects]
    names = _names(usages)
    if usages:
        lines += ["", "| policy | assignment | filter | state | declared |", "| --- " * 5 + "|"]
    for usage in usages:
        cells = (
            markdown_code(names.policy(usage.policy)),
            markdown_code(wording.describe_target(usage.target, names)),
            markdown_code(wording.describe_filter(usage.filter, names)),
            _state(usage),
            markdown_code(_place(usage, root)) if usage.declared_at else "no",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *_closing(usages, unresolved)]
    return "\n".join(lines) + "\n"


def render_json(usages: Sequence[Usage]) -> str:
    """A list of rows; contract section 3 has their members."""
    return json_text([_row(usage) for usage in usages])


def _row(usage: Usage) -> dict[str, Any]:
    return {
        "policy": policy_json(usage.policy),
        "side": usage.side or None,
        "filter": filter_json(usage.filter),
        "target": target_json(usage.target),
        "live": usage.live,
        "declared": usage.declared_at is not None,
        "source": usage.source,
        "declared_at": location_json(usage.declared_at),
    }


def _names(usages: Sequence[Usage]) -> Names:
    return Names.of(
        (usage.policy for usage in usages),
        (usage.target for usage in usages),
        (usage.filter for usage in usages),
    )


def _title(subject: Heading) -> str:
    kind, id, name = subject
    return f'{kind.capitalize()} "{name}" ({id})' if name else f"{kind.capitalize()} {id}"


def _lines(usage: Usage, names: Names, root: str) -> Iterator[str]:
    yield f"{wording.describe_target(usage.target, names)}   {_state(usage)}"
    if usage.filter is not None:
        yield f"    filter: {wording.describe_filter(usage.filter, names)}"
    if usage.declared_at is not None:
        yield f"    declared at {_place(usage, root)}"


def _state(usage: Usage) -> str:
    if not usage.live:
        return "declared, not in the tenant yet"
    from_set = (usage.source or "").casefold() == "policysets"
    where = "from a policy set" if from_set else "live"
    return where if usage.declared_at is not None else f"{where}, not declared"


def _place(usage: Usage, root: str) -> str:
    at = usage.declared_at
    return "" if at is None else f"{root}/{at.file}:{at.line}" if root else f"{at.file}:{at.line}"


def _closing(usages: Sequence[Usage], unresolved: int) -> Iterator[str]:
    policies: set[Policy] = {usage.policy for usage in usages}
    count = f"{len(usages)} assignment{'s' * (len(usages) != 1)}"
    where = f"{len(policies)} polic{'ies' if len(policies) != 1 else 'y'}"
    yield f"{count} on {where}." if usages else "No assignment uses it, live or declared."
    if unresolved:
        yield (
            f"{unresolved} declared polic{'ies' if unresolved != 1 else 'y'} could not be resolved "
            "and may use it too: see reconciler plan."
        )
