"""Put a plan's changes on top of what is live right now, losing nothing. Pure.

Terms. A policy's *direct* assignments were made on the policy itself; the others come from policy
sets. An assignment's *identity* is its side, the kind of its target and the target's id
(`reconciler.model.plan.key_of`). Its filter is an attribute.

Premise. Graph has no call that adds one assignment in every tenant. ``assign`` replaces a policy's
whole direct set, and removes whatever is not in it. So what is sent must hold everything that is
there, of types that this program does not know too.

Algorithm. `judge_all` holds each change against a reading: to do, done, or in conflict with
somebody's edit. `merge` begins with every direct assignment of that same reading, in the JSON text
that Graph showed, and carries out on it the changes that are to do, by identity. Its one law:
*every live direct assignment that is not deleted is in the result, unchanged*.

The obvious way, to send what the desired state declares, fails twice. It removes what others
assigned, and it writes targets anew, so that properties which this program does not know are lost.
What a policy set assigned is never sent: it would come back as a direct copy.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from reconciler.model.plan import Change, Create, Delete, Key, Update, key_of
from reconciler.model.requests import AssignmentToSend
from reconciler.model.state import Assignment, Filter, Target, TargetKind
from reconciler.model.wording import describe_filter, describe_target


class ChangeState(StrEnum):
    """How a change stands against a reading."""

    TO_DO = "to_do"
    """The tenant is as the plan saw it; the change may be written."""
    DONE = "done"
    """The tenant is as the change wants it; there is nothing to write."""
    CONFLICT = "conflict"
    """Somebody changed what the change is about; it must not be written."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one change stands against one reading. ``reason`` explains a conflict, else it is empty."""

    change: Change
    state: ChangeState
    reason: str = ""


OPPOSITE_SIDE = {
    TargetKind.GROUP: TargetKind.EXCLUSION_GROUP,
    TargetKind.EXCLUSION_GROUP: TargetKind.GROUP,
}
"""The other side of a group; both would bear one assignment id ([I] graph.md section 2)."""


def judge(
    change: Change,
    direct: Mapping[Key, Assignment],
    inherited: Iterable[Key] = (),
) -> Judgement:
    """Tell whether a change is still to do, already true, or overtaken by somebody's edit."""
    live = direct.get(key_of(change.target))
    match change:
        case Create():
            return _judge_create(change, live, direct, frozenset(inherited))
        case Update():
            if live is None:
                return Judgement(change, ChangeState.CONFLICT, "it was removed")
            if live.filter == change.after:
                return Judgement(change, ChangeState.DONE)
            if live.filter == change.live.filter:
                return Judgement(change, ChangeState.TO_DO)
            return _conflict_of_filters(change, live)
        case Delete():
            if live is None:
                return Judgement(change, ChangeState.DONE)
            if live.filter == change.live.filter:
                return Judgement(change, ChangeState.TO_DO)
            return _conflict_of_filters(change, live)
        case _:
            assert_never(change)


def judge_all(
    changes: Sequence[Change],
    direct: Mapping[Key, Assignment],
    inherited: Iterable[Key] = (),
) -> tuple[Judgement, ...]:
    """Judge one policy's changes together: what one of them deletes is in no other's way."""
    going = {key_of(change.target) for change in changes if isinstance(change, Delete)}
    staying = {key: assignment for key, assignment in direct.items() if key not in going}
    covered = frozenset(inherited)
    return tuple(
        judge(change, staying if isinstance(change, Create) else direct, covered)
        for change in changes
    )


def _conflict_of_filters(change: Change, live: Assignment) -> Judgement:
    reason = f"it is now assigned {_with_filter(live.filter)}"
    return Judgement(change, ChangeState.CONFLICT, reason)


def _with_filter(filter: Filter | None) -> str:
    return "without a filter" if filter is None else f"with filter {describe_filter(filter)}"


def _judge_create(
    change: Create,
    live: Assignment | None,
    direct: Mapping[Key, Assignment],
    inherited: frozenset[Key],
) -> Judgement:
    if live is not None:
        if live.filter == change.filter:
            return Judgement(change, ChangeState.DONE)
        reason = f"it was added meanwhile {_with_filter(live.filter)}"
        return Judgement(change, ChangeState.CONFLICT, reason)
    opposite = OPPOSITE_SIDE.get(change.target.kind)
    if opposite is not None and key_of(replace(change.target, kind=opposite)) in direct:
        side = "excluded" if opposite is TargetKind.EXCLUSION_GROUP else "included"
        return Judgement(change, ChangeState.CONFLICT, f"the group is {side} meanwhile")
    if key_of(change.target) in inherited:
        if change.filter is None:
            return Judgement(change, ChangeState.DONE)
        reason = "a policy set assigns it meanwhile, without a filter"
        return Judgement(change, ChangeState.CONFLICT, reason)
    return Judgement(change, ChangeState.TO_DO)


def merge(
    direct: Mapping[Key, Assignment], changes: Sequence[Change]
) -> tuple[AssignmentToSend, ...]:
    """Make the whole direct set to send: all that is live, with the changes carried out on it.

    ``changes`` must all be to do (`judge`); anything else is a mistake of the caller.
    """
    wanted = {
        key: AssignmentToSend(
            assignment.target,
            assignment.filter,
            assignment.raw_target,
            assignment.raw_properties,
        )
        for key, assignment in direct.items()
    }
    for change in changes:
        key = key_of(change.target)
        match change:
            case Create():
                if key in wanted:
                    raise AssertionError("a create must not stand on a live assignment")
                wanted[key] = AssignmentToSend(change.target, change.filter)
            case Update():
                wanted[key] = replace(wanted[key], filter=change.after)
            case Delete():
                del wanted[key]
            case _:
                assert_never(change)
    return tuple(wanted[key] for key in sorted(wanted))


@dataclass(frozen=True, slots=True)
class ReadBackDifference:
    """A difference between what was sent and what a later reading shows.

    ``is_extra`` says that something was added by somebody else, which harms nothing of ours.
    """

    target: Target
    what: str
    is_extra: bool = False

    def __str__(self) -> str:
        """Name the target and what became of it."""
        return f"{describe_target(self.target)} {self.what}"


def read_back_differences(
    expected: Iterable[AssignmentToSend], before: Iterable[Assignment], after: Iterable[Assignment]
) -> tuple[ReadBackDifference, ...]:
    """Name everything that a reading after the write shows beyond, or short of, what it should.

    ``expected`` is the whole direct set that should now be there. ``before`` and ``after`` are
    whole readings: what policy sets assigned was not sent, and must have stayed as it was.
    """
    now = list(after)
    direct = {key_of(assignment.target): assignment for assignment in now if assignment.is_direct}
    sent = {key_of(wanted.target): wanted for wanted in expected}
    found = [
        ReadBackDifference(wanted.target, "is missing after the write")
        for key, wanted in sent.items()
        if key not in direct
    ]
    for key, assignment in direct.items():
        if key not in sent:
            what = "was added by somebody else during the write"
            found.append(ReadBackDifference(assignment.target, what, is_extra=True))
        elif assignment.filter != sent[key].filter:
            what = f"is assigned {_with_filter(assignment.filter)} after the write"
            found.append(ReadBackDifference(assignment.target, what))
        elif not has_same_properties(sent[key], assignment):
            found.append(
                ReadBackDifference(assignment.target, "has other properties after the write")
            )
    found += _policy_set_differences(before, now)
    return tuple(sorted(found, key=lambda difference: difference.target.sort_key))


def is_third_state(
    before: Mapping[Key, Assignment],
    expected: Iterable[AssignmentToSend],
    now: Mapping[Key, Assignment],
) -> bool:
    """Whether a direct set is neither that before a write, nor that after it, nor in between.

    A reading that lags shows for each assignment its state before the write or after it. Anything
    else is somebody's edit.
    """
    sent = {key_of(wanted.target): wanted for wanted in expected}
    return any(
        not _is_state_of(now.get(key), before.get(key))
        and not _is_state_of(now.get(key), sent.get(key))
        for key in before.keys() | sent.keys() | now.keys()
    )


def _is_state_of(now: Assignment | None, known: Assignment | AssignmentToSend | None) -> bool:
    if now is None or known is None:
        return now is None and known is None
    return now.filter == known.filter and has_same_properties(known, now)


def has_same_properties(known: Assignment | AssignmentToSend, now: Assignment) -> bool:
    """Whether all but the filter is as it was known: the target's JSON, and what stands beside it.

    A new assignment has nothing to compare: Graph itself fills in its properties.
    """
    if known.raw_target is None:
        return True
    return _content(known.raw_target) == _content(now.raw_target) and _content(
        known.raw_properties
    ) == _content(now.raw_properties)


def _content(raw: str) -> object:
    """What a JSON object says, however Graph spells it this time; a filter is left out.

    Nulls, annotations, the ``#`` of a type and the case of ids say nothing (graph.md section 3).
    """
    properties: dict[str, object] = json.loads(raw)
    return {
        name: value.removeprefix("#").casefold() if isinstance(value, str) else value
        for name, value in properties.items()
        if value is not None
        and "assignmentfilter" not in name.lower()
        and ("@odata." not in name or name == "@odata.type")
    }


def _policy_set_differences(
    before: Iterable[Assignment], after: Iterable[Assignment]
) -> list[ReadBackDifference]:
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
        ReadBackDifference(targets[key], "of a policy set is missing after the write")
        for key, _ in lost
    ] + [
        ReadBackDifference(targets[key], "was assigned by a policy set meanwhile", is_extra=True)
        for key, _ in gained
    ]
