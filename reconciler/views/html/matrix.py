"""Policies against targets: who gets what, before and after. Pure.

A table of every policy against every target would be mostly empty, and in a large tenant larger
than any browser shows. So it is cut into several: each holds policies that stand next to each other
and the targets that those use, no more than `MOST_COLUMNS` of them. Most tenants fit into one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.plan import Change, Create, Delete, Key, PolicyPlan, Update, key_of
from reconciler.model.policy_types import title_of
from reconciler.model.state import Filter, Ownership, Target, TargetKind
from reconciler.model.wording import TARGET_KINDS, not_in_directory
from reconciler.views.escaping import visible_name

MOST_COLUMNS = 32


class State(StrEnum):
    """What becomes of one assignment."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    UNCHANGED = "unchanged"
    UNMANAGED = "unmanaged"
    INHERITED = "inherited"


SIGNS = {
    State.CREATE: "+",
    State.CHANGE: "~",
    State.DELETE: "\N{MINUS SIGN}",
    State.UNCHANGED: "\N{CHECK MARK}",
    State.UNMANAGED: "\N{BULLET}",
    State.INHERITED: "\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS}",
}

EXCLUSION_WORDS = {
    State.CREATE: "exclude",
    State.CHANGE: "change",
    State.DELETE: "exclude no more",
    State.UNCHANGED: "excluded",
    State.UNMANAGED: "excluded, unmanaged",
    State.INHERITED: "excluded, inherited",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One assignment in a cell. ``before`` is set where the filter changes."""

    state: State
    word: str
    filter: str
    before: str = ""

    @property
    def sign(self) -> str:
        """A sign beside the word, for those who take in the whole table at once."""
        return SIGNS[self.state]


@dataclass(frozen=True, slots=True)
class Column:
    """A target, in words that are fit to show."""

    kind: str
    name: str
    id: str
    is_exclusion: bool
    note: str = ""

    @property
    def words(self) -> str:
        """All of it in one."""
        return " ".join(filter(None, (self.kind, self.name, self.note)))


@dataclass(frozen=True, slots=True)
class Row:
    """A policy and its cells, one for each column; most hold no mark, some hold several."""

    name: str
    platform: str
    id: str
    is_authoritative: bool
    has_changes: bool
    cells: tuple[tuple[Mark, ...], ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Policies that stand next to each other, against the targets in use among them."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def matrices(policies: Iterable[PolicyPlan]) -> tuple[Matrix, ...]:
    """Cut the policies into tables that can be read."""
    made: list[Matrix] = []
    block: list[PolicyPlan] = []
    used: dict[Key, Target] = {}
    for policy in policies:
        targets = {key_of(target): target for target, _ in _marks(policy)}
        if block and len(used | targets) > MOST_COLUMNS:
            made += _tables(block, used)
            block, used = [], {}
        block.append(policy)
        used |= targets
    return (*made, *_tables(block, used)) if block else tuple(made)


def _tables(policies: Sequence[PolicyPlan], used: dict[Key, Target]) -> Iterator[Matrix]:
    """Make one table, or for a single policy with very many targets several."""
    keys = sorted(used, key=lambda key: (used[key].sort_key[0], used[key].name or "", key))
    for start in range(0, max(len(keys), 1), MOST_COLUMNS):
        chosen = keys[start : start + MOST_COLUMNS]
        columns = tuple(column(used[key]) for key in chosen)
        yield Matrix(columns, tuple(_row(policy, chosen) for policy in policies))


def _row(plan: PolicyPlan, keys: Sequence[Key]) -> Row:
    cells: dict[Key, tuple[Mark, ...]] = {}
    for target, mark in _marks(plan):
        key = key_of(target)
        cells[key] = (*cells.get(key, ()), mark)
    return Row(
        name=visible_name(plan.policy.name),
        platform=visible_name(title_of(plan.policy)),
        id=visible_name(plan.policy.id),
        is_authoritative=plan.ownership is Ownership.AUTHORITATIVE,
        has_changes=bool(plan.changes),
        cells=tuple(cells.get(key, ()) for key in keys),
    )


def _marks(plan: PolicyPlan) -> Iterator[tuple[Target, Mark]]:
    for change in plan.changes:
        yield change.target, mark_of(change)
    for state, entries in (
        (State.UNCHANGED, plan.kept),
        (State.UNMANAGED, plan.unmanaged),
        (State.INHERITED, plan.inherited),
    ):
        for entry in entries:
            target = entry.assignment.target
            yield target, _mark(state, target, entry.assignment.filter)


def mark_of(change: Change) -> Mark:
    """Say what a change does to its target."""
    match change:
        case Create():
            return _mark(State.CREATE, change.target, change.filter)
        case Update():
            before = filter_words(change.live.filter)
            return _mark(State.CHANGE, change.target, change.after, before)
        case Delete():
            return _mark(State.DELETE, change.target, change.live.filter)


def _mark(state: State, target: Target, filter: Filter | None, before: str = "") -> Mark:
    if target.kind is TargetKind.EXCLUSION_GROUP:
        return Mark(state, EXCLUSION_WORDS[state], "", before)
    said = filter_words(filter) if filter is not None or before else ""
    return Mark(state, state.value, said, before)


def filter_words(filter: Filter | None) -> str:
    """Say how a filter narrows, in the portal's words."""
    if filter is None:
        return "no filter"
    return f"{filter.mode} {visible_name(filter.name or filter.id)}"


def column(target: Target) -> Column:
    """Name a target."""
    if target.is_broad:
        return Column("", TARGET_KINDS[target.kind], "", is_exclusion=False)
    name = target.odata_type if target.kind is TargetKind.OPAQUE else target.name
    object_id = visible_name(target.id or "")
    kind = TARGET_KINDS[target.kind] + (f" ({target.target_type})" if target.target_type else "")
    return Column(
        kind=visible_name(kind),
        name=visible_name(name) if name else object_id,
        id=object_id if name else "",
        is_exclusion=target.kind is TargetKind.EXCLUSION_GROUP,
        note=not_in_directory(target).strip(),
    )
