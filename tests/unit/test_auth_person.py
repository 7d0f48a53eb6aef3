"""A person signs in, by code or by browser, and is remembered."""

from __future__ import annotations

import threading
import webbrowser
from typing import Any

import msal_extensions
import pytest

from reconciler.graph.auth import msal_flows
from reconciler.graph.auth.account_cache import account_cache
from reconciler.graph.auth.sign_in_http import Wire
from reconciler.graph.auth.token_claims import read_claims
from reconciler.graph.clouds import endpoints
from reconciler.model.state import Cloud
from tests.support.authority import CLIENT, DOMAIN, TENANT, USER
from tests.support.authority_server import visit
from tests.support.signin import refused


def by_hand(authority, kind):
    environ = authority.environ(RECONCILER_AUTH=kind)
    del environ["AZURE_TENANT_ID"]  # people sign in at the tenant of tenant.yaml
    return environ


def test_a_code_is_shown_and_waited_for(pick, authority, person, clock):
    person.there = True
    authority.pending_polls = 2
    source = pick(by_hand(authority, "device-code"), tenant=DOMAIN)

    token = source.token()

    assert read_claims(token).user == USER
    assert person.heard[-1] == (
        "To sign in, open https://microsoft.example/devicelogin and enter the code ABC123"
    )
    assert clock.slept == [5, 5]
    assert source.token() == token
    assert source.token(fresh=True) != token
    assert authority.form()["grant_type"] == "refresh_token"


def test_a_system_without_a_protected_store_keeps_nothing(pick, authority, person, tmp_path):
    person.there = True

    pick(by_hand(authority, "device-code")).token()

    unprotected = [said for said in person.heard if "no protected store" in said]
    assert len(unprotected) <= 1  # none where the tests' system has one
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"Canary" in path.read_bytes()
    ]


@pytest.mark.parametrize("error", ["expired_token", "authorization_declined"])
def test_a_code_that_leads_nowhere_is_an_error(pick, authority, person, error):
    person.there = True
    authority.device_error = error

    assert "sign-in with the device code" in refused(pick(by_hand(authority, "device-code")))


def test_a_code_that_nobody_enters_expires(pick, authority, person, clock):
    person.there = True
    authority.pending_polls = 1_000

    message = refused(pick(by_hand(authority, "device-code")))

    assert "nobody entered the code before it expired" in message
    assert sum(clock.slept) == 900


def test_an_app_that_is_no_public_client_gets_no_code(pick, authority, person):
    person.there = True
    environ = by_hand(authority, "device-code") | {"AZURE_CLIENT_ID": TENANT}

    assert "AADSTS700016" in refused(pick(environ))


class Visitor(webbrowser.BaseBrowser):
    """A browser whose person signs in at once."""

    def open(self, url, new=0, autoraise=True):
        threading.Thread(target=visit, args=(url,)).start()
        return True


def test_a_browser_signs_in(pick, authority, person, monkeypatch):
    person.there = True
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.ca_file)
    webbrowser.register("visitor", None, Visitor(), preferred=True)
    monkeypatch.setenv("BROWSER", "visitor")
    try:
        source = pick(by_hand(authority, "interactive"))

        assert read_claims(source.token()).user == USER
        assert "continue in the browser" in person.heard[-1]
    finally:
        vars(webbrowser)["_tryorder"].remove("visitor")


def remembering(authority, clock, person, folder, client=CLIENT):
    """A source whose account is kept in a file, as on a system with a protected store."""
    environ = authority.environ()
    at = endpoints(Cloud.GLOBAL, environ)
    wire = Wire(clock, lambda: 60.0, environ)
    source = msal_flows.person_source(
        client, TENANT, at, wire, person.heard.append, kind="device code"
    )
    flow: Any = source._flow
    flow.cache = lambda name: account_cache(
        name, person.heard.append, folder=folder, build=msal_extensions.FilePersistence
    )
    return source


def test_an_account_is_remembered_from_run_to_run(authority, clock, person, tmp_path):
    first = remembering(authority, clock, person, tmp_path).token()
    person.heard.clear()

    second = remembering(authority, clock, person, tmp_path)

    assert second.token() == first
    assert second.token(fresh=True) != first
    assert person.heard == [f"signed in as {USER}"]


def test_a_remembered_account_that_no_longer_serves_is_asked_anew(
    authority, clock, person, tmp_path
):
    remembering(authority, clock, person, tmp_path).token()
    authority.refresh_tokens.clear()
    person.heard.clear()

    source = remembering(authority, clock, person, tmp_path)

    assert source.token(fresh=True)
    assert "enter the code ABC123" in person.heard[-1]


def test_a_store_that_cannot_be_read_is_left_for_memory(clock, person, tmp_path):
    def build(path):
        store = msal_extensions.FilePersistence(path)
        store.save("not JSON")
        return store

    assert account_cache("name", person.heard.append, folder=tmp_path, build=build) is None
    assert "kept in memory" in person.heard[-1]
