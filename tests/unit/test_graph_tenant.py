"""Reading a tenant whole, and writing exactly what was asked."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from reconciler.model.errors import GraphError, MultiAdminApprovalStatus
from reconciler.model.requests import (
    AssignmentToSend,
    AssignRequest,
    CreateRequest,
    DeleteRequest,
    PatchRequest,
)
from reconciler.model.state import Assignment, Filter, FilterMode, Policy, Target, TargetKind
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import GRAPH, app_on, tenant_on
from tests.support.tenants import (
    CORPORATE,
    KIOSKS,
    LINUX,
    group,
    guid,
    live,
    opaque,
    policy_id,
    target,
    tenant,
)

ONE = policy_id(1)
CLASSIC = Policy(ONE, "Policy 1", "classic")
CATALOG = Policy(LINUX, "Linux", "settings_catalog")
FAMILY = "/beta/deviceManagement/deviceCompliancePolicies"


@pytest.fixture
def clock():
    return FakeClock()


def many(count):
    return {number: [target("group", group(number))] for number in range(1, count + 1)}


def write(writer, request):
    return writer.send(writer.encode(request, reproducible=False))


def as_read(found):
    return AssignmentToSend(found.target, found.filter, found.raw_target)


def reads(app):
    return [path for method, path, _ in app.requests if method == "GET"]


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (25, 1), (26, 2), (250, 10)])
def test_reading_costs_one_request_a_page_and_nothing_a_policy(clock, count, pages):
    """The settings catalog adds one list and a batch for each twenty policies."""
    app = app_on(tenant(many(count)), clock, page_size=25)

    found = tenant_on(app, clock, parallelism=4).read_policies()

    assert len(found.policies) == count + 1
    paths = [path for _, path, _ in app.requests]
    assert len([path for path in paths if path.startswith(FAMILY)]) == pages
    assert (
        len(
            [
                path
                for path in paths
                if "/compliancePolicies?" in path or path.endswith("/compliancePolicies")
            ]
        )
        == 1
    )
    assert len([path for path in paths if path.endswith("$batch")]) == 1


def test_policies_are_read_in_beta_alone(clock):
    app = app_on(tenant(many(3), linux=[target("group", group(1))]), clock)

    tenant_on(app, clock).read_policies()
    tenant_on(app, clock).read_policy(CLASSIC)
    tenant_on(app, clock).read_policy(CATALOG)
    tenant_on(app, clock).read_filters()

    assert all(path.startswith("/beta/") for path in reads(app))


def test_the_single_objects_lie_about_linux_is_never_asked_for(clock):
    app = app_on(tenant({}, linux=[target("group", group(1))]), clock)
    reader = tenant_on(app, clock)

    listed = reader.read_policies().policies[LINUX]
    single = reader.read_policy(CATALOG)

    assert len(listed.assignments) == len(single.assignments) == 1
    assert not [path for path in reads(app) if f"{LINUX}?" in path]


class Lying:
    """Serves the list of a family with its entries changed."""

    def __init__(self, app, change):
        self.app, self.change = app, change

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].endswith("Policies"):
            return self.app(environ, start_response)
        heads = []
        body = b"".join(self.app(environ, lambda *head: heads.append(head)))
        page = json.loads(body)
        for entry in page["value"]:
            self.change(entry)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(page).encode()]


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.update(assignments=[], isAssigned=True),
        lambda entry: entry.pop("assignments", None),
        lambda entry: entry.update(assignments=None),
    ],
)
def test_an_expansion_that_is_missing_or_contradicts_itself_is_read_apart(clock, change):
    app = app_on(tenant({1: [target("group", group(1))]}, linux=[target("group", group(2))]), clock)

    found = tenant_on(Lying(app, change), clock).read_policies()

    assert len(found.policies[LINUX].assignments) == 1
    assert len(found.policies[ONE].assignments) == 1
    assert f"{FAMILY}/{ONE}/assignments" in reads(app)


@pytest.mark.parametrize("policies", [1, 21])
def test_the_settings_catalog_is_never_read_by_an_expansion(clock, policies):
    """[O] graph.md sections 4 and 12: an expansion may be empty although the policy is assigned."""
    document = tenant({})
    document["compliancePolicies"] = [
        {
            "id": guid(2, number),
            "name": f"Linux {number}",
            "platforms": "linux",
            "assignments": [live(guid(2, number), target("group", group(1)))],
        }
        for number in range(1, policies + 1)
    ]
    app = app_on(document, clock, page_size=100)

    found = tenant_on(Lying(app, lambda entry: entry.update(assignments=[])), clock).read_policies()

    assert {len(live.assignments) for live in found.policies.values()} == {1}
    assert len(found.policies) == policies
    assert not [path for path in reads(app) if "compliancePolicies" in path and "expand" in path]
    assert len([p for _, p, _ in app.requests if p.endswith("$batch")]) == -(-policies // 20)


def test_a_catalog_policy_that_is_deleted_while_the_tenant_is_read_is_left_out(clock):
    app = app_on(
        tenant({1: []}, linux=[target("group", group(1))]),
        clock,
        faults=[Fault("batch_status", code=404, path=LINUX)],
    )

    assert set(tenant_on(app, clock).read_policies().policies) == {ONE}


def test_a_catalog_policy_that_cannot_be_read_is_never_taken_for_one_without_assignments(clock):
    app = app_on(
        tenant({1: []}, linux=[target("group", group(1))]),
        clock,
        faults=[Fault("batch_status", code=403, path=LINUX)],
    )

    found = tenant_on(app, clock).read_policies()

    assert set(found.policies) == {ONE}
    ((id, unreadable),) = found.unreadable.items()
    assert id == CATALOG.id == unreadable.policy.id
    assert "403" in unreadable.reason


ODD_ASSIGNMENTS = [{"id": None}, {"target": None}, {"target": "text"}, {"source": 7}]


@pytest.mark.parametrize("odd", ODD_ASSIGNMENTS)
def test_one_unreadable_assignment_does_not_stop_the_tenant(clock, odd):
    entry = {"id": "x", "source": "direct", "target": target("group", group(1)), **odd}
    policies = [
        {"id": policy_id(1), "displayName": "Odd", "assignments": [entry]},
        {"id": policy_id(2), "displayName": "Well", "assignments": []},
    ]

    found = tenant_on(listing(policies), clock).read_policies()

    assert set(found.policies) == {policy_id(2)}
    assert found.unreadable[policy_id(1)].policy.name == "Odd"
    assert "does not have the" in found.unreadable[policy_id(1)].reason


@pytest.mark.parametrize(
    "odd", [{"displayName": 7}, {"assignments": {}}, {"assignments": [7]}, {"isAssigned": "maybe"}]
)
def test_one_odd_policy_does_not_stop_the_tenant(clock, odd):
    policies = [
        {"id": policy_id(1), "displayName": "Odd", "assignments": [], **odd},
        {"id": policy_id(2), "displayName": "Well", "assignments": []},
    ]

    found = tenant_on(listing(policies), clock).read_policies()

    assert set(found.policies) == {policy_id(2)}
    assert set(found.unreadable) == {policy_id(1)}


def listing(policies):
    """A Graph whose classic list is this, and which has nothing else."""

    def answer(request):
        is_list = request.url.path.endswith("/deviceCompliancePolicies")
        return httpx.Response(200, json={"value": policies if is_list else []})

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("status", [400, 404])
def test_a_tenant_without_the_settings_catalog_or_filters_has_none(clock, status):
    message = "Resource not found for the segment 'compliancePolicies'."
    app = app_on(
        tenant({1: []}, linux=[target("group", group(1))]),
        clock,
        faults=[
            Fault("status", code=status, message=message, path="/compliancePolicies", times=None),
            Fault("status", code=status, message=message, path="/assignmentFilters", times=None),
        ],
    )

    assert set(tenant_on(app, clock).read_policies().policies) == {ONE}
    assert tenant_on(app, clock).read_filters() == {}


@pytest.mark.parametrize("path", ["/compliancePolicies", "/assignmentFilters", "/deviceCompliance"])
def test_a_refusal_is_not_a_missing_route(clock, path):
    app = app_on(tenant({1: []}), clock, faults=[Fault("status", code=403, path=path, times=None)])

    read = tenant_on(app, clock)
    with pytest.raises(GraphError):
        (read.read_filters if "Filters" in path else read.read_policies)()


def test_a_filter_without_a_name_or_an_id_stops_nothing(clock):
    filters = [
        {"id": guid(1), "displayName": None},
        {"displayName": "no id"},
        {"id": guid(2), "displayName": "Kiosks"},
    ]
    mock = httpx.MockTransport(lambda _: httpx.Response(200, json={"value": filters}))

    found = tenant_on(mock, clock).read_filters()

    assert {id: each.name for id, each in found.items()} == {guid(1): "", guid(2): "Kiosks"}


@pytest.mark.parametrize("policy", [CLASSIC, CATALOG])
def test_an_answer_that_belongs_to_another_policy_is_asked_for_again(clock, policy):
    other = f"{FAMILY}/{policy_id(2)}/assignments"
    app = app_on(
        tenant(
            {1: [target("group", group(1))], 2: [target("group", group(2))]},
            linux=[target("group", group(1))],
        ),
        clock,
        faults=[Fault("swapped_answer", path=f"{policy.id}/assignments", of=other, times=2)],
    )

    found = tenant_on(app, clock).read_policy(policy)

    assert [one.target.id for one in found.assignments] == [group(1)]


@pytest.mark.parametrize("theirs", [[], [target("group", group(2))]])
def test_an_answer_that_belongs_to_another_policy_each_time_concludes_nothing(clock, theirs):
    other = f"{FAMILY}/{policy_id(2)}/assignments"
    fault = Fault("swapped_answer", path=f"{ONE}/assignments", of=other, times=None)
    app = app_on(tenant({1: [target("group", group(1))], 2: theirs}), clock, faults=[fault])

    with pytest.raises(GraphError, match="belongs to another policy"):
        tenant_on(app, clock).read_policy(CLASSIC)


def test_a_swapped_answer_inside_a_batch_is_read_apart(clock):
    other = f"{FAMILY}/{ONE}/assignments"
    fault = Fault("swapped_answer", path=f"{LINUX}/assignments", of=other)
    app = app_on(
        tenant({1: [target("group", group(1))]}, linux=[target("group", group(2))]),
        clock,
        faults=[fault],
    )

    found = tenant_on(app, clock).read_policies().policies[LINUX]

    assert [one.target.id for one in found.assignments] == [group(2)]


def test_a_set_that_changes_between_its_pages_is_read_until_two_readings_agree(clock):
    app = app_on(
        tenant({1: [target("group", group(n)) for n in range(1, 6)]}),
        clock,
        faults=[
            Fault("short_pages", path=ONE, size=2, removes=group(1), times=1),
            Fault("short_pages", path=ONE, size=2, times=None),
        ],
    )

    found = tenant_on(app, clock).read_policy(CLASSIC)

    assert [one.target.id for one in found.assignments] == [group(n) for n in range(2, 6)]


def test_a_set_that_changes_each_time_its_pages_are_read_concludes_nothing(clock):
    app = app_on(
        tenant({1: [target("group", group(n)) for n in range(1, 15)]}),
        clock,
        faults=[
            Fault("short_pages", path=ONE, size=2, removes=f"{group(n)}$") for n in range(1, 10)
        ],
    )

    with pytest.raises(GraphError, match="changed while their pages were read"):
        tenant_on(app, clock).read_policy(CLASSIC)


def test_a_reading_knows_when_it_was_asked_for(clock):
    app = app_on(tenant(many(1)), clock, faults=[Fault("slow", seconds=7.0)])
    asked = clock.monotonic()

    assert tenant_on(app, clock).read_policy(CLASSIC).read_at.monotonic == asked
    assert clock.monotonic() == asked + 7.0


def test_an_expansion_that_goes_on_elsewhere_is_followed(clock):
    app = app_on(tenant({1: [target("group", group(n)) for n in range(1, 6)]}), clock)

    def cut(entry):
        if entry["id"] == ONE:
            entry["assignments"] = entry["assignments"][:2]
            entry["assignments@odata.nextLink"] = (
                f"{GRAPH}{FAMILY}/{ONE}/assignments?$skiptoken=ZnJvbToy"
            )

    found = tenant_on(Lying(app, cut), clock).read_policies()

    assert [a.target.id for a in found.policies[ONE].assignments] == [group(n) for n in range(1, 6)]


def test_a_policy_that_is_listed_twice_is_an_error(clock):
    app = app_on(tenant(many(2)), clock)

    with pytest.raises(GraphError, match="twice"):
        tenant_on(Lying(app, lambda entry: entry.update(id=ONE)), clock).read_policies()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", code=403, path=r"\$skiptoken", times=None),
        Fault("truncated", path=r"\$skiptoken", times=None),
    ],
)
def test_half_a_list_is_never_a_tenant(clock, fault):
    app = app_on(tenant(many(30)), clock, faults=[fault])

    with pytest.raises(GraphError):
        tenant_on(app, clock).read_policies()


@pytest.mark.parametrize("broken", [{"id": None}, {"target": None}, {"target": "text"}])
def test_an_assignment_of_another_shape_concludes_nothing(clock, broken):
    entry = {"id": "x", "target": target("group", group(1)), **broken}
    mock = httpx.MockTransport(lambda _request: httpx.Response(200, json={"value": [entry]}))

    with pytest.raises(GraphError) as caught:
        tenant_on(mock, clock).read_policy(CLASSIC)

    assert caught.value.code == "UnexpectedResponse"


def test_an_opaque_target_goes_back_byte_for_byte(clock):
    app = app_on(tenant({1: [opaque(9)]}), clock)
    sent = []

    def note(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            sent.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start_response("204 No Content", [])
            return []
        return app(environ, start_response)

    writer = tenant_on(note, clock)
    (read,) = writer.read_policy(CLASSIC).assignments
    write(writer, AssignRequest(CLASSIC, (as_read(read),)))

    text = json.dumps(opaque(9), ensure_ascii=False, separators=(",", ":"))
    assert sent == [f'{{"assignments":[{{"target":{text}}}]}}'.encode()]


@pytest.mark.parametrize(
    ("mode", "id"),
    [("none", None), ("none", "0" * 8 + "-0000-0000-0000-" + "0" * 12), (None, None)],
)
def test_every_spelling_of_no_filter_goes_back_as_it_was_spelled(clock, mode, id):
    one = {
        **target("group", group(1)),
        "deviceAndAppManagementAssignmentFilterType": mode,
        "deviceAndAppManagementAssignmentFilterId": id,
    }
    app = app_on(tenant({1: [one]}), clock)
    writer = tenant_on(app, clock)

    (read,) = writer.read_policy(CLASSIC).assignments
    write(writer, AssignRequest(CLASSIC, (as_read(read),)))

    assert read.filter is None
    assert app.bodies[0][2]["assignments"][0]["target"] == one


def test_a_filter_survives_a_whole_set(clock):
    one = target("group", group(1), mode="exclude", filter_id=KIOSKS)
    app = app_on(tenant({1: [one]}), clock)
    writer = tenant_on(app, clock)

    (read,) = writer.read_policy(CLASSIC).assignments
    write(writer, AssignRequest(CLASSIC, (as_read(read),)))

    assert read.filter == Filter(FilterMode.EXCLUDE, KIOSKS)
    assert app.state.assignments_of(ONE)[0]["target"] == one
    assert app.bodies[0][1] == f"{FAMILY}/{ONE}/assign"


def test_the_order_of_a_set_depends_on_nothing_but_the_set(clock):
    wanted = [AssignmentToSend(Target(TargetKind.GROUP, group(n)), None) for n in range(1, 6)]
    bodies = []
    for order in (wanted, list(reversed(wanted))):
        app = app_on(tenant({1: []}), clock)
        write(tenant_on(app, clock), AssignRequest(CLASSIC, tuple(order)))
        bodies.append(app.bodies[0][2])

    assert bodies[0] == bodies[1]


def test_clearing_a_policy_sends_an_empty_list_and_never_none(clock):
    app = app_on(tenant(many(1)), clock)

    write(tenant_on(app, clock), AssignRequest(CLASSIC, ()))

    assert app.bodies[0][2] == {"assignments": []}
    assert app.state.assignments_of(ONE) == []


@pytest.mark.parametrize(
    ("policy", "filter", "version"),
    [
        (CLASSIC, None, "v1.0"),
        (CLASSIC, Filter(FilterMode.INCLUDE, CORPORATE), "beta"),
        (CATALOG, None, "beta"),
    ],
)
def test_create_goes_to_v1_only_where_v1_can_say_it(clock, policy, filter, version):
    app = app_on(tenant({1: []}), clock, mode="documented")

    write(tenant_on(app, clock), CreateRequest(policy, Target(TargetKind.GROUP, group(1)), filter))

    ((_, path, body, _),) = app.bodies
    assert path.startswith(f"/{version}/")
    assert body["@odata.type"].startswith("#microsoft.graph.")
    assert ("deviceAndAppManagementAssignmentFilterId" in body["target"]) is (version == "beta")


def test_update_sends_the_rest_of_the_target_as_it_was_read(clock):
    one = target("group", group(1).upper())
    app = app_on(tenant({1: [one]}), clock, mode="documented")
    writer = tenant_on(app, clock)
    (read,) = writer.read_policy(CLASSIC).assignments

    write(writer, PatchRequest(CLASSIC, read, Filter(FilterMode.INCLUDE, KIOSKS)))

    ((method, path, body, _),) = app.bodies
    assert (method, path) == ("PATCH", f"{FAMILY}/{ONE}/assignments/{read.id}")
    assert body["target"]["groupId"] == group(1).upper()
    assert (
        app.state.assignments_of(ONE)[0]["target"]["deviceAndAppManagementAssignmentFilterId"]
        == KIOSKS
    )


def test_ids_are_quoted_into_addresses(clock):
    sent = []
    mock = httpx.MockTransport(
        lambda request: sent.append(request.url.raw_path) or httpx.Response(204)
    )
    odd = Assignment("a/b?c#d", Target(TargetKind.GROUP, "g"), None, "direct", "{}")

    write(tenant_on(mock, clock), DeleteRequest(CLASSIC, odd))

    assert sent[0].endswith(b"/assignments/a%2Fb%3Fc%23d")


def test_the_justification_goes_with_every_write_and_with_no_read(clock):
    app = app_on(tenant({1: [target("group", group(1))]}), clock, mode="documented")
    headers = []

    def note(environ, start_response):
        headers.append(
            (environ["REQUEST_METHOD"], environ.get("HTTP_X_MSFT_APPROVAL_JUSTIFICATION"))
        )
        return app(environ, start_response)

    writer = tenant_on(note, clock, justification="größer")
    (read,) = writer.read_policy(CLASSIC).assignments
    write(writer, PatchRequest(CLASSIC, read, Filter(FilterMode.INCLUDE, KIOSKS)))
    write(writer, DeleteRequest(CLASSIC, read))
    write(writer, CreateRequest(CLASSIC, Target(TargetKind.GROUP, group(2)), None))
    write(writer, AssignRequest(CLASSIC, ()))

    said = base64.b64encode("größer".encode()).decode()
    assert headers == [("GET", None), *[(m, said) for m in ("PATCH", "DELETE", "POST", "POST")]]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("needsApproval", MultiAdminApprovalStatus.PENDING),
        ("approved", MultiAdminApprovalStatus.APPROVED),
        ("rejected", MultiAdminApprovalStatus.REJECTED),
        ("cancelled", MultiAdminApprovalStatus.CANCELLED),
        ("expired", MultiAdminApprovalStatus.EXPIRED),
        ("completed", MultiAdminApprovalStatus.COMPLETED),
        ("NEEDSAPPROVAL", MultiAdminApprovalStatus.PENDING),
        ("unheardOf", None),
        (None, None),
    ],
)
def test_the_status_of_an_approval_is_read(clock, status, expected):
    mock = httpx.MockTransport(lambda _request: httpx.Response(200, json={"status": status}))

    assert tenant_on(mock, clock).approval_status("code") is expected


@pytest.mark.parametrize(
    ("status", "is_error"), [(400, False), (403, False), (404, False), (405, True)]
)
def test_an_approval_that_may_not_be_seen_is_unknown(clock, status, is_error):
    app = app_on(tenant({}), clock, faults=[Fault("status", code=status)])

    if is_error:
        with pytest.raises(GraphError):
            tenant_on(app, clock).approval_status("code")
    else:
        assert tenant_on(app, clock).approval_status("code") is None


def test_an_approval_code_that_utf_8_cannot_hold_is_unknown(clock):
    assert tenant_on(app_on(tenant({}), clock), clock).approval_status("\ud800") is None


@pytest.mark.parametrize("found", [[], [{"id": "a"}, {"id": "b"}]])
def test_a_token_leads_to_exactly_one_tenant(clock, found):
    mock = httpx.MockTransport(lambda _request: httpx.Response(200, json={"value": found}))

    with pytest.raises(GraphError, match="expected one organization"):
        tenant_on(mock, clock).identify()


def test_live_sources_are_told_apart(clock):
    entries = [target("group", group(1)), live(ONE, target("group", group(1)), source="policySets")]
    app = app_on(tenant({1: entries}), clock)

    found = tenant_on(app, clock).read_policy(CLASSIC).assignments

    assert [(a.is_direct, a.target.id) for a in found] == [(True, group(1)), (False, group(1))]
