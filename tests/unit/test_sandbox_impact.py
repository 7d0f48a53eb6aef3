"""What the sandbox serves for a plan's impact: members, filters, actions, overviews, settings, Conditional Access."""

from __future__ import annotations

import base64
import copy
import json

import pytest

from reconciler.sandbox import Fault, Faults, SandboxApp, SandboxFileError, SandboxState
from tests.support import tenants
from tests.unit.test_sandbox_builder import (
    AOSP,
    CATALOG,
    CLASSIC,
    IPADS,
    KIOSKS,
    LINUX,
    ONEIL,
    SALES,
    TWIN_ONE,
    TWIN_TWO,
    V1,
    WINDOWS,
    client,
    code_of,
    sandbox,
    tenant,
)
from tests.unit.test_sandbox_state import written

EVENTUAL = {"ConsistencyLevel": "eventual"}
EVALUATE = "/beta/deviceManagement/evaluateAssignmentFilter"
ACCESS = "/v1.0/identity/conditionalAccess/policies"
SETTINGS = "/beta/deviceManagement/settings"
ACTIONS = "$expand=scheduledActionsForRule($expand=scheduledActionConfigurations)"
DENIED = (403, "Authorization_RequestDenied")
RULES = [
    {
        "ruleName": "PasswordRequired",
        "scheduledActionConfigurations": [
            {"id": WINDOWS, "actionType": "block", "gracePeriodHours": 12}
        ],
    }
]
OVERVIEW = {
    "pendingCount": 3,
    "notApplicableCount": 0,
    "successCount": 2049,
    "errorCount": 0,
    "failedCount": 64,
    "lastUpdateDateTime": "2026-11-26T16:08:00Z",
}
REQUIRES = {
    "id": WINDOWS,
    "displayName": "Require a compliant device",
    "state": "enabled",
    "grantControls": {"operator": "OR", "builtInControls": ["compliantDevice"]},
}


def with_figures(**changes):
    """The small tenant with members, matches, actions and an overview."""
    document = tenant(
        deviceManagement={"settings": {"secureByDefault": False}},
        conditionalAccessPolicies=[REQUIRES],
        **changes,
    )
    sales, oneil, twin_one, _ = document["groups"]
    sales["members"] = {"users": ["ann", "bob"], "devices": 10, "groups": [ONEIL]}
    oneil["members"] = {"users": ["BOB", "cem"], "devices": 7, "groups": [TWIN_ONE, SALES]}
    twin_one["members"] = {"users": 5, "devices": []}
    document["assignmentFilters"][0]["matches"] = 3410
    windows = document["deviceCompliancePolicies"][0]
    windows |= {"scheduledActionsForRule": RULES, "deviceStatusOverview": OVERVIEW}
    return document


def graph_of(document=None, **options):
    return client(sandbox(changes=document or with_figures(), **options))


def changed(change):
    document = copy.deepcopy(with_figures())
    change(document)
    return document


def counted(graph, group, kind, **headers):
    url = f"/v1.0/groups/{group}/transitiveMembers/microsoft.graph.{kind}/$count"
    return graph.get(url, headers={**EVENTUAL, **headers})


def evaluated(graph, rule="x", platform="windows10AndLater", **more):
    return graph.post(EVALUATE, json={"data": {"platform": platform, "rule": rule, **more}})


def in_batch(graph, *requests, version="v1.0"):
    listed = [{"id": str(number), "method": "GET", **one} for number, one in enumerate(requests)]
    response = graph.post(f"/{version}/$batch", json={"requests": listed})
    answers = {one["id"]: one for one in response.json()["responses"]}
    return [answers[str(number)] for number in range(len(requests))]


@pytest.mark.parametrize(
    ("group", "kind", "number"),
    [
        (TWIN_ONE, "user", "5"),
        (TWIN_ONE, "device", "0"),
        (SALES, "user", "8"),  # ann, bob, cem, and five without an id
        (ONEIL, "user", "8"),  # a circle of groups
        (SALES.upper(), "device", "17"),
    ],
)
def test_members_are_counted_with_those_of_nested_groups(group, kind, number):
    with graph_of() as graph:
        response = counted(graph, group, kind)

    assert (response.status_code, response.text) == (200, number)
    assert response.headers["Content-Type"].startswith("text/plain")


def test_members_that_the_file_does_not_hold_are_refused_and_not_zero():
    document = with_figures()
    document["groups"][2]["members"] = {"users": 5}

    with graph_of(document) as graph:
        assert code_of(counted(graph, TWIN_TWO, "user")) == DENIED
        assert counted(graph, SALES, "user").text == "8"
        assert code_of(counted(graph, SALES, "device")) == DENIED
        assert counted(graph, KIOSKS, "user").status_code == 404


def test_a_count_wants_the_header_and_an_answer_in_text():
    url = f"/v1.0/groups/{SALES}/transitiveMembers/microsoft.graph.user/$count"
    with graph_of() as graph:
        assert code_of(graph.get(url)) == (400, "Request_BadRequest")
        refused = counted(graph, SALES, "user", Accept="application/json")
        assert refused.status_code == 415
        for accepted in ("text/plain", "application/json, text/plain;q=0.5", "*/*"):
            assert counted(graph, SALES, "user", Accept=accepted).text == "8"
        assert graph.post(url, json={}).status_code == 405


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("digits", "8"),
        ("digits-bom", "\ufeff8"),
        ("number", 8),
        ("base64", base64.b64encode(b"8").decode()),
        ("base64-bom", base64.b64encode(b"\xef\xbb\xbf8").decode()),
    ],
)
def test_the_form_of_a_count_inside_a_batch_is_chosen(form, body):
    url = f"/groups/{SALES}/transitiveMembers/microsoft.graph.user/$count"
    asked = (
        {"url": url, "headers": EVENTUAL},
        {"url": url},
        {"url": url, "headers": {**EVENTUAL, "Accept": "application/json"}},
    )
    with graph_of(count_form=form) as graph:
        right, plain, json_alone = in_batch(graph, *asked)

    assert (right["status"], right["body"]) == (200, body)
    assert right["headers"] == {"Content-Type": "text/plain"}
    assert (plain["status"], json_alone["status"]) == (400, 415)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="unknown form 'octal'; known: digits, "):
        sandbox(count_form="octal")


@pytest.mark.parametrize(("withheld", "status"), [(None, 403), (["Device.Read.All"], 200)])
def test_hidden_members_need_a_permission_of_their_own(withheld, status):
    document = with_figures(withheldPermissions=withheld)
    document["groups"][2]["visibility"] = "HiddenMembership"

    with graph_of(document) as graph:
        assert counted(graph, TWIN_ONE, "user").status_code == status
        assert counted(graph, SALES, "user").status_code == status  # it is nested in this one


def test_withheld_permissions_refuse_the_reading_that_needs_them():
    withheld = ["Device.Read.All", "Policy.Read.All", "DeviceManagementApps.Read.All"]

    with graph_of(with_figures(withheldPermissions=withheld)) as graph:
        assert counted(graph, SALES, "user").text == "8"
        assert code_of(counted(graph, SALES, "device")) == DENIED
        assert code_of(graph.get(ACCESS)) == (403, "AccessDenied")
        assert code_of(graph.get(SETTINGS)) == (403, "Forbidden")


def test_what_a_filter_matches_is_json_text_in_a_stream():
    with graph_of() as graph:
        response = evaluated(
            graph, platform="Windows10AndLater", top=1, skip=0, orderBy=[], search=""
        )
        answer = json.loads(response.content)

    assert response.headers["Content-Type"] == "application/octet-stream"
    assert answer["TotalRowCount"] == 3410
    assert [len(row) for row in answer["Values"]] == [len(answer["Columns"])] == [1]


@pytest.mark.parametrize(
    ("more", "rows"), [({}, 100), ({"top": 500}, 100), ({"top": 0}, 0), ({"skip": 3405}, 5)]
)
def test_at_most_a_hundred_devices_are_listed(more, rows):
    with graph_of() as graph:
        assert len(json.loads(evaluated(graph, **more).content)["Values"]) == rows


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {"platform": "windows10AndLater"}},
        {"data": {"platform": "windows10AndLater", "rule": "x", "top": "1"}},
        {"data": {"platform": "windows10AndLater", "rule": "x", "page": 1}},
        {"data": {"platform": "iOS", "rule": "x"}},
        {"data": {"platform": "windows10AndLater", "rule": "no filter has it"}},
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_a_bad_request(body):
    with graph_of() as graph:
        assert code_of(graph.post(EVALUATE, json=body)) == (400, "BadRequest")


def test_a_rule_may_be_marked_bad_and_a_number_may_be_missing():
    document = with_figures()
    document["assignmentFilters"][0]["badRule"] = True
    with graph_of(document) as graph:
        assert code_of(evaluated(graph)) == (400, "BadRequest")
    with graph_of(tenant()) as graph:
        assert code_of(evaluated(graph)) == (403, "Forbidden")


def test_filters_are_evaluated_in_beta_alone_and_outside_a_batch():
    entry = {
        "method": "POST",
        "url": "/deviceManagement/evaluateAssignmentFilter",
        "headers": {"Content-Type": "application/json"},
        "body": {"data": {"platform": "windows10AndLater", "rule": "x"}},
    }
    with graph_of() as graph:
        assert code_of(graph.post(EVALUATE.replace("beta", "v1.0"), json={})) == (400, "BadRequest")
        assert graph.get(EVALUATE).status_code == 400
        assert in_batch(graph, entry, version="beta")[0]["status"] == 400


def test_evaluating_a_filter_is_no_write():
    saved = []
    approval = {"form": "observed"}
    app = sandbox(changes=with_figures(multiAdminApproval=approval), on_write=saved.append)
    before = app.state.to_json()

    with client(app) as graph:
        assert evaluated(graph).status_code == 200

    assert (saved, app.bodies, app.state.to_json()) == ([], [], before)


def test_actions_come_with_a_policy_when_they_are_expanded():
    with graph_of() as graph:
        policy = graph.get(f"{CLASSIC}/{WINDOWS}?$select=id&{ACTIONS}").json()
        both = graph.get(f"{CLASSIC}/{WINDOWS}?{ACTIONS},assignments").json()
        v1 = graph.get(f"{V1}/{WINDOWS}?{ACTIONS}").json()

    assert policy["scheduledActionsForRule"] == RULES
    assert set(policy) == {
        "@odata.context",
        "@odata.type",
        "id",
        "scheduledActionsForRule@odata.context",
        "scheduledActionsForRule",
    }
    assert len(both["assignments"]) == 2
    assert both["scheduledActionsForRule"] == v1["scheduledActionsForRule"] == RULES


def test_actions_come_with_listed_policies_too():
    document = with_figures()
    for policy in document["deviceCompliancePolicies"]:
        policy["scheduledActionsForRule"] = RULES
    with graph_of(document) as graph:
        listed = graph.get(f"{CLASSIC}?{ACTIONS}").json()["value"]
    assert [each["scheduledActionsForRule"] for each in listed] == [RULES] * len(listed)


def test_actions_are_empty_in_the_settings_catalog_and_refused_where_they_are_not_held():
    document = with_figures()
    document["compliancePolicies"][0]["scheduledActionsForRule"] = RULES
    with graph_of(document) as graph:
        catalog = graph.get(f"{CATALOG}/{LINUX}?{ACTIONS}").json()
        assert catalog["scheduledActionsForRule"] == []
        assert code_of(graph.get(f"{CLASSIC}/{IPADS}?{ACTIONS}")) == (403, "Forbidden")
        assert code_of(graph.get(f"{CLASSIC}?{ACTIONS}")) == (403, "Forbidden")
        assert graph.get(f"{CLASSIC}/{WINDOWS}?$expand=deviceStatuses").status_code == 400
        own_route = graph.get(f"{CLASSIC}/{WINDOWS}/scheduledActionsForRule")
        assert code_of(own_route) == (400, "No method match route template")


def test_a_status_overview_is_served_as_the_file_holds_it():
    with graph_of() as graph:
        overview = graph.get(f"{V1}/{WINDOWS}/deviceStatusOverview").json()
        assert overview.items() >= OVERVIEW.items()
        missing = graph.get(f"{CLASSIC}/{AOSP}/deviceStatusOverview")
        assert code_of(missing) == (403, "Forbidden")
        assert graph.get(f"{CLASSIC}/{SALES}/deviceStatusOverview").status_code == 404
        catalog = graph.get(f"{CATALOG}/{LINUX}/deviceStatusOverview")
        assert code_of(catalog) == (400, "BadRequest")


def test_settings_and_conditional_access():
    with graph_of() as graph:
        assert graph.get(SETTINGS).json()["secureByDefault"] is False
        assert code_of(graph.get(SETTINGS.replace("beta", "v1.0"))) == (400, "BadRequest")
        listed = graph.get(f"{ACCESS}?$select=id,displayName,state,grantControls").json()["value"]
        assert listed == [REQUIRES]
        assert graph.get(f"{ACCESS}?$select=secrets").status_code == 400
    with graph_of(tenant()) as graph:
        assert code_of(graph.get(SETTINGS)) == (403, "Forbidden")
        assert code_of(graph.get(ACCESS)) == (403, "AccessDenied")


def test_a_tenant_of_the_other_tests_is_given_figures():
    document = tenants.tenant({1: [tenants.target("allDevices")]}, groups=4)
    document["groups"][0]["visibility"] = "HiddenMembership"
    members = {2: {"users": 3, "devices": 1, "groups": [tenants.group(3)]}}
    figures = tenants.with_figures(document, members=members, matches={tenants.CORPORATE: None})
    rules = {one["id"]: one["rule"] for one in document["assignmentFilters"]}

    with graph_of(figures) as graph:
        assert code_of(counted(graph, tenants.group(1), "device")) == DENIED
        assert counted(graph, tenants.group(2), "device").text == "11"
        assert evaluated(graph, rules[tenants.KIOSKS]).json()["TotalRowCount"] == 100
        assert evaluated(graph, rules[tenants.CORPORATE]).status_code == 403
        policy = graph.get(f"{CLASSIC}/{tenants.policy_id(1)}?{ACTIONS}").json()
        assert policy["scheduledActionsForRule"] == [tenants.actions(("block", 24))]
        assert len(graph.get(ACCESS).json()["value"]) == 2


def test_a_filter_shows_its_evaluation_mode():
    document = with_figures()
    document["assignmentFilters"][0]["evaluationMode"] = "disabled"
    with graph_of(document) as graph:
        response = graph.get("/beta/deviceManagement/assignmentFilters?$select=id,evaluationMode")

    assert response.json()["value"] == [{"id": KIOSKS, "evaluationMode": "disabled"}]


def test_figures_are_shown_by_no_other_reading():
    with graph_of() as graph:
        readings = [
            graph.get(url).text
            for url in (
                "/v1.0/groups",
                f"/v1.0/groups/{SALES}",
                "/beta/deviceManagement/assignmentFilters",
                f"/beta/deviceManagement/assignmentFilters/{KIOSKS}",
                CLASSIC,
                f"{CLASSIC}/{WINDOWS}",
            )
        ]
        assert graph.get("/v1.0/groups?$select=members").status_code == 400

    for name in ("members", "matches", "scheduledActionsForRule", "deviceStatusOverview"):
        assert not [text for text in readings if f'"{name}"' in text]


def test_a_write_keeps_the_figures(tmp_path):
    kept = tmp_path / "kept.json"
    app = sandbox(changes=with_figures(), on_write=lambda state: state.save(kept))

    with client(app) as graph:
        done = graph.post(f"{CLASSIC}/{IPADS}/assign", json={"assignments": []})

    assert done.status_code == 204
    assert SandboxState.load(kept).to_json() == SandboxState(with_figures()).to_json()


def test_the_graph_of_a_snapshot_refuses_what_nobody_read():
    read = {key: value for key, value in tenant().items() if key != "organization"}

    with client(SandboxApp(SandboxState.as_read(read))) as graph:
        refused = [
            counted(graph, SALES, "user"),
            evaluated(graph),
            graph.get(f"{CLASSIC}/{WINDOWS}?{ACTIONS}"),
            graph.get(f"{CLASSIC}/{WINDOWS}/deviceStatusOverview"),
            graph.get(SETTINGS),
            graph.get(ACCESS),
        ]

    assert [response.status_code for response in refused] == [403] * 6


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault("status", method="POST", path="evaluateAssignmentFilter", code=429), 429),
        (Fault("body", path="evaluateAssignmentFilter", text='{"Rows": 1}'), {"Rows": 1}),
        (
            Fault("body", path="evaluateAssignmentFilter", find="3410", text="null"),
            None,
        ),
    ],
)
def test_faults_hit_the_evaluation_of_a_filter(fault, outcome):
    with graph_of(faults=Faults([fault])) as graph:
        response = evaluated(graph)
        again = evaluated(graph)

    if response.status_code == 200:
        answer = json.loads(response.content)
        assert answer.get("TotalRowCount", answer) == outcome
    else:
        assert response.status_code == outcome
    assert json.loads(again.content)["TotalRowCount"] == 3410


def test_faults_hit_a_count_inside_a_batch_and_a_slow_overview():
    slept = []
    faults = Faults(
        [
            Fault("batch_status", path="microsoft.graph.device/", code=503),
            Fault("slow", path="deviceStatusOverview", seconds=30),
        ]
    )
    entries = [
        {
            "url": f"/groups/{SALES}/transitiveMembers/microsoft.graph.{kind}/$count",
            "headers": EVENTUAL,
        }
        for kind in ("user", "device")
    ]
    with graph_of(faults=faults, sleep=slept.append) as graph:
        users, devices = in_batch(graph, *entries)
        graph.get(f"{V1}/{WINDOWS}/deviceStatusOverview")

    assert (users["status"], users["body"], devices["status"]) == (200, "8", 503)
    assert slept == [30]


def _put(*path, value):
    def change(document):
        *owners, key = path
        owner = document
        for one in owners:
            owner = owner[one]
        owner[key] = value

    return change


POLICY = ("deviceCompliancePolicies", 0)
RULE = (*POLICY, "scheduledActionsForRule", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_put("groups", 0, "members", value=5), r"groups\[0\].members must be an object"),
        (
            _put("groups", 0, "members", "printers", value=5),
            r"groups\[0\].members.printers is not a kind of member; known: users, devices, groups",
        ),
        (
            _put("groups", 0, "members", "users", value=-1),
            r"groups\[0\].members.users must be a whole number from 0, or a list of ids",
        ),
        (
            _put("groups", 0, "members", "devices", value=True),
            r"groups\[0\].members.devices must be a whole number from 0, or a list of ids",
        ),
        (
            _put("groups", 0, "members", "users", value=[""]),
            r"groups\[0\].members.users must hold ids that are strings and not empty",
        ),
        (
            _put("groups", 0, "members", "groups", value=3),
            r"groups\[0\].members.groups must be a list of ids",
        ),
        (
            _put("groups", 0, "members", "groups", value=[KIOSKS]),
            rf"groups\[0\].members.groups: no group has the id '{KIOSKS}'",
        ),
        (
            _put("assignmentFilters", 0, "matches", value="many"),
            r"assignmentFilters\[0\].matches must be a whole number from 0",
        ),
        (
            _put("assignmentFilters", 0, "badRule", value=1),
            r"assignmentFilters\[0\].badRule must be true or false",
        ),
        (
            _put(*RULE, value={}),
            r".*scheduledActionsForRule\[0\].scheduledActionConfigurations is missing",
        ),
        (
            _put(*RULE, value={"scheduledActionConfigurations": [{"actionType": "block"}]}),
            r".*Configurations\[0\].gracePeriodHours must be a whole number from 0 to 8760",
        ),
        (
            _put(*POLICY, "deviceStatusOverview", "failedCount", value=None),
            r".*deviceStatusOverview.failedCount must be a whole number from 0",
        ),
        (
            _put(*POLICY, "deviceStatusOverview", "lastUpdateDateTime", value="today"),
            r".*deviceStatusOverview.lastUpdateDateTime: 'today' is not a time with its zone",
        ),
        (
            _put("deviceManagement", value={}),
            "deviceManagement.settings must be an object",
        ),
        (
            _put("deviceManagement", "settings", "secureByDefault", value="no"),
            "deviceManagement.settings.secureByDefault must be true or false",
        ),
        (
            _put("conditionalAccessPolicies", 0, "state", value="on"),
            r"conditionalAccessPolicies\[0\].state must be one of enabled, .*",
        ),
        (
            _put("conditionalAccessPolicies", 0, "grantControls", value={}),
            r"conditionalAccessPolicies\[0\].grantControls.builtInControls must be a list",
        ),
        (
            _put("withheldPermissions", value=["Everything.Read.All"]),
            "withheldPermissions must be a list of Member.Read.Hidden, Device.Read.All, .*",
        ),
    ],
)
def test_figures_that_cannot_be_used_are_named(tmp_path, change, message):
    with pytest.raises(SandboxFileError, match=message):
        SandboxState.load(written(tmp_path, changed(change)))
