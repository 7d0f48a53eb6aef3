"""Somebody else edits, requests fail, the process dies: the laws of apply hold all the same.

One round is a tenant, a few declarations, and a handful of runs of plan and apply in process. The
world between the client and the sandbox judges every request that changes something on the spot:
by what the tenant had, by what the last complete reading of that policy showed, and by the plan.

Readings lag, each policy for itself, come in short pages while somebody edits, and belong to
another request; the machine sleeps, and somebody sets its clock.

The one exemption is the contract's own: Graph has no ETag, so what somebody does to an assignment
after the reading, or what no reading of the run and no plan ever showed, cannot be known to the
write that follows. It is granted for that very assignment and that very write, and for nothing
else: what the plan or an earlier reading of the run showed must not be lost to a reading that lags.

``MACHINE_ROUNDS`` says how many rounds (without it ``PROPERTY_ROUNDS`` does), ``MACHINE_SEED`` which
ones, and ``MACHINE_REPORT`` asks for the counts; an empty ``MACHINE_SHRINKS`` takes the first failure
as it is found. Not RECONCILER_...: conftest clears the program's own variables away.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
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
from reconciler.model.plan import Create, Delete, Update
from reconciler.model.result import Status
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import Run, app_on
from tests.support.property_rounds import FACTOR, IS_SEARCH
from tests.support.tenants import (
    CORPORATE,
    KIOSKS,
    LINUX,
    declare,
    group,
    live,
    opaque,
    policy_id,
    target,
    tenant,
)

ROUNDS = int(os.environ.get("MACHINE_ROUNDS", "0")) or 70 * max(FACTOR, 1)
SHRINKS = os.environ.get("MACHINE_SHRINKS", "1") or None
SEED = os.environ.get("MACHINE_SEED")

POLICIES = (policy_id(1), policy_id(2), LINUX)
NAMES = {POLICIES[0]: "Policy 1", POLICIES[1]: "Policy 2", LINUX: "Linux"}
_POLICY = re.compile(r"/beta/deviceManagement/\w+/([^/]+)/(assign(?:ments)?)(/|$)")
_WRITE = re.compile(r"/(?:beta|v1\.0)/deviceManagement/\w+/([^/]+)/assign(?:ments(?:/.+)?)?$")
_ID = "deviceAndAppManagementAssignmentFilterId"
_MODE = "deviceAndAppManagementAssignmentFilterType"
_SIDES = {"group": "groupAssignmentTarget", "exclusion_group": "exclusionGroupAssignmentTarget"}


class Killed(BaseException):
    """The process is gone; nothing may catch this."""


def name_of(one):
    """An assignment's identity as a person sees it."""
    kind = one["@odata.type"].removeprefix("#microsoft.graph.")
    return kind, one.get("groupId", "")


def filter_of(one):
    mode = one.get(_MODE) or "none"
    return (mode, one.get(_ID)) if mode != "none" else ("none", None)


def direct(assignments):
    return {name_of(a["target"]): a["target"] for a in assignments if a["source"] == "direct"}


def from_sets(assignments):
    return [a for a in assignments if a["source"] != "direct"]


def exactly(one):
    """The text of a target: order of keys and all."""
    return json.dumps(one)


def planned_name(change):
    return _SIDES[change.target.kind.value], change.target.id


def planned_filter(filter):
    return ("none", None) if filter is None else (filter.mode.value, filter.id)


@dataclass
class Reading:
    """What the client was shown of a policy, at which request, and when it asked."""

    shown: dict
    number: int
    asked: tuple
    written_since: bool = False


OLDEST = 5.0
"""Seconds that a reading may be old when the write arrives, by either clock."""


class World:
    """Stands before the sandbox: lets others act at planned requests, and judges every write."""

    def __init__(self, app, clock):
        self.app = app
        self.clock = clock
        self.number = 0
        self.write_number = 0
        self.script = {}
        self.alive = object()
        self.plan = None
        self.readings = {}
        self.pages = {}
        self.seen = {}
        self.touched = {}
        self.excused = set()
        self.crimes = []

    def process(self):
        """The way in for one new process; once it is dead, none of its threads gets through again."""
        own = self.alive = object()

        def serve(environ, start_response):
            if self.alive is not own:
                raise Killed
            content = self.answer(environ, start_response)
            if self.alive is not own:
                raise Killed
            return content

        return serve

    def die(self):
        self.alive = None

    def answer(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        asked = self.clock.monotonic(), self.clock.timestamp()
        is_first = "skiptoken" not in environ.get("QUERY_STRING", "")
        self.number += 1
        found = _WRITE.match(path) if method != "GET" else None
        own = found and found.group(1)
        if found:
            self.write_number += 1
            number = ("write", self.write_number)
        else:
            number = ("read", self.number - self.write_number)
        self.act(number, "before", own)
        if self.alive is None:
            raise Killed
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        before = self.everything()
        heads = []

        def start(status, headers, exc_info=None):
            heads.append((status, headers))
            start_response(status, headers)

        try:
            content = b"".join(self.app(environ, start))
        except ConnectionResetError:
            self.judge(method, path, body, before, 0, asked)
            self.act(number, "after", own)
            raise
        status = int(heads[0][0].split()[0])
        self.judge(method, path, body, before, status, asked)
        self.remember(method, path, status, content, asked, is_first)
        self.act(number, "after", own)
        return [content]

    def at(self, moment, action):
        """Plan an action before or after the n-th read or write from now on."""
        kind, number, when = moment
        done = self.write_number if kind == "write" else self.number - self.write_number
        self.script.setdefault(((kind, done + number), when), []).append(action)

    def act(self, number, when, own=None):
        """Do what is planned; ``own`` is the policy that is being written, None at a reading."""
        for action in self.script.pop((number, when), ()):
            action(own)

    def everything(self):
        return {own: self.app.state.assignments_of(own) for own in POLICIES}

    def begin(self):
        """A new run knows nothing of the readings of another."""
        self.readings, self.pages, self.seen = {}, {}, {}

    def see_plan(self):
        """What the plan saw of each policy, directly assigned."""
        for policy in self.plan.policies:
            shown = {
                name_of(target): target
                for target in (json.loads(a.raw_target) for a in policy.live if a.is_direct)
            }
            self.see(policy.policy.id, shown)

    def see(self, own, shown):
        for name, one in shown.items():
            self.seen.setdefault((own, name), set()).add(filter_of(one))

    def remember(self, method, path, status, content, asked, is_first):
        """Keep a complete reading of one policy; half of one is none."""
        found = _POLICY.match(path)
        if method != "GET" or status != 200 or not found:
            return
        own = found.group(1)
        try:
            page = json.loads(content)
            entries = page["value"]
            if not all(entry["id"].startswith(own) for entry in entries):
                return  # the answer to another request
        except (ValueError, KeyError):
            return
        if is_first:
            self.pages[own] = [asked, []]
        if own not in self.pages:
            return
        asked, collected = self.pages[own]
        collected += entries
        if "@odata.nextLink" in page:
            return
        shown = direct(collected)
        self.readings[own] = Reading(shown, self.number, asked)
        if is_first:  # in one page, so that nothing can have changed in between
            self.see(own, shown)

    def judge(self, method, path, body, before, status, asked):
        """Compare what a request did with what it was allowed to do."""
        after = self.everything()
        found = _WRITE.match(path)
        own = found.group(1) if found and method != "GET" else None
        for other in POLICIES:
            if other != own and before[other] != after[other]:
                if own is None:  # somebody edits between two pages of a reading
                    self.note_edit(other, before[other], after[other])
                else:
                    self.crimes.append(f"{method} {path} changed {other}")
        if own is None:
            return
        reading = self.readings.get(own)
        if reading is None or reading.written_since:
            self.crimes.append(f"{method} {path} without a reading directly before it")
            return
        ages = [now - then for now, then in zip(asked, reading.asked, strict=True)]
        if max(ages) > OLDEST or min(ages) < -1:
            self.crimes.append(f"{method} {path} on a reading of {ages} s")
        reading.written_since = status != 401
        if from_sets(before[own]) != from_sets(after[own]):
            self.crimes.append(f"{method} {path} changed what a policy set assigned")
        if path.endswith("/assign"):
            self.judge_body(own, json.loads(body), reading)
        self.judge_effect(own, direct(before[own]), direct(after[own]), reading)

    def changes(self, own, kind):
        plans = [p for p in self.plan.policies if p.policy.id == own]
        return {planned_name(op): op for p in plans for op in p.changes if isinstance(op, kind)}

    def judge_body(self, own, body, reading):
        """What is sent is what was read, with the plan's changes on it and nothing else."""
        creates, updates = self.changes(own, Create), self.changes(own, Update)
        deletes = self.changes(own, Delete)
        sent = {name_of(entry["target"]): entry["target"] for entry in body["assignments"]}
        if len(sent) != len(body["assignments"]):
            self.crimes.append(f"sent a target twice: {body}")
        for name, shown in reading.shown.items():
            if name not in sent:
                if name not in deletes:
                    self.crimes.append(f"left out {name} of {own}, which the reading showed")
            elif name in updates:
                same = {k: v for k, v in shown.items() if k not in (_ID, _MODE)}
                if {k: v for k, v in sent[name].items() if k not in (_ID, _MODE)} != same:
                    self.crimes.append(f"changed more than the filter of {name}")
                wanted = planned_filter(updates[name].after), filter_of(shown)
                if filter_of(sent[name]) not in wanted:
                    self.crimes.append(f"sent {name} with {filter_of(sent[name])}")
            elif "FotaDeployment" in name[0]:
                if exactly(sent[name]) != exactly(shown):
                    self.crimes.append(f"changed the bytes of {name}")
            elif sent[name] != shown:
                self.crimes.append(f"sent {sent[name]} where {shown} was read")
        for name, one in sent.items():
            if name in reading.shown:
                continue
            if name not in creates or filter_of(one) != planned_filter(creates[name].filter):
                self.crimes.append(f"sent {one}, which nobody planned")

    def judge_effect(self, own, before, after, reading):
        creates, updates = self.changes(own, Create), self.changes(own, Update)
        deletes = self.changes(own, Delete)
        for name in before.keys() | after.keys():
            was, now = before.get(name), after.get(name)
            if was is not None and now is not None and exactly(was) == exactly(now):
                continue
            planned = (
                (now is None and name in deletes)
                or (
                    was is None
                    and name in creates
                    and filter_of(now) == planned_filter(creates[name].filter)
                )
                or (
                    was is not None
                    and now is not None
                    and name in updates
                    and filter_of(now) == planned_filter(updates[name].after)
                )
            )
            shown = reading.shown.get(name)
            as_read = (was is None) == (shown is None)
            if planned and as_read and filter_of(was or {}) == filter_of(shown or {}):
                continue
            if self.could_not_know(own, name, was, reading):
                self.excused.add((own, name))
            else:
                self.crimes.append(f"{own} {name}: {was} became {now}, shown {reading.shown}")

    def could_not_know(self, own, name, was, reading):
        """The reading showed this one assignment otherwise than it was, and nothing else showed it."""
        shown = reading.shown.get(name)
        if (shown is None) == (was is None) and (shown is None or exactly(shown) == exactly(was)):
            return False
        if self.touched.get((own, name), -1) >= reading.number:
            return True  # it came after the reading
        return was is None or filter_of(was) not in self.seen.get((own, name), ())

    def touch(self, own, edit):
        """Somebody else edits a policy, now."""
        before = self.app.state.assignments_of(own)
        after = edit(own, before)
        self.app.state.set_assignments(own, after)
        self.note_edit(own, before, after)

    def note_edit(self, own, before, after):
        one, other = direct(before), direct(after)
        for name in one.keys() | other.keys():
            if one.get(name) != other.get(name):
                self.touched[(own, name)] = self.number


# What somebody else may do to a policy ------------------------------------------------------------

GROUPS = st.integers(1, 6)
FILTERS = st.sampled_from([("none", None), ("include", KIOSKS), ("exclude", CORPORATE)])
KINDS = st.sampled_from(["group", "exclusionGroup"])


def _built(kind, number, chosen):
    mode, filter_id = ("none", None) if kind == "exclusionGroup" else chosen
    return target(kind, group(number), mode=mode, filter_id=filter_id)


def assigning(kind, number, chosen):
    """Add a group, or change the filter it has, or turn it to the other side."""

    def edit(own, assignments):
        new = live(own, _built(kind, number, chosen))
        kept = [a for a in assignments if a["source"] != "direct" or a["id"] != new["id"]]
        return [*kept, new]

    return edit


def removing(number):
    def edit(own, assignments):
        return [
            a
            for a in assignments
            if a["source"] != "direct" or a["target"].get("groupId") != group(number)
        ]

    return edit


def adding_opaque(number):
    def edit(own, assignments):
        new = live(own, opaque(10 + number))
        return [*[a for a in assignments if a["id"] != new["id"]], new]

    return edit


def setting_policy_set(number, there):
    def edit(own, assignments):
        new = live(own, target("group", group(number)), source="policySets")
        kept = [a for a in assignments if a["source"] == "direct" or a["id"] != new["id"]]
        return [*kept, new] if there else kept

    return edit


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
            if method != "GET" and _WRITE.match(path)
        )
        type(self).excused += len(world.excused)
        if world.plan is not None:
            self.nothing_untouched_is_lost(before, began)
        if result is not None:
            type(self).stale += len(result.having(Status.STALE))
            self.the_report_is_true(result)
        world.excused.clear()

    def nothing_untouched_is_lost(self, before, began):
        """Told by nothing but the tenant before and after, and the plan."""
        after = self.world.everything()
        for own in POLICIES:
            deletes = self.world.changes(own, Delete)
            updates = self.world.changes(own, Update)
            now = direct(after[own])
            for name, was in direct(before[own]).items():
                if self.world.touched.get((own, name), -1) >= began or name in deletes:
                    continue
                if (own, name) in self.world.excused:
                    continue
                assert name in now, f"{name} of {own} is lost"
                if name not in updates:
                    assert exactly(now[name]) == exactly(was)

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
