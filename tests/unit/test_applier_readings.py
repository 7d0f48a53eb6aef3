"""A reading is believed only where it fits what was seen before, and only while it is fresh."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest

from reconciler.applier.policy import FRESH_TRIES
from reconciler.applier.run import LAST_LOOK_WAIT
from reconciler.documents import SavedPlan, dumps, loads
from reconciler.model.errors import ExitCode
from reconciler.model.result import Status
from reconciler.runtime.clock import SystemClock
from reconciler.sandbox import Fault
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
    targets_of,
)
from tests.unit.test_applier import (
    BEFORE,
    ONE,
    WANTED,
    adds,
    assign_calls,
    drops,
    methods_of,
    only,
    run_on,
    world,
    written,
)

MORE = {"Policy 1": ["group: Group 3"]}
ADDED = {("group", group(3)): ("none", None)}


def lagging(**options):
    return Fault("lagging_reads", path=f"{ONE}/assignments", **options)


def saved(plan, clock):
    """The plan as another process reads it from its file."""
    return loads(dumps(SavedPlan(plan, clock.now(), "0.0.0")), source="plan.json").plan


# What the plan saw ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize("lacks", [group(1), group(9), group(7), "."])
@pytest.mark.parametrize("readings", [1, 3])
def test_a_reading_that_lacks_what_the_plan_saw_is_made_again(tmp_path, is_saved, lacks, readings):
    app, clock = world()
    root = declare(tmp_path, MORE, writes="assign")
    run = run_on(app, clock, root)
    plan = saved(run.plan(), clock) if is_saved else run.plan()
    before = targets_of(app, ONE)
    app.faults.add(lagging(lacks=lacks, times=readings))

    result = run.apply(plan)

    assert result.exit_code is ExitCode.OK
    assert targets_of(app, ONE) == before | ADDED
    assert len(assign_calls(app)) == 1
    assert clock.waits == [0.5, 1, 2, 4][: readings + 1], "until two readings in a row fit"


@pytest.mark.parametrize("writes", ["auto", "create", "assign"])
@pytest.mark.parametrize("lacks", [group(1), group(9), group(7)])
def test_where_it_stays_away_the_policy_is_stale_and_not_written(tmp_path, writes, lacks):
    app, clock = world(mode="documented")
    root = declare(tmp_path, MORE, writes=writes)
    run = run_on(app, clock, root)
    plan = run.plan()
    before = app.state.assignments_of(ONE)
    app.faults.add(lagging(lacks=lacks, times=None))

    result = run.apply(plan)

    assert only(result).status is Status.STALE
    assert "is no longer assigned" in only(result).error
    assert result.exit_code is ExitCode.STALE
    assert app.state.assignments_of(ONE) == before
    assert written(app) == []
    assert clock.waits == [0.5, 1, 2, 4, 8]


def test_a_stale_policy_names_everything_that_is_not_shown(tmp_path):
    app, clock = world()
    run = run_on(app, clock, declare(tmp_path, MORE, writes="assign"))
    plan = run.plan()
    app.faults.add(lagging(lacks=f"{group(1)}|{group(7)}", times=None))

    assert only(run.apply(plan)).error == (
        "not written, because Graph does not show what was seen before: include group "
        '"Group 1" is no longer assigned; include group "Group 7" is no longer assigned by a '
        "policy set. Somebody changed it, or Graph's reading is out of date; plan again"
    )


def test_where_somebody_did_our_part_and_undid_what_is_declared_the_policy_is_stale(tmp_path):
    app, clock = world()
    wanted = {"Policy 1": ["group: Group 2", "group: Group 3"]}
    run = run_on(app, clock, declare(tmp_path, wanted, writes="assign"))
    plan = run.plan()
    adds(app, ONE, target("group", group(3)))()
    drops(app, ONE, 2)()

    outcome = only(run.apply(plan))

    assert outcome.status is Status.STALE
    assert outcome.error == (
        "somebody else changed what the plan saw as declared and there: include group "
        '"Group 2" is no longer assigned; plan again'
    )
    assert written(app) == []


def test_one_reading_that_fits_at_last_is_not_enough(tmp_path):
    app, clock = world()
    run = run_on(app, clock, declare(tmp_path, MORE, writes="assign"))
    plan = run.plan()
    app.faults.add(lagging(lacks=group(1), times=5))

    outcome = only(run.apply(plan))

    assert (outcome.status, outcome.error) == (
        Status.STALE,
        "Graph's readings do not agree, so it was not written; plan again",
    )
    assert written(app) == []


def test_what_our_own_last_run_added_is_not_taken_away_by_the_next(tmp_path):
    """The plan saw it; the reading under the write comes from a replica that does not."""
    app, clock = world()
    run_on(app, clock, declare(tmp_path, MORE, writes="assign")).apply()
    root = declare(tmp_path, {"Policy 1": ["group: Group 3", "group: Group 4"]}, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    app.faults.add(lagging(behind=1, times=2))

    assert run.apply(plan).exit_code is ExitCode.OK
    assert {("group", group(3)), ("group", group(4))} <= targets_of(app, ONE).keys()


@pytest.mark.parametrize("times", [1, None])
def test_an_old_filter_of_somebody_elses_assignment_is_not_written_back(tmp_path, times):
    app, clock = world()
    root = declare(tmp_path, MORE, writes="assign")
    changed = live(ONE, target("group", group(1), mode="include", filter_id=CORPORATE))
    app.state.set_assignments(
        ONE, [changed if a["id"] == changed["id"] else a for a in app.state.assignments_of(ONE)]
    )
    run = run_on(app, clock, root)
    plan = run.plan()
    app.faults.add(lagging(behind=1, times=times))

    result = run.apply(plan)

    assert targets_of(app, ONE)[("group", group(1))] == ("include", CORPORATE)
    assert only(result).status is (Status.STALE if times is None else Status.APPLIED)


def test_an_old_set_on_a_settings_catalog_policy_is_not_written_back(tmp_path):
    app, clock = world(linux=[target("group", group(1)), target("exclusionGroup", group(2))])
    root = declare(tmp_path, {"Linux": ["group: Group 3"]}, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    before = targets_of(app, LINUX)
    app.faults.add(Fault("lagging_reads", path=f"{LINUX}/assignments", lacks=".", times=4))

    assert run.apply(plan).exit_code is ExitCode.OK
    assert targets_of(app, LINUX) == before | ADDED


def test_what_the_plan_removes_or_changes_may_be_missing(tmp_path):
    app, clock = world()
    wanted = {"Policy 1": ["{group: Group 2, filter: {include: Corporate}}"]}
    root = declare(tmp_path, wanted, ownership="authoritative", writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    drops(app, ONE, 1)()

    assert run.apply(plan).exit_code is ExitCode.OK
    assert clock.waits == []


# What an earlier reading of this run saw ----------------------------------------------------------


def test_what_a_colleague_added_and_one_reading_showed_is_kept(tmp_path):
    """The first write gets no answer. Its reading showed the colleague's group, the next do not."""
    app, clock = world(Fault("status", method="POST", path="/assign$", code=503, retry_after="1"))
    root = declare(tmp_path, MORE, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    adds(app, ONE, target("group", group(5)))()
    app.once("POST", "/assign", lambda: app.faults.add(lagging(behind=1, times=None)), when="after")

    result = run.apply(plan)

    assert only(result).status in (Status.STALE, Status.UNKNOWN)
    assert group(5) in only(result).error
    assert ("group", group(5)) in targets_of(app, ONE)
    assert len(assign_calls(app)) == 1


def test_what_this_run_removed_and_a_reading_shows_again_is_not_removed_for_ever(tmp_path):
    app, clock = world(mode="documented", policies={1: [target("group", group(1))]})
    root = declare(
        tmp_path, {"Policy 1": ["group: Group 3"]}, writes="create", ownership="authoritative"
    )
    run = run_on(app, clock, root)
    plan = run.plan()
    put_back = adds(app, ONE, target("group", group(1)))

    def somebody_puts_it_back():
        put_back()
        app.once("GET", f"{ONE}/assignments", lambda: None)
        app.once("DELETE", "", lambda: None)

    app.once("GET", f"{ONE}/assignments", somebody_puts_it_back, when="after", skip=3)

    result = run.apply(plan)

    assert only(result).status is Status.STALE
    assert clock.monotonic() < 60


# Age ----------------------------------------------------------------------------------------------


class Sleepy:
    """Puts the machine to sleep between a reading and what follows it."""

    def __init__(self, clock, sleep, times):
        self.clock, self.sleep, self.times = clock, sleep, times
        self.now = clock.now
        self.jump = timedelta()
        clock.now = lambda: self.now() + self.jump

    def __call__(self):
        if self.times > 0:
            self.times -= 1
            self.sleep(self)


def suspended(sleepy):
    """Both clocks go on."""
    sleepy.clock.advance(3600)


def paused(sleepy):
    """The monotonic clock stands still while the machine sleeps."""
    sleepy.jump += timedelta(hours=1)


def set_back(sleepy):
    """Somebody sets the wall clock back: it says nothing about an age any more."""
    sleepy.jump -= timedelta(hours=1)


@pytest.mark.parametrize("sleep", [suspended, paused, set_back])
def test_a_reading_that_has_aged_is_made_anew_before_the_write(tmp_path, sleep):
    app, clock = world()
    root = declare(tmp_path, MORE, writes="assign")
    run = run_on(app, clock, root, timeout=100_000.0)
    plan = run.plan()
    nap = Sleepy(clock, sleep, 1)
    record = run.journal.record

    def slow(event, policy, **facts):
        record(event, policy, **facts)
        if event == "write" and nap.times:
            adds(app, ONE, target("group", group(5)))()
            nap()

    run.journal.record = slow
    result = run.apply(plan)

    assert result.exit_code is ExitCode.OK
    assert ("group", group(5)) in targets_of(app, ONE)
    assert run.journal.events()[:3] == ["write", "refused", "write"]
    assert len(assign_calls(app)) == 1


def test_a_sleep_while_graph_answers_the_reading_counts(tmp_path):
    """The answer waits in the machine's buffers, and is as old as its request."""
    app, clock = world()
    root = declare(tmp_path, MORE, writes="assign")
    run = run_on(app, clock, root, timeout=100_000.0)
    plan = run.plan()

    def sleeps_and_somebody_edits():
        clock.advance(3600)
        adds(app, ONE, target("group", group(5)))()

    app.once("GET", f"{ONE}/assignments", sleeps_and_somebody_edits, when="after")

    assert run.apply(plan).exit_code is ExitCode.OK
    assert ("group", group(5)) in targets_of(app, ONE)


def test_a_machine_that_is_too_slow_each_time_writes_nothing_and_says_so(tmp_path):
    app, clock = world()
    root = declare(tmp_path, MORE, writes="assign")
    run = run_on(app, clock, root, timeout=100_000.0)
    plan = run.plan()
    app.faults.add(Fault("slow", seconds=6.0, path=f"{ONE}/assignments", times=None))
    before = len(app.requests)

    outcome = only(run.apply(plan))

    assert methods_of(app.requests[before:]) == ["GET"] * (FRESH_TRIES + 1)
    assert outcome.status is Status.FAILED
    assert "more than 5 s old each time" in outcome.error
    assert written(app) == []


# Where an assignment comes from -------------------------------------------------------------------


def from_source(source):
    return {**live(ONE, target("group", group(8))), "source": source}


@pytest.mark.parametrize("source", ["somethingNew", None])
@pytest.mark.parametrize(("writes", "mode"), [("assign", "documented"), ("auto", "production")])
def test_a_policy_with_an_assignment_of_an_unknown_source_is_not_written_by_assign(
    tmp_path, source, writes, mode
):
    app, clock = world(mode=mode, policies={1: [*BEFORE, from_source(source)]})
    root = declare(tmp_path, MORE, writes=writes)
    run = run_on(app, clock, root)
    plan = run.plan()
    before = app.state.assignments_of(ONE)

    outcome = only(run.apply(plan))

    assert outcome.status is Status.FAILED
    assert f'source "{source or "unknown"}"' in outcome.error
    assert app.state.assignments_of(ONE) == before
    (told,) = [found for found in plan.diagnostics if found.code == "unknown-source"]
    assert (source or "unknown") in told.message


@pytest.mark.parametrize("source", ["somethingNew", None])
def test_a_documented_call_touches_no_other_assignment_and_is_allowed(tmp_path, source):
    app, clock = world(mode="documented", policies={1: [*BEFORE, from_source(source)]})
    run = run_on(app, clock, declare(tmp_path, MORE))

    assert run.apply().exit_code is ExitCode.OK
    assert from_source(source) in app.state.assignments_of(ONE)


@pytest.mark.parametrize("source", ["somethingNew", None])
def test_an_unknown_source_is_never_removed_and_never_created_again(tmp_path, source):
    app, clock = world(policies={1: [from_source(source)]})
    root = declare(tmp_path, {"Policy 1": ["group: Group 8"]}, ownership="authoritative")
    plan = run_on(app, clock, root).plan()

    assert plan.is_empty
    assert [found.assignment.source for found in plan.policies[0].inherited] == [
        source or "unknown"
    ]


# Third states, and the last look ------------------------------------------------------------------


def overwrites(app, *targets):
    return lambda: app.state.set_assignments(ONE, [live(ONE, one) for one in targets])


def test_another_writers_set_over_ours_is_named_after_a_few_readings(tmp_path):
    app, clock = world(policies={1: [target("group", group(1))]})
    root = declare(tmp_path, MORE, writes="assign")
    theirs = [target("group", group(1)), target("group", group(6))]
    app.once("POST", "/assign", overwrites(app, *theirs), when="after")

    result = run_on(app, clock, root, timeout=2700).apply()

    assert only(result).status is Status.STALE
    assert f"include group {group(6)} was added by somebody else" in only(result).error
    assert 'include group "Group 3" is missing after the write' in only(result).error
    assert result.exit_code is ExitCode.STALE
    assert clock.waits == [0.5, 1, 2, 4]
    assert len(assign_calls(app)) == 1


def test_a_replica_that_lags_behind_the_write_is_no_third_state(tmp_path):
    app, clock = world(mode="documented")
    root = declare(tmp_path, WANTED, writes="assign", ownership="authoritative")
    run = run_on(app, clock, root)
    plan = run.plan()
    app.once("POST", "/assign", lambda: app.faults.add(lagging(behind=1, times=7)), when="after")

    assert run.apply(plan).exit_code is ExitCode.OK
    assert clock.waits == [0.5, 1, 2, 4, 8, 15, 30]


def test_what_is_gone_at_the_end_of_the_run_is_named_and_not_called_done(tmp_path):
    app, clock = world(policies={1: BEFORE, 2: []})
    root = declare(tmp_path, {**MORE, "Policy 2": ["group: Group 1"]}, writes="assign")
    run = run_on(app, clock, root)
    # The second policy's write is the last one; by then somebody has overwritten the first.
    app.once("POST", f"{policy_id(2)}/assign", drops(app, ONE, 3))

    result = run.apply()

    one, two = result.outcomes
    assert (one.status, two.status) == (Status.STALE, Status.APPLIED)
    assert 'add include group "Group 3": no longer so' in one.error
    assert one.written == ()
    assert result.exit_code is ExitCode.STALE
    assert not result.complete


def test_a_run_that_read_before_our_write_and_writes_after_our_read_back_is_noticed(tmp_path):
    """The last look waits for a moment, as such a write is one round trip away."""
    app, clock = world(policies={1: []})
    root = declare(tmp_path, MORE, writes="assign")
    sleep = clock.sleep

    def others_write(seconds):
        overwrites(app, target("group", group(6)))()
        sleep(seconds)

    clock.sleep = others_write
    result = run_on(app, clock, root).apply()

    assert clock.slept[0] == LAST_LOOK_WAIT
    assert only(result).status is Status.STALE
    assert 'add include group "Group 3": no longer so' in only(result).error


def test_what_somebody_else_lost_at_the_end_of_the_run_is_a_note(tmp_path):
    app, clock = world(policies={1: BEFORE, 2: []})
    root = declare(tmp_path, {**MORE, "Policy 2": ["group: Group 1"]}, writes="assign")
    app.once("POST", f"{policy_id(2)}/assign", drops(app, ONE, 1))

    one, two = run_on(app, clock, root).apply().outcomes

    assert (one.status, two.status) == (Status.APPLIED, Status.APPLIED)
    assert one.notes == ('include group "Group 1" is no longer assigned',)
    assert two.notes == ()


def test_a_last_look_that_lags_is_repeated(tmp_path):
    app, clock = world(policies={1: BEFORE, 2: []})
    root = declare(tmp_path, {**MORE, "Policy 2": ["group: Group 1"]}, writes="assign")
    run = run_on(app, clock, root)
    app.once(
        "POST",
        f"{policy_id(2)}/assign",
        lambda: app.faults.add(lagging(lacks=group(3), times=2)),
        when="after",
    )

    result = run.apply()

    assert result.exit_code is ExitCode.OK
    assert [outcome.notes for outcome in result.outcomes] == [(), ()]


def batches(requests):
    return [path for _, path, _ in requests if path.endswith("$batch")]


def test_the_last_look_is_one_batch(tmp_path):
    app, clock = world(policies={n: [] for n in range(1, 21)})
    root = declare(tmp_path, {f"Policy {n}": ["group: Group 1"] for n in range(1, 21)})
    run = run_on(app, clock, root)
    plan = run.plan()
    before = len(app.requests)
    run.apply(plan)

    assert app.requests[-1][1].endswith("$batch")
    assert len(batches(app.requests[before:])) == 1
    before = len(app.requests)
    run_on(app, clock, root).apply(plan)
    assert methods_of(app.requests[before:]) == ["GET"] * 20
    assert len(batches(app.requests[before:])) == 1


def test_what_only_a_lagging_reading_shows_as_done_is_not_called_done(tmp_path):
    """The removal is not carried out: one old reading does not have the assignment yet."""
    app, clock = world(policies={1: []})
    adds(app, ONE, target("group", group(1)))()
    root = declare(tmp_path, {"Policy 1": []}, ownership="authoritative", writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    app.faults.add(lagging(behind=1, times=1))

    result = run.apply(plan)

    assert only(result).status is Status.STALE
    assert "remove include group" in only(result).error
    assert result.exit_code is ExitCode.STALE


@pytest.mark.parametrize(
    "fault",
    [
        Fault("batch_status", code=403, path=f"{ONE}/assignments", times=None),
        Fault("status", code=403, path=r"beta/\$batch", times=None),
    ],
)
def test_a_last_look_that_fails_is_said_and_takes_nothing_back(tmp_path, fault):
    app, clock = world()
    run = run_on(app, clock, declare(tmp_path, MORE, writes="assign"))
    plan = run.plan()
    app.faults.add(fault)

    outcome = only(run.apply(plan))

    assert outcome.status is Status.APPLIED
    assert "could not be read once more at the end of the run" in outcome.notes[0]


@pytest.mark.parametrize("round_number", range(2))
def test_four_applies_side_by_side_lose_nothing_in_silence(tmp_path, round_number):
    """Each adds another group by a whole-set write; whoever says done has its group there."""
    app, _ = world(policies={1: []})
    roots = [
        declare(tmp_path / f"{number}", {"Policy 1": [f"group: Group {number}"]}, writes="assign")
        for number in range(1, 5)
    ]
    runs = [run_on(app, SystemClock(), root) for root in roots]  # a wait must be a wait here
    plans = [run.plan() for run in runs]
    together, results = threading.Barrier(4), {}

    def apply(number):
        together.wait(5)
        results[number] = runs[number].apply(plans[number])

    threads = [threading.Thread(target=apply, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    there = targets_of(app, ONE)
    for number, result in results.items():
        if ("group", group(number + 1)) not in there:
            assert result.exit_code is not ExitCode.OK, (number, there)
    assert len(results) == 4


# Beside the target --------------------------------------------------------------------------------


def test_properties_beside_the_target_go_back_or_the_policy_stays_as_it_is(tmp_path):
    beside = {"intent": "apply", "settings": {"b": [1, 2], "a": None}}
    before = [{**live(ONE, target("group", group(1))), **beside}, live(ONE, opaque(9))]
    app, clock = world(policies={1: before})
    root = declare(tmp_path, MORE, writes="assign")

    outcome = only(run_on(app, clock, root).apply())

    ((_, _, body, _),) = app.bodies
    (sent,) = [a for a in body["assignments"] if a["target"].get("groupId") == group(1)]
    assert {name: sent[name] for name in beside} == beside
    now = {a["id"]: a for a in app.state.assignments_of(ONE)}
    for assignment in before:
        assert json.dumps(now[assignment["id"]]) == json.dumps(assignment)
    if outcome.status is Status.APPLIED:
        assert ("group", group(3)) in targets_of(app, ONE)


def test_properties_beside_the_target_that_get_lost_in_the_write_are_no_success(tmp_path):
    before = [{**live(ONE, target("group", group(1), mode="exclude", filter_id=KIOSKS)), "x": 1}]
    app, clock = world(policies={1: before})
    root = declare(tmp_path, MORE, writes="assign")
    bare = {k: v for k, v in before[0].items() if k != "x"}
    app.once(
        "POST",
        "/assign",
        lambda: app.state.set_assignments(ONE, [bare, live(ONE, target("group", group(3)))]),
        when="after",
    )

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.FAILED
    assert "has other properties after the write" in outcome.error


def test_a_saved_plan_keeps_what_stands_beside_a_target(tmp_path):
    before = [{**live(ONE, target("group", group(1))), "intent": "apply"}]
    app, clock = world(policies={1: before})
    plan = run_on(app, clock, declare(tmp_path, MORE)).plan()

    assert saved(plan, clock) == plan
