"""What has changed in a policy since a saved plan was made. Pure.

Terms. A plan is *stale* where the tenant is no longer as the plan saw it. (*Drift* is something
else: tenant and files differ.)

Premise. A saved plan was reviewed against a certain state of the tenant. A reviewer who reads "left
alone" has agreed to what was left alone too, so any difference ends that agreement, and not only
one that touches a change. One thing is no difference: what a change of the plan itself wants. A run
that was cut short may be run again.

Algorithm. Both sets are indexed by where an assignment stands (`_place`): its identity, and which
policy set made it. Then they are compared place by place, and what differs is explained field by
field.

The obvious way, to compare a hash of both sets, tells that something differs and not what. It also
calls every plan stale that a former run has carried out in part.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.applier.merge import ChangeState, judge
from reconciler.differ.compare import FieldChange, explain
from reconciler.model.plan import Key, PolicyPlan, assignment_order, key_of
from reconciler.model.state import Assignment, Policy, Target

_Place: TypeAlias = tuple[Key, str, str]


@dataclass(frozen=True, slots=True)
class StaleAssignment:
    """One assignment that is not as the plan saw it.

    ``before`` and ``now`` are None where there was or is no such assignment; ``fields`` says what
    differs where there are both.
    """

    policy: Policy
    target: Target
    before: Assignment | None
    now: Assignment | None
    fields: tuple[FieldChange, ...] = ()


def stale_assignments(plan: PolicyPlan, now: Iterable[Assignment]) -> tuple[StaleAssignment, ...]:
    """Name each difference between what the plan saw and what is live, in order of target.

    What one of the plan's own changes would have brought about is no difference: a run that was
    cut short may be run again.
    """
    live = list(now)
    before = _by_place(plan.live)
    after = _by_place(live)
    done = _done(plan, live)
    found: list[StaleAssignment] = []
    for place in sorted(before.keys() | after.keys()):
        was, stands = before.get(place), after.get(place)
        fields = explain(_spread(was), _spread(stands))
        known = was or stands
        if fields and known is not None and place not in done:
            both = was is not None and stands is not None
            found.append(
                StaleAssignment(plan.policy, known.target, was, stands, fields if both else ())
            )
    return tuple(sorted(found, key=lambda item: item.target.sort_key))


def _by_place(assignments: Iterable[Assignment]) -> dict[_Place, Assignment]:
    """Index assignments by where they stand; a second one of one target has a place of its own."""
    placed: dict[_Place, Assignment] = {}
    for assignment in sorted(assignments, key=assignment_order):
        place = _place(assignment)
        if place in placed:
            place = (*place[:2], assignment.id)
        placed[place] = assignment
    return placed


def _place(assignment: Assignment) -> _Place:
    """Where an assignment stands: its identity, and which policy set made it, if one did."""
    if assignment.is_direct:
        return key_of(assignment.target), "direct", ""
    return key_of(assignment.target), assignment.source.casefold(), assignment.id


def _done(plan: PolicyPlan, live: Iterable[Assignment]) -> set[_Place]:
    """The places that one of the plan's own changes has already brought to where it wants."""
    direct = {key_of(a.target): a for a in live if a.is_direct}
    return {
        (key_of(change.target), "direct", "")
        for change in plan.changes
        if judge(change, direct).state is ChangeState.DONE
    }


def _spread(assignment: Assignment | None) -> dict[str, object]:
    if assignment is None:
        return {}
    filter = assignment.filter
    mode, filter_id = (filter.mode.value, filter.id) if filter else ("none", None)
    return {
        "filter": {"mode": mode, "id": filter_id},
        "target": _comparable(assignment),
    }


def _comparable(assignment: Assignment) -> object:
    """Spread the raw target of what the program does not know; the rest is known by identity."""
    if assignment.target.odata_type is None:
        return {}
    return json.loads(assignment.raw_target)
