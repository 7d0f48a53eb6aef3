"""What holds for from, until and remove on every day, whatever a policy has and declares."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from reconciler.differ.compare import diff
from reconciler.differ.schedule import lines_in_force
from reconciler.model.plan import Create, Delete, Update, key_of
from reconciler.model.state import Ownership, ResolvedState
from tests.support import build
from tests.support.property_rounds import examples
from tests.support.strategies import directories, resolved_policies

DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 9))


@st.composite
def dated_policies(draw):
    """A policy some of whose lines have a first day, a last day, or both in order."""
    policy = draw(resolved_policies())
    lines = []
    for line in policy.assignments:
        first, last = draw(st.none() | DAYS), draw(st.none() | DAYS)
        if first and last and first > last:
            first, last = last, first
        lines.append(replace(line, starts=first, ends=last))
    return replace(policy, assignments=tuple(lines))


def plan_on(policy, day, directory):
    state = ResolvedState(build.config(), (policy,))
    difference = diff(lines_in_force(state, day).state, directory)
    return difference.policies[0] if difference.policies else None


@examples(200)
@given(dated_policies(), DAYS, directories())
def test_a_line_does_what_its_days_say(policy, day, directory):
    plan = plan_on(policy, day, directory)
    if plan is None:
        return
    by_key = {key_of(line.target): line for line in policy.assignments}
    later = {key for key, line in by_key.items() if line.starts and day < line.starts}
    over = {key for key, line in by_key.items() if line.ends and line.ends < day}
    for change in plan.changes:
        key = key_of(change.target)
        assert key not in later
        if isinstance(change, Create | Update):
            assert key in by_key.keys() - over
        elif key in by_key:
            assert key in over
            assert change.declared_at == by_key[key].location
        else:
            assert policy.ownership is Ownership.AUTHORITATIVE
            assert change.declared_at is None
    assert {key_of(line.target) for line in plan.scheduled} == later
    direct = {key_of(each.target) for each in plan.live if each.is_direct}
    deleted = {key_of(change.target) for change in plan.changes if isinstance(change, Delete)}
    assert over & direct <= deleted


@examples(100)
@given(dated_policies(), DAYS, directories())
def test_each_live_assignment_stands_in_one_place_on_every_day(policy, day, directory):
    plan = plan_on(policy, day, directory)
    if plan is not None:
        had = sorted((each.id, each.source) for each in policy.live.assignments)
        assert sorted((each.id, each.source) for each in plan.live) == had


@given(resolved_policies(), DAYS)
def test_without_days_every_day_is_the_same(policy, day):
    state = ResolvedState(build.config(), (policy,))
    schedule = lines_in_force(state, day)
    assert (schedule.state, schedule.diagnostics) == (state, ())
