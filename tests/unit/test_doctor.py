"""What the doctor finds, and that a later failure hides nothing of it."""

from __future__ import annotations

import json
from dataclasses import replace

import jwt
import pytest

from reconciler.operations.doctor import NEEDS, READ, WRITE, examine, permissions
from reconciler.operations.health import Health
from reconciler.sandbox import Fault, SandboxServer
from tests.support import build
from tests.support.clocks import FakeClock
from tests.support.in_process import app_on, session
from tests.support.tenants import TENANT, guid, tenant

KEY = "a key of thirty-two bytes or more, for the fake alone"
GRAPH = "https://graph.microsoft.com"
LEAST = [WRITE, "GroupMember.Read.All", "Organization.Read.All", "DeviceManagementRBAC.Read.All"]


def token(**claims):
    whole = {"aud": GRAPH, "tid": TENANT, "appid": guid(9), "roles": LEAST} | claims
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, KEY)


def examined(*faults, environ=None, timeout=600.0, ready=None, declared=TENANT):
    clock = FakeClock()
    with SandboxServer(app_on(tenant({1: []}), clock, faults=faults)) as server:
        given = {
            "RECONCILER_GRAPH_URL": server.url,
            "RECONCILER_ACCESS_TOKEN": ready or token(),
            **(environ or {}),
        }
        run = session(clock, environ=given, timeout=timeout)
        return {
            check.title: check for check in examine(replace(build.config(), tenant=declared), run)
        }


def missing(checks):
    return [title for title, check in checks.items() if check.health is Health.MISSING]


def test_all_is_well_with_the_least_permissions():
    checks = examined()

    assert missing(checks) == []
    assert checks["sign-in"].detail == f"app {guid(9)}"
    assert checks["token's audience"].health is Health.OK
    assert checks["create call (POST .../assignments)"].health is Health.OK
    assert "more than needed" not in checks


@pytest.mark.parametrize(
    ("fault", "title"),
    [
        (Fault("expired_token", times=None), "tenant"),
        (Fault("reset_before", times=None), "tenant"),
        (Fault("status", code=429, retry_after="900", times=None), "tenant"),
        (Fault("reset_before", times=None, path="assignmentFilters"), "read assignment filters"),
    ],
)
def test_what_every_later_check_would_meet_ends_it_and_hides_nothing(fault, title):
    checks = examined(fault)

    assert missing(checks) == [title]
    assert {"cloud", "credential", "sign-in", "plan: groups by name"} <= checks.keys()
    assert list(checks)[-1] == "other checks"
    assert checks["other checks"].detail == "not made, for the same reason"


def test_one_refused_collection_keeps_no_other_from_being_looked_at():
    checks = examined(Fault("status", code=403, path="deviceCompliancePolicies", times=None))

    assert missing(checks) == ["read compliance policies"]
    assert checks["read groups"].health is Health.OK


def test_no_intune_licence_is_named():
    message = "Request not applicable to target tenant."
    checks = examined(Fault("status", code=400, message=message, path="Policies", times=None))

    assert "no active Intune licence" in checks["read compliance policies"].detail


def test_another_tenant_is_missing_and_the_rest_is_looked_at():
    checks = examined(declared=guid(8))

    assert missing(checks) == ["tenant"]
    assert checks["read groups"].health is Health.OK


@pytest.mark.parametrize(
    ("environ", "title", "words"),
    [
        ({"RECONCILER_AUTH": "client-secret"}, "credential", "AZURE_CLIENT_SECRET"),
        ({"RECONCILER_ACCESS_TOKEN": '"quoted"'}, "credential", "quotation marks"),
        ({"RECONCILER_ACCESS_TOKEN": token(exp=1)}, "sign-in", "expired at"),
        (
            {"RECONCILER_GRAPH_URL": "https://graph.test", "SSL_CERT_FILE": "/none"},
            "credential",
            "SSL_CERT_FILE",
        ),
        (
            {"RECONCILER_GRAPH_URL": "https://graph.test", "ALL_PROXY": "socks5://x"},
            "credential",
            "SOCKS",
        ),
    ],
)
def test_where_no_sign_in_is_possible_the_rest_stands(environ, title, words):
    checks = examined(environ=environ)

    assert next(iter(checks)) == "cloud"
    assert missing(checks) == [title]
    assert words in checks[title].detail


@pytest.mark.parametrize(
    ("claims", "title", "health"),
    [
        ({"appid": None}, "sign-in", Health.NOTE),
        ({"aud": None}, "token's audience", Health.NOTE),
        ({"aud": "https://management.azure.com"}, "token's audience", Health.MISSING),
        ({"aud": "00000003-0000-0000-c000-000000000000"}, "token's audience", Health.OK),
        ({"roles": None}, "permissions", Health.NOTE),
    ],
)
def test_what_a_token_does_not_say_is_not_ok(claims, title, health):
    assert examined(ready=token(**claims))[title].health is health


def test_an_opaque_token_says_nothing():
    checks = examined(ready="opaque-token")

    assert [checks[title].health for title in ("sign-in", "token's audience", "permissions")] == [
        Health.NOTE
    ] * 3


# Permissions.


def health_of(*granted):
    return {check.title: check.health for check in permissions(granted)}


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.feature)
def test_each_permission_that_graph_accepts_will_do(need):
    for permission in need.any_of:
        assert health_of(permission)[need.feature] is Health.OK


@pytest.mark.parametrize(
    "groups",
    ["Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
)
def test_a_wider_permission_is_not_missing_and_is_more_than_needed(groups):
    checks = {check.title: check for check in permissions([READ, groups])}

    assert checks["plan: groups by name"].health is Health.OK
    assert groups in checks["more than needed"].detail


def test_what_is_missing_is_named_by_the_least_permission():
    checks = {check.title: check for check in permissions(["User.Read"])}

    assert checks["plan: groups by name"].detail == "grant GroupMember.Read.All"
    assert checks["plan: policies, assignments, filters"].detail == f"grant {READ}"
    assert checks["apply: writing assignments"].health is Health.NOTE


# Multi Admin Approval.


def approval(policies, requests=()):
    """Let Graph answer with these access policies and requests."""
    return [
        Fault("body", text=json.dumps({"value": list(policies)}), path="operationApprovalPolicies"),
        Fault("body", text=json.dumps({"value": list(requests)}), path="operationApprovalRequests"),
    ]


@pytest.mark.parametrize(
    ("policies", "health"),
    [
        ([{"policyType": "compliancePolicy"}], Health.NOTE),
        ([{"policyType": "app"}, {"policyType": "CompliancePolicy"}], Health.NOTE),
        ([{"policyType": "app"}], Health.OK),
        ([], Health.OK),
    ],
)
def test_a_tenant_that_demands_a_second_administrator_is_told_so(policies, health):
    check = examined(*approval(policies))["Multi Admin Approval"]

    assert check.health is health
    assert ("--justification" in check.detail) == (health is Health.NOTE)


def test_open_requests_are_counted_and_named():
    def request(number, status, *types):
        return {"id": guid(number), "status": status, "requiredOperationApprovalPolicyTypes": types}

    requests = [
        request(1, "needsApproval", "compliancePolicy"),
        request(2, "approved", "compliancePolicy"),
        request(3, "needsApproval"),
        request(4, "completed", "compliancePolicy"),
        request(5, "needsApproval", "app"),
    ]
    check = examined(*approval([], requests))["read Multi Admin Approval requests"]

    assert check.health is Health.NOTE
    assert check.detail == f"3 open: {guid(1)}, {guid(2)}, {guid(3)}"


def test_what_cannot_be_read_about_it_is_said():
    checks = examined(Fault("status", code=403, path="operationApproval", times=None))

    assert missing(checks) == []
    for title in ("Multi Admin Approval", "read Multi Admin Approval requests"):
        assert checks[title].detail.startswith("could not be determined: ")
