"""The sandbox on a real loopback socket: keep-alive, dropped connections, loopback only."""

from __future__ import annotations

import gc
import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType, ModuleType
from urllib.parse import urlsplit

import httpx
import pytest

from reconciler.sandbox import Fault, Faults, SandboxApp, SandboxServer, SandboxState
from tests.unit.test_sandbox_builder import (
    CLASSIC,
    IPADS,
    SALES,
    WINDOWS,
    client,
    sandbox,
    target,
    tenant,
)

TOKEN = {"Authorization": "Bearer a-token"}
ASSIGN = f"{CLASSIC}/{IPADS}/assign"
BODY = {"assignments": [{"target": target("group", SALES)}]}
NAGLE_AND_DELAYED_ACK = 0.040


def connect(server):
    return httpx.Client(base_url=server.url, headers=TOKEN, trust_env=False, timeout=10)


def raw(server):
    where = urlsplit(server.url)
    return http.client.HTTPConnection(where.hostname, where.port, timeout=10)


def test_one_connection_serves_many_requests_of_every_kind():
    with SandboxServer(sandbox()) as server:
        connection = raw(server)
        connection.connect()
        own_port = connection.sock.getsockname()[1]
        asked = [
            ("GET", "/v1.0/organization", None, 200),
            ("POST", ASSIGN, json.dumps(BODY), 204),
            ("GET", f"{CLASSIC}/{IPADS}/assignments", None, 200),
            ("POST", ASSIGN, "{", 400),
            ("GET", "/v1.0/organization", None, 200),
        ]
        for method, path, body, status in asked:
            headers = {**TOKEN, "Content-Type": "application/json"}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            response.read()
            assert response.status == status
            assert connection.sock.getsockname()[1] == own_port
        connection.close()


def test_an_answer_does_not_wait_for_a_delayed_acknowledgement():
    with SandboxServer(sandbox()) as server, connect(server) as graph:
        graph.get("/v1.0/organization")
        fastest = min(_timed(graph) for _ in range(10))

    assert fastest < NAGLE_AND_DELAYED_ACK / 2


def _timed(graph):
    started = time.perf_counter()
    graph.get("/v1.0/organization")
    return time.perf_counter() - started


def test_next_links_lead_back_to_the_socket():
    with SandboxServer(sandbox(page_size=1)) as server, connect(server) as graph:
        seen = []
        link = f"{CLASSIC}?$select=id"
        while link:
            body = graph.get(link).json()
            seen += [one["id"] for one in body["value"]]
            link = body.get("@odata.nextLink")
            assert link is None or link.startswith(f"{server.url}{CLASSIC}?")

    assert len(seen) == len(set(seen)) == 3


def test_requests_come_in_from_many_threads():
    app = sandbox()
    with SandboxServer(app) as server, connect(server) as graph, ThreadPoolExecutor(8) as pool:
        paths = [f"{CLASSIC}/{WINDOWS}/assignments"] * 40
        counts = [len(response.json()["value"]) for response in pool.map(graph.get, paths)]

    assert counts == [2] * 40
    assert len(app.requests) == 40


@pytest.mark.parametrize(
    ("kind", "left"), [("reset_before", 0), ("reset_after", 1), ("truncated", 1)]
)
def test_a_dropped_connection_really_closes_without_an_answer(kind, left):
    app = sandbox(faults=Faults([Fault(kind, method="POST")]))
    with SandboxServer(app) as server, connect(server) as graph:
        graph.get("/v1.0/organization")
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            graph.post(ASSIGN, json=BODY)
        assert len(graph.get(f"{CLASSIC}/{IPADS}/assignments").json()["value"]) == left


def test_a_truncated_answer_really_ends_early():
    app = sandbox(faults=Faults([Fault("truncated")]))
    with SandboxServer(app) as server, connect(server) as graph:
        with pytest.raises(
            httpx.RemoteProtocolError, match="without sending complete message body"
        ):
            graph.get(f"{CLASSIC}/{WINDOWS}/assignments")
        assert graph.get(f"{CLASSIC}/{WINDOWS}/assignments").status_code == 200


def test_a_chunked_body_is_read_whole():
    app = sandbox()

    def pieces():
        text = json.dumps(BODY).encode()
        yield text[:10]
        yield text[10:]

    with SandboxServer(app) as server, connect(server) as graph:
        headers = {"Content-Type": "application/json"}
        assert graph.post(ASSIGN, content=pieces(), headers=headers).status_code == 204
        assert graph.get("/v1.0/organization").status_code == 200
    assert app.bodies[0][2] == BODY


def test_an_address_is_decoded_once():
    app = sandbox()
    with SandboxServer(app) as server, connect(server) as graph:
        graph.get("/v1.0/groups", params={"$filter": "displayName eq 'Ä + 100%25'"})

    assert app.requests == [("GET", "/v1.0/groups?$filter=displayName eq 'Ä + 100%25'", 200)]


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.168.1.1", "example.com", "::"])
def test_only_loopback_is_listened_on(host):
    with pytest.raises(ValueError, match="listens on loopback only"):
        SandboxServer(sandbox(), host=host)


def test_stopping_hangs_up_and_closes_the_port():
    server = SandboxServer(sandbox())
    server.start()
    connection = raw(server)
    connection.request("GET", "/v1.0/organization", headers=TOKEN)
    connection.getresponse().read()

    server.stop()

    connection.sock.settimeout(10)
    assert connection.sock.recv(1) == b""
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(
            (urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=10
        )


@pytest.mark.parametrize("verbose", [False, True])
def test_it_is_quiet_unless_asked(capfd, verbose):
    with SandboxServer(sandbox(), verbose=verbose) as server, connect(server) as graph:
        graph.get("/v1.0/organization")

    captured = capfd.readouterr()
    assert captured.out == ""
    assert ("GET /v1.0/organization" in captured.err) is verbose


def test_the_sandbox_keeps_no_request_and_no_token():
    token = "canary-token"
    app = SandboxApp(SandboxState(tenant()), faults=Faults([Fault("expired_token")]))
    with client(app, token=token) as graph:
        assert graph.get("/v1.0/organization").status_code == 401
    with client(app, token="another") as graph:
        sizes = [len(texts_held_by(app)) for _ in range(60) if ask(graph)]

    assert not [text for text in texts_held_by(app) if token in text or "another" in text]
    assert sizes[30] == sizes[-1]


def ask(graph):
    graph.get(f"{CLASSIC}/{IPADS}/assignments")
    return graph.post(ASSIGN, json=BODY).status_code == 204


def texts_held_by(owner):
    """Every string that can be reached from an object without leaving data for code."""
    texts, open_ends, seen = [], [owner], set()
    while open_ends:
        one = open_ends.pop()
        if isinstance(one, str | bytes):
            texts.append(str(one))
        elif id(one) not in seen and not isinstance(one, type | ModuleType | FunctionType):
            seen.add(id(one))
            open_ends += gc.get_referents(one)
    return texts
