"""What is looked at once more before the first write of a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.differ.guardrails import Limits
from reconciler.documents import SavedPlan, dumps, loads
from reconciler.model.errors import GuardrailError, StalePlanError
from reconciler.model.state import BroadTargets
from reconciler.operations import applying
from reconciler.operations.connect import Connection
from tests.support.tenants import CORPORATE, declare, group
from tests.unit.test_applier import WANTED, run_on, world

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
