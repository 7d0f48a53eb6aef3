"""What a plan asks about its impact: each number, each unknown with its reason, and no request too many."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.graph.impact import read_impact
from reconciler.graph.probes import sample_questions
from reconciler.model.errors import Interrupted
from reconciler.model.impact import (
    ComplianceAction,
    ImpactQuestions,
    MemberCounts,
    PolicyImpact,
    StatusOverview,
    TenantImpact,
    Unknown,
)
from reconciler.model.state import AssignmentFilter, Policy
from reconciler.runtime.deadline import Deadline
from reconciler.sandbox import Fault
from tests.support import tenants
from tests.support.clocks import FakeClock
from tests.support.in_process import app_on, client_on

LATE = Unknown("it did not come in time")
SLOW_DOWN = Unknown("Graph asked to slow down")
FILTERS = tuple(
    AssignmentFilter(id, name, "windows10AndLater", rule=f'(device.category -eq "{name}")')
    for id, name in ((tenants.KIOSKS, "Kiosks"), (tenants.CORPORATE, "Corporate"))
)
POLICIES = (
    Policy(tenants.policy_id(1), "Policy 1", "classic"),
    Policy(tenants.LINUX, "Linux", "settings_catalog"),
)


def read(
    *faults,
    groups=(1,),
    filters=FILTERS,
    policies=POLICIES,
    count=2,
    parallelism=1,
    form="digits",
    timeout=600.0,
    **figures,
):
    """The readings, and the application that gave them."""
    document = tenants.tenant({number: [] for number in range(1, count)}, groups=40)
    clock = FakeClock()
    app = app_on(tenants.with_figures(document, **figures), clock, faults=faults, count_form=form)
    client = client_on(app, clock, parallelism=parallelism, timeout=timeout)
    questions = ImpactQuestions(tuple(map(tenants.group, groups)), filters, tuple(policies))
    return read_impact(client, questions, clock.now()), app


def members(found, number=1):
    return found.members[tenants.group(number)]


def test_every_number_is_the_tenants():
    found, _ = read(members={1: {"users": 3, "devices": 1240}}, matches={tenants.KIOSKS: 7})

    assert members(found) == MemberCounts(3, 1240)
    assert found.filter_matches == {tenants.KIOSKS: 7, tenants.CORPORATE: 100}
    policy = found.policies[tenants.policy_id(1)]
    assert policy.actions == (ComplianceAction("block", 1.0),)
    assert isinstance(policy.today, StatusOverview)
    assert (policy.today.compliant, policy.today.noncompliant) == (90, 10)
    assert found.tenant.secure_by_default is False
    assert found.tenant.conditional_access_policies == 1
    assert found.tenant.disabled_filters == ()


def test_members_of_nested_groups_count_once():
    found, _ = read(
        groups=(1, 2),
        members={
            1: {"users": ["a", "b"], "devices": ["x"], "groups": [tenants.group(2)]},
            2: {"users": ["b", "c"], "devices": [], "groups": [tenants.group(1)]},
        },
    )
    assert members(found) == members(found, 2) == MemberCounts(3, 1)


@pytest.mark.parametrize("form", ["number", "digits", "base64", "base64-bom", "digits-bom"])
@given(number=st.integers(0, 10**7))
def test_a_count_is_right_in_each_form_it_may_have_in_a_batch(form, number):
    found, _ = read(form=form, members={1: {"users": 0, "devices": number}})
    assert members(found) == MemberCounts(0, number)


@pytest.mark.parametrize(
    ("withheld", "missing"),
    [
        ("Device.Read.All", "devices"),
        ("Member.Read.Hidden", "nothing"),
        ("Policy.Read.All", "access"),
    ],
)
def test_a_permission_that_is_missing_is_named_and_nothing_else_is_unknown(withheld, missing):
    found, _ = read(withheld=[withheld])
    counts = members(found)
    unknown = {
        name: value.reason
        for name, value in (
            ("devices", counts.devices),
            ("users", counts.users),
            ("access", found.tenant.conditional_access_policies),
            ("matches", found.filter_matches[tenants.KIOSKS]),
            ("settings", found.tenant.secure_by_default),
        )
        if isinstance(value, Unknown)
    }
    assert unknown.keys() == {missing} - {"nothing"}
    assert all(withheld in reason and reason.startswith("403: ") for reason in unknown.values())


def test_the_settings_catalog_shows_neither_actions_nor_status():
    found, app = read()
    assert all(
        isinstance(value, Unknown)
        for value in (found.policies[tenants.LINUX].actions, found.policies[tenants.LINUX].today)
    )
    assert not [line for line in app.batched if tenants.LINUX in line[1]]


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "403: needs "), (404, "404: "), (400, "400: "), (502, "502: ")]
)
def test_one_refused_entry_of_a_batch_makes_one_number_unknown(code, reason):
    path = f"{tenants.group(1)}/transitiveMembers/microsoft.graph.device"
    found, _ = read(Fault("batch_status", path=path, code=code, times=None), groups=(1, 2))
    assert isinstance(members(found).devices, Unknown)
    assert members(found).devices.reason.startswith(reason)
    assert members(found).users == 0
    assert members(found, 2) == MemberCounts(0, 10)


def test_another_accept_is_tried_once_after_415():
    fault = Fault("batch_status", path="microsoft.graph.user", code=415)
    found, app = read(fault, members={1: {"users": 4, "devices": 5}})
    assert members(found) == MemberCounts(4, 5)
    assert len([line for line in app.batched if "microsoft.graph.user" in line[1]]) == 2
    assert len([line for line in app.batched if "microsoft.graph.device" in line[1]]) == 1


def test_415_again_is_unknown():
    found, app = read(Fault("batch_status", path="microsoft.graph", code=415, times=None))
    assert isinstance(members(found).users, Unknown)
    assert members(found).users.reason.startswith("415: ")
    assert len([line for line in app.batched if "microsoft.graph.user" in line[1]]) == 2


@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("evaluateAssignmentFilter", "matches"),
        ("deviceManagement/settings", "settings"),
        ("conditionalAccess", "access"),
        ("assignmentFilters", "disabled"),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
def test_what_is_throttled_is_unknown_and_asked_no_second_time(path, unknown, code):
    found, app = read(Fault("status", path=path, code=code, retry_after="60", times=None))
    values = {
        "matches": found.filter_matches[tenants.KIOSKS],
        "settings": found.tenant.secure_by_default,
        "access": found.tenant.conditional_access_policies,
        "disabled": found.tenant.disabled_filters,
    }
    assert {name for name, value in values.items() if isinstance(value, Unknown)} == {unknown}
    assert values[unknown] == SLOW_DOWN
    asked = [line for line in app.requests if path in line[1]]
    assert len(asked) == (len(FILTERS) if path == "evaluateAssignmentFilter" else 1)


def test_a_beta_form_that_has_changed_is_unknown():
    body = '{"RowCount": 3}'
    fault = Fault("body", path="evaluateAssignmentFilter", text=body, code=200, times=None)
    found, _ = read(fault)
    assert found.filter_matches[tenants.KIOSKS] == Unknown(
        "Graph's response does not have the expected form"
    )


@pytest.mark.parametrize("kind", ["reset_before", "truncated", "html"])
def test_no_fault_of_the_connection_is_an_error(kind):
    found, _ = read(*(Fault(kind, times=None, path=part) for part in ("batch", "deviceManagement", "identity")))  # fmt: skip
    assert isinstance(members(found).users, Unknown)
    assert isinstance(found.policies[tenants.policy_id(1)].actions, Unknown)
    assert all(isinstance(value, Unknown) for value in found.filter_matches.values())


def test_what_comes_after_20_seconds_is_unknown_and_no_longer_asked_for():
    found, app = read(Fault("slow", path="evaluateAssignmentFilter", seconds=20))
    assert found.filter_matches[tenants.CORPORATE] == LATE
    assert found.policies[tenants.policy_id(1)].actions == LATE
    assert len([line for line in app.requests if "evaluate" in line[1]]) == 1


@pytest.mark.parametrize(
    ("path", "code"), [("batch", 401), ("evaluate", 401), ("settings", 401), ("identity", 401)]
)
def test_a_refused_token_costs_no_second_request(path, code):
    found, app = read(Fault("status", path=path, code=code, times=None))
    values = {
        "batch": members(found).users,
        "evaluate": found.filter_matches[tenants.KIOSKS],
        "settings": found.tenant.secure_by_default,
        "identity": found.tenant.conditional_access_policies,
    }
    assert isinstance(values[path], Unknown)
    assert "401" in values[path].reason
    assert max(Counter(line for line in app.requests if "evaluate" not in line[1]).values()) == 1
    assert len([line for line in app.requests if "evaluate" in line[1]]) == len(FILTERS)


def test_a_whole_batch_that_is_throttled_is_sent_once():
    found, app = read(Fault("status", path=r"\$batch", code=429, retry_after="1", times=None))
    assert members(found) == MemberCounts(SLOW_DOWN, SLOW_DOWN)
    assert found.policies[tenants.policy_id(1)].actions == SLOW_DOWN
    assert len([line for line in app.requests if "$batch" in line[1]]) == 2


def test_the_deadline_of_the_run_holds_as_well():
    found, _ = read(Fault("slow", path="settings", seconds=6), timeout=5.0)
    assert members(found) == MemberCounts(LATE, LATE)


@pytest.mark.parametrize("parallelism", [1, 4])
def test_a_sign_in_that_hangs_is_not_waited_for(parallelism):
    released = threading.Event()

    class Hanging:
        def token(self, *, fresh=False):
            released.wait(30)
            return "token"

        def describe(self):
            return "hanging"

    clock = FakeClock()
    app = app_on(tenants.with_figures(tenants.tenant({1: []})), clock)
    client = client_on(app, clock, tokens=Hanging(), parallelism=parallelism)
    questions = ImpactQuestions((tenants.group(1),), FILTERS, POLICIES)
    client.transport.deadline = Deadline(clock, 0.5)
    began = time.monotonic()
    try:
        found = read_impact(client, questions, clock.now())
        assert time.monotonic() - began < 10
    finally:
        released.set()
    assert members(found) == MemberCounts(LATE, LATE)
    assert set(found.filter_matches.values()) == {LATE}
    assert set(found.policies.values()) == {PolicyImpact(LATE, LATE)}
    assert found.tenant == TenantImpact(LATE, LATE, LATE)


def test_ctrl_c_is_no_unknown():
    clock = FakeClock()
    document = tenants.with_figures(tenants.tenant({1: []}))
    stopped = app_on(document, clock)

    class Stopping:
        def token(self, *, fresh=False):
            raise Interrupted("stopped")

        def describe(self):
            return "stopping"

    client = client_on(stopped, clock, tokens=Stopping())
    with pytest.raises(Interrupted):
        read_impact(client, ImpactQuestions((tenants.group(1),), (), ()), clock.now())


@pytest.mark.parametrize("parallelism", [1, 4])
@pytest.mark.parametrize(
    ("groups", "filters", "policies"), [(1, 0, 1), (10, 1, 10), (11, 2, 11), (31, 2, 20)]
)
def test_the_requests_stay_within_the_contract(groups, filters, policies, parallelism):
    _, app = read(
        Fault("batch_status", path="microsoft.graph", code=415, times=None),
        groups=range(1, groups + 1),
        filters=FILTERS[:filters],
        policies=[Policy(tenants.policy_id(n), "P", "classic") for n in range(1, policies + 1)],
        count=policies + 1,
        parallelism=parallelism,
    )
    batches = Counter(path for _, path, _ in app.requests if path.endswith("$batch"))
    others = [path for _, path, _ in app.requests if not path.endswith("$batch")]
    assert batches["/v1.0/$batch"] <= 2 * -(-groups // 10)
    assert batches["/beta/$batch"] <= 2 * -(-policies // 20)
    assert len(others) <= filters + 3


def test_a_policy_without_data_says_so():
    document = tenants.tenant({1: []})
    document["deviceCompliancePolicies"][0]["deviceStatusOverview"] = tenants.overview(
        compliant=0, noncompliant=0
    )
    clock = FakeClock()
    app = app_on(tenants.with_figures(document), clock)
    found = read_impact(client_on(app, clock), ImpactQuestions((), (), POLICIES[:1]), clock.now())
    assert found.policies[tenants.policy_id(1)] == PolicyImpact(
        (ComplianceAction("block", 1.0),), None
    )


def test_the_doctor_evaluates_no_filter_that_shows_no_rule():
    document = tenants.with_figures(tenants.tenant({1: []}))
    document["assignmentFilters"][0]["rule"] = None
    clock = FakeClock()
    questions = sample_questions(client_on(app_on(document, clock), clock))
    assert [each.id for each in questions.filters] == [document["assignmentFilters"][1]["id"]]
