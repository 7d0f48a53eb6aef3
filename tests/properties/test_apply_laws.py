"""The laws of apply, each for any tenant and any declaration; several policies side by side."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.model.errors import ExitCode
from reconciler.model.plan import Delete, filter_after
from reconciler.model.result import Status
from tests.properties.test_apply_machine import ALL_WANTED, EDITS, FAULTS, OWNERSHIP, drop_empty
from tests.support.apply_world import (
    NAMES,
    POLICIES,
    direct,
    exactly,
    filter_of,
    from_sets,
    planned_filter,
    planned_name,
)
from tests.support.clocks import FakeClock
from tests.support.in_process import Run, app_on
from tests.support.property_rounds import examples
from tests.support.tenants import declare, tenant

quick = settings(examples(60), suppress_health_check=list(HealthCheck))
EDITED = st.lists(st.tuples(st.sampled_from(POLICIES), EDITS), max_size=8)
# What can write in each behaviour of the service: `create` alone cannot in production.
SERVICE = st.sampled_from(
    [("production", "auto"), ("production", "assign")]
    + [("documented", writes) for writes in ("auto", "create", "assign")]
)
PARALLELISM = st.sampled_from([1, 4])


class Tenancy:
    """A tenant as others left it, and a root that declares something of it."""

    def __init__(self, folder, edits, wanted, ownership, service, *, approval=None, page_size=25):
        self.clock = FakeClock()
        self.mode, self.writes = service
        self.app = app_on(
            tenant({1: [], 2: []}, approval=approval),
            self.clock,
            mode=self.mode,
            page_size=page_size,
        )
        for own, edit in edits:
            self.app.state.set_assignments(own, edit(own, self.app.state.assignments_of(own)))
        sides = {
            name: one if ownership == "authoritative" else drop_empty(one)
            for name, one in zip(NAMES.values(), wanted, strict=True)
        }
        kept = {name: one for name, one in sides.items() if one}
        assume(kept)
        self.root = declare(folder, kept, writes=self.writes, ownership=ownership)

    def run(self, parallelism=1, justification=None):
        return Run(
            self.app,
            self.root,
            clock=self.clock,
            parallelism=parallelism,
            justification=justification,
        )

    def everything(self):
        return {own: self.app.state.assignments_of(own) for own in POLICIES}

    def bodies(self):
        return sorted(json.dumps([path, body]) for _, path, body, _ in self.app.bodies)


@contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="reconciler-laws-") as name:
        yield Path(name)


def carried_out(plan, before):
    """What a tenant must have after a plan: computed from the plan alone, by names and filters."""
    expected = {
        own: {name: filter_of(one) for name, one in direct(assignments).items()}
        for own, assignments in before.items()
    }
    for policy in plan.policies:
        there = expected[policy.policy.id]
        for change in policy.changes:
            if isinstance(change, Delete):
                del there[planned_name(change)]
            else:
                there[planned_name(change)] = planned_filter(filter_after(change))
    return expected


@quick
@given(
    edits=EDITED, wanted=ALL_WANTED, ownership=OWNERSHIP, service=SERVICE, parallelism=PARALLELISM
)
def test_apply_does_exactly_what_the_plan_shows_and_the_next_plan_is_empty(
    edits, wanted, ownership, service, parallelism
):
    with folder() as root:
        tenancy = Tenancy(root, edits, wanted, ownership, service)
        before = tenancy.everything()
        run = tenancy.run(parallelism)
        plan = run.plan()
        assume(plan.complete)

        result = run.apply(plan)

        after = tenancy.everything()
        shown = {
            own: {name: filter_of(one) for name, one in direct(assignments).items()}
            for own, assignments in after.items()
        }
        assert result.exit_code is ExitCode.OK
        assert shown == carried_out(plan, before)
        assert {own: from_sets(a) for own, a in after.items()} == {
            own: from_sets(a) for own, a in before.items()
        }
        assert sum(len(o.written) for o in result.outcomes) == len(tuple(plan.changes))
        assert tenancy.run().plan().is_empty
        assert tenancy.clock.waits == []


@quick
@given(edits=EDITED, wanted=ALL_WANTED, ownership=OWNERSHIP, service=SERVICE)
def test_applying_the_same_plan_again_writes_nothing(edits, wanted, ownership, service):
    with folder() as root:
        tenancy = Tenancy(root, edits, wanted, ownership, service)
        plan = tenancy.run().plan()
        assume(plan.complete)
        tenancy.run().apply(plan)
        written = len(tenancy.app.bodies)

        again = tenancy.run().apply(plan)

        assert {o.status for o in again.outcomes} <= {Status.ALREADY}
        assert len(tenancy.app.bodies) == written


@quick
@given(edits=EDITED, wanted=ALL_WANTED, ownership=OWNERSHIP, data=st.data())
def test_what_is_sent_depends_on_neither_pages_nor_the_order_of_live_assignments(
    edits, wanted, ownership, data
):
    bodies = []
    for page_size in (1, 25):
        with folder() as root:
            tenancy = Tenancy(
                root, edits, wanted, ownership, ("production", "assign"), page_size=page_size
            )
            for own in POLICIES:
                mixed = data.draw(st.permutations(tenancy.app.state.assignments_of(own)))
                tenancy.app.state.set_assignments(own, mixed)
            plan = tenancy.run().plan()
            assume(plan.complete)
            tenancy.run().apply(plan)
            bodies.append((plan.digest, tenancy.bodies()))

    assert bodies[0] == bodies[1]


@quick
@given(
    edits=EDITED,
    wanted=ALL_WANTED,
    ownership=OWNERSHIP,
    service=SERVICE,
    faults=st.lists(FAULTS, min_size=1, max_size=4),
)
def test_side_by_side_on_a_bad_day_nothing_is_lost_and_a_good_day_finishes_it(
    edits, wanted, ownership, service, faults
):
    with folder() as root:
        tenancy = Tenancy(root, edits, wanted, ownership, service)
        before = tenancy.everything()
        plan = tenancy.run().plan()
        assume(plan.complete)
        for fault in faults:
            tenancy.app.faults.add(fault)

        bad = tenancy.run(4).apply(plan)

        expected = carried_out(plan, before)
        for own, assignments in tenancy.everything().items():
            now, was = direct(assignments), direct(before[own])
            for name in was.keys() & expected[own].keys():
                assert name in now
                if filter_of(was[name]) == expected[own][name]:
                    assert exactly(now[name]) == exactly(was[name])
            assert set(now) <= was.keys() | expected[own].keys()
        for outcome in bad.outcomes:
            assert outcome.error or outcome.status in (Status.APPLIED, Status.ALREADY)
        assert bad.exit_code is (ExitCode.OK if bad.complete else ExitCode.ERROR)

        tenancy.app.faults._countdowns.clear()
        tenancy.app.state._stale.clear()
        tenancy.app._expired_tokens.clear()
        tenancy.clock.advance(30)
        assert tenancy.run(4).apply(plan).exit_code is ExitCode.OK
        assert tenancy.run().plan().is_empty


@quick
@given(
    edits=EDITED,
    wanted=ALL_WANTED,
    ownership=OWNERSHIP,
    service=SERVICE,
    form=st.sampled_from(["documented", "observed"]),
    decisions=st.lists(st.sampled_from(["approved", "approved", "rejected", None]), max_size=4),
    somebody=st.lists(st.tuples(st.sampled_from(POLICIES), EDITS), max_size=2),
)
def test_approvals_never_count_before_they_are_given_and_come_to_an_end(
    edits, wanted, ownership, service, form, decisions, somebody
):
    with folder() as root:
        tenancy = Tenancy(root, edits, wanted, ownership, service, approval=form)
        changes = iter(somebody)
        for decision in [*decisions, *["approved"] * 14]:
            before = tenancy.everything()
            granted = {a["id"] for a in tenancy.app.state.approvals if a["status"] == "approved"}
            run = tenancy.run(justification="why")
            plan = run.plan()
            assume(plan.complete)
            result = run.apply(plan)
            done = {a["id"] for a in tenancy.app.state.approvals if a["status"] == "completed"}
            assert result.summary.has_changes <= bool(granted & done)
            if not granted:
                assert tenancy.everything() == before
            if result.exit_code is ExitCode.OK:
                break
            for request in tenancy.app.state.approvals:
                if request["status"] == "needsApproval" and decision is not None:
                    tenancy.app.state.decide(request["id"], decision)
            for own, edit in [next(changes, (None, None))]:
                if own is not None:
                    now = tenancy.app.state.assignments_of(own)
                    tenancy.app.state.set_assignments(own, edit(own, now))
            # What fits no longer is withdrawn by a person, as the report asks.
            for outcome in result.outcomes:
                if outcome.error and "queued for an earlier state" in outcome.error:
                    tenancy.app.state.decide(outcome.approval_code, "cancelled")
        else:
            raise AssertionError([o.error for o in result.outcomes])
        assert tenancy.run().plan().is_empty
