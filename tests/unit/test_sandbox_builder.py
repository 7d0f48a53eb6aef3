"""The tenant that the sandbox's tests are played on, and short ways to ask it something. No test stands here."""

from __future__ import annotations

import itertools

import httpx

from reconciler.sandbox import SandboxState
from tests.support.recorded_sandbox import RecordedSandbox

WINDOWS = "11111111-aaaa-4aaa-8aaa-000000000001"
AOSP = "11111111-aaaa-4aaa-8aaa-000000000002"
IPADS = "11111111-aaaa-4aaa-8aaa-000000000003"
LINUX = "22222222-aaaa-4aaa-8aaa-000000000001"
SALES = "33333333-aaaa-4aaa-8aaa-000000000001"
ONEIL = "33333333-aaaa-4aaa-8aaa-000000000002"
TWIN_ONE = "33333333-aaaa-4aaa-8aaa-000000000003"
TWIN_TWO = "33333333-aaaa-4aaa-8aaa-000000000004"
FOTA = "33333333-aaaa-4aaa-8aaa-0000000000ff"
KIOSKS = "44444444-aaaa-4aaa-8aaa-000000000001"
POLICY_SET = "55555555-aaaa-4aaa-8aaa-000000000001"
CLASSIC = "/beta/deviceManagement/deviceCompliancePolicies"
CATALOG = "/beta/deviceManagement/compliancePolicies"
V1 = "/v1.0/deviceManagement/deviceCompliancePolicies"
NO_FILTER = {
    "deviceAndAppManagementAssignmentFilterId": None,
    "deviceAndAppManagementAssignmentFilterType": "none",
}


def target(kind, group=None, *, filter_id=None, mode="none"):
    """A target as beta shows it."""
    built = {
        "@odata.type": f"#microsoft.graph.{kind}AssignmentTarget",
        "deviceAndAppManagementAssignmentFilterId": filter_id,
        "deviceAndAppManagementAssignmentFilterType": mode,
    }
    return built if group is None else {**built, "groupId": group}


def live(policy, built, key, *, source="direct", source_id=None):
    """An assignment as beta shows it."""
    return {
        "id": f"{policy}_{key}",
        "source": source,
        "sourceId": source_id or policy,
        "target": built,
    }


def tenant(**changes):
    """A small tenant in the file's shape."""
    windows = [
        live(WINDOWS, target("group", SALES, filter_id=KIOSKS, mode="exclude"), SALES),
        live(WINDOWS, target("group", ONEIL), ONEIL, source="policySets", source_id=POLICY_SET),
    ]
    document = {
        "organization": {
            "id": "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11",
            "displayName": "Contoso",
            "verifiedDomains": [{"name": "contoso.example", "isDefault": True}],
        },
        "groups": [
            {"id": SALES, "displayName": "Sales laptops", "membershipRule": None},
            {"id": ONEIL, "displayName": "Sales - O'Neil's laptops"},
            {"id": TWIN_ONE, "displayName": "Contractors"},
            {"id": TWIN_TWO, "displayName": "Contractors"},
        ],
        "assignmentFilters": [
            {"id": KIOSKS, "displayName": "Kiosks", "platform": "windows10AndLater", "rule": "x"}
        ],
        "deviceCompliancePolicies": [
            _policy(WINDOWS, "windows10", "Windows 11 - Baseline", windows),
            _policy(
                AOSP,
                "aospDeviceOwner",
                "Scanners",
                [live(AOSP, target("androidFotaDeployment", FOTA), FOTA)],
            ),
            _policy(IPADS, "ios", "Training rooms", []),
        ],
        "compliancePolicies": [
            {
                "id": LINUX,
                "name": "Linux - Workstations",
                "platforms": "linux",
                "technologies": "linuxMdm",
                "assignments": [live(LINUX, target("group", SALES), SALES)],
            }
        ],
    }
    return {**document, **changes}


def _policy(own_id, kind, name, assignments):
    return {
        "@odata.type": f"#microsoft.graph.{kind}CompliancePolicy",
        "id": own_id,
        "displayName": name,
        "description": "",
        "createdDateTime": "2026-01-01T00:00:00Z",
        "lastModifiedDateTime": "2026-01-02T00:00:00Z",
        "version": 3,
        "roleScopeTagIds": ["0"],
        "secureBootEnabled": True,
        "assignments": assignments,
    }


def sandbox(*, changes=None, **options):
    """An application on the small tenant: time stands still, ids count up, sleeping is noted."""
    numbers = itertools.count(1)
    app_options = {
        "clock": lambda: 1_800_000_000.0,
        "sleep": _must_not_sleep,
        "new_id": lambda: f"99999999-0000-4000-8000-{next(numbers):012d}",
        **options,
    }
    return RecordedSandbox(SandboxState(tenant(**(changes or {}))), **app_options)


def _must_not_sleep(seconds):
    raise AssertionError(f"slept {seconds} s")


def client(app, token="a-token"):
    """A client of the application in this process."""
    transport = httpx.WSGITransport(app=app)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(transport=transport, base_url="https://graph.test", headers=headers)


def only_target(entries):
    """What stands behind `target` in each entry."""
    return [entry["target"] for entry in entries]


def code_of(response):
    """Status and code of an error."""
    return response.status_code, response.json()["error"]["code"]
