"""The sandbox's readings: directory, filters, policies, versions, paging, errors."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.test_sandbox_builder import (
    AOSP,
    CATALOG,
    CLASSIC,
    IPADS,
    KIOSKS,
    LINUX,
    NO_FILTER,
    ONEIL,
    SALES,
    TWIN_ONE,
    TWIN_TWO,
    V1,
    WINDOWS,
    client,
    code_of,
    sandbox,
    target,
    tenant,
)


@pytest.fixture
def graph():
    with client(sandbox()) as opened:
        yield opened


def ids(response):
    assert response.status_code == 200, response.text
    return [entry["id"] for entry in response.json()["value"]]


def groups(graph, text, **headers):
    return graph.get("/v1.0/groups", params={"$filter": text, "$select": "id"}, headers=headers)


def test_the_organisation_is_a_list_of_one(graph):
    response = graph.get("/v1.0/organization?$select=id,displayName")

    assert response.json()["value"] == [
        {"id": "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11", "displayName": "Contoso"}
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("displayName eq 'Sales laptops'", [SALES]),
        ("displayName eq 'SALES LAPTOPS'", [SALES]),
        ("displayName eq 'Sales - O''Neil''s laptops'", [ONEIL]),
        ("displayName eq 'Contractors'", [TWIN_ONE, TWIN_TWO]),
        ("displayName in ('Sales laptops', 'Contractors')", [SALES, TWIN_ONE, TWIN_TWO]),
        (f"id eq '{SALES}'", [SALES]),
        (f"id in ('{TWIN_TWO}','{SALES}')", [SALES, TWIN_TWO]),
        ("startswith(displayName,'sales')", [SALES, ONEIL]),
        (
            "startswith(displayName,'Contr') or displayName eq 'Sales laptops'",
            [SALES, TWIN_ONE, TWIN_TWO],
        ),
        ("displayName eq 'Nobody'", []),
    ],
)
def test_groups_are_filtered(graph, text, found):
    assert ids(groups(graph, text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "displayName eq 'O'Neil'",
        "displayName eq Sales",
        "displayName eq 'a' and displayName eq 'b'",
        "displayName in ()",
        "displayName eq 'a' or",
        "id eq 'no-guid'",
        "displayName",
    ],
)
def test_a_group_filter_that_cannot_be_read_is_refused(graph, text):
    assert code_of(groups(graph, text)) == (400, "BadRequest")


@pytest.mark.parametrize("text", ["displayName ne 'a'", "mail eq 'a'", "startswith(id,'1')"])
def test_a_group_filter_beyond_the_default_engine_is_refused(graph, text):
    assert code_of(groups(graph, text)) == (400, "Request_UnsupportedQuery")


def test_fifteen_expressions_pass_and_sixteen_do_not(graph):
    names = ",".join(f"'n{number}'" for number in range(14))

    assert groups(graph, f"displayName in ({names}) or displayName eq 'x'").status_code == 200
    refused = groups(graph, f"displayName in ({names},'y') or displayName eq 'x'")
    assert code_of(refused) == (400, "Request_UnsupportedQuery")


def test_an_advanced_query_takes_more_expressions_up_to_the_length_of_the_url(graph):
    eventual = {"ConsistencyLevel": "eventual"}

    def ask(count):
        names = ",".join(f"'n{number}'" for number in range(count))
        params = {"$filter": f"displayName in ({names})", "$count": "true"}
        return graph.get("/v1.0/groups", params=params, headers=eventual)

    assert ask(20).json()["@odata.count"] == 0
    assert code_of(ask(400)) == (400, "Request_UnsupportedQuery")


@pytest.mark.parametrize(("length", "found"), [(120, [TWIN_ONE]), (121, [])])
def test_names_are_matched_up_to_120_characters(length, found):
    name = "n" * length
    app = sandbox(changes={"groups": [{"id": TWIN_ONE, "displayName": name}]})

    with client(app) as graph:
        assert ids(groups(graph, f"displayName eq '{name}'")) == found
        assert ids(groups(graph, f"displayName in ('{name}')")) == found
        assert ids(groups(graph, f"startswith(displayName,'{name}')")) == [TWIN_ONE]


def test_one_group_is_found_by_its_id_without_regard_to_case(graph):
    response = graph.get(f"/v1.0/groups/{SALES.upper()}?$select=id,displayName,membershipRule")

    assert response.json()["displayName"] == "Sales laptops"
    assert response.json()["membershipRule"] is None
    assert graph.get(f"/v1.0/groups/{SALES}").json()["groupTypes"] == []
    assert code_of(graph.get(f"/v1.0/groups/{KIOSKS}")) == (404, "Request_ResourceNotFound")


def test_filters_exist_in_beta_only(graph):
    response = graph.get("/beta/deviceManagement/assignmentFilters?$select=id,displayName")

    assert response.json()["value"] == [{"id": KIOSKS, "displayName": "Kiosks"}]
    assert graph.get(f"/beta/deviceManagement/assignmentFilters/{KIOSKS}").json()["rule"] == "x"
    named = graph.get(f"/beta/deviceManagement/assignmentFilters/{KIOSKS}?$select=displayName")
    assert (named.json()["id"], "rule" in named.json()) == (KIOSKS, False)
    missing = graph.get(f"/beta/deviceManagement/assignmentFilters/{SALES}")
    assert code_of(missing) == (404, "ResourceNotFound")
    v1 = graph.get("/v1.0/deviceManagement/assignmentFilters")
    assert code_of(v1) == (400, "BadRequest")
    assert (
        v1.json()["error"]["message"] == "Resource not found for the segment 'assignmentFilters'."
    )


def test_the_three_readings_of_a_classic_policy_agree(graph):
    by_list = graph.get(f"{CLASSIC}?$expand=assignments").json()["value"][0]
    by_id = graph.get(f"{CLASSIC}/{WINDOWS}?$expand=assignments").json()
    alone = graph.get(f"{CLASSIC}/{WINDOWS}/assignments").json()["value"]

    assert by_list["assignments"] == by_id["assignments"] == alone
    assert [entry["source"] for entry in alone] == ["direct", "policySets"]
    assert "assignments@odata.context" in by_id
    assert "assignments" not in graph.get(f"{CLASSIC}/{WINDOWS}").json()


def test_a_slash_at_the_end_of_an_address_changes_nothing(graph):
    assert graph.get(f"{CLASSIC}/").json() == graph.get(CLASSIC).json()


def test_expanding_catalog_policies_shows_no_assignments(graph):
    by_list = graph.get(f"{CATALOG}?$expand=assignments").json()["value"][0]
    by_id = graph.get(f"{CATALOG}/{LINUX}?$expand=assignments").json()
    alone = graph.get(f"{CATALOG}/{LINUX}/assignments").json()["value"]

    assert by_list["assignments"] == by_id["assignments"] == []
    assert "isAssigned" not in by_id
    assert graph.get(f"{CATALOG}/{LINUX}?$select=isAssigned").json()["isAssigned"] is True
    assert alone[0]["target"]["groupId"] == SALES


@pytest.mark.parametrize("segment", ["compliancePolicies", "assignmentFilters"])
def test_a_cloud_without_a_segment_says_so_for_it_and_all_below(segment):
    app = sandbox(changes={"missingSegments": [segment]})

    with client(app) as graph:
        answers = [
            graph.get(f"/beta/deviceManagement/{segment}{rest}") for rest in ("", f"/{LINUX}")
        ]
        assert graph.get(f"{CLASSIC}?$expand=assignments").status_code == 200

    for answer in answers:
        assert code_of(answer) == (400, "BadRequest")
        assert (
            answer.json()["error"]["message"] == f"Resource not found for the segment '{segment}'."
        )


@pytest.mark.parametrize("source", ["somethingNew", None])
def test_a_source_that_nobody_knows_is_served_as_it_is(source):
    document = tenant()
    document["deviceCompliancePolicies"][0]["assignments"][0]["source"] = source

    with client(sandbox(changes=document)) as graph:
        shown = graph.get(f"{CLASSIC}/{WINDOWS}/assignments").json()["value"]

    assert shown[0]["source"] == source


def test_v1_shows_neither_filters_nor_sources(graph):
    alone = graph.get(f"{V1}/{WINDOWS}/assignments").json()["value"]

    bare = {"@odata.type": "#microsoft.graph.groupAssignmentTarget"}
    assert alone == [
        {"id": f"{WINDOWS}_{SALES}", "target": {**bare, "groupId": SALES}},
        {"id": f"{WINDOWS}_{ONEIL}", "target": {**bare, "groupId": ONEIL}},
    ]


def test_v1_shows_the_base_of_a_type_that_only_beta_knows(graph):
    by_id = {entry["id"]: entry for entry in graph.get(V1).json()["value"]}

    base = {
        "id",
        "displayName",
        "description",
        "createdDateTime",
        "lastModifiedDateTime",
        "version",
    }
    assert by_id[AOSP].keys() == base
    assert by_id[WINDOWS].keys() == base | {"@odata.type", "secureBootEnabled"}
    assert graph.get(f"{CLASSIC}/{AOSP}").json()["roleScopeTagIds"] == ["0"]


def test_the_catalog_and_the_approvals_are_no_part_of_v1(graph):
    for segment in ("compliancePolicies", "operationApprovalRequests"):
        response = graph.get(f"/v1.0/deviceManagement/{segment}")
        assert (
            response.json()["error"]["message"]
            == f"Resource not found for the segment '{segment}'."
        )


def test_a_missing_policy_is_404_or_for_the_catalog_400(graph):
    assert code_of(graph.get(f"{CLASSIC}/{LINUX}")) == (404, "ResourceNotFound")
    assert code_of(graph.get(f"{CLASSIC}/{LINUX}/assignments")) == (404, "ResourceNotFound")
    assert code_of(graph.get(f"{CATALOG}/{WINDOWS}")) == (400, "ResourceNotFound")


def test_pages_are_small_absolute_and_complete():
    app = sandbox(page_size=2)
    with client(app) as graph:
        first = graph.get(f"{CLASSIC}?$expand=assignments&$select=id&$top=999").json()
        link = first["@odata.nextLink"]
        second = graph.get(link).json()

    assert link.startswith(
        f"https://graph.test{CLASSIC}?$expand=assignments&$select=id&$top=999&$skiptoken="
    )
    assert [entry["id"] for entry in first["value"] + second["value"]] == [WINDOWS, AOSP, IPADS]
    assert "@odata.nextLink" not in second
    assert second["value"][0]["assignments"] == []


def test_top_makes_a_page_smaller_and_groups_page_too(graph):
    seen = []
    link = "/beta/groups?$top=1&$select=id&$filter=startswith(displayName,'sales')"
    while link:
        body = graph.get(link).json()
        seen.append([entry["id"] for entry in body["value"]])
        link = body.get("@odata.nextLink")

    assert seen == [[SALES], [ONEIL]]


@pytest.mark.parametrize(
    "query",
    [
        "$top=0",
        "$top=two",
        "$skiptoken=bm9uc2Vuc2U",
        "$skiptoken=_w",
        "$expand=scheduledActionsForRule",
        "$select=id,notThere",
        "$filter=displayName eq 'x'",
        "$select=",
        "foo=bar",
        "$select=id&$select=id",
    ],
)
def test_a_query_option_that_is_not_understood_is_refused(graph, query):
    assert code_of(graph.get(f"{CLASSIC}?{query}")) == (400, "BadRequest")


def test_the_assignments_of_a_policy_page_only_where_asked_to(graph):
    address = f"{CLASSIC}/{WINDOWS}/assignments"
    first = graph.get(f"{address}?$top=1&$select=id").json()

    assert first["value"] == [{"id": f"{WINDOWS}_{SALES}"}]
    assert ids(graph.get(first["@odata.nextLink"])) == [f"{WINDOWS}_{ONEIL}"]
    assert "@odata.nextLink" not in graph.get(address).json()
    assert graph.get(f"/v1.0{address[5:]}?$select=source").status_code == 400


def test_filters_page_too():
    with client(sandbox(page_size=1)) as graph:
        address = "/beta/deviceManagement/assignmentFilters"
        assert "@odata.nextLink" not in graph.get(address).json()
    second = {"id": SALES, "displayName": "Macs", "platform": "macOS"}
    first = {"id": KIOSKS, "displayName": "Kiosks", "platform": "windows10AndLater"}
    with client(sandbox(page_size=1, changes={"assignmentFilters": [first, second]})) as graph:
        body = graph.get(address).json()
        assert body["value"] == [first]
        assert graph.get(body["@odata.nextLink"]).json()["value"] == [second]


def test_a_page_holds_at_least_one_entry():
    with pytest.raises(ValueError, match="at least one entry"):
        sandbox(page_size=0)


def test_v1_has_no_scope_tags_to_select(graph):
    assert graph.get(f"{CLASSIC}?$select=roleScopeTagIds").status_code == 200
    assert graph.get(f"{V1}?$select=roleScopeTagIds").status_code == 400


def test_scheduled_actions_have_no_route(graph):
    response = graph.get(f"{CLASSIC}/{WINDOWS}/scheduledActionsForRule")

    assert code_of(response) == (400, "No method match route template")


def test_without_metadata_the_types_are_gone(graph):
    none = {"Accept": "application/json;odata.metadata=none"}
    body = graph.get(f"{CLASSIC}/{WINDOWS}/assignments", headers=none).json()

    assert body["value"][1]["target"] == {**NO_FILTER, "groupId": ONEIL}
    assert "@odata.context" not in body


@pytest.mark.parametrize(
    "path", ["/v2.0/groups", "/groups", "/beta/nothing", "/beta/groups//", "/beta//groups"]
)
def test_an_unknown_address_is_refused(graph, path):
    assert code_of(graph.get(path)) == (400, "BadRequest")


def test_a_wrong_method_has_no_route_in_intune_and_is_not_allowed_elsewhere(graph):
    assert code_of(graph.delete(f"{CLASSIC}/{WINDOWS}")) == (400, "No method match route template")
    assert code_of(graph.get(f"{CLASSIC}/{WINDOWS}/assign")) == (
        400,
        "No method match route template",
    )
    assert code_of(graph.post("/v1.0/groups", json={})) == (405, "Request_BadRequest")


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic abc"}]
)
def test_without_a_token_nothing_is_shown(headers):
    with httpx.Client(
        transport=httpx.WSGITransport(app=sandbox()), base_url="https://graph.test"
    ) as graph:
        response = graph.get("/v1.0/organization", headers=headers)

    assert code_of(response) == (401, "InvalidAuthenticationToken")


def test_every_answer_carries_its_ids_and_its_date(graph):
    for path in ("/v1.0/organization", "/v1.0/groups/unknown"):
        response = graph.get(path, headers={"client-request-id": "mine"})
        assert response.headers["client-request-id"] == "mine"
        assert response.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    inner = response.json()["error"]["innerError"]
    assert inner == {
        "date": "2027-01-15T08:00:00",
        "request-id": response.headers["request-id"],
        "client-request-id": "mine",
    }


def test_requests_are_counted_with_their_decoded_address():
    app = sandbox()
    with client(app) as graph:
        graph.get("/v1.0/groups", params={"$filter": "displayName eq 'a b'"})
        graph.get("/v1.0/nothing")

    assert app.requests == [
        ("GET", "/v1.0/groups?$filter=displayName eq 'a b'", 200),
        ("GET", "/v1.0/nothing", 400),
    ]
    assert app.bodies == []


def test_target_builder_speaks_as_the_sandbox_does(graph):
    alone = graph.get(f"{CLASSIC}/{WINDOWS}/assignments").json()["value"]

    assert alone[0]["target"] == target("group", SALES, filter_id=KIOSKS, mode="exclude")
