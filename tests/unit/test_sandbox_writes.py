"""The sandbox's writes: assign, the missing routes, and the documented calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.sandbox import SandboxState
from tests.unit.test_sandbox_builder import (
    AOSP,
    CATALOG,
    CLASSIC,
    FOTA,
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
    live,
    only_target,
    sandbox,
    target,
)

GONE = "33333333-aaaa-4aaa-8aaa-00000000dead"
PAGE_BODY: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.deviceCompliancePolicyAssignment",
    "target": {
        "@odata.type": "microsoft.graph.scopeTagGroupAssignmentTarget",
        "targetType": "user",
        "entraObjectId": "Entra Object Id value",
    },
}


@pytest.fixture
def app():
    return sandbox()


@pytest.fixture
def graph(app):
    with client(app) as opened:
        yield opened


@pytest.fixture
def documented():
    return sandbox(mode="documented")


@pytest.fixture
def page(documented):
    with client(documented) as opened:
        yield opened


def assign(graph, policy, *targets, path=CLASSIC, action="assign"):
    body = {"assignments": [{"target": one} for one in targets]}
    return graph.post(f"{path}/{policy}/{action}", json=body)


def direct(app, policy):
    return [one for one in app.state.assignments_of(policy) if one["source"] == "direct"]


def test_assign_answers_204_without_a_body_in_production(graph):
    response = assign(graph, IPADS, target("allDevices"))

    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers


def test_assign_answers_200_with_the_set_as_documented(documented, page):
    response = assign(page, IPADS, target("allDevices"))

    assert response.status_code == 200
    assert response.json()["value"] == documented.state.assignments_of(IPADS)


@pytest.mark.parametrize("action", ["assign", "microsoft.graph.assign"])
def test_assign_replaces_what_is_direct_and_leaves_policy_sets_alone(app, graph, action):
    before = app.state.assignments_of(WINDOWS)

    assign(graph, WINDOWS, target("allDevices", filter_id=KIOSKS, mode="exclude"), action=action)

    after = app.state.assignments_of(WINDOWS)
    assert after == [
        before[1],
        live(
            WINDOWS,
            target("allDevices", filter_id=KIOSKS, mode="exclude"),
            "adadadad-808e-44e2-905a-0b7873a8a531",
        ),
    ]


def test_an_empty_list_clears_what_is_direct(app, graph):
    assert assign(graph, WINDOWS).status_code == 204
    assert [one["source"] for one in app.state.assignments_of(WINDOWS)] == ["policySets"]


def test_ids_are_those_of_real_tenants(app, graph):
    targets = [target("allDevices"), target("allLicensedUsers"), target("exclusionGroup", SALES)]
    collection = target("configurationManagerCollection") | {"collectionId": "SMS00042"}

    assert assign(graph, IPADS, *targets, collection).status_code == 204

    assert [one["id"] for one in app.state.assignments_of(IPADS)] == [
        f"{IPADS}_adadadad-808e-44e2-905a-0b7873a8a531",
        f"{IPADS}_acacacac-9df4-4c7d-9d50-4ef0226f57a9",
        f"{IPADS}_{SALES}",
        f"{IPADS}_sms00042",
    ]


def test_types_are_taken_with_and_without_their_mark_and_in_any_case(app, graph):
    bare = {"@odata.type": "microsoft.graph.GROUPassignmentTarget", "groupId": SALES.upper()}

    assert assign(graph, IPADS, bare).status_code == 204
    assert only_target(app.state.assignments_of(IPADS)) == [target("group", SALES)]


@pytest.mark.parametrize("filter_id", [None, "00000000-0000-0000-0000-000000000000"])
def test_no_filter_is_stored_as_null_and_none(app, graph, filter_id):
    assert assign(graph, IPADS, target("group", SALES, filter_id=filter_id)).status_code == 204
    assert only_target(app.state.assignments_of(IPADS)) == [target("group", SALES)]


def test_a_live_target_of_an_unknown_type_is_kept_and_a_new_one_refused(app, graph):
    unknown = target("androidFotaDeployment", FOTA)
    before = app.state.assignments_of(AOSP)

    assert assign(graph, AOSP, unknown, target("group", SALES)).status_code == 204
    assert app.state.assignments_of(AOSP)[:1] == before
    assert code_of(assign(graph, IPADS, unknown)) == (400, "BadRequest")
    changed = unknown | {"groupId": SALES}
    assert code_of(assign(graph, AOSP, changed)) == (400, "BadRequest")


def test_a_group_that_does_not_exist_is_accepted(app, graph):
    assert assign(graph, IPADS, target("group", GONE)).status_code == 204
    assert direct(app, IPADS)[0]["id"] == f"{IPADS}_{GONE}"


def test_a_direct_one_may_stand_beside_an_inherited_one(graph):
    assert assign(graph, WINDOWS, target("group", ONEIL)).status_code == 204

    shown = graph.get(f"{CLASSIC}/{WINDOWS}/assignments").json()["value"]
    assert [(one["source"], one["target"]["groupId"]) for one in shown] == [
        ("policySets", ONEIL),
        ("direct", ONEIL),
    ]


@pytest.mark.parametrize("group", [ONEIL, TWIN_ONE])
def test_an_entry_marked_as_inherited_is_refused(graph, group):
    body = {"assignments": [{"source": "policySets", "target": target("group", group)}]}

    assert graph.post(f"{CLASSIC}/{WINDOWS}/assign", json=body).status_code == 400


def test_what_was_read_may_be_sent_back_as_it_is(app, graph):
    before = app.state.assignments_of(WINDOWS)
    read = graph.get(f"{CLASSIC}/{WINDOWS}/assignments").json()["value"]
    own = [one for one in read if one["source"] == "direct"]

    assert graph.post(f"{CLASSIC}/{WINDOWS}/assign", json={"assignments": own}).status_code == 204
    assert sorted(app.state.assignments_of(WINDOWS), key=str) == sorted(before, key=str)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"assignments": None},
        {"assignments": {}},
        {"assignments": [], "more": 1},
        {"assignments": ["text"]},
        {"assignments": [{}]},
        {"assignments": [{"target": None}]},
        {"assignments": [{"target": {}}]},
        {"assignments": [{"target": {"@odata.type": "groupAssignmentTarget", "groupId": SALES}}]},
        {"assignments": [{"target": target("group", SALES) | {"groupName": "Sales"}}]},
        {"assignments": [{"target": target("group")}]},
        {"assignments": [{"target": target("group", "not-a-guid")}]},
        {"assignments": [{"target": target("allDevices", SALES)}]},
        {"assignments": [{"target": target("allDevices", filter_id=SALES, mode="include")}]},
        {"assignments": [{"target": target("allDevices", mode="include")}]},
        {"assignments": [{"target": target("allDevices", filter_id=KIOSKS)}]},
        {"assignments": [{"target": target("allDevices", filter_id=KIOSKS, mode="both")}]},
        {
            "assignments": [
                {"target": target("exclusionGroup", SALES, filter_id=KIOSKS, mode="include")}
            ]
        },
        {
            "assignments": [
                {"target": target("group", SALES)},
                {"target": target("group", SALES.upper())},
            ]
        },
        {"assignments": [{"target": target("allDevices")}] * 2},
        {"assignments": [{"target": target("allDevices"), "intent": "apply"}]},
        {"assignments": [{"target": target("allDevices"), "source": "elsewhere"}]},
        {"assignments": [{"target": target("configurationManagerCollection")}]},
        {
            "assignments": [
                {"target": target("allDevices"), "@odata.type": "#microsoft.graph.other"}
            ]
        },
        {"assignments": [PAGE_BODY]},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_body_that_is_wrong_is_refused_and_changes_nothing(app, graph, body):
    before = app.state.to_json()

    response = graph.post(f"{CLASSIC}/{WINDOWS}/assign", json=body)

    assert code_of(response) == (400, "BadRequest")
    assert app.state.to_json() == before


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000])
def test_a_body_that_cannot_be_read_is_refused(graph, content):
    response = graph.post(
        f"{CLASSIC}/{WINDOWS}/assign", content=content, headers={"Content-Type": "application/json"}
    )

    assert code_of(response) == (400, "BadRequest")


def test_of_a_group_on_both_sides_the_exclusion_is_dropped_without_a_word(app, graph):
    both = [target("exclusionGroup", SALES), target("group", SALES)]

    response = assign(graph, IPADS, *both, target("exclusionGroup", ONEIL))

    assert response.status_code == 204
    assert only_target(app.state.assignments_of(IPADS)) == [
        target("group", SALES),
        target("exclusionGroup", ONEIL),
    ]


def test_a_malformed_group_is_named_in_json_in_a_string(graph):
    response = assign(graph, IPADS, target("group", "not-a-guid"))

    inner = json.loads(response.json()["error"]["message"])
    assert inner["Message"].startswith(
        "Invalid GroupId : not-a-guid provided, a valid AADGroupId is expected. - Operation ID"
    )
    assert inner["RetryAfter"] is None


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(b"{", "application/json"), (b'{"assignments":[]}', "text/plain"), (b"", "")],
)
def test_a_body_must_be_json_and_say_so(app, graph, content, content_type):
    headers = {"Content-Type": content_type}
    response = graph.post(f"{CLASSIC}/{WINDOWS}/assign", content=content, headers=headers)

    assert code_of(response) == (400, "BadRequest")
    assert len(app.state.assignments_of(WINDOWS)) == 2


def test_v1_takes_no_filter_and_drops_those_there_are(app, graph):
    bare = {"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": SALES}

    refused = assign(
        graph, WINDOWS, target("group", SALES, filter_id=KIOSKS, mode="exclude"), path=V1
    )
    assert code_of(refused) == (400, "BadRequest")
    assert code_of(assign(graph, WINDOWS, target("group", SALES), path=V1)) == (400, "BadRequest")
    assert assign(graph, WINDOWS, bare, path=V1).status_code == 204
    assert only_target(direct(app, WINDOWS)) == [target("group", SALES)]


def test_v1_has_no_sources_to_send(graph):
    bare = {"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}
    body = {"assignments": [{"source": "direct", "target": bare}]}

    assert code_of(graph.post(f"{V1}/{IPADS}/assign", json=body)) == (400, "BadRequest")


def test_the_catalog_is_written_with_assign_too(app, graph):
    assert assign(graph, LINUX, target("group", TWIN_ONE), path=CATALOG).status_code == 204
    assert [one["id"] for one in app.state.assignments_of(LINUX)] == [f"{LINUX}_{TWIN_ONE}"]
    missing = assign(graph, WINDOWS, target("group", TWIN_ONE), path=CATALOG)
    assert code_of(missing) == (400, "ResourceNotFound")
    assert code_of(assign(graph, LINUX)) == (404, "ResourceNotFound")


def test_assign_moves_neither_version_nor_time(graph):
    before = graph.get(f"{CLASSIC}/{WINDOWS}").json()

    assign(graph, WINDOWS)

    assert graph.get(f"{CLASSIC}/{WINDOWS}").json() == before


@pytest.mark.parametrize(
    ("method", "suffix", "template"),
    [
        ("POST", "", "~/singleton/navigation/key/navigation"),
        ("PATCH", f"/{WINDOWS}_{SALES}", "~/singleton/navigation/key/navigation/key"),
        ("DELETE", f"/{WINDOWS}_{SALES}", "~/singleton/navigation/key/navigation/key"),
    ],
)
@pytest.mark.parametrize("path", [CLASSIC, V1])
def test_the_documented_calls_have_no_route_in_production(
    app, graph, method, suffix, template, path
):
    before = app.state.to_json()

    response = graph.request(method, f"{path}/{WINDOWS}/assignments{suffix}", json=PAGE_BODY)

    assert code_of(response) == (400, "No method match route template")
    message = response.json()["error"]["message"]
    assert f"match template {template} with http verb {method} for request /" in message
    assert f"deviceCompliancePolicies('{WINDOWS}')/assignments" in message
    assert app.state.to_json() == before
    assert [(sent[0], sent[2]) for sent in app.bodies] == [(method, PAGE_BODY)]


@pytest.mark.parametrize("path", [CLASSIC, V1])
def test_the_page_s_own_example_is_created_as_documented(documented, page, path):
    response = page.post(f"{path}/{WINDOWS}/assignments", json=PAGE_BODY)

    assert response.status_code == 201
    created = response.json()
    assert created["@odata.type"] == "#microsoft.graph.deviceCompliancePolicyAssignment"
    assert created["target"]["entraObjectId"] == "Entra Object Id value"
    assert created["target"]["targetType"] == "user"
    assert len(documented.state.assignments_of(WINDOWS)) == 3
    assert ("source" in created) == (path == CLASSIC)


@pytest.mark.parametrize(
    "body",
    [
        {"target": PAGE_BODY["target"]},
        {"@odata.type": PAGE_BODY["@odata.type"]},
        {
            "@odata.type": PAGE_BODY["@odata.type"],
            "target": {"targetType": "user", "entraObjectId": "x"},
        },
        PAGE_BODY | {"target": PAGE_BODY["target"] | {"targetType": "anyone"}},
        PAGE_BODY | {"target": target("group", SALES)},
        PAGE_BODY | {"source": "direct"},
    ],
)
def test_v1_wants_the_page_s_body_whole(documented, page, body):
    assert code_of(page.post(f"{V1}/{IPADS}/assignments", json=body)) == (400, "BadRequest")
    assert documented.state.assignments_of(IPADS) == []


def test_beta_creates_from_a_target_alone(documented, page):
    body = {"target": target("group", TWIN_ONE, filter_id=KIOSKS, mode="include")}

    response = page.post(f"{CLASSIC}/{WINDOWS}/assignments", json=body)

    assert response.status_code == 201
    assert documented.state.assignments_of(WINDOWS)[2] == live(WINDOWS, body["target"], TWIN_ONE)


def test_what_exists_is_not_created_again_but_beside_an_inherited_one_it_is(page):
    def create(built):
        return page.post(f"{CLASSIC}/{WINDOWS}/assignments", json={"target": built})

    assert code_of(create(target("group", SALES))) == (409, "Conflict")
    assert code_of(create(target("exclusionGroup", SALES))) == (409, "Conflict")
    assert create(target("group", ONEIL)).status_code == 201
    assert code_of(create(target("group", ONEIL))) == (409, "Conflict")


def test_patch_changes_the_filter_and_nothing_else(documented, page):
    address = f"{CLASSIC}/{WINDOWS}/assignments/{WINDOWS}_{SALES}"

    assert page.patch(address, json={"target": target("group", SALES)}).status_code == 200
    assert only_target(direct(documented, WINDOWS)) == [target("group", SALES)]
    assert page.patch(address, json={"target": target("group", TWIN_ONE)}).status_code == 400
    assert page.patch(address, json={"target": target("exclusionGroup", SALES)}).status_code == 400
    assert only_target(direct(documented, WINDOWS)) == [target("group", SALES)]


def test_delete_takes_one_and_policy_sets_stay_out_of_reach(documented, page):
    inherited = f"{CLASSIC}/{WINDOWS}/assignments/{WINDOWS}_{ONEIL}"
    own = f"{CLASSIC}/{WINDOWS}/assignments/{WINDOWS}_{SALES}"

    assert code_of(page.delete(inherited)) == (404, "ResourceNotFound")
    assert page.patch(inherited, json={"target": target("group", ONEIL)}).status_code == 404
    assert page.get(own).json()["id"] == f"{WINDOWS}_{SALES}"
    assert page.get(f"{own}0").status_code == 404
    assert page.delete(own).status_code == 204
    assert code_of(page.delete(own)) == (404, "ResourceNotFound")
    assert [one["source"] for one in documented.state.assignments_of(WINDOWS)] == ["policySets"]


def test_every_write_is_reported_and_every_body_kept(tmp_path):
    saved = tmp_path / "tenant.json"
    written = []

    def keep(state):
        state.save(saved)
        written.append(len(state.assignments_of(IPADS)))

    app = sandbox(on_write=keep)
    with client(app) as graph:
        graph.get(f"{CLASSIC}/{IPADS}/assignments")
        assign(graph, IPADS, target("group", SALES), target("group", TWIN_TWO))
        assign(graph, IPADS, target("group", "wrong"))

    assert written == [2]
    assert SandboxState.load(saved).to_json() == app.state.to_json()
    assert [(method, path) for method, path, _, _ in app.bodies] == [
        ("POST", f"{CLASSIC}/{IPADS}/assign")
    ] * 2
    assert app.bodies[0][2] == {
        "assignments": [{"target": target("group", SALES)}, {"target": target("group", TWIN_TWO)}]
    }
    assert app.bodies[0][3]["content-type"] == "application/json"
    assert "authorization" not in app.bodies[0][3]


def test_an_unknown_mode_is_no_mode():
    with pytest.raises(ValueError, match="unknown mode 'lenient'"):
        sandbox(mode="lenient")
