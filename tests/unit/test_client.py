"""Pages and batches: whole or not at all, and in as few requests as Graph allows."""

from __future__ import annotations

import json
import threading
from email.utils import formatdate

import httpx
import pytest

from reconciler.graph.client import Version
from reconciler.graph.parallel import in_parallel
from reconciler.model.errors import DeadlineError, GraphError
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import GRAPH, app_on, client_on
from tests.support.tenants import group, tenant

BATCH_ENTRY = r"/v1\.0/groups/"


@pytest.fixture
def clock():
    return FakeClock()


def scripted(clock, answers, **options):
    """A client of a Graph that gives these answers by path and query, and the list of what it was asked."""
    asked = []

    def answer(request):
        asked.append(str(request.url))
        found = answers[str(request.url).removeprefix(GRAPH)]
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    return client_on(httpx.MockTransport(answer), clock, **options), asked


def pages(client, path="things"):
    return list(client.pages(Version.BETA, path, attempted="listing"))


def test_pages_are_followed_to_the_end(clock):
    client, asked = scripted(
        clock,
        {
            "/beta/things": {"value": [{"id": 1}], "@odata.nextLink": f"{GRAPH}/beta/things?p=2"},
            "/beta/things?p=2": {"value": [], "@odata.nextLink": f"{GRAPH}/beta/things?p=3"},
            "/beta/things?p=3": {"value": [{"id": 2}]},
        },
    )

    assert pages(client) == [{"id": 1}, {"id": 2}]
    assert len(asked) == 3


def test_pages_that_link_in_a_circle_are_an_error(clock):
    client, asked = scripted(
        clock,
        {
            "/beta/things": {"value": [], "@odata.nextLink": f"{GRAPH}/beta/things?p=2"},
            "/beta/things?p=2": {"value": [], "@odata.nextLink": f"{GRAPH}/beta/things"},
        },
    )

    with pytest.raises(GraphError) as caught:
        pages(client)

    assert caught.value.code == "PagingLoop"
    assert len(asked) == 2


def test_a_page_that_leads_elsewhere_is_not_followed(clock):
    client, asked = scripted(
        clock, {"/beta/things": {"value": [{"id": 1}], "@odata.nextLink": "https://evil.test/x"}}
    )

    with pytest.raises(GraphError) as caught:
        pages(client)

    assert caught.value.code == "ForeignLink"
    assert asked == [f"{GRAPH}/beta/things"]


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"value": None},
        {"value": {}},
        {"value": [1]},
        {"value": [None]},
        [],
        "text",
        {"value": [], "@odata.nextLink": ""},
        {"value": [], "@odata.nextLink": 7},
    ],
)
def test_a_page_of_another_shape_concludes_nothing(clock, page):
    client, _ = scripted(clock, {"/beta/things": page})

    with pytest.raises(GraphError) as caught:
        pages(client)

    assert caught.value.code == "UnexpectedResponse"


def test_a_list_that_fails_on_its_last_page_is_no_list(clock):
    client, _ = scripted(
        clock,
        {
            "/beta/things": {"value": [{"id": 1}], "@odata.nextLink": f"{GRAPH}/beta/things?p=2"},
            "/beta/things?p=2": httpx.Response(403, json={"error": {"code": "Forbidden"}}),
        },
    )

    with pytest.raises(GraphError):
        pages(client)


def groups_app(clock, *faults, count=60):
    return app_on(tenant({}, groups=count), clock, faults=faults)


def ask(client, numbers):
    paths = {str(n): f"groups/{group(n)}?$select=id,displayName" for n in numbers}
    return client.batch(Version.V1, paths, attempted="looking up groups")


def test_a_batch_takes_twenty_and_matches_answers_by_id(clock):
    app = groups_app(clock)

    answers = ask(client_on(app, clock), range(1, 46))

    assert [answers[str(n)].body["displayName"] for n in range(1, 46)] == [
        f"Group {n}" for n in range(1, 46)
    ]
    assert [path for _, path, _ in app.requests] == ["/v1.0/$batch"] * 3


def test_nothing_to_ask_is_no_request(clock):
    app = groups_app(clock)

    assert ask(client_on(app, clock), []) == {}
    assert app.requests == []


def test_a_refusal_inside_a_batch_is_the_callers_business(clock):
    answers = ask(client_on(groups_app(clock, count=3), clock), [1, 99])

    assert (answers["1"].status, answers["99"].status) == (200, 404)


def test_throttled_entries_are_sent_again_after_the_longest_wait(clock):
    app = groups_app(
        clock,
        Fault("batch_status", code=429, retry_after="3", path=BATCH_ENTRY),
        Fault("batch_status", code=429, retry_after="0.249", path=BATCH_ENTRY),
        Fault("batch_status", code=503, retry_after="11", path=BATCH_ENTRY),
    )

    answers = ask(client_on(app, clock), range(1, 11))

    assert {answer.status for answer in answers.values()} == {200}
    assert clock.slept == [11.0]
    assert len(app.requests) == 2
    assert len(app.batched) == 13


def test_a_throttled_entry_that_names_no_wait_backs_off(clock):
    app = groups_app(clock, Fault("batch_status", code=429, times=3))

    ask(client_on(app, clock), [1])

    assert clock.slept == [1, 2, 4]


def test_an_entry_that_never_recovers_ends_the_batch(clock):
    app = groups_app(clock, Fault("batch_status", code=502, times=None, path=group(2)))

    with pytest.raises(GraphError) as caught:
        ask(client_on(app, clock), [1, 2, 3])

    assert caught.value.status == 502
    assert len(app.requests) == 6


def test_throttling_in_a_batch_ends_at_the_deadline(clock):
    app = groups_app(clock, Fault("batch_status", code=429, retry_after="400", times=None))

    with pytest.raises(DeadlineError):
        ask(client_on(app, clock), [1])

    assert clock.slept == [400.0]


@pytest.mark.parametrize("status", [424, 429, 502, 503])
def test_a_batch_that_fails_as_a_whole_is_repeated_as_a_whole(clock, status):
    app = groups_app(clock, Fault("status", code=status, retry_after="2"))

    assert len(ask(client_on(app, clock), [1, 2])) == 2
    assert clock.slept == [2.0]


@pytest.mark.parametrize(
    "responses",
    [
        [],
        [{"id": "0", "status": 200, "body": {}}],
        [{"id": "0", "status": 200}, {"id": "0", "status": 200}],
        [{"id": "0", "status": 200}, {"id": "7", "status": 200}],
        [{"status": 200}, {"id": "1", "status": 200}],
        [{"id": "0", "status": 200}, {"id": "1", "status": 200}, {"id": "1", "status": 404}],
    ],
)
def test_an_incomplete_batch_concludes_nothing(clock, responses):
    client, _ = scripted(clock, {"/v1.0/$batch": {"responses": responses}})

    with pytest.raises(GraphError) as caught:
        client.batch(Version.V1, {"a": "x", "b": "y"}, attempted="looking")

    assert caught.value.code == "IncompleteBatch"


@pytest.mark.parametrize("body", [{}, {"responses": {}}, {"responses": [1]}, []])
def test_a_batch_of_another_shape_concludes_nothing(clock, body):
    client, _ = scripted(clock, {"/v1.0/$batch": body})

    with pytest.raises(GraphError) as caught:
        client.batch(Version.V1, {"a": "x"}, attempted="looking")

    assert caught.value.code == "UnexpectedResponse"


def test_a_batch_asks_by_get_and_without_the_version(clock):
    sent = []

    def answer(request):
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"responses": [{"id": "0", "status": 200, "body": {}}]})

    client = client_on(httpx.MockTransport(answer), clock)
    client.batch(Version.V1, {"a": "groups/x?$select=id"}, attempted="looking")

    assert sent == [{"requests": [{"id": "0", "method": "GET", "url": "/groups/x?$select=id"}]}]


ODD = {
    "a list": b"[]",
    "text": b'"text"',
    "no list in it": b'{"value": 7}',
    "no objects in it": b'{"value": [7]}',
    "nothing": b"",
    "deep nesting": b'{"value": ' + b"[" * 100_000,
    "closed nesting": b'{"value": [{"a": ' + b"[" * 600 + b"]" * 600 + b"}]}",
    "no number": b'{"value": [NaN]}',
    "HTML": b"<html></html>",
    "a link that is none": b'{"value": [], "@odata.nextLink": 7}',
    "a link to a bad host": b'{"value": [], "@odata.nextLink": "https://[x/"}',
    "a link with a user name": b'{"value": [], "@odata.nextLink": "https://u@graph.test/"}',
    "a link with half a pair": b'{"value": [], "@odata.nextLink": "https://\\ud800.test/"}',
    "a link with signs": b'{"value": [], "@odata.nextLink": "https://graph.test/\\u0001\\ud800"}',
    "a link that is too long": b'{"value": [], "@odata.nextLink": "https://graph.test/%s"}'
    % (b"x" * 99_999),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_page_of_an_odd_shape_is_a_sentence(clock, odd):
    headers = {"request-id": "r-1"}
    client = client_on(
        httpx.MockTransport(lambda _: httpx.Response(200, content=ODD[odd], headers=headers)), clock
    )

    with pytest.raises(GraphError) as caught:
        list(client.pages(Version.V1, "groups", attempted="reading groups"))

    assert str(caught.value).startswith("reading groups: ")
    assert "graph.test" in str(caught.value)
    assert "request-id r-1" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"responses": [{"id": "0"}]},
        {"responses": [{"id": "0", "status": "200"}]},
        {"responses": [{"id": "0", "status": None}]},
        {"responses": [{"id": "0", "status": True}]},
        {"responses": [{"id": "0", "status": 99999}]},
        {"responses": [7]},
        {"responses": {}},
        {},
        [],
        None,
    ],
)
def test_a_batch_of_an_odd_shape_is_a_sentence(clock, body):
    content = json.dumps(body).encode()
    client = client_on(
        httpx.MockTransport(
            lambda _: httpx.Response(200, content=content, headers={"request-id": "r-1"})
        ),
        clock,
    )

    with pytest.raises(GraphError, match=r"of graph\.test does not have the form .*request-id r-1"):
        client.batch(Version.V1, {"a": "x"}, attempted="looking")


def test_a_date_in_a_batch_is_judged_by_the_batchs_own_date(clock):
    now = clock.timestamp()
    answers = iter([429, 200])

    def answer(_request):
        headers = {"Retry-After": formatdate(now + 3600 + 5, usegmt=True)}
        entry = {"id": "0", "status": next(answers), "headers": headers, "body": {}}
        sent = {"Date": formatdate(now + 3600, usegmt=True)}
        return httpx.Response(200, json={"responses": [entry]}, headers=sent)

    client_on(httpx.MockTransport(answer), clock).batch(Version.V1, {"a": "x"}, attempted="looking")

    assert clock.slept == [5.0]


# Side by side --------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_calls():
    first_may_end = threading.Event()

    def slow():
        assert first_may_end.wait(5)
        return "slow"

    def fast():
        first_may_end.set()
        return "fast"

    assert in_parallel([slow, fast], workers=2) == ["slow", "fast"]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_call_is_made_once(workers):
    made = []
    lock = threading.Lock()

    def call(number):
        with lock:
            made.append(number)
        return number

    calls = [lambda n=n: call(n) for n in range(50)]

    assert in_parallel(calls, workers=workers) == list(range(50))
    assert sorted(made) == list(range(50))


def test_no_more_than_so_many_run_at_once():
    lock = threading.Lock()
    running, most = 0, 0
    together = threading.Barrier(3)

    def call():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(5)
        with lock:
            running -= 1

    in_parallel([call] * 9, workers=3)

    assert most == 3


def test_the_first_failure_ends_the_run_though_others_still_wait():
    let_go = threading.Event()
    begun = []

    def waits():
        begun.append("waits")
        let_go.wait(5)

    def fails():
        begun.append("fails")
        raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            in_parallel([waits, fails, *[lambda: begun.append("later")] * 20], workers=2)
        assert sorted(begun) == ["fails", "waits"]
        waiting = [t for t in threading.enumerate() if t.name == "reconciler-reader"]
        assert waiting
        assert all(thread.daemon for thread in waiting), "such a thread would hold up the exit"
    finally:
        let_go.set()
        for thread in threading.enumerate():
            if thread.name == "reconciler-reader":
                thread.join(5)


def test_what_is_no_ordinary_exception_gets_out_too():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_parallel([stop, stop], workers=2)


def test_no_calls_give_no_results():
    assert in_parallel([], workers=4) == []
