"""Signing in as the machine; looking up the tenant of a domain."""

from __future__ import annotations

import pytest

from reconciler.graph.auth.tenant_of_domain import tenant_id_of_domain
from reconciler.graph.clouds import endpoints
from reconciler.model.errors import AuthError
from reconciler.model.state import Cloud
from tests.support.authority import CLIENT, DOMAIN, TENANT
from tests.support.signin import refused


@pytest.fixture
def imds(authority, plain_authority, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", plain_authority.url)
    return plain_authority


@pytest.mark.parametrize("client_id", [None, CLIENT])
def test_a_managed_identity_signs_in(pick, imds, client_id, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # no proxy stands before the machine
    imds.identities = {client_id}
    environ = {"AZURE_CLIENT_ID": client_id} if client_id else {}
    source = pick(environ | {"RECONCILER_AUTH": "managed-identity"})

    first, again, fresh = source.token(), source.token(), source.token(fresh=True)

    assert first == again != fresh
    assert [seen.query["resource"] for seen in imds.seen] == ["https://graph.microsoft.com"] * 2


def test_a_missing_managed_identity_says_what_to_check(pick, imds):
    imds.identities = {CLIENT}

    message = refused(pick({"RECONCILER_AUTH": "managed-identity"}))

    assert "sign-in with the managed identity was refused: Identity not found" in message
    assert "set AZURE_CLIENT_ID to the client id of a user-assigned one" in message


def test_a_managed_identity_that_is_only_arriving_is_waited_for(pick, imds, clock):
    imds.plan("/metadata/identity/oauth2/token", 404)
    imds.plan("/metadata/identity/oauth2/token", 410)

    assert pick({"RECONCILER_AUTH": "managed-identity"}).token()
    assert clock.slept == [1.0, 2.0]


def test_a_machine_without_managed_identities_is_told_so(pick, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")

    message = refused(pick({"RECONCILER_AUTH": "managed-identity"}))

    assert "cannot reach 127.0.0.1:9" in message
    assert "check that this machine has a managed identity" in message


def test_an_identity_endpoint_that_speaks_no_json_is_refused(pick, imds):
    imds.plan("/metadata/identity/oauth2/token", 200, "<html>")

    assert "is not one of Microsoft's" in refused(pick({"RECONCILER_AUTH": "managed-identity"}))


# Looking up a domain.


@pytest.mark.parametrize(
    ("domain", "found"),
    [(DOMAIN, TENANT), (TENANT.upper(), TENANT), ("nowhere.example", None), ("a/b", None)],
)
def test_a_domain_leads_to_its_tenant(authority, clock, domain, found):
    environ = authority.environ()
    at = endpoints(Cloud.GLOBAL, environ)

    assert (
        tenant_id_of_domain(domain, at, environ=environ, clock=clock, remaining=lambda: 9.0)
        == found
    )
    assert not any("authorization" in seen.headers for seen in authority.seen)


def test_a_lookup_that_cannot_reach_the_service_says_so(clock):
    environ = {"AZURE_AUTHORITY_HOST": "127.0.0.1:9"}
    at = endpoints(Cloud.GLOBAL, environ)

    with pytest.raises(AuthError, match=r"cannot look up the tenant of contoso\.example"):
        tenant_id_of_domain(DOMAIN, at, environ=environ, clock=clock, remaining=lambda: 9.0)
