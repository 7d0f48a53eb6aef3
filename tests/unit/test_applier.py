"""One policy after the other, on the in-process sandbox: what is sent, what is waited for, what is told."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace

import httpx
import pytest

from reconciler.applier.journal import JournalError
from reconciler.applier.policy import DOUBT_WAITS
from reconciler.model.errors import ExitCode
from reconciler.model.result import Status
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import Run, app_on
from tests.support.tenants import (
    CORPORATE,
    KIOSKS,
    declare,
    group,
    live,
    opaque,
    policy_id,
    target,
    targets_of,
    tenant,
)

ONE = policy_id(1)
INHERITED = live(ONE, target("group", group(7)), source="policySets")
BEFORE = [
    target("group", group(1), mode="exclude", filter_id=KIOSKS),
    target("group", group(2)),
    opaque(9),
    INHERITED,
]
WANTED = {"Policy 1": ["{group: Group 2, filter: {include: Corporate}}", "group: Group 3"]}


class Around:
    """Lets something happen before or after a request that matches."""

    def __init__(self, app):
        self.app = app
        self.plans = []

    def __getattr__(self, name):
        return getattr(self.app, name)

    def once(self, method, ending, act, *, when="before", skip=0):
        self.plans.append([method, ending, act, when, skip])

    def __call__(self, environ, start_response):
        self._act(environ, "before")
        answer = self.app(environ, start_response)
        self._act(environ, "after")
        return answer

    def _act(self, environ, when):
        for plan in list(self.plans):
            method, ending, act, due, skip = plan
            if due != when or environ["REQUEST_METHOD"] != method:
                continue
            if not environ["PATH_INFO"].endswith(ending):
                continue
            if skip:
                plan[4] -= 1
                continue
            self.plans.remove(plan)
            act()


def world(*faults, mode="production", policies=None, linux=(), clock=None, **options):
    clock = clock or FakeClock()
    document = tenant(policies or {1: BEFORE}, linux=linux)
    return Around(app_on(document, clock, faults=faults, mode=mode, **options)), clock


def run_on(app, clock, root, **options):
    return Run(app, root, clock=clock, **options)


def assign_calls(app):
    return [
        path for method, path, _ in app.requests if method == "POST" and path.endswith("/assign")
    ]


def written(app):
    return [
        (method, path.split("/")[1], path.split("/", 5)[-1], status)
        for method, path, status in app.requests
        if method != "GET" and "$batch" not in path
    ]


def methods_of(requests):
    """The methods of requests, without the one batch that reads everything at the end of a run."""
    return [method for method, path, _ in requests if "$batch" not in path]


def only(result):
    (outcome,) = result.outcomes
    return outcome


def adds(app, own, one):
    return lambda: app.state.set_assignments(own, [*app.state.assignments_of(own), live(own, one)])


def drops(app, own, number):
    return lambda: app.state.set_assignments(
        own,
        [a for a in app.state.assignments_of(own) if a["target"].get("groupId") != group(number)],
    )


LIVE_AFTER = {
    ("group", group(1)): ("exclude", KIOSKS),
    ("group", group(2)): ("include", CORPORATE),
    ("group", group(3)): ("none", None),
    ("androidFotaDeployment", group(9)): ("none", None),
}


@pytest.mark.parametrize("mode", ["production", "documented"])
@pytest.mark.parametrize("writes", ["auto", "create", "assign"])
@pytest.mark.parametrize("ownership", ["additive", "authoritative"])
def test_apply_does_what_the_plan_says_and_the_next_plan_is_empty(
    tmp_path, writes, ownership, mode
):
    app, clock = world(mode=mode)
    root = declare(tmp_path, WANTED, writes=writes, ownership=ownership)
    run = run_on(app, clock, root)

    result = run.apply()

    if writes == "create" and mode == "production":
        assert only(result).status is Status.FAILED
        assert ": 400 No method match route template" in only(result).error
        assert "set writes: auto or writes: assign" in only(result).error
        assert only(result).request_id in only(result).error
        assert targets_of(app, ONE) == targets_of(world()[0], ONE)
        return
    expected = dict(LIVE_AFTER)
    if ownership == "authoritative":
        del expected[("group", group(1))]
    assert result.exit_code is ExitCode.OK
    assert targets_of(app, ONE) == expected
    assert INHERITED in app.state.assignments_of(ONE)
    assert run_on(app, clock, root).plan().is_empty
    assert clock.waits == []


@pytest.mark.parametrize("writes", ["auto", "create", "assign"])
def test_applying_twice_writes_once(tmp_path, writes):
    app, clock = world(mode="documented")
    root = declare(tmp_path, WANTED, writes=writes)
    plan = run_on(app, clock, root).plan()
    run_on(app, clock, root).apply(plan)
    before = len(written(app))

    again = run_on(app, clock, root).apply(plan)

    assert only(again).status is Status.ALREADY
    assert len(written(app)) == before


def test_assign_sends_the_direct_set_whole_and_nothing_of_a_policy_set(tmp_path):
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["group: Group 3"]}, writes="assign")

    run_on(app, clock, root).apply()

    ((_, _, body, _),) = app.bodies
    sent = [entry["target"] for entry in body["assignments"]]
    assert all(set(entry) == {"target"} for entry in body["assignments"])
    assert [one.get("groupId") for one in sent] == [group(n) for n in (1, 2, 3, 9)]
    assert sent[0] == BEFORE[0]
    assert json.dumps(sent[3]) == json.dumps(opaque(9))


def test_a_queued_body_is_the_same_however_graph_orders_its_keys(tmp_path):
    bodies = []
    for turned in (False, True):
        app, clock = world()
        if turned:
            app.state.set_assignments(
                ONE,
                [
                    {**a, "target": dict(reversed(a["target"].items()))}
                    if "Fota" not in a["target"]["@odata.type"]
                    else a
                    for a in reversed(app.state.assignments_of(ONE))
                ],
            )
        root = declare(tmp_path, WANTED, writes="assign")
        sent = []

        def note(environ, start_response, app=app, sent=sent):
            content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(content)
            if environ["PATH_INFO"].endswith("/assign"):
                sent.append(content)
            return app(environ, start_response)

        run_on(note, clock, root).apply()
        bodies += sent

    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def test_create_without_a_filter_is_the_reference_pages_call(tmp_path):
    app, clock = world(mode="documented", linux=[])
    root = declare(
        tmp_path,
        {
            "Policy 1": ["group: Group 3", "{group: Group 4, filter: {include: Kiosks}}"],
            "Linux": ["group: Group 3"],
        },
    )

    run_on(app, clock, root).apply()

    calls = [(method, version, status) for method, version, _, status in written(app)]
    assert calls == [("POST", "beta", 201), ("POST", "v1.0", 201), ("POST", "beta", 201)]
    bodies = [body for _, path, body, _ in app.bodies if path.startswith("/v1.0")]
    assert bodies == [
        {
            "@odata.type": "#microsoft.graph.deviceCompliancePolicyAssignment",
            "target": {
                "@odata.type": "#microsoft.graph.groupAssignmentTarget",
                "groupId": group(3),
            },
        }
    ]


def test_the_missing_route_is_met_once_and_said_once(tmp_path):
    app, clock = world(policies={number: [] for number in range(1, 41)})
    root = declare(tmp_path, {f"Policy {number}": ["group: Group 3"] for number in range(1, 41)})
    run = run_on(app, clock, root, parallelism=4)
    plan = run.plan()
    before = len(app.requests)

    result = run.apply(plan)

    requests = app.requests[before:]
    assert result.exit_code is ExitCode.OK
    assert sum(1 for m, p, _ in requests if m == "POST" and p.endswith("/assignments")) == 1
    assert sum(1 for m, p, _ in requests if m == "POST" and p.endswith("/assign")) == 40
    # Two readings a policy; those that stood behind the first create read once more.
    assert 80 < sum(1 for m, _, _ in requests if m == "GET") <= 84
    assert len(run.heard.notes) == 1
    assert "no create call (POST .../assignments), as is usual" in run.heard.notes[0]


def test_each_documented_call_has_its_own_reading_directly_before_it(tmp_path):
    app, clock = world(mode="documented")
    root = declare(tmp_path, WANTED, writes="create", ownership="authoritative")
    run = run_on(app, clock, root)
    plan = run.plan()
    before = len(app.requests)

    run.apply(plan)

    methods = methods_of(app.requests[before:])
    assert methods == ["GET", "POST", "GET", "GET", "PATCH", "GET", "GET", "DELETE", "GET"]


def test_documented_calls_add_before_they_take_away(tmp_path):
    """Law 7. The one exception is a group that changes sides: one id can hold one side alone."""
    app, clock = world(
        mode="documented",
        policies={
            1: [
                target("group", group(1)),
                target("exclusionGroup", group(2)),
                target("exclusionGroup", group(3)),
            ]
        },
    )
    wanted = {"include": ["group: Group 3", "group: Group 4"], "exclude": ["group: Group 5"]}
    root = declare(tmp_path, {"Policy 1": wanted}, writes="create", ownership="authoritative")
    run = run_on(app, clock, root)
    plan = run.plan()
    (told,) = [each for each in plan.diagnostics if each.code == "side-change-in-two-calls"]

    assert run.apply(plan).exit_code is ExitCode.OK
    assert "neither included nor excluded" in told.message

    calls = [
        (method, path.rpartition("_")[2] if method == "DELETE" else body["target"]["groupId"])
        for method, path, body, _ in app.bodies
    ]
    assert calls == [
        ("POST", group(5)),
        ("POST", group(4)),
        ("DELETE", group(3)),
        ("POST", group(3)),
        ("DELETE", group(1)),
        ("DELETE", group(2)),
    ]


def test_a_create_route_that_is_missing_for_some_policies_alone_is_met_once(tmp_path):
    """The first create works, and then the route is gone: never the same call again and again."""
    gone = Fault(
        "status",
        method="POST",
        path="/assignments$",
        code=400,
        error_code="No method match route template",
        skip=1,
        times=None,
    )
    app, clock = world(gone, mode="documented", policies={n: [] for n in (1, 2, 3)})
    root = declare(tmp_path, {f"Policy {n}": ["group: Group 3"] for n in (1, 2, 3)})
    run = run_on(app, clock, root)

    assert run.apply().exit_code is ExitCode.OK

    posts = [path.rpartition("/")[2] for _, path, _, _ in app.bodies]
    assert posts == ["assignments", "assignments", "assign", "assign"]
    assert len(run.heard.notes) == 1


def test_where_beta_has_no_create_route_v1_is_still_used(tmp_path):
    """A create with a filter goes to beta, one without a filter to v1.0."""
    gone = Fault(
        "status",
        path="^/beta/.*/assignments$",
        method="POST",
        code=400,
        error_code="No method match route template",
        times=None,
    )
    app, clock = world(gone, mode="documented", policies={n: [] for n in (1, 2, 3)})
    with_filter = "{group: Group 3, filter: {include: Corporate}}"
    root = declare(
        tmp_path,
        {"Policy 1": ["group: Group 3"], "Policy 2": [with_filter], "Policy 3": ["group: Group 3"]},
    )

    assert run_on(app, clock, root).apply().exit_code is ExitCode.OK

    posts = [(path.split("/")[1], path.rpartition("/")[2]) for _, path, _, _ in app.bodies]
    assert posts == [
        ("v1.0", "assignments"),
        ("beta", "assignments"),
        ("beta", "assign"),
        ("v1.0", "assignments"),
    ]


def test_an_assign_route_that_is_missing_ends_the_policy(tmp_path):
    gone = Fault(
        "status", path="/assign$", code=400, error_code="No method match route template", times=None
    )
    app, clock = world(gone)
    root = declare(tmp_path, WANTED)

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.FAILED
    assert "writes: assign" not in outcome.error, "it is that call which is missing"
    assert len(assign_calls(app)) == 1


@pytest.mark.parametrize("writes", ["auto", "create", "assign"])
@pytest.mark.parametrize("ownership", ["additive", "authoritative"])
def test_somebody_elses_edit_that_touches_nothing_of_ours_is_merged(tmp_path, writes, ownership):
    app, clock = world(mode="documented")
    root = declare(tmp_path, WANTED, writes=writes, ownership=ownership)
    run = run_on(app, clock, root)
    plan = run.plan()
    adds(app, ONE, target("exclusionGroup", group(5)))()
    adds(app, ONE, opaque(11))()

    result = run.apply(plan)

    assert result.exit_code is ExitCode.OK
    assert {("exclusionGroup", group(5)), ("androidFotaDeployment", group(11))} <= set(
        targets_of(app, ONE)
    )


@pytest.mark.parametrize("writes", ["auto", "create", "assign"])
def test_an_edit_that_touches_what_we_change_stops_that_policy_alone(tmp_path, writes):
    app, clock = world(mode="documented", policies={1: BEFORE, 2: []})
    root = declare(tmp_path, {**WANTED, "Policy 2": ["group: Group 1"]}, writes=writes)
    run = run_on(app, clock, root)
    plan = run.plan()
    drops(app, ONE, 2)()
    adds(app, ONE, target("group", group(2), mode="exclude", filter_id=KIOSKS))()
    kept = app.state.assignments_of(ONE)

    result = run.apply(plan)

    one, two = result.outcomes
    assert (one.status, two.status) == (Status.STALE, Status.APPLIED)
    assert one.error.startswith("changed since it was planned, so it was left alone: ")
    assert "it is now assigned with filter exclude" in one.error
    assert app.state.assignments_of(ONE) == kept
    assert result.exit_code is ExitCode.STALE


def test_a_conflict_tells_two_groups_of_one_name_apart(tmp_path):
    app, clock = world(policies={1: []})
    app.state._tenant["groups"][3]["displayName"] = "Group 3"
    both = [f"group: {group(number)}" for number in (3, 4)]
    run = run_on(app, clock, declare(tmp_path, {"Policy 1": both}))
    plan = run.plan()
    adds(app, ONE, target("exclusionGroup", group(4)))()

    error = only(run.apply(plan)).error

    assert f'add include group "Group 3" ({group(4)}): ' in error


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (target("exclusionGroup", group(3)), "the group is excluded meanwhile"),
        (
            target("group", group(3), mode="include", filter_id=KIOSKS),
            "added meanwhile with filter",
        ),
    ],
)
def test_a_create_that_somebody_overtook_is_refused(tmp_path, edit, reason):
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["group: Group 3"]})
    run = run_on(app, clock, root)
    plan = run.plan()
    adds(app, ONE, edit)()

    result = run.apply(plan)

    assert only(result).status is Status.STALE
    assert reason in only(result).error
    assert assign_calls(app) == []


def test_between_two_documented_calls_somebodys_edit_is_seen(tmp_path):
    app, clock = world(mode="documented")
    root = declare(tmp_path, {"Policy 1": []}, writes="create", ownership="authoritative")
    run = run_on(app, clock, root)
    plan = run.plan()
    app.once(
        "DELETE",
        "",
        lambda: (
            drops(app, ONE, 2)(),
            adds(app, ONE, target("group", group(2), mode="include", filter_id=CORPORATE))(),
        ),
        when="after",
    )

    outcome = only(run.apply(plan))

    assert outcome.status is Status.STALE
    assert len(outcome.written) == 1
    assert "the rest of it was left alone" in outcome.error
    assert targets_of(app, ONE)[("group", group(2))] == ("include", CORPORATE)


@pytest.mark.parametrize("writes", ["create", "assign"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset_after"},
        {"kind": "status", "code": 504, "after": True},
        {"kind": "html", "after": True},
        {"kind": "truncated"},
    ],
)
def test_a_write_that_happened_without_an_answer_is_found_by_reading_and_not_repeated(
    tmp_path, writes, fault
):
    app, clock = world(Fault(method="POST", path="/assign", **fault), mode="documented")
    root = declare(tmp_path, {"Policy 1": ["group: Group 3"]}, writes=writes)

    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.APPLIED
    assert len(written(app)) == 1
    assert clock.waits == [1]


@pytest.mark.parametrize("writes", ["create", "assign"])
@pytest.mark.parametrize(
    ("fault", "waits", "looks"),
    [
        ({"kind": "reset_before", "times": 2}, [1, 2], DOUBT_WAITS),
        ({"kind": "status", "code": 503, "retry_after": "7"}, [7.0], DOUBT_WAITS),
        ({"kind": "status", "code": 429, "retry_after": "2.128", "times": 2}, [2.128, 2.128], ()),
        ({"kind": "status", "code": 429, "times": 3}, [1, 2, 4], ()),
        ({"kind": "status", "code": 500, "message": "Rate limit reached"}, [1], DOUBT_WAITS),
        ({"kind": "html"}, [1], DOUBT_WAITS),
    ],
)
def test_a_write_that_did_not_happen_waits_reads_and_is_sent_again(
    tmp_path, writes, fault, waits, looks
):
    app, clock = world(Fault(method="POST", path="/assign", **fault), mode="documented")
    root = declare(tmp_path, {"Policy 1": ["group: Group 3"]}, writes=writes)
    run = run_on(app, clock, root)
    plan = run.plan()
    before = len(app.requests)

    result = run.apply(plan)

    methods = methods_of(app.requests[before:])
    assert only(result).status is Status.APPLIED
    assert clock.waits == [pause for wait in waits for pause in (wait, *looks)]
    again = ["GET"] * (1 + len(looks)) + ["POST"]
    assert methods == ["GET", "POST"] + again * len(waits) + ["GET"]


def test_a_429_is_waited_for_as_long_as_the_deadline_allows(tmp_path):
    app, clock = world(Fault("status", code=429, retry_after="5", path="/assign$", times=20))
    root = declare(tmp_path, WANTED)

    assert run_on(app, clock, root).apply().exit_code is ExitCode.OK
    assert clock.waits == [5.0] * 20


def test_a_tenant_that_answers_nothing_clear_is_given_up_on_after_a_last_reading(tmp_path):
    app, clock = world(Fault("reset_before", method="POST", path="/assign$", times=None))
    root = declare(tmp_path, WANTED)

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.UNKNOWN
    assert len(assign_calls(app)) == 8
    assert app.requests[-1][0] == "GET"
    pauses = [1, 2, 4, 8, 16, 30, 30, 30]
    assert clock.waits == [pause for wait in pauses for pause in (wait, *DOUBT_WAITS)]


def test_tries_are_counted_anew_after_each_write_that_came_through(tmp_path):
    first = Fault("reset_before", method="POST", path="/assignments$", times=7)
    app, clock = world(first, replace(first, skip=1), mode="documented")
    root = declare(tmp_path, {"Policy 1": ["group: Group 3", "group: Group 4"]}, writes="create")

    outcome = only(run_on(app, clock, root).apply())

    assert (outcome.status, len(outcome.written)) == (Status.APPLIED, 2)


def test_a_wait_beyond_the_deadline_leaves_the_policy_not_tried_at_once(tmp_path):
    app, clock = world(Fault("status", code=429, retry_after="3600", path="/assign$"))
    root = declare(tmp_path, WANTED)

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.NOT_TRIED
    assert "429" in outcome.error
    assert "3600 s more would go over --timeout (600 s)" in outcome.error
    assert clock.waits == []


def test_a_policy_whose_first_reading_may_not_be_waited_for_is_not_tried(tmp_path):
    app, clock = world()
    run = run_on(app, clock, declare(tmp_path, WANTED))
    plan = run.plan()
    place = f"{ONE}/assignments"
    app.faults.add(Fault("status", code=429, retry_after="3600", path=place, times=None))

    assert only(run.apply(plan)).status is Status.NOT_TRIED


def test_an_unclear_write_that_may_not_be_waited_for_is_settled_by_a_reading(tmp_path):
    app, clock = world(Fault("status", code=503, retry_after="3600", path="/assign$", after=True))
    root = declare(tmp_path, WANTED)

    assert only(run_on(app, clock, root).apply()).status is Status.APPLIED


def test_an_unclear_write_is_unknown_where_the_last_reading_fails_too(tmp_path):
    app, clock = world(Fault("status", code=503, retry_after="3600", path="/assign$", after=True))
    unreadable = Fault("status", method="GET", code=403, path=f"{ONE}/assignments", times=None)
    app.once("POST", "/assign", lambda: app.faults.add(unreadable), when="after")

    outcome = only(run_on(app, clock, declare(tmp_path, WANTED)).apply())

    assert outcome.status is Status.UNKNOWN
    assert outcome.error.endswith("; a write was sent and its effect is not visible yet")


@pytest.mark.parametrize("writes", ["create", "assign"])
@pytest.mark.parametrize(
    ("reads", "waits"), [(1, [0.5]), (3, [0.5, 1, 2]), (8, [0.5, 1, 2, 4, 8, 15, 30, 60])]
)
def test_a_change_is_called_done_only_once_it_shows(tmp_path, writes, reads, waits):
    app, clock = world(Fault("stale_reads", reads=reads), mode="documented")
    root = declare(tmp_path, {"Policy 1": ["group: Group 3"]}, writes=writes)

    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.APPLIED
    assert only(result).notes == ()
    assert clock.waits == waits
    assert len(written(app)) == 1


@pytest.mark.parametrize("writes", ["create", "assign"])
def test_a_deletion_is_called_done_only_once_it_is_gone(tmp_path, writes):
    app, clock = world(
        Fault("stale_reads", reads=2), mode="documented", policies={1: [target("group", group(1))]}
    )
    root = declare(tmp_path, {"Policy 1": []}, writes=writes, ownership="authoritative")

    outcome = only(run_on(app, clock, root).apply())

    assert (outcome.status, outcome.notes) == (Status.APPLIED, ())
    assert clock.waits == [0.5, 1]


def test_a_change_that_never_shows_is_waited_for_until_the_deadline_and_called_unknown(tmp_path):
    app, clock = world(Fault("stale_reads", reads=1000))
    root = declare(tmp_path, WANTED)

    result = run_on(app, clock, root, timeout=300).apply()

    assert only(result).status is Status.UNKNOWN
    assert "its effect is not visible yet" in only(result).error
    assert only(result).written == ()
    assert result.exit_code is ExitCode.ERROR
    assert clock.waits == [0.5, 1, 2, 4, 8, 15, 30, 60, 60, 60]
    assert len(assign_calls(app)) == 1


def test_what_somebody_added_during_the_write_is_named(tmp_path):
    app, clock = world()
    root = declare(tmp_path, WANTED, writes="assign")
    app.once("POST", "/assign", adds(app, ONE, target("group", group(6))), when="after")

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.APPLIED
    assert outcome.notes == (
        f"include group {group(6)} was added by somebody else during the write",
    )
    assert ("group", group(6)) in targets_of(app, ONE)


def test_what_somebody_added_during_each_of_two_writes_is_named(tmp_path):
    app, clock = world(mode="documented")
    root = declare(tmp_path, {"Policy 1": ["group: Group 3", "group: Group 4"]}, writes="create")
    app.once("POST", "/assignments", adds(app, ONE, target("group", group(5))))
    app.once("POST", "/assignments", adds(app, ONE, target("group", group(6))), skip=1)

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.APPLIED
    assert [group(5) in outcome.notes[0], group(6) in outcome.notes[1]] == [True, True]


def test_what_somebody_removed_during_the_write_is_named_and_no_success(tmp_path):
    app, clock = world()
    root = declare(tmp_path, WANTED, writes="assign")
    app.once("POST", "/assign", drops(app, ONE, 1), when="after")

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.FAILED
    assert f"include group {group(1)} is missing after the write" in outcome.error
    assert len(outcome.written) == 2
    assert clock.waits == [0.5, 1, 2, 4, 8, 15, 30, 60]


def test_one_failure_hides_no_other_and_names_its_request_id(tmp_path):
    app, clock = world(
        Fault(
            "status",
            code=400,
            error_code="BadRequest",
            message="No.",
            path=f"{policy_id(2)}/assign$",
        ),
        policies={1: [], 2: [], 3: []},
    )
    root = declare(tmp_path, {f"Policy {n}": ["group: Group 1"] for n in (1, 2, 3)})

    result = run_on(app, clock, root).apply()

    _one, two, _three = result.outcomes
    assert [o.status for o in result.outcomes] == [Status.APPLIED, Status.FAILED, Status.APPLIED]
    assert two.request_id
    assert two.request_id in two.error
    assert 'assigning "Policy 2": 400 BadRequest: No.' in two.error
    assert result.exit_code is ExitCode.ERROR
    assert result.summary.create == 2


def test_what_was_done_before_a_failure_is_counted(tmp_path):
    app, clock = world(
        Fault("status", code=403, path="/assignments$", method="POST", skip=1),
        mode="documented",
        policies={1: []},
    )
    root = declare(tmp_path, {"Policy 1": ["group: Group 1", "group: Group 2"]}, writes="create")

    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.FAILED
    assert [op.target.id for op in only(result).written] == [group(1)]
    assert "it was as planned" not in only(result).error, "what was never done is not gone"
    assert result.summary.create == 1


def test_what_was_done_before_a_failure_and_is_gone_at_the_end_is_named_beside_it(tmp_path):
    app, clock = world(
        Fault("status", code=403, path="/assignments$", method="POST", skip=1),
        mode="documented",
        policies={1: []},
    )
    root = declare(tmp_path, {"Policy 1": ["group: Group 1", "group: Group 2"]}, writes="create")
    run = run_on(app, clock, root)
    plan = run.plan()
    app.once("POST", "/$batch", drops(app, ONE, 1))  # the last look

    outcome = only(run.apply(plan))

    assert (outcome.status, len(outcome.changes), outcome.written) == (Status.FAILED, 2, ())
    assert "403" in outcome.error
    assert 'include group "Group 1": no longer so' in outcome.error


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", code=403, path=f"{ONE}/assignments$", method="GET", times=None),
        Fault("truncated", path=f"{ONE}/assignments$", method="GET", times=None),
        Fault("html", path=f"{ONE}/assignments$", method="GET", times=None),
        Fault("status", code=404, path=f"{ONE}/assignments$", method="GET", times=None),
    ],
)
def test_a_policy_that_cannot_be_read_completely_is_never_written(tmp_path, fault):
    app, clock = world(policies={1: BEFORE, 2: []})
    root = declare(tmp_path, {**WANTED, "Policy 2": ["group: Group 1"]})
    run = run_on(app, clock, root)
    plan = run.plan()
    app.faults.add(fault)

    one, two = run.apply(plan).outcomes

    assert (one.status, two.status) == (Status.FAILED, Status.APPLIED)
    assert [path for path in assign_calls(app) if ONE in path] == []


def test_two_direct_assignments_of_one_target_are_left_alone(tmp_path):
    app, clock = world()
    root = declare(tmp_path, WANTED)
    run = run_on(app, clock, root)
    plan = run.plan()
    twin = {**live(ONE, target("group", group(2))), "id": "another-id"}
    app.state.set_assignments(ONE, [*app.state.assignments_of(ONE), twin])

    outcome = only(run.apply(plan))

    assert outcome.status is Status.FAILED
    assert "two direct assignments of one target" in outcome.error
    assert written(app) == []


def test_a_policy_set_that_now_covers_a_create_makes_it_needless(tmp_path):
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["group: Group 3"]})
    run = run_on(app, clock, root)
    plan = run.plan()
    app.state.set_assignments(
        ONE,
        [*app.state.assignments_of(ONE), live(ONE, target("group", group(3)), source="policySets")],
    )

    assert only(run.apply(plan)).status is Status.ALREADY
    assert written(app) == []


def test_an_expired_token_in_the_middle_of_a_run_is_renewed(tmp_path):
    app, clock = world(Fault("expired_token", path="/assign$"))
    root = declare(tmp_path, WANTED)
    run = run_on(app, clock, root)

    assert run.apply().exit_code is ExitCode.OK
    assert run.tokens.asked.count(True) == 1
    assert [status for _, _, _, status in written(app)] == [401, 204]


def test_ctrl_c_while_waiting_settles_the_write_in_flight_and_tries_no_other(tmp_path):
    clock = FakeClock(interrupt_at=1)
    app, _ = world(Fault("stale_reads", reads=1), policies={1: [], 2: [], 3: []}, clock=clock)
    root = declare(tmp_path, {f"Policy {n}": ["group: Group 1"] for n in (1, 2, 3)})

    result = run_on(app, clock, root).apply()

    assert [o.status for o in result.outcomes] == [
        Status.APPLIED,
        Status.NOT_TRIED,
        Status.NOT_TRIED,
    ]
    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.interrupted


def test_ctrl_c_after_a_write_that_does_not_show_calls_it_unknown(tmp_path):
    clock = FakeClock(interrupt_at=1)
    app, _ = world(Fault("stale_reads", reads=9), clock=clock)
    root = declare(tmp_path, WANTED)

    result = run_on(app, clock, root).apply()

    assert only(result).status is Status.UNKNOWN
    assert "a write was sent and its effect is not visible yet" in only(result).error
    assert result.exit_code is ExitCode.INTERRUPTED


def test_ctrl_c_between_two_documented_calls_tells_what_was_done(tmp_path):
    clock = FakeClock(interrupt_at=1)
    app, _ = world(
        Fault("status", code=429, retry_after="3", method="POST", path="/assignments$", skip=1),
        mode="documented",
        policies={1: []},
        clock=clock,
    )
    root = declare(tmp_path, {"Policy 1": ["group: Group 1", "group: Group 2"]}, writes="create")

    outcome = only(run_on(app, clock, root).apply())

    assert outcome.status is Status.NOT_TRIED
    assert [op.target.id for op in outcome.written] == [group(1)]


def test_ctrl_c_during_a_request_lets_the_policy_in_hand_come_to_its_end(tmp_path):
    app, clock = world(policies={1: [], 2: []})
    root = declare(tmp_path, {f"Policy {n}": ["group: Group 1"] for n in (1, 2)})
    app.once("POST", "/assign", clock.stop, when="before")

    result = run_on(app, clock, root).apply()

    assert [o.status for o in result.outcomes] == [Status.APPLIED, Status.NOT_TRIED]
    assert result.exit_code is ExitCode.INTERRUPTED


def test_a_bug_in_one_policy_hides_no_other(tmp_path):
    app, clock = world(policies={1: [], 2: []})
    root = declare(tmp_path, {f"Policy {n}": ["group: Group 1"] for n in (1, 2)}, writes="assign")
    run = run_on(app, clock, root)
    plan = run.plan()
    former = run.journal.record
    canary = "canary in an exception"

    def record(event, policy, **facts):
        if policy.id == ONE:
            raise ZeroDivisionError(canary)
        former(event, policy, **facts)

    run.journal.record = record
    one, two = run.apply(plan).outcomes

    assert (one.status, two.status) == (Status.FAILED, Status.APPLIED)
    assert "internal error (ZeroDivisionError)" in one.error
    assert canary not in one.error


@pytest.mark.parametrize(
    ("last", "faults"), [("accepted", ()), ("unknown", [Fault("reset_after", path="/assign$")])]
)
def test_a_journal_that_fails_after_the_write_leaves_it_unknown_and_not_failed(
    tmp_path, last, faults
):
    app, clock = world(*faults)
    root = declare(tmp_path, WANTED, writes="assign")
    run = run_on(app, clock, root)

    def record(event, policy, **facts):
        if event == last:
            raise JournalError("no space left")

    run.journal.record = record

    assert only(run.apply()).status is Status.UNKNOWN


def test_a_journal_that_fails_once_all_is_done_is_told_beside_the_success(tmp_path):
    app, clock = world()
    run = run_on(app, clock, declare(tmp_path, WANTED, writes="assign"))

    def record(event, policy, **facts):
        if event == "settled":
            raise JournalError("no space left")

    run.journal.record = record
    result = run.apply()

    assert only(result).status is Status.APPLIED
    assert [str(fault) for fault in result.faults] == ["no space left"]


def test_a_journal_that_cannot_be_written_stops_the_write(tmp_path):
    app, clock = world()
    root = declare(tmp_path, WANTED, writes="assign")
    run = run_on(app, clock, root)

    def record(event, policy, **facts):
        raise JournalError("no space left")

    run.journal.record = record

    assert only(run.apply()).status is Status.FAILED
    assert written(app) == []


def test_the_journal_holds_the_whole_set_before_each_write(tmp_path):
    app, clock = world(mode="documented")
    root = declare(tmp_path, {"Policy 1": ["group: Group 3", "group: Group 4"]}, writes="create")
    run = run_on(app, clock, root)

    run.apply()

    assert run.journal.events() == ["write", "accepted", "write", "accepted", "settled"]
    before = [facts["before"] for event, _, facts in run.journal.lines if event == "write"]
    assert [len(one) for one in before] == [4, 5]
    stored = {a["id"]: a for a in app.state.assignments_of(ONE)}
    for line in before[0]:
        assert line["target"] == stored[line["id"]]["target"]
        assert line["source"] == stored[line["id"]]["source"]


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        (Fault("reset_after", path="/assign$"), ["write", "unknown", "settled"]),
        (
            Fault("status", code=429, path="/assign$"),
            ["write", "refused", "write", "accepted", "settled"],
        ),
        (Fault("status", code=403, path="/assign$"), ["write", "refused"]),
    ],
)
def test_the_journal_says_what_came_back(tmp_path, fault, events):
    app, clock = world(fault)
    run = run_on(app, clock, declare(tmp_path, WANTED, writes="assign"))

    run.apply()

    assert run.journal.events() == events


def test_journal_and_outcome_name_graphs_requests(tmp_path):
    app, clock = world(Fault("status", code=500, message="Busy", path="/assign$"))
    run = run_on(app, clock, declare(tmp_path, WANTED, writes="assign"))

    outcome = only(run.apply())

    facts = {event: each for event, _, each in run.journal.lines}
    unknown, accepted = facts["unknown"], facts["accepted"]
    assert "Busy" in unknown["error"]
    assert unknown["request_id"] in unknown["error"]
    assert accepted["request_id"] == outcome.request_id
    assert accepted["request_id"] not in (None, unknown["request_id"])
    assert facts["settled"] == {"written": 2}


@pytest.mark.parametrize(("seconds", "level"), [(4, logging.INFO), (5, logging.WARNING)])
def test_a_wait_is_logged_with_its_cause_and_a_long_one_as_a_warning(
    tmp_path, caplog, seconds, level
):
    app, clock = world(Fault("status", code=429, retry_after=str(seconds), path="/assign$"))
    caplog.set_level(logging.INFO, logger="reconciler.applier")

    run_on(app, clock, declare(tmp_path, WANTED, writes="assign")).apply()

    (line,) = [each for each in caplog.records if "reading it again" in each.message]
    assert line.levelno == level
    assert "429" in line.message
    assert line.message.endswith(f"; reading it again in {seconds}.0 s")


class Enforcing:
    """Enforces Graph's write limit: 100 in 20 seconds, rejected ones counted too."""

    def __init__(self, app, clock):
        self.app, self.clock, self.moments, self.rejected = app, clock, [], 0

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "GET" or path.endswith("$batch"):
            return self.app(environ, start_response)
        now = self.clock.monotonic()
        self.moments.append(now)
        if sum(1 for moment in self.moments if moment > now - 20) > 100:
            self.rejected += 1
            start_response("429 Too Many Requests", [("Content-Type", "application/json")])
            return [b'{"error": {"code": "TooManyRequests", "message": "Slow down."}}']
        return self.app(environ, start_response)


def test_250_policies_meet_no_429_under_graphs_write_limit(tmp_path):
    app, clock = world(policies={number: [] for number in range(1, 251)}, page_size=100)
    root = declare(
        tmp_path,
        {f"Policy {n}": ["group: Group 1"] for n in range(1, 251)},
        limits=500,
        writes="assign",
    )
    graph = Enforcing(app, clock)

    result = run_on(graph, clock, root).apply()

    assert result.exit_code is ExitCode.OK
    assert result.summary.create == 250
    assert (len(graph.moments), graph.rejected) == (250, 0)
    assert max(sum(1 for m in graph.moments if at <= m < at + 20) for at in graph.moments) <= 100
    assert sum(clock.waits) == 60.0


def test_without_pacing_the_same_limit_would_be_met(tmp_path):
    clock = FakeClock()
    graph = Enforcing(app_on(tenant({1: []}), clock), clock)
    client = httpx.Client(transport=httpx.WSGITransport(app=graph), base_url="https://graph.test")

    answers = [client.post("/beta/x/assign", json={}).status_code for _ in range(101)]

    assert [status == 429 for status in answers] == [False] * 100 + [True]
