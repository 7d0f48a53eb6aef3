"""Waits, tries, tokens and pace: every number exact, on a clock that moves only by sleeping."""

from __future__ import annotations

import json
import logging
import random
import threading
from email.utils import formatdate

import httpx
import pytest

from reconciler.graph.transport import Transport
from reconciler.model.errors import (
    AuthError,
    DeadlineError,
    GraphError,
    Interrupted,
    NotExecutedError,
    OutcomeUnknownError,
    ThrottledError,
)
from reconciler.runtime.clock import SystemClock
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.http_client import NoResponseError, open_client
from reconciler.runtime.pace import Pacer
from reconciler.runtime.retry import Backoff
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import CANARY, GRAPH, Tokens, app_on, transport_on
from tests.support.raw_server import raw_server
from tests.support.tenants import group, policy_id, target, tenant

ORGANIZATION = f"{GRAPH}/v1.0/organization"
ASSIGN = f"{GRAPH}/beta/deviceManagement/deviceCompliancePolicies/{policy_id(1)}/assign"
BODY = {"assignments": [{"target": target("group", group(1))}]}
BROKER = (
    "Rate limit reached because of too many requests to query broker. Please retry after sometime."
)


@pytest.fixture
def clock():
    return FakeClock()


def faulty(clock, *faults, **options):
    return app_on(tenant({1: []}), clock, faults=faults, **options)


def read(transport, url=ORGANIZATION):
    return transport.read(url, attempted="reading")


def write(transport):
    return transport.write("POST", ASSIGN, attempted="assigning", content=json.dumps(BODY).encode())


def statuses(app):
    return [status for _, _, status in app.requests]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "wait"),
    [("7", 7.0), ("2.128", 2.128), ("0", 0.0), (None, 1.0), ("nonsense", 1.0)],
)
def test_a_throttled_read_waits_just_as_long_as_graph_says(clock, status, header, wait):
    app = faulty(clock, Fault("status", code=status, retry_after=header))

    assert read(transport_on(app, clock)).status == 200
    assert clock.slept == [wait]


def test_a_retry_after_date_is_waited_for(clock):
    app = faulty(
        clock,
        Fault("status", code=503, retry_after=formatdate(clock.timestamp() + 42, usegmt=True)),
    )

    read(transport_on(app, clock))

    assert clock.slept == [42.0]


def test_without_a_retry_after_waits_double_up_to_their_cap(clock):
    app = faulty(clock, Fault("status", code=429, times=8))

    read(transport_on(app, clock))

    assert clock.slept == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize("seed", range(5))
def test_jitter_keeps_each_wait_between_half_and_whole(seed):
    backoff = Backoff(random.Random(seed))

    for attempt in range(1, 40):
        whole = min(30.0, 2.0 ** (attempt - 1))
        assert whole / 2 <= backoff.seconds(attempt) <= whole


def test_a_throttled_read_goes_on_for_as_long_as_the_deadline_allows(clock):
    app = faulty(clock, Fault("status", code=429, retry_after="10", times=None))

    with pytest.raises(DeadlineError, match=r"waiting 10 s more would go over --timeout \(100 s\)"):
        read(transport_on(app, clock, timeout=100))

    assert clock.slept == [10.0] * 9


def test_a_wait_beyond_the_deadline_is_refused_without_waiting(clock):
    app = faulty(clock, Fault("status", code=429, retry_after="900"))

    with pytest.raises(DeadlineError, match="waiting 900 s more"):
        read(transport_on(app, clock))

    assert clock.slept == []
    assert statuses(app) == [429]


def test_nothing_is_sent_once_the_time_is_up(clock):
    app = faulty(clock)
    transport = transport_on(app, clock, timeout=5)
    clock.advance(5)

    with pytest.raises(DeadlineError):
        read(transport)
    with pytest.raises(DeadlineError):
        write(transport)

    assert app.requests == []


def test_throttling_that_calls_itself_500_is_waited_for_like_429(clock):
    app = faulty(clock, Fault("status", code=500, message=BROKER, intune=True, times=7))

    assert read(transport_on(app, clock)).status == 200
    assert len(clock.slept) == 7


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (Fault("status", code=500, times=None), 3),
        (Fault("status", code=502, times=None), 6),
        (Fault("status", code=504, times=None), 6),
        (Fault("status", code=408, times=None), 6),
        (Fault("html", times=None), 6),
        (Fault("html", code=200, times=None), 6),
        (Fault("truncated", times=None), 6),
        (Fault("reset_before", times=None), 6),
        (Fault("reset_after", times=None), 6),
    ],
)
def test_a_fault_that_may_pass_is_tried_so_often_and_no_more(clock, fault, tries):
    app = faulty(clock, fault)

    with pytest.raises(GraphError) as caught:
        read(transport_on(app, clock))

    assert len(app.requests) == tries
    assert clock.slept == [1, 2, 4, 8, 16][: tries - 1]
    assert "reading" in str(caught.value)


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_lasting_no_is_not_asked_for_twice(clock, status):
    app = faulty(clock, Fault("status", code=status, times=None))

    with pytest.raises(GraphError):
        read(transport_on(app, clock))

    assert len(app.requests) == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", code=500), OutcomeUnknownError),
        (Fault("status", code=502), OutcomeUnknownError),
        (Fault("status", code=503, retry_after="4"), OutcomeUnknownError),
        (Fault("status", code=504, after=True), OutcomeUnknownError),
        (Fault("status", code=408), OutcomeUnknownError),
        (Fault("html"), OutcomeUnknownError),
        (Fault("html", code=200), OutcomeUnknownError),
        (Fault("reset_before"), OutcomeUnknownError),
        (Fault("reset_after"), OutcomeUnknownError),
        (Fault("truncated"), OutcomeUnknownError),
        (Fault("status", code=429, retry_after="4"), ThrottledError),
        (Fault("status", code=400), GraphError),
    ],
)
def test_a_write_is_sent_once_whatever_comes_back(clock, fault, error):
    app = faulty(clock, fault)

    with pytest.raises(error):
        write(transport_on(app, clock))

    assert len(app.requests) == 1
    assert clock.slept == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_throttled_write_hands_the_wait_on(clock, status):
    app = faulty(clock, Fault("status", code=status, retry_after="2.5"))

    with pytest.raises(GraphError) as caught:
        write(transport_on(app, clock))

    assert caught.value.retry_after == 2.5


def test_a_write_that_succeeds_without_a_body_is_a_success(clock):
    app = faulty(clock)

    assert write(transport_on(app, clock)).status == 204


def test_a_write_after_a_401_is_for_a_reading_of_its_own_and_has_a_fresh_token(clock):
    app, tokens = faulty(clock, Fault("expired_token")), Tokens()
    transport = transport_on(app, clock, tokens=tokens)

    with pytest.raises(NotExecutedError):
        write(transport)

    assert statuses(app) == [401]
    assert tokens.asked == [False, True]
    assert write(transport).is_success


def test_a_401_gets_one_fresh_token_and_one_repeat(clock):
    app, tokens = faulty(clock, Fault("expired_token")), Tokens()

    assert read(transport_on(app, clock, tokens=tokens)).is_success

    assert statuses(app)[0] == 401
    assert len(app.requests) == 2
    assert tokens.asked == [False, True]
    assert clock.slept == []


def test_a_second_401_is_the_end(clock):
    app, tokens = faulty(clock, Fault("expired_token", times=2)), Tokens()

    with pytest.raises(AuthError, match="Microsoft Graph refused the token"):
        read(transport_on(app, clock, tokens=tokens))

    assert statuses(app) == [401, 401]
    assert tokens.asked == [False, True]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/v1.0/organization",
        "https://graph.test.evil.test/v1.0/organization",
        "https://graph.test:444/v1.0/organization",
        "http://graph.test/v1.0/organization",
        "//evil.test/v1.0/organization",
        "/v1.0/organization",
        "https://[broken/v1.0",
        "https://graph.test:port/v1.0",
        "javascript:alert(1)",
    ],
)
def test_the_token_goes_to_no_other_origin(clock, link):
    sent = []

    def note(request):
        sent.append(request)
        return httpx.Response(200, json={})

    transport = transport_on(httpx.MockTransport(note), clock)

    with pytest.raises(GraphError) as caught:
        read(transport, link)

    assert caught.value.code == "ForeignLink"
    assert sent == []


@pytest.mark.parametrize("link", ["https://graph.test:443/v1.0/x", "HTTPS://GRAPH.TEST/v1.0/x"])
def test_the_same_origin_spelled_otherwise_is_home(clock, link):
    assert transport_on(faulty(clock), clock).is_home(link)


def test_redirects_are_not_followed(clock):
    sent = []

    def elsewhere(request):
        sent.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://evil.test/"})

    with pytest.raises(GraphError, match="redirects are not followed"):
        read(transport_on(httpx.MockTransport(elsewhere), clock))

    assert sent == [ORGANIZATION]


class CanaryTokens(Tokens):
    def token(self, *, fresh=False):
        return CANARY


def test_every_request_has_an_id_of_its_own_and_the_log_holds_no_token(clock, caplog):
    ids = []

    def note(request):
        ids.append(request.headers["client-request-id"])
        return httpx.Response(200, json={}, headers={"request-id": "r-7"})

    transport = transport_on(httpx.MockTransport(note), clock, tokens=CanaryTokens())
    with caplog.at_level(logging.DEBUG, logger="reconciler.graph"):
        read(transport)
        read(transport)

    assert len(set(ids)) == 2
    assert "r-7" in caplog.text
    assert CANARY not in caplog.text


def test_ctrl_c_ends_a_wait_at_once(clock):
    clock.interrupt_at = 2
    app = faulty(clock, Fault("status", code=429, retry_after="5", times=None))

    with pytest.raises(Interrupted):
        read(transport_on(app, clock))

    assert clock.slept == [5.0, 5.0]
    assert statuses(app) == [429, 429]


@pytest.mark.parametrize(
    ("left", "read_for", "connect_for"), [(600, 60, 15), (20, 20, 15), (5, 5, 5), (0.1, 1, 1)]
)
def test_no_answer_is_waited_for_beyond_the_deadline(clock, left, read_for, connect_for):
    waits = []

    def note(request):
        waits.append(request.extensions["timeout"])
        return httpx.Response(200, json={})

    read(transport_on(httpx.MockTransport(note), clock, timeout=left))

    assert (waits[0]["read"], waits[0]["connect"]) == (read_for, connect_for)


def most_in_any_window(moments, window=20.0):
    return max(sum(1 for m in moments if at <= m < at + window) for at in moments)


def test_writes_keep_below_graphs_rate_and_no_more(clock):
    moments = []

    def note(_request):
        moments.append(clock.monotonic())
        return httpx.Response(204)

    transport = transport_on(httpx.MockTransport(note), clock)
    for _ in range(250):
        transport.prepare_write()
        write(transport)

    assert most_in_any_window(moments) == 80
    assert moments[-1] == 60.0


def test_pacing_ends_at_the_deadline_and_sends_nothing(clock):
    sent = []

    def note(request):
        sent.append(request)
        return httpx.Response(204)

    transport = transport_on(httpx.MockTransport(note), clock, timeout=15)
    for _ in range(80):
        transport.prepare_write()
        write(transport)
    with pytest.raises(DeadlineError, match="keeping to Graph's write rate"):
        transport.prepare_write()

    assert len(sent) == 80


def test_threads_share_one_pace(clock):
    pacer = Pacer(clock, writes=10, window=20.0)
    taken = []

    def take():
        taken.extend(pacer.reserve() for _ in range(25))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == [20.0 * (number // 10) for number in range(100)]


@pytest.mark.parametrize(
    ("content", "tries"),
    [(b'{"value": [NaN]}', 1), (b"[" * 100_000, 1), (b'{"value": [', 6), (b"<html>", 6)],
)
def test_only_a_response_that_may_come_out_better_is_asked_for_again(clock, content, tries):
    sent = []

    def answer(request):
        sent.append(request)
        return httpx.Response(200, content=content)

    with pytest.raises(GraphError):
        read(transport_on(httpx.MockTransport(answer), clock))

    assert len(sent) == tries


def test_a_lasting_fault_of_the_connection_is_not_tried_again(clock, tmp_path):
    sent = []

    def answer(request):
        sent.append(request)
        raise NoResponseError("its certificate has expired", is_lasting=True)

    with pytest.raises(GraphError, match="has expired"):
        read(transport_on(httpx.MockTransport(answer), clock))

    assert len(sent) == 1
    assert clock.slept == []


def test_graphs_own_reason_stands_before_a_token_that_cannot_be_renewed(clock):
    class Stubborn(Tokens):
        def token(self, *, fresh=False):
            if fresh:
                raise AuthError("the ready token was rejected")
            return CANARY

    error = {"code": "InvalidAuthenticationToken", "message": "Lifetime validation failed."}
    answer = httpx.Response(401, json={"error": error}, headers={"request-id": "r-1"})
    transport = transport_on(httpx.MockTransport(lambda _: answer), clock, tokens=Stubborn())

    for attempt in (read, write):
        with pytest.raises(AuthError) as caught:
            attempt(transport)
        assert "Lifetime validation failed.) (request-id r-1); the ready token" in str(caught.value)


def test_a_write_whose_response_trickles_in_has_an_unknown_outcome():
    def pieces(_head):
        yield b"HTTP/1.1 204 No Content\r\nX: "
        yield from server.slowly(b"y" * 900)

    clock = SystemClock()
    with raw_server(pieces) as server:
        graph = f"http://127.0.0.1:{server.port}"
        with open_client(graph, {}, connections=1) as http:
            transport = Transport(
                http=http,
                graph=graph,
                tokens=Tokens(),
                clock=clock,
                deadline=Deadline(clock, 1.0),
            )
            began = clock.monotonic()
            with pytest.raises(OutcomeUnknownError, match="no response in time"):
                transport.write("POST", f"{graph}/beta/x", attempted="assigning", content=b"{}")
            assert clock.monotonic() - began < 5.0
