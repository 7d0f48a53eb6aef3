"""Groups by name and by id: everything that fits, in few requests."""

from __future__ import annotations

import httpx
import pytest

from reconciler.graph.groups import find_groups
from reconciler.model.errors import GraphError
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


@pytest.mark.parametrize("body", [None, "text", [], {"id": "x", "displayName": None}])
def test_a_group_without_its_properties_is_an_error(clock, body):
    """Without permission Graph leaves all but the id null; a nameless group must not pass for one."""
    entry = {"id": "0", "status": 200, "body": body}
    client = client_on(
        httpx.MockTransport(lambda _request: httpx.Response(200, json={"responses": [entry]})),
        clock,
    )

    with pytest.raises(GraphError) as caught:
        find_groups(client, [], [group(1)])

    assert caught.value.code == "UnexpectedAnswer"
