"""Every form of the proxy variables that curl and requests take, and those that nobody can use."""

from __future__ import annotations

import pytest

from reconciler.model.errors import ConfigError
from reconciler.runtime.proxies import proxy_for

GRAPH = "https://graph.microsoft.com"


def address(environ, url=GRAPH):
    proxy = proxy_for(url, environ)
    return proxy and f"{proxy.scheme}://{proxy.host}:{proxy.port}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("HTTP://Proxy:3128/", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("proxy.corp.example", "http://proxy.corp.example:80"),
        ("//proxy:3128", "http://proxy:3128"),
        ("https://proxy:3128", "https://proxy:3128"),
        ("https://proxy", "https://proxy:443"),
        (" http://10.0.0.1:8080 ", "http://10.0.0.1:8080"),
        ("http://[fd00::1]:3128", "http://fd00::1:3128"),
        ("user:pass@proxy:3128", "http://proxy:3128"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_is_taken_in_every_form(variable, value, expected):
    assert address({variable: value}) == expected


def test_user_and_password_are_taken_as_they_are_meant():
    proxy = proxy_for(GRAPH, {"HTTPS_PROXY": "http://us%40er:p%2Fa%3Ass@proxy:3128"})

    assert proxy is not None
    assert (proxy.user, proxy.password) == ("us@er", "p/a:ss")
    assert "p/a:ss" not in repr(proxy)


def test_the_order_of_the_variables_is_that_of_curl():
    names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    environ = {name: f"http://proxy{number}" for number, name in enumerate(names)}

    for number, name in enumerate(names):
        assert address(environ) == f"http://proxy{number}:80"
        del environ[name]
    assert address(environ) is None


def test_an_empty_variable_in_small_letters_turns_a_proxy_off():
    assert address({"https_proxy": "", "HTTPS_PROXY": "http://proxy"}) is None


def test_the_variable_for_plain_http_is_not_for_https():
    assert address({"HTTP_PROXY": "http://proxy", "http_proxy": "http://proxy"}) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.9.9.9"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_reached_directly(host, scheme):
    environ = dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"], "socks5://proxy")

    assert address(environ, f"{scheme}://{host}:8080") is None


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h", "socks", "SOCKS5"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_socks_proxy_is_named_in_one_sentence(scheme, variable):
    with pytest.raises(ConfigError) as caught:
        proxy_for(GRAPH, {variable: f"{scheme}://user:Canary@127.0.0.1:9"})

    assert str(caught.value).startswith(f"{variable} names a SOCKS proxy, and only HTTP proxies")
    assert "NO_PROXY to graph.microsoft.com" in str(caught.value)
    assert "Canary" not in str(caught.value)


def test_a_socks_proxy_for_something_else_does_not_matter():
    environ = {"ALL_PROXY": "socks5://127.0.0.1:9"}

    assert address(environ | {"HTTPS_PROXY": "http://proxy"}) == "http://proxy:80"
    assert address(environ | {"NO_PROXY": "microsoft.com"}) is None


@pytest.mark.parametrize(
    "value",
    [
        "ftp://proxy",
        "http://",
        "http://proxy:port",
        "http://proxy:99999",
        "http://user:Canary#1@proxy:3128",
        "http://user:Canary/1@proxy:3128",
        "http://user:Canary?1@proxy:3128",
        "http://proxy:3128/path",
        "http://[broken",
        "http://pro xy",
        "file:///etc/proxy.pac",
    ],
)
def test_what_is_no_proxy_is_named_and_never_quoted(value):
    with pytest.raises(ConfigError) as caught:
        proxy_for(GRAPH, {"HTTPS_PROXY": value})

    assert str(caught.value).startswith("HTTPS_PROXY is not the address of an HTTP proxy")
    assert "Canary" not in str(caught.value)


EXEMPT = [
    "*",
    "graph.microsoft.com",
    "GRAPH.Microsoft.COM",
    "microsoft.com",
    ".microsoft.com",
    "*.microsoft.com",
    "microsoft.com.",
    "graph.microsoft.com:443",
    "microsoft.com:443",
    ".microsoft.com:443",
    "a.example, microsoft.com",
    "a.example microsoft.com",
    "a.example,microsoft.com,",
    "https://graph.microsoft.com/",
]
NOT_EXEMPT = [
    "",
    ",",
    "soft.com",
    "graph.microsoft.com:8443",
    "login.graph.microsoft.com",
    "microsoft.co",
    "10.0.0.0/8",
    "x*",
    ".",
    "*.",
    "microsoft.com:port",
]


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("entries", EXEMPT)
def test_no_proxy_exempts_a_host_in_every_form(entries, variable):
    assert address({"HTTPS_PROXY": "http://proxy", variable: entries}) is None


@pytest.mark.parametrize("entries", NOT_EXEMPT)
def test_no_proxy_exempts_nothing_else(entries):
    assert address({"HTTPS_PROXY": "http://proxy", "NO_PROXY": entries}) == "http://proxy:80"


@pytest.mark.parametrize(
    ("entries", "url", "is_exempt"),
    [
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3:8443", True),
        ("10.1.2.3:8443", "https://10.1.2.3:8443", True),
        ("10.1.2.3:443", "https://10.1.2.3:8443", False),
        ("10.1.2.3/8", "https://10.9.9.9", True),
        ("10.0.0.0/99", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::1]", True),
        ("[fd00::1]", "https://[fd00::1]", True),
        ("[fd00::1]:443", "https://[fd00::1]", True),
        ("fd00::2", "https://[fd00::1]", False),
        ("0.0.0.0/0", "https://graph.microsoft.com", False),
    ],
)
def test_no_proxy_takes_addresses_and_networks(entries, url, is_exempt):
    environ = {"HTTPS_PROXY": "http://proxy", "NO_PROXY": entries}

    assert (address(environ, url) is None) == is_exempt
