"""Put a plan's operations on top of what is live right now, losing nothing. Pure.

``assign`` replaces a policy's whole set, so what is sent must hold everything that is there. The
one law of `merge`: *every live direct assignment that is not deleted is in the result, unchanged*.
What a policy set assigned is never sent: it is not ours, and would come back as a direct copy.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from reconciler.model.plan import Create, Delete, Key, Operation, Update, action_of, key_of
from reconciler.model.ports import Wanted
from reconciler.model.state import Assignment, Filter, Target, TargetKind


class Standing(StrEnum):
    """How an operation stands against what is live."""

    TO_DO = "to_do"
    DONE = "done"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An operation's standing; ``reason`` says what stands in its way, for a conflict alone."""

    operation: Operation
    standing: Standing
    reason: str = ""


_OPPOSITE = {
    TargetKind.GROUP: TargetKind.EXCLUSION_GROUP,
    TargetKind.EXCLUSION_GROUP: TargetKind.GROUP,
}


def judge(
    operation: Operation,
    direct: Mapping[Key, Assignment],
    inherited: Iterable[Key] = (),
) -> Verdict:
    """Tell whether an operation is still to do, already true, or overtaken by somebody's edit."""
    live = direct.get(key_of(operation.target))
    match operation:
        case Create():
            return _judge_create(operation, live, direct, frozenset(inherited))
        case Update():
            if live is None:
                return Verdict(operation, Standing.CONFLICT, "it was removed")
            if live.filter == operation.after:
                return Verdict(operation, Standing.DONE)
            if live.filter == operation.live.filter:
                return Verdict(operation, Standing.TO_DO)
            return Verdict(operation, Standing.CONFLICT, f"its filter is now {say(live.filter)}")
        case Delete():
            if live is None:
                return Verdict(operation, Standing.DONE)
            if live.filter == operation.live.filter:
                return Verdict(operation, Standing.TO_DO)
            return Verdict(operation, Standing.CONFLICT, f"its filter is now {say(live.filter)}")
        case _:
            assert_never(operation)


def judge_all(
    operations: Sequence[Operation],
    direct: Mapping[Key, Assignment],
    inherited: Iterable[Key] = (),
) -> tuple[Verdict, ...]:
    """Judge one policy's operations together: what one of them deletes is in no other's way."""
    going = {key_of(operation.target) for operation in operations if isinstance(operation, Delete)}
    staying = {key: assignment for key, assignment in direct.items() if key not in going}
    covered = frozenset(inherited)
    return tuple(
        judge(operation, staying if isinstance(operation, Create) else direct, covered)
        for operation in operations
    )


def _judge_create(
    operation: Create,
    live: Assignment | None,
    direct: Mapping[Key, Assignment],
    inherited: frozenset[Key],
) -> Verdict:
    if live is not None:
        if live.filter == operation.filter:
            return Verdict(operation, Standing.DONE)
        reason = f"it was created meanwhile with filter {say(live.filter)}"
        return Verdict(operation, Standing.CONFLICT, reason)
    opposite = _OPPOSITE.get(operation.target.kind)
    if opposite is not None and key_of(replace(operation.target, kind=opposite)) in direct:
        side = "excluded" if opposite is TargetKind.EXCLUSION_GROUP else "included"
        return Verdict(operation, Standing.CONFLICT, f"the group is {side} meanwhile")
    if key_of(operation.target) in inherited:
        if operation.filter is None:
            return Verdict(operation, Standing.DONE)
        reason = "a policy set assigns it meanwhile, without a filter"
        return Verdict(operation, Standing.CONFLICT, reason)
    return Verdict(operation, Standing.TO_DO)


def merge(direct: Mapping[Key, Assignment], operations: Sequence[Operation]) -> tuple[Wanted, ...]:
    """Make the whole direct set to send: all that is live, with the operations carried out on it.

    ``operations`` must all be to do (`judge`); anything else is a mistake of the caller.
    """
    wanted = {
        key: Wanted(assignment.target, assignment.filter, assignment.raw_target)
        for key, assignment in direct.items()
    }
    for operation in operations:
        key = key_of(operation.target)
        match operation:
            case Create():
                if key in wanted:
                    raise AssertionError("a create must not stand on a live assignment")
                wanted[key] = Wanted(operation.target, operation.filter)
            case Update():
                wanted[key] = replace(wanted[key], filter=operation.after)
            case Delete():
                del wanted[key]
            case _:
                assert_never(operation)
    return tuple(wanted[key] for key in sorted(wanted))


@dataclass(frozen=True, slots=True)
class Surprise:
    """A difference between what was sent and what a later reading shows.

    ``is_extra`` says that something was added by somebody else, which harms nothing of ours.
    """

    target: Target
    what: str
    is_extra: bool = False

    def __str__(self) -> str:
        """Name the target and what became of it."""
        return f"{say_target(self.target)} {self.what}"


def surprises(
    expected: Iterable[Wanted], before: Iterable[Assignment], after: Iterable[Assignment]
) -> tuple[Surprise, ...]:
    """Name everything that a reading after the write shows beyond, or short of, what it should.

    ``expected`` is the whole direct set that should now be there. ``before`` and ``after`` are
    whole readings: what policy sets assigned was not sent, and must have stayed as it was.
    """
    now = list(after)
    direct = {key_of(assignment.target): assignment for assignment in now if assignment.is_direct}
    sent = {key_of(wanted.target): wanted for wanted in expected}
    found = [
        Surprise(wanted.target, "is missing after the write")
        for key, wanted in sent.items()
        if key not in direct
    ]
    for key, assignment in direct.items():
        if key not in sent:
            what = "was added by somebody else during the write"
            found.append(Surprise(assignment.target, what, is_extra=True))
        elif assignment.filter != sent[key].filter:
            what = f"has filter {say(assignment.filter)} after the write"
            found.append(Surprise(assignment.target, what))
        elif assignment.target.kind is TargetKind.OPAQUE and _content(
            assignment.raw_target
        ) != _content(sent[key].raw_target):
            found.append(Surprise(assignment.target, "has other properties after the write"))
    found += _surprises_of_policy_sets(before, now)
    return tuple(sorted(found, key=lambda surprise: surprise.target.sort_key))


def _content(raw_target: str | None) -> object:
    """What an opaque target says, however Graph spells it this time; its filter is left out.

    Nulls, annotations, the ``#`` of a type and the case of ids say nothing (graph.md section 3).
    """
    target: dict[str, object] = json.loads(raw_target or "{}")
    return {
        name: value.removeprefix("#").casefold() if isinstance(value, str) else value
        for name, value in target.items()
        if value is not None
        and "assignmentfilter" not in name.lower()
        and ("@odata." not in name or name == "@odata.type")
    }


def _surprises_of_policy_sets(
    before: Iterable[Assignment], after: Iterable[Assignment]
) -> list[Surprise]:
    """Count by identity: the id of an assignment is Graph's own affair and may change."""

    def inherited(assignments: Iterable[Assignment]) -> Counter[tuple[Key, str]]:
        return Counter(
            (key_of(found.target), found.source.casefold())
            for found in assignments
            if not found.is_direct
        )

    was, stands = list(before), list(after)
    targets = {key_of(found.target): found.target for found in (*was, *stands)}
    lost, gained = inherited(was) - inherited(stands), inherited(stands) - inherited(was)
    return [
        Surprise(targets[key], "of a policy set is missing after the write") for key, _ in lost
    ] + [
        Surprise(targets[key], "was assigned by a policy set meanwhile", is_extra=True)
        for key, _ in gained
    ]


def body_digest(method: str, wanted: Iterable[Wanted], operations: Iterable[Operation]) -> str:
    """Name what would be sent, so that a queued write can be told from a changed one."""
    parts = [
        method,
        sorted([*key_of(w.target), *_id_of(w.filter), _canonical(w.raw_target)] for w in wanted),
        sorted([action_of(op).value, *key_of(op.target)] for op in operations),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _canonical(raw_target: str | None) -> str:
    """The same for one target however Graph ordered its keys this time."""
    return json.dumps(json.loads(raw_target), sort_keys=True) if raw_target else ""


def _id_of(filter: Filter | None) -> tuple[str, str]:
    """What is sent of a filter; its name is not."""
    return ("none", "") if filter is None else (filter.mode.value, filter.id)


def say(filter: Filter | None) -> str:
    """Write a filter in words: its mode, and its name or id."""
    return "none" if filter is None else f"{filter.mode} {filter.name or filter.id}"


def say_target(target: Target) -> str:
    """Write a target in words: its kind, and its name or id."""
    name = f'"{target.name}"' if target.name else target.id
    return target.kind.value if name is None else f"{target.kind} {name}"


def describe(operation: Operation) -> str:
    """Write an operation in words."""
    return f"{action_of(operation)} {say_target(operation.target)}"
