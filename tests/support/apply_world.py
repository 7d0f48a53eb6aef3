"""The world between a client and the sandbox: lets others edit, and judges every write. No test stands here.

Every request that changes something is judged on the spot: by what the tenant had, by what the last
complete reading of that policy showed, and by the plan.

The one exemption is the contract's own: Graph has no ETag, so what somebody does to an assignment
after the reading, or what no reading of the run and no plan ever showed, cannot be known to the
write that follows. It is granted for that very assignment and that very write, and for nothing
else: what the plan or an earlier reading of the run showed must not be lost to a reading that lags.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass

from reconciler.model.plan import Create, Delete, Update
from tests.support.tenants import LINUX, group, live, opaque, policy_id, target

POLICIES = (policy_id(1), policy_id(2), LINUX)
NAMES = {POLICIES[0]: "Policy 1", POLICIES[1]: "Policy 2", LINUX: "Linux"}
_POLICY = re.compile(r"/beta/deviceManagement/\w+/([^/]+)/(assign(?:ments)?)(/|$)")
WRITE = re.compile(r"/(?:beta|v1\.0)/deviceManagement/\w+/([^/]+)/assign(?:ments(?:/.+)?)?$")
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
        found = WRITE.match(path) if method != "GET" else None
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
        found = WRITE.match(path)
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

    def nothing_untouched_is_lost(self, before, began):
        """Told by nothing but the tenant before and after, and the plan."""
        after = self.everything()
        for own in POLICIES:
            deletes = self.changes(own, Delete)
            updates = self.changes(own, Update)
            now = direct(after[own])
            for name, was in direct(before[own]).items():
                if self.touched.get((own, name), -1) >= began or name in deletes:
                    continue
                if (own, name) in self.excused:
                    continue
                assert name in now, f"{name} of {own} is lost"
                if name not in updates:
                    assert exactly(now[name]) == exactly(was)


# What somebody else may do to a policy ------------------------------------------------------------


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
