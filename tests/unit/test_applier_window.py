"""Between the reading that a write rests on and the write itself lies the request alone."""

from __future__ import annotations

import pytest

from reconciler.model.errors import ExitCode
from reconciler.model.result import Status
from reconciler.sandbox import Fault
from tests.support.tenants import declare, group, live, policy_id, target, targets_of
from tests.unit.test_applier import (
    ONE,
    WANTED,
    adds,
    drops,
    only,
    run_on,
    world,
    written,
)


def test_an_edit_made_while_a_write_waits_for_its_turn_is_merged(tmp_path):
    """Law 1: the window is one round trip, however long Graph's write rate makes us wait."""
    app, clock = world(policies={number: [] for number in range(1, 101)}, page_size=200)
    root = declare(
        tmp_path,
        {f"Policy {n}": ["group: Group 1"] for n in range(1, 101)},
        limits=200,
        writes="assign",
    )
    sleep, edited = clock.sleep, []

    def edit_and_sleep(seconds):
        if seconds > 1 and not edited:
            for number in range(1, 101):
                edited.append(number)
                adds(app, policy_id(number), target("group", group(5)))()
        sleep(seconds)

    clock.sleep = edit_and_sleep
    result = run_on(app, clock, root).apply()

    assert result.exit_code is ExitCode.OK
    assert len(edited) == 100
    for number in edited:
        assert ("group", group(5)) in targets_of(app, policy_id(number)), number


def test_after_a_401_the_policy_is_read_again_before_the_write_is_repeated(tmp_path):
    app, clock = world(Fault("expired_token", method="POST", path="/assign$"))
    root = declare(tmp_path, WANTED, writes="assign")
    app.once("POST", "/assign", adds(app, ONE, target("group", group(5))), when="after")

    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.APPLIED
    assert ("group", group(5)) in targets_of(app, ONE)


def test_a_second_401_on_a_write_is_the_end(tmp_path):
    app, clock = world(
        Fault("status", method="POST", path="/assign$", code=401, times=None),
    )
    root = declare(tmp_path, WANTED, writes="assign")

    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.FAILED
    assert "401" in only(result).error
    assert [status for method, _, status in app.requests if method == "POST"].count(401) == 2


@pytest.mark.parametrize("writes", ["assign", "create"])
def test_what_a_policy_set_had_assigned_and_lost_in_the_write_is_no_success(tmp_path, writes):
    app, clock = world(mode="documented")
    root = declare(tmp_path, WANTED, writes=writes)
    ending = "/assign" if writes == "assign" else "/assignments"
    app.once(
        "POST",
        ending,
        lambda: app.state.set_assignments(
            ONE, [a for a in app.state.assignments_of(ONE) if a["source"] == "direct"]
        ),
        when="after",
    )

    result = run_on(app, clock, root).apply()

    if writes == "assign":
        assert only(result).status is Status.FAILED
        assert f"group {group(7)} of a policy set is missing" in only(result).error
    else:
        assert any(group(7) in note for note in only(result).notes)


def test_a_declared_assignment_that_somebody_took_away_meanwhile_is_told(tmp_path):
    """The plan saw it there and left it alone. It may be gone, or the reading may lag."""
    app, clock = world()
    wanted = {"Policy 1": ["group: Group 2", "group: Group 3"]}
    root = declare(tmp_path, wanted, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    drops(app, ONE, 2)()

    result = run.apply(plan)

    assert only(result).status is Status.STALE
    assert 'include group "Group 2" is no longer assigned' in only(result).error
    assert only(result).written == ()
    assert written(app) == []
    assert result.exit_code is ExitCode.STALE
    assert clock.waits == [0.5, 1, 2, 4, 8]


def test_one_family_without_the_create_route_holds_nothing_up(tmp_path):
    """[O] graph.md section 2: routes are missing type by type."""
    app, clock = world(
        Fault(
            "status",
            method="POST",
            path="/compliancePolicies/.*/assignments$",
            code=400,
            error_code="No method match route template",
            times=None,
        ),
        mode="documented",
        policies={1: []},
        linux=[],
    )
    root = declare(tmp_path, {"Linux": ["group: Group 3"], "Policy 1": ["group: Group 3"]})

    result = run_on(app, clock, root).apply()

    assert result.exit_code is ExitCode.OK
    posts = [path for method, path, _ in app.requests if method == "POST" and "batch" not in path]
    assert len(posts) <= 4


def test_a_declared_target_that_a_policy_set_no_longer_covers_is_told(tmp_path):
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["group: Group 7", "group: Group 3"]}, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    app.state.set_assignments(
        ONE, [a for a in app.state.assignments_of(ONE) if a["source"] == "direct"]
    )

    result = run.apply(plan)

    assert only(result).status is Status.STALE
    assert "Group 7" in only(result).error
    assert "no longer assigned by a policy set" in only(result).error
    assert written(app) == []


def test_after_an_unclear_answer_a_reading_that_lags_undoes_nothing(tmp_path):
    """The write happened, somebody added to it, and the next reading still shows the old set."""
    app, clock = world(Fault("reset_after", method="POST", path="/assign$"))
    root = declare(tmp_path, WANTED, writes="assign")
    old = app.state.assignments_of(ONE)
    run = run_on(app, clock, root)
    plan = run.plan()
    sleep, turns = clock.sleep, []

    def edit_and_sleep(seconds):
        if not turns:
            adds(app, ONE, target("group", group(5)))()
            app.state.hold_stale(ONE, old, 1)
        turns.append(seconds)
        sleep(seconds)

    clock.sleep = edit_and_sleep
    result = run.apply(plan)

    assert only(result).status is Status.APPLIED
    assert ("group", group(5)) in targets_of(app, ONE)
    assert len([path for method, path, _ in app.requests if path.endswith("/assign")]) == 1


def test_somebody_who_changes_what_was_just_written_is_named_and_not_waited_for(tmp_path):
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["group: Group 3"]}, writes="assign")

    def edit():
        drops(app, ONE, 3)()
        adds(app, ONE, target("exclusionGroup", group(3)))()

    app.once("POST", "/assign", edit, when="after")
    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.STALE
    assert "excluded meanwhile" in only(result).error
    assert clock.waits == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "respelt",
    [
        lambda t: {**t, "@odata.type": t["@odata.type"].removeprefix("#").upper()},
        lambda t: {**t, "collectionId": None},
        lambda t: {**t, "groupId@odata.type": "#Edm.String"},
        lambda t: {**t, "groupId": t["groupId"].upper()} if "groupId" in t else t,
    ],
)
def test_another_spelling_of_the_same_is_no_alarm(tmp_path, respelt):
    """[D]/[O] graph.md sections 2, 3: types with and without #, ids in any case, nulls."""
    app, clock = world()
    root = declare(tmp_path, WANTED, writes="assign")

    def spell():
        found = app.state.assignments_of(ONE)
        app.state.set_assignments(ONE, [{**a, "target": respelt(a["target"])} for a in found])

    app.once("POST", "/assign", spell, when="after")
    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.APPLIED, only(result).error
    assert clock.waits == []


@pytest.mark.parametrize("is_done", [True, False])
def test_a_declared_group_that_a_policy_set_covers_instead_is_as_wanted(tmp_path, is_done):
    """It is as wanted; but what the plan saw directly is missing, so nothing is written on that."""
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["group: Group 2", "group: Group 3"]}, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    drops(app, ONE, 2)()
    covered = live(ONE, target("group", group(2)), source="policySets")
    app.state.set_assignments(ONE, [*app.state.assignments_of(ONE), covered])
    if is_done:
        adds(app, ONE, target("group", group(3)))()

    outcome = only(run.apply(plan))

    assert outcome.status is (Status.ALREADY if is_done else Status.STALE)
    assert written(app) == []


def test_who_says_each_time_when_to_come_again_is_given_up_on_too(tmp_path):
    app, clock = world(
        Fault("status", method="POST", path="/assign$", code=503, retry_after="1", times=None)
    )
    root = declare(tmp_path, WANTED, writes="assign")

    outcome = only(run_on(app, clock, root, timeout=100_000.0).apply())

    assert outcome.status is Status.UNKNOWN
    assert [m for m, path, _ in app.requests if path.endswith("/assign")] == ["POST"] * 32


def test_a_write_whose_time_is_up_is_looked_at_once_more(tmp_path):
    app, clock = world()
    root = declare(tmp_path, WANTED, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    old = app.state.assignments_of(ONE)

    def lag():
        app.state.hold_stale(ONE, old, 1)
        app.once("GET", "/assignments", lambda: clock.advance(10_000), when="after")

    app.once("POST", "/assign", lag, when="after")

    assert only(run.apply(plan)).status is Status.APPLIED
