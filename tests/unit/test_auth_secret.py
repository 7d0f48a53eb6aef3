"""Signing in with a client secret: MSAL itself, against a service on loopback."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.graph.auth.msal_source import MsalSource
from reconciler.graph.auth.sign_in_http import SigninHttp, Wire
from reconciler.graph.auth.token_claims import read_claims
from tests.support.authority import CLIENT, DOMAIN, SECRET, TENANT, entra
from tests.support.signin import DISCOVERY, TOKEN, refused


def test_a_client_secret_signs_in(pick, authority):
    source = pick(authority.environ(AZURE_CLIENT_SECRET=f"{SECRET}\n"))

    found = read_claims(source.token())

    assert (found.tenant_id, found.app_id) == (TENANT, CLIENT)
    assert found.roles == tuple(authority.roles)


def test_a_token_is_asked_for_once_and_anew_past_the_cache(pick, authority):
    source = pick(authority.environ(AZURE_CLIENT_SECRET=SECRET))

    first, again, fresh, then = (
        source.token(),
        source.token(),
        source.token(fresh=True),
        source.token(),
    )

    assert first == again != fresh == then
    assert (authority.count(DISCOVERY), authority.count(TOKEN)) == (1, 2)


@pytest.mark.parametrize("fresh", [False, True])
def test_many_threads_at_once_make_one_request(pick, authority, fresh):
    source = pick(authority.environ(AZURE_CLIENT_SECRET=SECRET))
    if fresh:
        source.token()
        authority.seen.clear()
    gate = threading.Barrier(8, action=threading.Timer(0.25, authority.lock.release).start)
    authority.lock.acquire()  # the service holds its answer until all are waiting for it

    def ask(_):
        gate.wait(10)
        return source.token(fresh=fresh)

    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(ask, range(8))
        tokens = set(asked)

    assert len(tokens) == 1
    assert authority.count(TOKEN) == 1


def test_a_failure_is_shared_by_those_who_waited_for_it(pick, authority, clock):
    authority.plan(TOKEN, 503, times=99)
    source = pick(authority.environ(AZURE_CLIENT_SECRET=SECRET))
    gate = threading.Barrier(4, action=threading.Timer(0.25, authority.lock.release).start)
    authority.lock.acquire()

    def ask(_):
        gate.wait(10)
        return refused(source)

    with ThreadPoolExecutor(4) as pool:
        asked = pool.map(ask, range(4))
        messages = set(asked)

    assert len(messages) == 1
    assert authority.count(TOKEN) == 3


def test_a_domain_serves_for_the_tenant(pick, authority):
    source = pick(authority.environ(AZURE_CLIENT_SECRET=SECRET, AZURE_TENANT_ID=DOMAIN))

    assert source.token()


def test_a_forced_region_moves_nothing(pick, authority, monkeypatch):
    monkeypatch.setenv("MSAL_FORCE_REGION", "westus2")
    source = pick(authority.environ(AZURE_CLIENT_SECRET=SECRET))

    assert source.token()


def test_a_plain_authority_on_loopback_serves(pick, plain_authority):
    environ = plain_authority.environ(AZURE_CLIENT_SECRET=SECRET)

    assert pick(environ).token()
    assert plain_authority.count(TOKEN) == 1


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_each_variable_for_certificates_is_heeded(pick, authority, variable):
    environ = authority.environ(AZURE_CLIENT_SECRET=SECRET)
    environ[variable] = environ.pop("SSL_CERT_FILE")

    assert pick(environ).token()


@pytest.mark.parametrize(
    ("code", "error", "advice"),
    [
        (7000222, "invalid_client", "the client secret has expired"),
        (90002, "invalid_request", "the tenant does not exist in this cloud"),
        (700027, "invalid_client", "the certificate is not registered"),
        (50034, "invalid_grant", "the account does not exist"),
        (65001, "invalid_grant", "no consent"),
        (53003, "access_denied", "Conditional Access blocks"),
        (500011, "invalid_resource", "check `cloud` in tenant.yaml"),
    ],
)
def test_microsofts_codes_come_with_what_to_do(pick, authority, code, error, advice):
    status, _, body = entra(code, error, "Microsoft's own words.")
    authority.plan(TOKEN, status, body.decode())

    message = refused(pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)))

    first, second, third = message.splitlines()
    assert first == (
        f"sign-in with the client secret of app {CLIENT} was refused: "
        f"AADSTS{code}: Microsoft's own words."
    )
    assert second.startswith("What to do: ")
    assert advice in second
    assert third == (
        "(Trace ID 00000000-0000-0000-0000-000000000001, "
        "Correlation ID 00000000-0000-0000-0000-000000000002, Timestamp 2026-11-23 10:00:00Z)"
    )
    assert authority.count("/common/discovery/instance") == 0


def test_a_wrong_secret_is_said_and_never_shown(pick, authority):
    message = refused(pick(authority.environ(AZURE_CLIENT_SECRET="Canary-wrong")))

    assert "AADSTS7000215" in message
    assert "the secret's Value (not its Secret ID)" in message
    assert "Canary" not in message


def test_an_unknown_tenant_is_told_from_an_unknown_app(pick, authority):
    unknown = authority.environ(AZURE_CLIENT_SECRET=SECRET, AZURE_TENANT_ID="nowhere.example")
    other = authority.environ(AZURE_CLIENT_SECRET=SECRET, AZURE_CLIENT_ID=TENANT)

    assert "AADSTS90002: Tenant 'nowhere.example' not found." in refused(pick(unknown))
    assert "check AZURE_CLIENT_ID and AZURE_TENANT_ID" in refused(pick(other))


def test_a_trace_that_stands_only_in_the_text_is_kept(pick, authority):
    body = (
        '{"error": "x", "error_description": "AADSTS1: no.\\r\\nTrace ID: 12-ab\\r\\n'
        'Correlation ID: 34-cd\\r\\nTimestamp: 2026-01-01 00:00:00Z"}'
    )
    authority.plan(TOKEN, 400, body)

    message = refused(pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)))

    assert message.splitlines()[1] == (
        "(Trace ID 12-ab, Correlation ID 34-cd, Timestamp 2026-01-01 00:00:00Z)"
    )


class SlowFlow:
    """A flow whose first answer waits until it is told to go on."""

    def __init__(self):
        self.http = SigninHttp(Wire(None, lambda: 1.0), "https://login.example")
        self.advice = ""
        self.asked = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def describe(self):
        return "slow flow"

    def secrets(self):
        return ()

    def assertion(self):
        return None

    def acquire(self, *, fresh):
        self.asked.append(fresh)
        if len(self.asked) == 2:
            self.begun.set()
            self.go_on.wait(10)
        return {"access_token": "new" if fresh else "old"}


def test_a_cached_answer_does_not_serve_who_waits_for_a_fresh_one():
    flow = SlowFlow()
    source = MsalSource(flow)
    source.token()

    with ThreadPoolExecutor(2) as pool:
        cached = pool.submit(source.token)
        flow.begun.wait(10)
        fresh = pool.submit(source.token, fresh=True)
        threading.Timer(0.05, flow.go_on.set).start()

    assert (cached.result(), fresh.result()) == ("old", "new")
