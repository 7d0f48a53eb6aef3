"""Where an address leads, and which addresses a token may go to."""

from __future__ import annotations

import pytest

from reconciler.runtime.addresses import address_fault, is_domain_name, is_loopback, origin
from reconciler.runtime.certificates import ca_variable


def test_an_origin_is_scheme_host_and_port():
    assert origin("https://HOST/a") == ("https", "host", 443) == origin("https://host:443/b")
    assert origin("http://host") == ("http", "host", 80)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "/path",
        "//host/path",
        "ftp://host",
        "javascript:alert(1)",
        "https://",
        "https://host:port",
        "https://user@host",
        "https://user:pass@host",
        "https://host/\x00",
        "https://\ud800.test",
    ],
)
def test_what_is_no_address_has_no_origin(url):
    assert origin(url) is None


def test_this_machine_is_known_by_its_spelling():
    for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"):
        assert is_loopback(host)
    for other in (None, "", "localhost.example", "10.0.0.1", "::2", "127.0.0.1.example"):
        assert not is_loopback(other)


def test_a_domain_name_has_a_dot_and_short_parts():
    assert is_domain_name("login.microsoftonline.us")
    for text in ("host", "a..b", "-a.b", "a_b.c", "a~b.c", "x" * 64 + ".com", "a." * 130 + "b", ""):
        assert not is_domain_name(text)


@pytest.mark.parametrize(
    "value", ["Canary", "https://Canary", "https://Canary~8Q.x", "https://C@h.x"]
)
def test_what_may_be_a_secret_is_no_address_and_is_not_quoted(value):
    fault = address_fault(value)

    assert fault is not None
    assert "Canary" not in fault


def test_a_server_of_ones_own_may_have_a_bare_name():
    assert address_fault("https://ghe", takes_bare_names=True) is None
    assert address_fault("https://ghe") is not None
    assert address_fault("http://ghe", takes_bare_names=True) is not None


def test_the_most_specific_variable_names_the_trusted_certificates():
    names = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
    environ = dict.fromkeys(names, "place")

    for name in names:
        assert ca_variable(environ) == name
        environ[name] = " "
    assert ca_variable(environ) is None
