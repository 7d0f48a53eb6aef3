"""`$batch` in the sandbox."""

from __future__ import annotations

import pytest

from reconciler.sandbox import Fault, Faults
from tests.unit.test_sandbox_builder import (
    CLASSIC,
    IPADS,
    SALES,
    TWIN_ONE,
    WINDOWS,
    client,
    code_of,
    sandbox,
    target,
)


def get(own_id, url, **more):
    return {"id": own_id, "method": "GET", "url": url, **more}


def post(app, requests, path="/beta/$batch"):
    with client(app) as graph:
        return graph.post(path, json={"requests": requests})


def answers(app, requests, path="/beta/$batch"):
    response = post(app, requests, path)
    assert response.status_code == 200, response.text
    return {one["id"]: one for one in response.json()["responses"]}


def test_entries_are_answered_each_and_in_another_order():
    requests = [get(str(number), f"/groups/{SALES}") for number in range(5)]

    first = [one["id"] for one in post(sandbox(), requests).json()["responses"]]
    again = [one["id"] for one in post(sandbox(), requests).json()["responses"]]
    app = sandbox()
    pairs = {
        tuple(one["id"] for one in post(app, requests[:2]).json()["responses"]) for _ in range(10)
    }

    assert sorted(first) == ["0", "1", "2", "3", "4"]
    assert first == again != sorted(first)
    assert pairs == {("1", "0")}


def test_an_entry_has_a_status_headers_and_a_body():
    found = answers(
        sandbox(), [get("a", f"groups/{SALES}?$select=id"), get("b", f"/groups/{WINDOWS}")]
    )

    assert found["a"]["status"] == 200
    assert found["a"]["headers"] == {"Content-Type": "application/json"}
    assert found["a"]["body"]["id"] == SALES
    assert found["b"]["status"] == 404
    assert found["b"]["body"]["error"]["code"] == "Request_ResourceNotFound"


def test_the_endpoint_decides_the_version():
    url = "/deviceManagement/assignmentFilters"

    assert answers(sandbox(), [get("a", url)])["a"]["status"] == 200
    assert answers(sandbox(), [get("a", url)], "/v1.0/$batch")["a"]["status"] == 400
    refused = answers(sandbox(), [get("a", f"/beta{url}")])["a"]
    assert refused["body"]["error"]["message"] == "Resource not found for the segment 'beta'."


@pytest.mark.parametrize(("count", "status"), [(20, 200), (21, 400), (0, 400)])
def test_a_batch_holds_twenty_entries(count, status):
    requests = [get(str(number), f"/groups/{SALES}") for number in range(count)]

    assert post(sandbox(), requests).status_code == status


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        {"id": 1.5, "method": "GET", "url": "/groups"},
        {"method": "GET", "url": "/groups"},
        {"id": "1", "url": "/groups"},
        {"id": "1", "method": "GET"},
        get("1", "https://graph.test/beta/groups"),
        get("1", "/groups", dependsOn=["later"]),
        get("first", "/groups"),
        {"id": "1", "method": "POST", "url": "/x", "body": {}},
    ],
)
def test_a_malformed_batch_is_refused_whole(entry):
    app = sandbox()

    assert code_of(post(app, [get("first", "/groups"), entry])) == (400, "BadRequest")
    assert app.batched == []


def test_an_id_may_be_a_number_and_comes_back_as_text():
    response = post(sandbox(), [{"id": 1, "method": "GET", "url": "/groups"}])
    assert [each["id"] for each in response.json()["responses"]] == ["1"]


def test_a_failed_dependency_is_424_and_so_is_what_depends_on_it():
    found = answers(
        sandbox(),
        [
            get("ok", f"/groups/{SALES}"),
            get("bad", "/groups/nobody"),
            get("after-ok", f"/groups/{SALES}", dependsOn=["ok"]),
            get("after-bad", f"/groups/{SALES}", dependsOn=["bad"]),
            get("last", f"/groups/{SALES}", dependsOn=["after-bad"]),
        ],
    )

    statuses = {own_id: one["status"] for own_id, one in found.items()}
    assert statuses == {"ok": 200, "bad": 404, "after-ok": 200, "after-bad": 424, "last": 424}


def test_one_entry_can_be_throttled_with_its_own_retry_after():
    fault = Fault("batch_status", code=429, path=f"^/beta/groups/{SALES}$", retry_after="0.249")
    app = sandbox(faults=Faults([fault]))
    requests = [get("a", f"/groups/{SALES}"), get("b", f"/groups/{TWIN_ONE}")]

    first = answers(app, requests)
    second = answers(app, requests)

    assert (first["a"]["status"], first["b"]["status"]) == (429, 200)
    assert first["a"]["headers"]["Retry-After"] == "0.249"
    assert first["a"]["body"]["error"]["code"] == "TooManyRequests"
    assert second["a"]["status"] == 200


def test_a_fault_for_entries_leaves_whole_requests_alone_and_the_other_way_round():
    app = sandbox(
        faults=Faults([Fault("batch_status", code=429), Fault("status", code=503, path="groups")])
    )

    assert answers(app, [get("a", f"/groups/{SALES}")])["a"]["status"] == 429
    assert answers(app, [get("a", f"/groups/{SALES}")])["a"]["status"] == 200
    with client(app) as graph:
        assert graph.get(f"/beta/groups/{SALES}").status_code == 503


def test_a_write_inside_a_batch_is_carried_out_and_kept():
    app = sandbox()
    body = {"assignments": [{"target": target("group", SALES)}]}
    url = f"{CLASSIC}/{IPADS}/assign".removeprefix("/beta")
    headers = {"Content-Type": "application/json"}
    entry = {"id": "w", "method": "POST", "url": url, "headers": headers, "body": body}

    assert answers(app, [entry])["w"] == {"id": "w", "status": 204, "headers": {}}
    assert len(app.state.assignments_of(IPADS)) == 1
    assert [(sent[0], sent[1], sent[2]) for sent in app.bodies] == [("POST", f"/beta{url}", body)]
    assert app.requests == [("POST", "/beta/$batch", 200)]
    assert app.batched == [("POST", f"/beta{url}", 204)]


def test_a_batch_is_posted_and_no_batch_nests():
    with client(sandbox()) as graph:
        assert graph.get("/beta/$batch").status_code == 405
    nested = {
        "id": "n",
        "method": "POST",
        "url": "/$batch",
        "headers": {"content-type": "application/json"},
        "body": {},
    }
    assert answers(sandbox(), [nested])["n"]["status"] == 400
