"""Which addresses a cloud has, and which overrides are refused."""

from __future__ import annotations

import pytest

from reconciler.graph.clouds import endpoints
from reconciler.model.errors import UsageError
from reconciler.model.state import Cloud


@pytest.mark.parametrize(
    ("cloud", "login", "graph"),
    [
        (Cloud.GLOBAL, "https://login.microsoftonline.com", "https://graph.microsoft.com"),
        (Cloud.US_GOV_L4, "https://login.microsoftonline.us", "https://graph.microsoft.us"),
        (Cloud.US_GOV_L5, "https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
        (Cloud.CHINA, "https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_every_cloud_has_its_own_addresses(cloud, login, graph):
    found = endpoints(cloud, {})

    assert (found.login, found.graph) == (login, graph)
    assert found.scope == f"{graph}/.default"
    assert found.resource == graph


def test_an_override_moves_the_addresses_and_leaves_scope_and_audience():
    environ = {
        "AZURE_AUTHORITY_HOST": "https://login.contoso.example/",
        "RECONCILER_GRAPH_URL": " https://gateway.contoso.example/graph/ ",
    }

    found = endpoints(Cloud.CHINA, environ)

    assert found.login == "https://login.contoso.example"
    assert found.graph == "https://gateway.contoso.example/graph"
    assert found.scope == "https://microsoftgraph.chinacloudapi.cn/.default"
    assert found.oidc_audience == "api://AzureADTokenExchangeChina"


def test_a_bare_authority_host_is_https_as_in_azures_own_tools():
    found = endpoints(Cloud.GLOBAL, {"AZURE_AUTHORITY_HOST": "login.microsoftonline.us"})

    assert found.login == "https://login.microsoftonline.us"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://127.8.9.10:8080",
        "http://localhost:8080",
        "http://LOCALHOST",
        "http://[::1]:8080",
        "https://[2001:db8::1]:8443",
    ],
)
def test_plain_http_is_taken_for_loopback(url):
    assert endpoints(Cloud.GLOBAL, {"RECONCILER_GRAPH_URL": url}).graph == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://graph.microsoft.com", "must be https"),
        ("http://127.0.0.1.example.com", "must be https"),
        ("http://localhost.example.com", "must be https"),
        ("http://10.0.0.1", "must be https"),
        ("http://[::2]", "must be https"),
        ("https://user:Canary-password@host", "must not hold a user name"),
        ("https://Canary@host", "must not hold a user name"),
        ("https://host/?key=Canary", "must not hold a query"),
        ("https://host/#Canary", "must not hold a query"),
        ("https://host\\@evil.example", "holds blanks, backslashes"),
        ("https://ho\tst", "holds blanks, backslashes"),
        ("https://host:Canary", "is not an address"),
        ("ftp://host", "must be an address"),
        ("https://", "must be an address"),
        ("Canary", "must be an address"),
        ("https://[::1", "is not an address"),
        ("https://graph.microsoft.com/v1.0/", "leave /v1.0 or /beta off"),
    ],
)
def test_a_graph_address_that_could_leak_is_refused_unquoted(url, reason):
    with pytest.raises(UsageError) as caught:
        endpoints(Cloud.GLOBAL, {"RECONCILER_GRAPH_URL": url})

    message = str(caught.value)
    assert message.startswith("RECONCILER_GRAPH_URL ")
    assert reason in message
    assert "Canary" not in message


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example",
        "https://login.example/tenant",
        "https://a@b",
        "x://login",
        "Canary~secret",
        "hostname",
    ],
)
def test_an_authority_is_a_host_alone(url):
    with pytest.raises(UsageError, match="AZURE_AUTHORITY_HOST"):
        endpoints(Cloud.GLOBAL, {"AZURE_AUTHORITY_HOST": url})


def test_blank_overrides_are_none():
    assert endpoints(Cloud.GLOBAL, {"RECONCILER_GRAPH_URL": " "}) == endpoints(Cloud.GLOBAL, {})
