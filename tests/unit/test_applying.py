"""What is looked at once more before the first write of a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.differ.guardrails import Limits
from reconciler.documents import SavedPlan, dumps, loads
from reconciler.model.errors import GuardrailError, StalePlanError
from reconciler.model.plan import Create, Delete, Update
from reconciler.model.state import BroadTargets
from reconciler.operations import applying
from reconciler.operations.connect import Connection
from reconciler.sandbox import Fault
from tests.support.tenants import CORPORATE, declare, group
from tests.unit.test_applier import ONE, WANTED, run_on, world

NO_LIMITS = Limits(None, None, None, False)


def connection(run):
    return Connection(run.tenant, run.tokens, run.client)


def options(root):
    return applying.ApplyOptions(
        journal=None,
        state_folder=root / ".reconciler",
        approval_codes=(),
        reconciler_version="0.0.0",
    )


def posts(app):
    return [path for method, path, _ in app.requests if method == "POST" and "$batch" not in path]


def becomes(app, tenant):
    """Put another tenant behind the same address."""
    app.app = type(app.app)(type(app.state)(tenant), clock=lambda: 0.0)


@pytest.fixture
def planned(tmp_path):
    app, clock = world()
    root = declare(tmp_path, WANTED, writes="assign")
    run = run_on(app, clock, root)
    return app, run, run.plan(), root


def write(run, plan, root):
    return applying.write(plan, options(root), session=run.session, connection=connection(run))


def test_a_group_that_was_deleted_meanwhile_stops_the_run_before_its_first_write(planned):
    app, run, plan, root = planned
    tenant = app.state.to_json()
    tenant["groups"] = [g for g in tenant["groups"] if g["id"] != group(3)]
    becomes(app, tenant)

    with pytest.raises(StalePlanError, match=r'group "Group 3" no longer exists'):
        write(run, plan, root)
    assert posts(app) == []


def test_a_group_that_bears_another_name_now_is_not_what_was_shown(planned):
    app, run, plan, root = planned
    tenant = app.state.to_json()
    for found in tenant["groups"]:
        if found["id"] == group(3):
            found["displayName"] = "Everybody"
    becomes(app, tenant)

    with pytest.raises(StalePlanError, match='is now called "Everybody"'):
        write(run, plan, root)
    assert posts(app) == []


def test_a_filter_that_was_deleted_meanwhile_stops_the_run_before_its_first_write(planned):
    app, run, plan, root = planned
    tenant = app.state.to_json()
    tenant["assignmentFilters"] = [f for f in tenant["assignmentFilters"] if f["id"] != CORPORATE]
    for policy in tenant["deviceCompliancePolicies"]:
        policy["assignments"] = []
    becomes(app, tenant)

    with pytest.raises(StalePlanError, match=r"filter .* no longer exists"):
        write(run, plan, root)
    assert posts(app) == []


def test_what_is_there_as_named_is_written(planned):
    app, run, plan, root = planned
    assert write(run, plan, root).complete
    assert len(posts(app)) == 1


def test_a_saved_plan_is_judged_by_its_guardrails_whatever_it_says_of_stops(tmp_path):
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["all_devices"]})
    plan = run_on(app, clock, root).plan()
    guardrails = replace(plan.guardrails, broad_targets=BroadTargets.CONFIRM)
    tampered = replace(plan, guardrails=guardrails, stopped_by=())
    again = loads(dumps(SavedPlan(tampered, clock.now(), "0.0.0")), source="plan.json").plan

    with pytest.raises(GuardrailError, match="every device"):
        applying.refuse_unsafe(applying.tighten(again, NO_LIMITS))


def test_a_policy_that_bears_another_name_now_makes_a_saved_plan_stale(planned):
    app, run, plan, _ = planned
    tenant = app.state.to_json()
    tenant["deviceCompliancePolicies"][0]["displayName"] = "Another\n::error::forged"
    becomes(app, tenant)

    with pytest.raises(StalePlanError, match="is now called") as refused:
        applying.refuse_stale(plan, run.session, connection(run))
    assert "\n::error" not in str(refused.value)


ALL_KINDS = {"Policy 1": ["{group: Group 2, filter: {include: Corporate}}", "group: Group 3"]}


@pytest.fixture
def reviewed(tmp_path):
    """A saved plan that removes Group 1, puts a filter on Group 2, and adds Group 3."""
    app, clock = world()
    root = declare(tmp_path, ALL_KINDS, writes="assign", ownership="authoritative")
    run = run_on(app, clock, root)
    text = dumps(SavedPlan(run.plan(), clock.now(), "0.0.0"))
    return app, run, loads(text, source="plan.json").plan


def renamed(change, which, name):
    """The same change, with another name shown for one of its objects."""
    if which == "group":
        if isinstance(change, Delete):
            target = replace(change.live.target, name=name)
            return replace(change, live=replace(change.live, target=target))
        return replace(change, target=replace(change.target, name=name))
    if which == "before":
        return replace(
            change, live=replace(change.live, filter=replace(change.live.filter, name=name))
        )
    field = "after" if isinstance(change, Update) else "filter"
    return replace(change, **{field: replace(getattr(change, field), name=name)})


@pytest.mark.parametrize(
    ("kind", "which"),
    [
        (Create, "group"),
        (Update, "group"),
        (Update, "after"),
        (Delete, "group"),
        (Delete, "before"),
    ],
)
def test_a_saved_plan_that_shows_another_name_is_refused_before_the_question(reviewed, kind, which):
    """The digest covers ids alone, so a name in the file can be altered."""
    app, run, plan = reviewed
    (policy,) = plan.policies
    changes = tuple(
        renamed(each, which, "Interns") if isinstance(each, kind) else each
        for each in policy.changes
    )
    tampered = replace(plan, policies=(replace(policy, changes=changes),))
    assert tampered.digest == plan.digest

    with pytest.raises(StalePlanError, match="is now called"):
        applying.refuse_stale(tampered, run.session, connection(run))
    assert posts(app) == []


def test_an_untouched_saved_plan_is_refused_for_nothing(reviewed):
    _, run, plan = reviewed
    applying.refuse_stale(plan, run.session, connection(run))


def test_a_collection_of_a_saved_plan_is_the_one_that_its_digest_names(tmp_path):
    """Its name is its id as it was spelt, and is what goes to Graph."""
    app, clock = world()
    root = declare(tmp_path, {"Policy 1": ["collection: SMS00042"]})
    run = run_on(app, clock, root)
    plan = run.plan()
    applying.refuse_renamed(plan, run.session, run.tenant)
    (policy,) = plan.policies
    (create,) = policy.changes
    other = replace(create, target=replace(create.target, name="SMS00001"))
    tampered = replace(plan, policies=(replace(policy, changes=(other,)),))

    with pytest.raises(StalePlanError, match="SMS00001"):
        applying.refuse_renamed(tampered, run.session, run.tenant)


def test_a_group_that_is_gone_may_lose_its_assignment(tmp_path):
    app, clock = world()
    tenant = app.state.to_json()
    tenant["groups"] = [g for g in tenant["groups"] if g["id"] != group(1)]
    becomes(app, tenant)
    root = declare(tmp_path, ALL_KINDS, writes="assign", ownership="authoritative")
    run = run_on(app, clock, root)
    plan = run.plan()
    assert any(isinstance(each, Delete) and each.target.name is None for each in plan.changes)

    assert write(run, plan, root).complete


@pytest.mark.parametrize(("readings", "is_stale"), [(1, False), (3, False), (None, True)])
def test_a_saved_plan_is_not_stale_because_one_reading_lags(reviewed, readings, is_stale):
    app, run, plan = reviewed
    app.faults.add(
        Fault("lagging_reads", path=f"{ONE}/assignments", lacks=group(9), times=readings)
    )

    if is_stale:
        with pytest.raises(StalePlanError, match="is gone"):
            applying.refuse_stale(plan, run.session, connection(run))
    else:
        applying.refuse_stale(plan, run.session, connection(run))
