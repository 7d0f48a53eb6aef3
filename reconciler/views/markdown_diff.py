"""The changes of a plan as blocks of code in the language ``diff``, which GitHub colours. Pure.

Terms: a *block* is fenced code. In it each policy is a heading (``@@ NAME @@``, purple on GitHub)
with a line for each of its changes (``+`` green, ``-`` red, ``!`` orange). An *open* block is seen
without a click, a *folded* one stands in ``<details>``.

The obvious way, a table or a block for each policy, is too tall: a policy with one change would take
100 pixels, and a line of code takes 20. So small policies share one open block of at most
`_OPEN_LINES` lines. Policies with many changes, and all that is over that number, are folded.

The impact stands with what it is about: the consequence below the heading of its policy (``#``, grey),
the reach on the line of its change, or below it where that line would be too wide. Where all that is too
tall, the basis of the reach goes first, then the consequences, then the reach. `Diff` tells what is left.

Every policy is named with its counts before any change is written, as far as the room goes. Then
changes are added in the order of the plan while they fit. Where fewer than two thirds would fit,
several groups of one policy share a line.

A name cannot act here: the text is code, each line begins with a sign of ours, line ends are written
out, and the fence is longer than any run of backticks in it. Nor can a name pass for more than a name:
quotation marks in it are escaped, and doubled spaces are written out.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from reconciler.model.plan import Change, Create, Delete, PolicyPlan, Update
from reconciler.model.policy_types import title_of
from reconciler.model.result import count
from reconciler.model.state import GROUP_KINDS, Assignment, Filter, Target
from reconciler.model.text import visible
from reconciler.model.wording import (
    TARGET_KINDS,
    Names,
    count_of,
    describe_counts,
    describe_effect,
    describe_filter_change,
    describe_target,
    not_in_directory,
)
from reconciler.views.escaping import fenced, shortened, visible_name
from reconciler.views.impact_text import NO_IMPACT, ImpactText

Named = TypeVar("Named", Target, Filter)

_OPEN_LINES = 106
"""At 19.7 pixels a line these take 2,100 of the 2,600 pixels that a comment may have."""
_DETAILED_LINES = 72
"""Lines that the changes may take with all that is known of their impact."""
_LINES_BESIDE_IMPACT = 96
"""As `_OPEN_LINES`, where the impact takes some lines before the changes."""
_MANY = 15
"""A policy with more changes than this is folded first, where not everything can be open."""
_LONGEST_NAME = 160
_PACKED_WIDTH = 96
"""Columns that are seen without scrolling, at 830 pixels."""
_WIDEST = 130
"""Columns of a line that holds a policy, its one change and its reach: platforms may scroll out of it."""
_SHORTEST_LINE = 20
"""Characters that a change takes at least; it saves the time to write what cannot fit."""
_OVERHEAD = 160
"""Characters around a folded block."""


@dataclass(frozen=True, slots=True)
class Diff:
    """``shown`` of ``total`` changes are in ``blocks``, and ``left_out`` policies are not named.

    ``tells_reach`` and ``tells_consequences`` are false where the impact was read and had no room.
    """

    blocks: tuple[str, ...]
    shown: int
    total: int
    left_out: int = 0
    tells_reach: bool = True
    tells_consequences: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether every change is shown."""
        return self.shown == self.total and not self.left_out


@dataclass(frozen=True, slots=True)
class _Section:
    """A policy in a block: the heading, and lines with the number of changes that each shows."""

    name: str
    heading: str
    lines: tuple[tuple[str, int], ...]
    counts: str

    @property
    def changes(self) -> int:
        return sum(number for _, number in self.lines)


def render_diff(
    policies: Sequence[PolicyPlan], names: Names, room: int, impact: ImpactText = NO_IMPACT
) -> Diff:
    """Write the changes within ``room`` characters."""
    changed = [policy for policy in policies if policy.changes]
    total = sum(len(policy.changes) for policy in changed)
    if impact.impact is not None:
        diff = _with_impact(changed, names, impact, total, room)
        if diff is not None:
            return diff
    sections = [_section(policy, names) for policy in changed]
    if sum(map(_height, sections)) > _OPEN_LINES:
        sections = [_on_one_line(section, _PACKED_WIDTH) for section in sections]
    diff = _fit(sections, total, room)
    if diff.shown * 3 < total * 2:
        packed = _fit([_packed(policy, names) for policy in changed], total, room)
        diff = packed if packed.shown > diff.shown else diff
    is_told = impact.impact is None
    return replace(diff, tells_reach=is_told, tells_consequences=is_told)


def _with_impact(
    changed: Sequence[PolicyPlan], names: Names, impact: ImpactText, total: int, room: int
) -> Diff | None:
    """Write every change with as much of the impact as there is room for; None where there is none."""
    is_small = total + len(changed) <= _DETAILED_LINES
    for reach in (impact.reach, impact.bound) if is_small else ():
        sections = [
            _section(policy, names, reach, impact, widest=_PACKED_WIDTH) for policy in changed
        ]
        if sum(map(_height, sections)) <= _DETAILED_LINES:
            diff = _fit(sections, total, room)
            if diff.is_whole:
                return diff
    sections = [_on_one_line(_section(policy, names, impact.bound), _WIDEST) for policy in changed]
    diff = _fit(sections, total, room, _LINES_BESIDE_IMPACT)
    return replace(diff, tells_consequences=False) if diff.is_whole else None


def _escaped(policy: PolicyPlan) -> PolicyPlan:
    """Escape the names in the changes of a policy."""
    return replace(policy, changes=tuple(map(_escaped_change, policy.changes)))


def _escaped_change(change: Change) -> Change:
    match change:
        case Create():
            return replace(
                change, target=_escaped_name(change.target), filter=_escaped_filter(change.filter)
            )
        case Update():
            return replace(
                change,
                live=_escaped_live(change.live),
                target=_escaped_name(change.target),
                after=_escaped_filter(change.after),
            )
        case Delete():
            return replace(change, live=_escaped_live(change.live))


def _escaped_live(live: Assignment) -> Assignment:
    return replace(live, target=_escaped_name(live.target), filter=_escaped_filter(live.filter))


def _escaped_filter(filter: Filter | None) -> Filter | None:
    return None if filter is None else _escaped_name(filter)


def _escaped_name(named: Named) -> Named:
    """Let no name end its own quotation marks, and go on as if the rest were ours."""
    if not named.name:
        return named
    name = visible_name(named.name)
    if '"' in name:
        name = name.replace("\\", "\\\\").replace('"', '\\"')
    return replace(named, name=name)


def _section(
    policy: PolicyPlan,
    names: Names,
    reach: Callable[[Change], str] | None = None,
    impact: ImpactText = NO_IMPACT,
    *,
    widest: int | None = None,
) -> _Section:
    """Write a policy; a reach that makes its line wider than ``widest`` stands below it."""
    name = _name_of(policy, names)
    heading = "\n".join([f"@@ {name} @@", *_remarks(impact.consequences(policy.policy))])
    lines = tuple(
        (_line(_escaped_change(each), names, reach(each) if reach else "", widest), 1)
        for each in policy.changes
    )
    return _Section(name, heading, lines, describe_counts(count(policy.changes)))


def _remarks(parts: Sequence[str]) -> list[str]:
    """Write a consequence on one line, or on two where one would be too wide."""
    whole = "; ".join(parts)
    lines = [whole] if len(whole) + 2 <= _PACKED_WIDTH else parts
    return [f"# {_one_line(line)}" for line in lines if line]


def _one_line(text: str) -> str:
    return shortened(visible(text), 3 * _LONGEST_NAME)


def _name_of(policy: PolicyPlan, names: Names) -> str:
    name = shortened(visible_name(names.policy(policy.policy)), _LONGEST_NAME)
    return f"{name}  ({shortened(visible(title_of(policy.policy)), _LONGEST_NAME)})"


def _line(change: Change, names: Names, reach: str, widest: int | None) -> str:
    details = [describe_filter_change(change, names), describe_effect(change)]
    parts = [_target(change, names), *(each for each in details if each)]
    line = f"{_sign(change)} {_one_line('   '.join(parts))}"
    if not reach:
        return line
    is_wide = widest is not None and len(line) + len(reach) + 3 > widest
    return f"{line}\n#   {_one_line(reach)}" if is_wide else f"{line}   {_one_line(reach)}"


def _target(change: Change, names: Names) -> str:
    return f"{describe_target(change.target, names)}{not_in_directory(change.target)}"


def _sign(change: Change) -> str:
    """The sign by which GitHub colours a line; ``~`` has no colour, so ``!`` stands before it."""
    match change:
        case Create():
            return "+"
        case Update():
            return "! ~"
        case Delete():
            return "-"


def _on_one_line(section: _Section, width: int) -> _Section:
    """Put a policy with a single change on one line, where that is at most so wide."""
    if len(section.lines) != 1:
        return section
    line = f"{section.lines[0][0]}   on {section.name}"
    if len(line) > width:
        return section
    return _Section(section.name, line, (("", 1),), section.counts)


def _packed(policy: PolicyPlan, names: Names) -> _Section:
    """Put the groups that get the same change on common lines; a name in quotes is a group's."""
    plain = _section(policy, names)
    policy = _escaped(policy)
    name = shortened(visible_name(names.policy(policy.policy)), _LONGEST_NAME)
    rows: dict[tuple[str, str], list[str]] = {}
    lines: list[tuple[str, int]] = []
    for change, (line, _) in zip(policy.changes, plain.lines, strict=True):
        if change.target.name and change.target.kind in GROUP_KINDS:
            start = f"{_sign(change)} {TARGET_KINDS[change.target.kind].removesuffix('group')}"
            quoted = visible(names.quoted(change.target.name, change.target.id))
            members = rows.setdefault((start, _filter_of(change, names)), [])
            members.append(shortened(quoted, _LONGEST_NAME))
        else:
            lines.append((line, 1))
    for (start, filter_change), members in rows.items():
        lines += _rows(start, shortened(visible(filter_change), 2 * _LONGEST_NAME), members)
    done = count(policy.changes)
    counts = f"+{done.create} ~{done.update} -{done.delete}"
    return _Section(plain.name, f"@@ {name} @@", tuple(lines), counts)


def _filter_of(change: Change, names: Names) -> str:
    return describe_filter_change(change, names).removeprefix("filter: ")


def _rows(start: str, detail: str, members: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Fill rows; the first one says what happens, the others begin with the sign alone."""
    sign = start[: start.index(" ") + 1].ljust(4)
    row = start + (f"[{detail}] " if detail else "")
    number = 0
    for member in members:
        if number and len(row) + len(member) > _PACKED_WIDTH:
            yield row.rstrip(), number
            row, number = sign, 0
        row += f"{member} "
        number += 1
    yield row.rstrip(), number


def _fit(
    sections: Sequence[_Section], total: int, room: int, open_lines: int = _OPEN_LINES
) -> Diff:
    open_ones, alone, together = _arrange(sections, open_lines)
    room -= _OVERHEAD * (2 + len(alone))
    named = _that_are_named([*open_ones, *alone, *together], room)
    room -= sum(_cost_of_name(section) for section in named)
    keep = set(map(id, named))
    blocks: list[str] = []
    shown = 0
    for group, is_open in (
        (open_ones, True),
        *(([each], False) for each in alone),
        (together, False),
    ):
        kept = [section for section in group if id(section) in keep]
        if kept:
            text, number, used = _block(kept, room)
            room -= used
            shown += number
            blocks.append(text if is_open else _folded(kept, text))
    return Diff(tuple(blocks), shown, total, len(sections) - len(named))


def _arrange(
    sections: Sequence[_Section], open_lines: int
) -> tuple[list[_Section], list[_Section], list[_Section]]:
    """Choose what is open, what is folded alone, and what is folded together."""
    height = sum(map(_height, sections))
    alone: list[_Section] = []
    for section in sorted(sections, key=lambda each: -len(each.lines)):
        if height <= open_lines or len(section.lines) <= _MANY:
            break
        alone.append(section)
        height -= _height(section) - 2
    is_alone = set(map(id, alone))
    open_ones: list[_Section] = []
    together: list[_Section] = []
    left = open_lines - 2 * len(alone)
    for section in sections:
        if id(section) in is_alone:
            continue
        left -= _height(section)
        (open_ones if left >= 0 else together).append(section)
    return open_ones, [each for each in sections if id(each) in is_alone], together


def _height(section: _Section) -> int:
    return sum(line.count("\n") + 1 for line in (section.heading, *_texts(section)))


def _texts(section: _Section) -> Iterator[str]:
    return (line for line, _ in section.lines if line)


def _cost_of_name(section: _Section) -> int:
    return len(section.heading) + 1 + _cost_of_counts(section)


def _cost_of_counts(section: _Section) -> int:
    return len(section.counts) + len(str(section.changes)) + len("   ( not shown)")


def _that_are_named(sections: Sequence[_Section], room: int) -> list[_Section]:
    named: list[_Section] = []
    for section in sections:
        room -= _cost_of_name(section)
        if room < 0:
            break
        named.append(section)
    return named


def _block(sections: Sequence[_Section], room: int) -> tuple[str, int, int]:
    """Write a block; tell how many changes it shows, and how much of the room it took."""
    rows: list[str] = []
    shown = used = 0
    for section in sections:
        lines: list[str] = []
        number = 0
        for line, changes in section.lines:
            cost = len(line) + 1 if line else 0
            if used + cost > room:
                break
            used += cost
            number += changes
            lines += [line] if line else []
        shown += number
        missing = section.changes - number
        rest = f"  {section.counts} ({missing} not shown)" if missing else ""
        used -= 0 if missing else _cost_of_counts(section)
        rows += [section.heading + rest, *lines]
    return fenced("\n".join(rows), "diff"), shown, used


def _folded(sections: Sequence[_Section], block: str) -> str:
    changes = sum(section.changes for section in sections)
    if len(sections) == 1:
        title = f"<code>{html.escape(sections[0].name)}</code>: {sections[0].counts}"
    else:
        title = f"{len(sections)} more policies, {count_of(changes, 'change')}"
    return f"<details><summary>{title}</summary>\n\n{block}\n\n</details>"
