"""Multi Admin Approval in the sandbox: held back, queued, decided, carried out."""

from __future__ import annotations

import base64
import itertools

import pytest

from reconciler.sandbox import SandboxApp, SandboxState
from tests.unit.test_sandbox_builder import (
    CLASSIC,
    IPADS,
    SALES,
    WINDOWS,
    client,
    code_of,
    sandbox,
    target,
)

ASSIGN = f"{CLASSIC}/{IPADS}/assign"
REQUESTS = "/beta/deviceManagement/operationApprovalRequests"
BODY = {"assignments": [{"target": target("group", SALES)}]}
THREE_DAYS = 3 * 24 * 3600


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def written():
    return []


@pytest.fixture(params=["documented", "observed"])
def form(request):
    return request.param


@pytest.fixture
def app(form, clock, written):
    changes = {"multiAdminApproval": {"form": form}}
    return sandbox(
        changes=changes, clock=clock, on_write=lambda state: written.append(len(state.approvals))
    )


@pytest.fixture
def graph(app):
    with client(app) as opened:
        yield opened


def justified(text="Ticket 4711"):
    return {"x-msft-approval-justification": base64.b64encode(text.encode()).decode()}


def queue(graph, address=ASSIGN, body=BODY):
    return graph.post(address, json=body, headers=justified())


def repeat(graph, code, address=ASSIGN, body=BODY):
    return graph.post(address, json=body, headers={"x-msft-approval-code": code})


def test_reading_needs_no_approval(graph):
    assert graph.get(f"{CLASSIC}/{IPADS}/assignments").status_code == 200


def test_a_write_without_a_justification_is_held_back(app, graph, form, written):
    response = graph.post(ASSIGN, json=BODY)

    expected = (403, "ApprovalRequired") if form == "documented" else (400, "BadRequest")
    assert code_of(response) == expected
    message = "Header 'x-msft-approval-justification' is required to request approval"
    assert response.json()["error"]["message"] == message
    assert "x-msft-approval-code" not in response.headers
    assert app.state.approvals == written == app.state.assignments_of(IPADS) == []


def test_a_justified_write_is_queued_and_not_carried_out(app, graph, form, written):
    response = queue(graph)

    assert response.status_code == (403 if form == "documented" else 412)
    code = response.headers["x-msft-approval-code"]
    assert graph.get(REQUESTS).json()["value"] == [
        {
            "id": code,
            "status": "needsApproval",
            "requestDateTime": "2027-01-15T08:00:00Z",
            "expirationDateTime": "2027-01-18T08:00:00Z",
            "requestJustification": "Ticket 4711",
        }
    ]
    assert graph.get(f"{REQUESTS}/{code}").json()["status"] == "needsApproval"
    assert app.state.assignments_of(IPADS) == []
    assert written == [1]


def test_one_request_is_open_per_policy(graph):
    queue(graph)

    again = queue(graph, body={"assignments": []})
    elsewhere = queue(graph, f"{CLASSIC}/{WINDOWS}/assign")

    assert again.status_code == 409
    assert (
        again.json()["error"]["message"]
        == "An active Approval Request already exists for this entity"
    )
    assert elsewhere.status_code in (403, 412)


@pytest.mark.parametrize(
    "header", ["not base64!", "", base64.b64encode(b"x" * 1025).decode(), "/w=="]
)
def test_a_justification_is_short_text_in_base64(app, graph, header):
    response = graph.post(ASSIGN, json=BODY, headers={"x-msft-approval-justification": header})

    assert code_of(response) == (400, "BadRequest")
    assert app.state.approvals == []


def test_a_justification_of_1024_characters_passes(app, graph):
    graph.post(ASSIGN, json=BODY, headers=justified("ä" * 1024))

    assert len(app.state.approvals) == 1


def test_an_approved_write_is_carried_out_once(app, graph):
    code = queue(graph).headers["x-msft-approval-code"]
    app.state.decide(code, "approved")

    first, second = repeat(graph, code), repeat(graph, code)

    assert (first.status_code, second.status_code) == (204, 403)
    assert [one["id"] for one in app.state.assignments_of(IPADS)] == [f"{IPADS}_{SALES}"]
    assert app.state.approvals[0]["status"] == "completed"


@pytest.mark.parametrize("status", [None, "rejected", "cancelled", "expired"])
def test_a_write_that_is_not_approved_is_a_bare_403(app, graph, status):
    code = queue(graph).headers["x-msft-approval-code"]
    if status is not None:
        app.state.decide(code, status)

    response = repeat(graph, code)

    assert (response.status_code, response.json()["error"]["message"]) == (403, "")
    assert app.state.assignments_of(IPADS) == []


def test_a_code_fits_its_own_write_only(app, graph):
    code = queue(graph).headers["x-msft-approval-code"]
    app.state.decide(code, "approved")

    assert repeat(graph, code, body={"assignments": []}).status_code == 403
    assert repeat(graph, code, f"{CLASSIC}/{WINDOWS}/assign").status_code == 403
    assert repeat(graph, "99999999-0000-4000-8000-00000000beef").status_code == 403
    assert repeat(graph, code).status_code == 204


def test_a_decided_request_makes_room_for_the_next(app, graph):
    app.state.decide(queue(graph).headers["x-msft-approval-code"], "rejected")

    assert "x-msft-approval-code" in queue(graph).headers


def test_requests_run_out_after_three_days(app, graph, clock):
    code = queue(graph).headers["x-msft-approval-code"]
    app.state.decide(code, "approved")
    clock.now += THREE_DAYS - 1
    assert graph.get(f"{REQUESTS}/{code}").json()["status"] == "approved"

    clock.now += 1

    assert graph.get(f"{REQUESTS}/{code}").json()["status"] == "expired"
    assert repeat(graph, code).status_code == 403


def test_the_other_admin_decides_over_the_sandbox_s_own_address(app, graph, written):
    code = queue(graph).headers["x-msft-approval-code"]
    address = f"/sandbox/approvals/{code}"

    decided = graph.post(address, json={"status": "approved"}, headers={"Authorization": ""})

    assert (decided.status_code, decided.json()["status"]) == (200, "approved")
    assert written == [1, 1]
    assert graph.post(address, json={"status": "maybe"}).status_code == 400
    assert graph.post(address, json={}).status_code == 400
    assert graph.post("/sandbox/approvals/none", json={"status": "approved"}).status_code == 404
    assert graph.get(f"{REQUESTS}/none").status_code == 404
    app.state.decide(code, "cancelled")
    assert graph.post(address, json={"status": "approved"}).status_code == 400


def test_a_wrong_body_is_refused_before_anybody_is_asked(app, graph):
    assert code_of(queue(graph, body={})) == (400, "BadRequest")
    assert app.state.approvals == []


def test_a_queued_write_outlives_the_process(app, graph, clock, tmp_path):
    code = queue(graph).headers["x-msft-approval-code"]
    app.state.decide(code, "approved")
    app.state.save(tmp_path / "tenant.json")

    later = SandboxApp(SandboxState.load(tmp_path / "tenant.json"), clock=clock)
    with client(later) as reopened:
        assert repeat(reopened, code).status_code == 204


def test_the_documented_calls_are_held_back_too(clock):
    numbers = itertools.count(1)
    app = sandbox(
        mode="documented",
        changes={"multiAdminApproval": {"form": "documented"}},
        clock=clock,
        new_id=lambda: f"99999999-0000-4000-8000-{next(numbers):012d}",
    )
    address = f"{CLASSIC}/{WINDOWS}/assignments"
    with client(app) as graph:
        created = queue(graph, address, {"target": target("allDevices")})
        app.state.decide(created.headers["x-msft-approval-code"], "cancelled")
        deleted = graph.delete(f"{address}/{WINDOWS}_{SALES}", headers=justified())
        code = deleted.headers["x-msft-approval-code"]
        app.state.decide(code, "approved")
        done = graph.delete(f"{address}/{WINDOWS}_{SALES}", headers={"x-msft-approval-code": code})

    assert (created.status_code, deleted.status_code, done.status_code) == (403, 403, 204)
    assert len(app.state.assignments_of(WINDOWS)) == 1


def test_deciding_what_is_not_there_or_no_longer_open_is_an_error(app, graph):
    code = queue(graph).headers["x-msft-approval-code"]
    with pytest.raises(LookupError):
        app.state.decide("none", "approved")
    with pytest.raises(ValueError, match="is not a decision"):
        app.state.decide(code, "completed")
    app.state.decide(code, "rejected")
    with pytest.raises(ValueError, match="is rejected and cannot become approved"):
        app.state.decide(code, "approved")
