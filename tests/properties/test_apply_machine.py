"""Somebody else edits, requests fail, the process dies: the laws of apply hold all the same.

One round is a tenant, a few declarations, and a handful of runs of plan and apply in process. The
world between the client and the sandbox judges every write (`tests/support/apply_world.py`).

Readings lag, each policy for itself, come in short pages while somebody edits, and belong to
another request; the machine sleeps, and somebody sets its clock.

``MACHINE_ROUNDS`` says how many rounds (without it ``PROPERTY_ROUNDS`` does), ``MACHINE_SEED`` which
ones, and ``MACHINE_REPORT`` asks for the counts; an empty ``MACHINE_SHRINKS`` takes the first failure
as it is found. Not RECONCILER_...: conftest clears the program's own variables away.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reconciler.model.errors import ReconcilerError
from reconciler.model.plan import Delete
from reconciler.model.result import Status
from reconciler.sandbox import Fault
from tests.support.apply_world import (
    NAMES,
    POLICIES,
    WRITE,
    Killed,
    World,
    adding_opaque,
    assigning,
    direct,
    from_sets,
    name_of,
    planned_name,
    removing,
    setting_policy_set,
)
from tests.support.clocks import FakeClock
from tests.support.in_process import Run, app_on
from tests.support.property_rounds import FACTOR, IS_SEARCH
from tests.support.tenants import (
    CORPORATE,
    KIOSKS,
    LINUX,
    declare,
    group,
    opaque,
    tenant,
)

ROUNDS = int(os.environ.get("MACHINE_ROUNDS", "0")) or 70 * max(FACTOR, 1)
SHRINKS = os.environ.get("MACHINE_SHRINKS", "1") or None
SEED = os.environ.get("MACHINE_SEED")

# What somebody else may do to a policy ------------------------------------------------------------

GROUPS = st.integers(1, 6)
FILTERS = st.sampled_from([("none", None), ("include", KIOSKS), ("exclude", CORPORATE)])
KINDS = st.sampled_from(["group", "exclusionGroup"])


EDITS = st.one_of(
    st.builds(assigning, KINDS, GROUPS, FILTERS),
    st.builds(removing, GROUPS),
    st.builds(adding_opaque, GROUPS),
    st.builds(setting_policy_set, GROUPS, st.booleans()),
)

# What may go wrong --------------------------------------------------------------------------------

_STATUSES = st.one_of(
    st.builds(
        lambda code, after, retry: Fault(
            "status", code=code, after=after, retry_after=retry, path="deviceManagement"
        ),
        st.sampled_from([500, 502, 503, 504]),
        st.booleans(),
        st.sampled_from([None, "1", "2.5"]),
    ),
    st.builds(
        lambda retry, skip, times: Fault(
            "status", code=429, retry_after=retry, skip=skip, times=times
        ),
        st.sampled_from([None, "0", "3", "900"]),
        st.integers(0, 8),
        st.integers(1, 3),
    ),
    st.builds(
        lambda code, skip: Fault("status", code=code, skip=skip),
        st.sampled_from([400, 403, 404]),
        st.integers(0, 12),
    ),
)
FAULTS = st.one_of(
    _STATUSES,
    st.builds(
        lambda kind, skip, method, times: Fault(kind, skip=skip, method=method, times=times),
        st.sampled_from(["reset_before", "reset_after", "truncated", "expired_token"]),
        st.integers(0, 12),
        st.sampled_from([None, "POST", "GET"]),
        st.integers(1, 2),
    ),
    st.builds(
        lambda after, skip: Fault("html", after=after, path="deviceManagement", skip=skip),
        st.booleans(),
        st.integers(0, 8),
    ),
    st.builds(lambda seconds: Fault("slow", seconds=seconds), st.sampled_from([1.0, 100.0, 700.0])),
    st.builds(lambda reads: Fault("stale_reads", reads=reads), st.integers(1, 6)),
    st.builds(lambda code: Fault("batch_status", code=code), st.sampled_from([404, 429, 500, 503])),
)


def _of(own):
    return f"{own}/assignments"


HOW_OFTEN = {"skip": st.integers(0, 6), "times": st.sampled_from([1, 2, 3, 5, 9, None])}
REPLICAS = st.one_of(
    st.builds(
        lambda own, behind, lacks, skip, times: Fault(
            "lagging_reads", path=_of(own), behind=behind, lacks=lacks, skip=skip, times=times
        ),
        st.sampled_from(POLICIES),
        st.one_of(st.none(), st.integers(1, 4)),
        st.one_of(st.none(), GROUPS.map(group), st.just(".")),
        **HOW_OFTEN,
    ),
    st.builds(
        lambda own, size, removes, skip, times: Fault(
            "short_pages", path=_of(own), size=size, removes=removes, skip=skip, times=times
        ),
        st.sampled_from(POLICIES),
        st.integers(1, 2),
        st.one_of(st.none(), GROUPS.map(group)),
        **HOW_OFTEN,
    ),
    st.builds(
        lambda own, other, skip, times: Fault(
            "swapped_answer", path=_of(own), of=other, skip=skip, times=times
        ),
        st.sampled_from(POLICIES),
        st.sampled_from(
            [
                None,
                f"/beta/deviceManagement/deviceCompliancePolicies/{POLICIES[0]}/assignments",
                f"/beta/deviceManagement/deviceCompliancePolicies/{POLICIES[1]}/assignments",
                f"/beta/deviceManagement/compliancePolicies/{LINUX}/assignments",
            ]
        ),
        **HOW_OFTEN,
    ),
)
NAPS = st.sampled_from([("sleep", 3.0), ("sleep", 20.0), ("wall", 3600.0), ("wall", -3600.0)])

# What is declared ---------------------------------------------------------------------------------

_YAML_FILTERS = st.sampled_from(
    ["", ", filter: {include: Kiosks}", ", filter: {exclude: Corporate}"]
)


@st.composite
def declarations(draw, linux):
    """The two sides of one policy, no group on both; on Linux without filters."""
    numbers = draw(st.lists(GROUPS, unique=True, max_size=4))
    at = draw(st.integers(0, len(numbers)))
    filters = st.just("") if linux else _YAML_FILTERS
    return {
        "include": [f"{{group: Group {n}{draw(filters)}}}" for n in numbers[:at]],
        "exclude": [f"group: Group {n}" for n in numbers[at:]],
    }


ALL_WANTED = st.tuples(
    declarations(linux=False), declarations(linux=False), declarations(linux=True)
)
WHENS = st.sampled_from(["before", "after"])
MOMENTS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 4), WHENS),
    st.tuples(st.just("write"), st.integers(1, 4), st.just("before")),
    st.tuples(st.just("read"), st.integers(1, 20), WHENS),
)
SCRIPTS = st.lists(st.tuples(MOMENTS, st.sampled_from(POLICIES), EDITS), min_size=1, max_size=4)
ENDINGS = st.one_of(st.none(), st.tuples(st.sampled_from(["kill", "stop"]), MOMENTS))
WRITES = st.sampled_from(["auto", "create", "assign"])
OWNERSHIP = st.sampled_from(["additive", "authoritative"])


class ApplyMachine(RuleBasedStateMachine):
    """A tenant, a root, a second editor, and a client that must keep the laws."""

    rounds = 0
    stale = 0
    runs = 0
    writes = 0
    excused = 0

    @initialize(
        mode=st.sampled_from(["production", "documented"]),
        first=st.lists(EDITS, max_size=4),
        second=st.lists(EDITS, max_size=2),
        page_size=st.sampled_from([1, 25]),
        wanted=ALL_WANTED,
        writes=WRITES,
        ownership=OWNERSHIP,
    )
    def begin(self, mode, first, second, page_size, wanted, writes, ownership):
        type(self).rounds += 1
        self.folder = Path(tempfile.mkdtemp(prefix="reconciler-machine-"))
        self.clock = FakeClock()
        self.mode = mode
        self.app = app_on(
            tenant({1: [opaque(11)], 2: []}), self.clock, mode=mode, page_size=page_size
        )
        self.world = World(self.app, self.clock)
        for edit in first:
            self.world.touch(POLICIES[0], edit)
        for edit in second:
            self.world.touch(POLICIES[2], edit)
        self.stored = None
        self.declare(wanted, writes, ownership)

    @rule(
        wanted=ALL_WANTED,
        writes=WRITES,
        ownership=OWNERSHIP,
    )
    def something_else_is_wanted(self, wanted, writes, ownership):
        self.declare(wanted, writes, ownership)

    def declare(self, wanted, writes, ownership):
        sides = {
            name: (one if ownership == "authoritative" else drop_empty(one))
            for name, one in zip(NAMES.values(), wanted, strict=True)
        }
        kept = {name: one for name, one in sides.items() if one}
        if kept:
            self.writes_mode = writes
            declare(self.folder, kept, writes=writes, ownership=ownership)

    @rule(edits=st.lists(st.tuples(st.sampled_from(POLICIES), EDITS), min_size=1, max_size=3))
    def somebody_edits(self, edits):
        for own, edit in edits:
            self.world.touch(own, edit)

    @rule(fault=FAULTS)
    def something_will_fail(self, fault):
        self.app.faults.add(fault)

    @rule(faults=st.lists(REPLICAS, min_size=1, max_size=3))
    def replicas_lag_and_answers_are_mixed_up(self, faults):
        for fault in faults:
            self.app.faults.add(fault)

    @precondition(lambda self: self.is_declared)
    @rule(
        edits=st.lists(st.tuples(st.sampled_from(POLICIES), EDITS), max_size=2),
        faults=st.lists(REPLICAS, min_size=1, max_size=3),
        naps=st.lists(st.tuples(MOMENTS, NAPS), max_size=2),
        script=SCRIPTS,
    )
    def apply_while_readings_cannot_be_trusted(self, edits, faults, naps, script):
        """Plan, then let somebody edit, replicas lag and the machine sleep, then apply that plan."""
        self.prepare((), None)
        plan = self.plan_or_none()
        if plan is None:
            return
        for own, edit in edits:
            self.world.touch(own, edit)
        for fault in faults:
            self.app.faults.add(fault)
        self.prepare(script, None)
        for moment, (kind, seconds) in naps:
            nap = self.clock.advance if kind == "sleep" else self.clock.set_wall
            self.world.at(moment, lambda _there, nap=nap, seconds=seconds: nap(seconds))
        self.go(plan)

    @precondition(lambda self: self.is_declared)
    @rule()
    def save_a_plan(self):
        self.stored = self.plan_or_none()

    @precondition(lambda self: self.is_declared)
    @rule(script=SCRIPTS, ending=ENDINGS, wanted=ALL_WANTED, writes=WRITES, ownership=OWNERSHIP)
    def apply_something_new_while_somebody_edits(self, script, ending, wanted, writes, ownership):
        self.declare(wanted, writes, ownership)
        self.prepare(script, ending)
        self.go(None)

    @precondition(lambda self: self.is_declared)
    @rule(ending=ENDINGS)
    def apply(self, ending):
        self.prepare((), ending)
        self.go(None)

    @precondition(lambda self: self.is_declared)
    @rule(edits=st.lists(st.tuples(st.sampled_from(POLICIES), EDITS), max_size=3), fault=FAULTS)
    def apply_on_a_bad_day(self, edits, fault):
        """Plan, then let somebody edit and something fail, then apply that plan."""
        self.prepare((), None)
        plan = self.plan_or_none()
        if plan is None:
            return
        for own, edit in edits:
            self.world.touch(own, edit)
        self.app.faults.add(fault)
        self.go(plan)

    @precondition(lambda self: self.is_declared and self.stored is not None)
    @rule(script=SCRIPTS, ending=ENDINGS)
    def apply_the_saved_plan(self, script, ending):
        self.prepare(script, ending)
        self.go(self.stored)

    @property
    def is_declared(self):
        return (self.folder / "policies.yaml").exists()

    def plan_or_none(self):
        try:
            return self.run().plan()
        except ReconcilerError:
            return None

    def run(self):
        return Run(self.world.process(), self.folder, clock=self.clock)

    def prepare(self, script, ending):
        self.world.script = {}
        for moment, own, edit in script:
            self.world.at(
                moment, lambda there, own=own, edit=edit: self.world.touch(there or own, edit)
            )
        if ending is not None:
            kind, moment = ending
            end = self.clock.stop if kind == "stop" else self.world.die
            self.world.at(moment, lambda _there, end=end: end())

    def go(self, plan):
        """Run plan and apply to whatever end, and judge that end."""
        world = self.world
        self.clock.is_stopped = False
        world.begin()
        began, recorded = world.number, len(self.app.requests)
        before = world.everything()
        run = self.run()
        type(self).runs += 1
        self.app._expired_tokens.clear()
        try:
            world.plan = plan or run.plan()
            if not world.plan.complete:
                return
            world.see_plan()
            result = run.apply(world.plan)
        except (ReconcilerError, Killed):
            result = None
        finally:
            world.script = {}
            self.clock.is_stopped = False
        type(self).writes += sum(
            1
            for method, path, _ in self.app.requests[recorded:]
            if method != "GET" and WRITE.match(path)
        )
        type(self).excused += len(world.excused)
        if world.plan is not None:
            world.nothing_untouched_is_lost(before, began)
        if result is not None:
            type(self).stale += len(result.having(Status.STALE))
            self.the_report_is_true(result)
        world.excused.clear()

    def the_report_is_true(self, result):
        """What is called done is done, unless somebody undid it meanwhile."""
        now = self.world.everything()
        for outcome in result.outcomes:
            if outcome.status not in (Status.APPLIED, Status.ALREADY):
                assert outcome.error or result.interrupted
                continue
            there = direct(now[outcome.policy.id])
            inherited = {name_of(a["target"]) for a in from_sets(now[outcome.policy.id])}
            for change in outcome.changes:
                name = planned_name(change)
                if (outcome.policy.id, name) in self.world.touched:
                    continue
                if isinstance(change, Delete):
                    assert name not in there
                elif name not in inherited:
                    assert name in there, f"{name} is called done and is not there"

    @invariant()
    def no_law_is_broken(self):
        if hasattr(self, "world"):
            assert self.world.crimes == []

    def teardown(self):
        """Without faults the same run converges, and the plan after it is empty."""
        if not hasattr(self, "world"):
            return
        try:
            if self.is_declared:
                self.converges()
            self.no_law_is_broken()
        finally:
            shutil.rmtree(self.folder)

    def converges(self):
        self.app.faults._countdowns.clear()
        self.app.state._stale.clear()
        self.app._expired_tokens.clear()
        self.clock.advance(30)
        run = self.run()
        plan = self.world.plan = run.plan()
        self.world.begin()
        if not plan.complete:
            assert any(d.is_error and d.message for d in plan.diagnostics)
            return
        result = run.apply(plan)
        if self.writes_mode == "create" and self.mode == "production":
            due = [p for p in plan.policies if p.changes]
            assert all("writes: auto" in o.error for o in result.outcomes)
            assert len(result.outcomes) == len(due)
            return
        assert result.exit_code == 0, [o.error for o in result.outcomes]
        again = self.run()
        assert again.plan().is_empty
        number = len(self.app.requests)
        assert again.apply(again.plan()).exit_code == 0
        written = self.app.requests[number:]
        assert not [r for r in written if r[0] != "GET" and "$batch" not in r[1]]


def drop_empty(sides):
    """Additively, an empty side says nothing and two of them are a mistake."""
    kept = {side: entries for side, entries in sides.items() if entries}
    return kept or None


def test_the_laws_of_apply_hold_whatever_happens():
    chosen = settings(
        max_examples=ROUNDS,
        stateful_step_count=9,
        deadline=None,
        derandomize=SEED is None and not IS_SEARCH,
        database=None,
        print_blob=True,
        phases=(Phase.generate, *(() if SHRINKS is None else (Phase.shrink,))),
        suppress_health_check=list(HealthCheck),
    )
    machine = ApplyMachine if SEED is None else seed(int(SEED))(ApplyMachine)
    run_state_machine_as_test(machine, settings=chosen)
    if os.environ.get("MACHINE_REPORT"):
        sys.stdout.write(
            f"\nrounds {ApplyMachine.rounds}, runs {ApplyMachine.runs}, "
            f"writes seen {ApplyMachine.writes}, stale {ApplyMachine.stale}, "
            f"excused {ApplyMachine.excused}\n"
        )
