"""Groups by name and by id: everything that fits, in few requests."""

from __future__ import annotations

import json

import httpx
import pytest

from reconciler.graph.groups import find_groups
from reconciler.model.errors import GraphError
from reconciler.model.ports import Directory
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import app_on, client_on
from tests.support.tenants import group, guid, tenant


@pytest.fixture
def clock():
    return FakeClock()


def app_with(clock, names, *faults, **options):
    document = tenant({})
    document["groups"] = [
        {"id": group(number), "displayName": name} for number, name in enumerate(names, start=1)
    ]
    return app_on(document, clock, faults=faults, **options)


def ids(groups):
    return [one.id for one in groups]


def test_names_go_fifteen_to_a_filter_and_twenty_filters_to_a_batch(clock):
    names = [f"Group {number}" for number in range(1, 301)]
    app = app_with(clock, names, page_size=100)

    found = find_groups(client_on(app, clock), names, [])

    assert all(len(found.by_name[name]) == 1 for name in names)
    assert len(app.requests) == 1
    assert len(app.batched) == 20


def test_ids_go_twenty_to_a_batch_and_those_known_by_name_are_not_asked_for(clock):
    app = app_with(clock, [f"Group {number}" for number in range(1, 61)])

    found = find_groups(client_on(app, clock), ["Group 1"], [group(n) for n in range(1, 42)])

    assert len(found.by_id) == 41
    assert len(app.requests) == 1 + 2
    assert len(app.batched) == 1 + 40


def test_nothing_is_asked_where_nothing_is_wanted(clock):
    app = app_with(clock, [])

    assert find_groups(client_on(app, clock), [], []).by_id == {}
    assert app.requests == []


def test_every_group_of_a_name_is_found_case_apart(clock):
    app = app_with(clock, ["Sales", "sales", "SALES", "Sales EU"])

    found = find_groups(client_on(app, clock), ["Sales"], [])

    assert sorted(ids(found.by_name["Sales"])) == [group(1), group(2), group(3)]


def test_quotes_and_signs_in_a_name_reach_graph_unharmed(clock):
    names = ["O'Neil's", "a&b=c", "50% #1+?", "Ünï ☃ 名", "in (x)", "a,'b'"]
    app = app_with(clock, names)

    found = find_groups(client_on(app, clock), names, [])

    assert {name: ids(found.by_name[name]) for name in names} == {
        name: [group(number)] for number, name in enumerate(names, start=1)
    }


def test_a_name_longer_than_eq_can_match_is_found_by_its_beginning(clock):
    long = "x" * 200
    app = app_with(clock, [long, "x" * 121, "x" * 119])

    found = find_groups(client_on(app, clock), [long, "x" * 119], [])

    assert ids(found.by_name[long]) == [group(1)]
    assert ids(found.by_name["x" * 119]) == [group(3)]


def test_a_group_that_hides_its_members_is_known_as_one(clock):
    document = tenant({})
    document["groups"] = [
        {"id": group(1), "displayName": "Open"},
        {"id": group(2), "displayName": "Hidden", "visibility": "HiddenMembership"},
    ]

    found = find_groups(client_on(app_on(document, clock), clock), ["Open"], [group(2)]).by_id

    assert {one.name: one.hides_members for one in found.values()} == {
        "Open": False,
        "Hidden": True,
    }


def test_an_id_that_is_gone_is_left_out_and_no_error(clock):
    app = app_with(clock, ["Sales"])

    found = find_groups(client_on(app, clock), [], [group(1), guid(9)])

    assert list(found.by_id) == [group(1)]


def test_a_missing_name_brings_its_neighbours(clock):
    app = app_with(clock, ["Sales laptops", "Sales desks", "Finance"])

    found = find_groups(client_on(app, clock), ["Sales laptop"], [])

    assert found.by_name["Sales laptop"] == ()
    assert sorted(one.name for one in found.nearby["Sales laptop"]) == [
        "Sales desks",
        "Sales laptops",
    ]


def test_a_failure_to_suggest_is_no_failure(clock):
    app = app_with(clock, ["Sales"], Fault("batch_status", code=403, path="startswith"))

    found = find_groups(client_on(app, clock), ["Sals"], [])

    assert found.nearby == {}
    assert found.by_name["Sals"] == ()


def test_more_hits_than_a_page_holds_are_all_read(clock):
    app = app_with(clock, ["Twin"] * 7, page_size=2)

    found = find_groups(client_on(app, clock), ["Twin"], [])

    assert len(found.by_name["Twin"]) == 7


@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_look_up_is_an_error_and_not_a_missing_group(clock, status):
    for names, own in ([["Sales"], []], [[], [group(1)]]):
        app = app_with(clock, ["Sales"], Fault("batch_status", code=status))
        with pytest.raises(GraphError) as caught:
            find_groups(client_on(app, clock), names, own)
        assert caught.value.status == status


def batch_that_answers(clock, *bodies):
    entries = [{"id": str(n), "status": 200, "body": body} for n, body in enumerate(bodies)]
    return client_on(
        httpx.MockTransport(lambda _request: httpx.Response(200, json={"responses": entries})),
        clock,
    )


@pytest.mark.parametrize("body", [None, "text", [], 7, {"displayName": "Sales"}])
def test_a_look_up_without_an_object_is_an_error(clock, body):
    client = batch_that_answers(clock, body)

    with pytest.raises(GraphError) as caught:
        find_groups(client, [], [group(1)])

    assert caught.value.code == "UnexpectedResponse"


def test_a_group_without_a_name_is_known_by_its_id(clock):
    client = batch_that_answers(clock, {"id": group(1), "displayName": None})

    found = find_groups(client, [], [group(1)])

    assert found.by_id[group(1)].name == ""
    assert Directory(found, {}).group_name(group(1)) is None


def test_a_name_that_graph_finds_and_does_not_show_is_a_missing_permission(clock):
    client = batch_that_answers(clock, {"value": [{"id": group(1), "displayName": None}]})

    with pytest.raises(GraphError, match=r"GroupMember\.Read\.All is missing") as caught:
        find_groups(client, ["Sales"], [])

    assert group(1) in str(caught.value)


@pytest.mark.parametrize("body", [None, "text", {"value": 7}, {"value": [7]}, {"value": [{}]}])
def test_an_odd_response_to_a_suggestion_is_no_failure(clock, body):
    answers = iter([{"value": []}, body])
    client = client_on(
        httpx.MockTransport(
            lambda _request: httpx.Response(
                200, json={"responses": [{"id": "0", "status": 200, "body": next(answers)}]}
            )
        ),
        clock,
    )

    assert find_groups(client, ["Sales"], []).nearby == {}


def test_what_cannot_be_the_id_of_a_group_is_not_asked_for(clock):
    app = app_with(clock, ["Sales"])

    found = find_groups(client_on(app, clock), [], ["\ud800", "a/../b", "", group(1)])

    assert list(found.by_id) == [group(1)]
    assert len(app.batched) == 1


@pytest.mark.parametrize("letter", ["x", "\u00e4", "\u6f22", "\U0001f4bb", "'", " "])
@pytest.mark.parametrize("length", [1, 60, 120, 256])
def test_a_filter_of_many_long_names_stays_within_a_bounded_address(clock, letter, length):
    names = [f"{number:03}{letter * length}"[:256] for number in range(60)]
    wsgi = httpx.WSGITransport(app=app_with(clock, names, page_size=100))
    addresses = []

    class Noting(httpx.BaseTransport):
        def handle_request(self, request):
            addresses.extend(entry["url"] for entry in json.loads(request.content)["requests"])
            return wsgi.handle_request(request)

    found = find_groups(client_on(Noting(), clock), names, [])

    assert all(len(found.by_name[name]) == 1 for name in names)
    assert max(map(len, addresses)) <= 2048 - len("https://graph.microsoft.com/v1.0")
