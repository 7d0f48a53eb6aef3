"""A sign-in service that cannot be reached, fails, or is not one."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest

from reconciler.model.errors import DeadlineError
from tests.support.authority import CLIENT, SECRET, TENANT
from tests.support.raw_server import TlsFiles, raw_server
from tests.support.signin import DISCOVERY, TOKEN, refused

APP = {"AZURE_CLIENT_ID": CLIENT, "AZURE_TENANT_ID": TENANT}


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN])
def test_a_passing_failure_is_waited_out(pick, authority, clock, path):
    authority.plan(path, 503)
    authority.plan(path, 429, headers={"Retry-After": "7"})

    assert pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)).token()
    assert clock.slept == [1.0, 7.0]


def test_a_date_to_retry_after_is_read(pick, authority, clock):
    clock.start = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    authority.plan(TOKEN, 503, headers={"Retry-After": "Mon, 23 Nov 2026 10:00:09 GMT"})

    assert pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)).token()
    assert clock.slept == [9.0]


def test_a_lasting_failure_is_said(pick, authority, clock):
    authority.plan(TOKEN, 503, '{"error_description": "AADSTS90033: A transient error."}', times=9)

    message = refused(pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)))

    assert message.splitlines()[0].endswith("answered HTTP 503 3 times; try again later")
    assert message.splitlines()[1] == "The service wrote: AADSTS90033: A transient error."
    assert clock.slept == [1.0, 2.0]


def test_the_deadline_bounds_the_sign_in(pick, authority, clock):
    authority.plan(TOKEN, 503, times=9, headers={"Retry-After": "3600"})
    environ = authority.environ(AZURE_CLIENT_SECRET=SECRET)
    source = pick(environ, remaining=lambda: 20.0 - sum(clock.slept))

    with pytest.raises(DeadlineError, match="--timeout"):
        source.token()

    assert clock.slept == [20.0]


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN])
@pytest.mark.parametrize(
    "body",
    ["<html>Sign in to the hotel's network</html>", "[1]", "{}", '{"token_endpoint": 1}', ""],
)
def test_a_captive_portal_is_not_taken_for_microsoft(pick, authority, path, body):
    authority.plan(path, 200, body)

    message = refused(pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)))

    assert re.search(r"is not one of Microsoft's sign-in service|holds no token", message)


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN])
def test_a_redirect_is_not_followed(pick, authority, path):
    authority.plan(path, 307, headers={"Location": f"{authority.url}/elsewhere"})

    message = refused(pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)))

    assert "answered with a redirect, which is not followed" in message
    assert authority.count("/elsewhere") == 0


def test_a_secret_goes_to_no_host_but_the_authority(pick, authority, plain_authority):
    endpoint = f"https://localhost:{authority.port}/x{TOKEN}"
    authority.plan(
        DISCOVERY,
        200,
        f'{{"authorization_endpoint": "{endpoint}", "token_endpoint": "{endpoint}"}}',
    )

    message = refused(pick(authority.environ(AZURE_CLIENT_SECRET=SECRET)))

    assert "no credentials are sent there" in message
    assert authority.count(TOKEN) == 0


def test_no_connection_says_so(pick, authority, clock):
    environ = authority.environ(AZURE_CLIENT_SECRET=SECRET, AZURE_AUTHORITY_HOST="127.0.0.1:9")

    message = refused(pick(environ))

    assert (
        "cannot reach 127.0.0.1:9: no connection (Connection refused); check the network, DNS and "
        "HTTPS_PROXY"
    ) in message
    assert clock.slept == [1.0, 2.0]


def test_an_untrusted_certificate_says_how_to_trust_it(pick, authority):
    environ = authority.environ(AZURE_CLIENT_SECRET=SECRET)
    del environ["SSL_CERT_FILE"]

    assert "set SSL_CERT_FILE (or REQUESTS_CA_BUNDLE)" in refused(pick(environ))


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_certificate_bundle_that_cannot_be_read_is_named(pick, authority, tmp_path, content):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content, "ascii")
    environ = authority.environ(AZURE_CLIENT_SECRET=SECRET, SSL_CERT_FILE=str(bundle))

    message = refused(pick(environ))

    assert "SSL_CERT_FILE names" in message
    assert str(bundle) not in message


def test_a_proxy_that_is_down_is_blamed(pick, authority):
    environ = authority.environ(
        AZURE_CLIENT_SECRET=SECRET,
        AZURE_AUTHORITY_HOST="login.invalid",
        HTTPS_PROXY="http://user:Canary@127.0.0.1:9",
    )

    message = refused(pick(environ))

    assert "check HTTPS_PROXY and NO_PROXY" in message
    assert "Canary" not in message


def test_no_proxy_is_heeded(pick, authority):
    environ = authority.environ(
        AZURE_CLIENT_SECRET=SECRET,
        AZURE_AUTHORITY_HOST="login.invalid",
        HTTPS_PROXY="http://127.0.0.1:9",
        NO_PROXY="login.invalid",
    )

    assert "cannot reach login.invalid: no connection" in refused(pick(environ))


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_no_proxy_gets_what_is_meant_for_this_machine(pick, authority, plain_authority, variable):
    proxy = {variable: "http://127.0.0.1:9"}
    for service in (authority, plain_authority):
        assert pick(service.environ(AZURE_CLIENT_SECRET=SECRET, **proxy)).token()


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"]
)
def test_a_token_that_trickles_in_is_given_up_on(pick, head):
    def pieces(_head):
        yield head
        yield from server.slowly(b" " * 900)

    with raw_server(pieces) as server:
        environ = APP | {
            "AZURE_CLIENT_SECRET": SECRET,
            "AZURE_AUTHORITY_HOST": f"http://127.0.0.1:{server.port}",
        }
        began = time.monotonic()
        message = refused(pick(environ, remaining=lambda: 1.0))

    assert "in time" in message  # of one piece, or of the whole: whichever limit is met first
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize("kind", ["expired", "early", "other host", "foreign"])
def test_a_lasting_fault_of_a_certificate_is_not_tried_again(pick, clock, tmp_path, kind):
    tls = TlsFiles(tmp_path)
    with raw_server(lambda _: [], tls.context(kind)) as server:
        environ = APP | {
            "AZURE_CLIENT_SECRET": SECRET,
            "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{server.port}",
            "SSL_CERT_FILE": str(tls.file),
        }
        message = refused(pick(environ))

    assert f"cannot reach 127.0.0.1:{server.port}: its certificate" in message
    assert clock.slept == []
