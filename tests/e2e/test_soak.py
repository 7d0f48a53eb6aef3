"""One process applies again and again, with a second editor and faults: nothing is lost, nothing piles up.

The stages of `reconciler apply` run on a socket, with a clock that no wait holds up. The world before
the sandbox judges every write (`tests/support/apply_world.py`). Every third apply is a calm one: it
must succeed, and the plan after it is empty.

Memory is what Python has allocated since the third apply (`tracemalloc`), after each calm apply and
a full collection; the sandbox with its tenant is in it. ``SOAK_APPLIES`` says how many applies, ``SOAK_SEED`` which ones, and
``SOAK_REPORT`` asks for the counts.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import sys
import tempfile
import threading
import tracemalloc
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from reconciler.differ.guardrails import Limits
from reconciler.model.errors import ReconcilerError
from reconciler.model.plan import Delete
from reconciler.operations.applying import ApplyOptions, ApplyRequest, apply_root
from reconciler.operations.planning import PlanRequest, make_plan
from reconciler.operations.selection import Selection
from reconciler.sandbox import Fault, Faults, SandboxApp, SandboxServer, SandboxState
from tests.support.apply_world import (
    NAMES,
    POLICIES,
    World,
    adding_opaque,
    assigning,
    direct,
    from_sets,
    removing,
    setting_policy_set,
)
from tests.support.clocks import FakeClock
from tests.support.in_process import session
from tests.support.tenants import CORPORATE, KIOSKS, LINUX, declare, opaque, tenant

APPLIES = int(os.environ.get("SOAK_APPLIES", "30"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
CALM = 3
"""Every so manieth apply is a calm one."""
INCLUDED, EXCLUDED = range(1, 5), range(5, 7)
"""Groups that the files name, and that the second editor assigns on the same side as well."""
ONLY_THE_EDITORS = range(7, 12)
GROWTH = 64 * 1024
"""Bytes that the last third may have allocated more than the second, for caches that are not yet full."""

_FILTERS = (("none", None), ("include", KIOSKS), ("exclude", CORPORATE))


class Soak:
    """A tenant, a root, a second editor, and one process that applies."""

    def __init__(self, folder):
        self.random = random.Random(SEED)
        self.clock = FakeClock()
        self.state = SandboxState(tenant({1: [opaque(11)], 2: []}))
        self.world = World(self.sandbox(()), self.clock)
        self.folder = folder
        self.root = folder / "root"
        self.writes = "auto"
        self.counts = Counter()

    def sandbox(self, faults):
        """The same tenant with other faults."""
        return SandboxApp(
            self.state,
            mode=self.random.choice(["production", "documented"]),
            page_size=self.random.choice([1, 25]),
            faults=Faults(faults),
            clock=self.clock.timestamp,
            sleep=self.clock.advance,
        )

    def fault(self):
        choose, number = self.random.choice, self.random.randrange
        own = f"{choose(POLICIES)}/assignments"
        skip, times = number(8), choose([1, 2, 5])
        return choose(
            [
                Fault(
                    "status",
                    code=choose([500, 502, 503]),
                    after=choose([True, False]),
                    skip=skip,
                    times=times,
                ),
                Fault(
                    "status",
                    code=429,
                    retry_after=choose([None, "0", "3", "900"]),
                    skip=skip,
                    times=times,
                ),
                Fault("status", code=choose([400, 403, 404]), skip=skip),
                Fault(choose(["reset_before", "reset_after", "truncated"]), skip=skip, times=times),
                Fault(
                    "html",
                    after=choose([True, False]),
                    path="deviceManagement",
                    skip=skip,
                    times=times,
                ),
                Fault("expired_token", skip=skip),
                Fault("slow", seconds=choose([1.0, 100.0, 700.0]), skip=skip),
                Fault("stale_reads", reads=number(1, 7)),
                Fault("batch_status", code=choose([404, 429, 500])),
                Fault("lagging_reads", path=own, behind=number(1, 5), skip=skip, times=times),
                Fault("short_pages", path=own, size=number(1, 3), skip=skip, times=times),
                Fault("swapped_answer", path=own, skip=skip, times=times),
            ]
        )

    def edit(self):
        choose = self.random.choice
        own, wanted = choose(ONLY_THE_EDITORS), choose([*INCLUDED, *EXCLUDED])
        side = "group" if wanted in INCLUDED else "exclusionGroup"
        return choose(
            [
                _only(choose(["group", "exclusionGroup"]), own, choose(_FILTERS)),
                assigning(side, wanted, choose(_FILTERS)),
                removing(choose([own, wanted])),
                adding_opaque(choose(INCLUDED)),
                setting_policy_set(own, choose([True, False])),
            ]
        )

    def somebody_edits(self, own=None):
        self.counts["edits"] += 1
        self.world.touch(own or self.random.choice(POLICIES), self.edit())

    def something_else_is_wanted(self):
        self.ownership = self.random.choice(["additive"] * 4 + ["authoritative"])
        self.wanted = {own: self.sides(own) for own in POLICIES}
        declare(
            self.root,
            {
                NAMES[own]: {
                    "include": [_line(number, mode) for number, (mode, _) in include.items()],
                    "exclude": [f"group: Group {number}" for number in exclude],
                }
                for own, (include, exclude) in self.wanted.items()
            },
            writes=self.random.choice(["auto", "assign"]),
            ownership=self.ownership,
        )

    def sides(self, own):
        """What is included, each with its filter, and what is excluded. Linux takes no filter."""
        included = self.random.sample(INCLUDED, self.random.randrange(1, 5))
        filters = _FILTERS[:1] if own == LINUX else _FILTERS
        excluded = self.random.sample(EXCLUDED, self.random.randrange(3))
        return {number: self.random.choice(filters) for number in included}, excluded

    def session(self, url):
        return session(
            self.clock, environ={"RECONCILER_GRAPH_URL": url, "RECONCILER_ACCESS_TOKEN": "any"}
        )

    @property
    def plan_request(self):
        return PlanRequest(root=self.root, selection=Selection(), limits=Limits())

    def show(self, plan):
        self.world.plan = plan
        self.world.see_plan()

    def confirms(self, _plan):
        return True

    def while_writing(self):
        return nullcontext()

    def apply(self, url):
        """Apply, to whatever end, and judge that end."""
        self.counts["applies"] += 1
        self.clock.is_stopped = False
        self.world.begin()
        self.world.plan = None
        options = ApplyOptions(
            journal=self.folder / "journal.jsonl",
            state_folder=self.root / ".reconciler",
            approval_codes=(),
            reconciler_version="0",
        )
        request = ApplyRequest(plan=self.plan_request, options=options)
        before, began = self.world.everything(), self.world.number
        written = self.world.write_number
        try:
            return apply_root(request, self.session(url), self)
        finally:
            self.clock.is_stopped = False
            self.world.script = {}
            self.counts["writes"] += self.world.write_number - written
            self.counts["excused"] += len(self.world.excused)
            if self.world.plan is not None:
                self.world.nothing_untouched_is_lost(before, began)
            self.world.excused.clear()
            assert self.world.crimes == []

    def bad_day(self, url):
        """Apply while others edit, requests fail, and now and then somebody presses Ctrl-C."""
        self.somebody_edits()
        faults = [self.fault() for _ in range(self.random.randrange(4))]
        self.counts["faults"] += len(faults)
        self.world.app = self.sandbox(faults)
        for _ in range(self.random.randrange(3)):
            moment = self.random.choice(
                [("write", 1, "before"), ("read", self.random.randrange(1, 20), "after")]
            )
            self.world.at(moment, self.somebody_edits)
        if self.random.random() < 0.1:
            self.counts["Ctrl-C"] += 1
            self.world.at(("write", 1, "after"), lambda _own: self.clock.stop())
        try:
            result = self.apply(url)
        except ReconcilerError as error:
            self.counts[type(error).__name__] += 1
            return
        for outcome in result.outcomes:
            self.counts[f"policies {outcome.status}"] += 1

    def calm_day(self, url):
        """What is wanted is there afterwards, what the second editor has stays, and nothing is to do."""
        self.world.app = self.sandbox(())
        self.clock.advance(30)
        before = self.world.everything()
        result = self.apply(url)
        assert result.exit_code == 0, [outcome.error for outcome in result.outcomes]
        assert make_plan(self.plan_request, self.session(url)).is_empty
        for own, (include, exclude) in self.wanted.items():
            self.is_as_wanted(own, include, exclude)
            self.keeps_what_others_assigned(own, before[own])

    def is_as_wanted(self, own, include, exclude):
        there = direct(self.state.assignments_of(own))
        for number, chosen in include.items():
            one = direct(assigning("group", number, chosen)(own, []))
            assert {name: _filter(there[name]) for name in one} == {
                name: _filter(target) for name, target in one.items()
            }
        for number in exclude:
            assert direct(assigning("exclusionGroup", number, _FILTERS[0])(own, [])).keys() <= (
                there.keys()
            )
        self.counts["wanted assignments seen"] += len(include) + len(exclude)

    def keeps_what_others_assigned(self, own, before):
        after = self.state.assignments_of(own)
        assert from_sets(after) == from_sets(before)
        deleted = self.world.changes(own, Delete)
        assert not deleted or self.ownership == "authoritative"
        others = {
            name: target
            for name, target in direct(before).items()
            if name not in deleted and target.get("groupId") not in _declared_ids(self.wanted[own])
        }
        there = direct(after)
        assert {name: there.get(name) for name in others} == others
        self.counts["others' assignments seen"] += len(others)


def _only(kind, number, chosen):
    """Assign a group, and take it away where it was before: the portal lets nobody have it twice."""

    def edit(own, assignments):
        return assigning(kind, number, chosen)(own, removing(number)(own, assignments))

    return edit


def _line(number, mode):
    chosen = {"none": "", "include": ", filter: {include: Kiosks}"}.get(
        mode, ", filter: {exclude: Corporate}"
    )
    return f"{{group: Group {number}{chosen}}}"


def _filter(target):
    return (
        target["deviceAndAppManagementAssignmentFilterType"],
        target["deviceAndAppManagementAssignmentFilterId"],
    )


def _declared_ids(sides):
    return {
        target["groupId"]
        for number in (*sides[0], *sides[1])
        for target in direct(assigning("group", number, _FILTERS[0])("x", [])).values()
    }


def _allocated(soak):
    """Bytes, without what the sandbox and the test remember of earlier applies."""
    soak.state = SandboxState(soak.state.to_json())
    soak.world.app = soak.sandbox(())
    soak.world.begin()
    soak.clock.slept.clear()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _open_files():
    """How many files and sockets this process has open; 0 where that cannot be seen."""
    listing = Path("/proc/self/fd")
    return len(list(listing.iterdir())) if listing.exists() else 0


def test_applies_in_a_row_lose_nothing_and_leave_nothing_behind(tmp_path, monkeypatch):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    logging.disable(logging.CRITICAL)  # pytest would keep every line
    try:
        soak_in(tmp_path, temporary)
    finally:
        tracemalloc.stop()
        logging.disable(logging.NOTSET)


def soak_in(tmp_path, temporary):
    soak = Soak(tmp_path)
    memory, files, opened, threads = [], [], [], []
    with SandboxServer(soak.world.process()) as server:
        for number in range(1, APPLIES + 1):
            if number % CALM == 1:
                soak.something_else_is_wanted()
            if number % CALM:
                soak.bad_day(server.url)
                continue
            soak.calm_day(server.url)
            if number == CALM:
                tracemalloc.start()
                continue
            memory.append(_allocated(soak))
            files.append(_files(tmp_path))
            opened.append(_open_files())
            threads.append(threading.active_count())
    third = len(memory) // 3
    grown = median(memory[-third:]) - median(memory[third:-third])
    if os.environ.get("SOAK_REPORT"):
        sys.stdout.write(
            f"\n{dict(soak.counts)}\nallocated, by calm apply: {memory}\ngrown by {grown} bytes\n"
            f"open files {set(opened)}, threads {set(threads)}, files {sorted(files[-1])}\n"
        )
    assert soak.counts["applies"] == APPLIES
    assert grown < GROWTH
    assert files[0] == files[-1]
    assert _files(temporary) == set()
    assert max(opened[-third:]) <= max(opened[:-third])
    assert max(threads[-third:]) <= max(threads[:-third])
