"""The one HTTP client, on real sockets: time, size, certificates, proxies, and what is said of each."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from reconciler.model.errors import ConfigError
from reconciler.runtime import http_client
from reconciler.runtime.http_client import NoResponseError, exchange, open_client
from tests.support.raw_server import TlsFiles, raw_server, response

CANARY = "Canary-token-that-must-not-show"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return TlsFiles(tmp_path_factory.mktemp("tls"))


def get(url, environ=None, *, seconds=10.0, **options):
    with open_client(url, environ or {}, connections=2) as http:
        headers = {"Authorization": f"Bearer {CANARY}", **options.pop("headers", {})}
        return exchange(http, "GET", url, seconds=seconds, headers=headers, **options)


def refused(url, environ=None, **options):
    with pytest.raises(NoResponseError) as caught:
        get(url, environ, **options)
    assert CANARY not in str(caught.value)
    return caught.value


def test_a_response_comes_unpacked():
    packed = gzip.compress(b'{"a": 1}')
    with raw_server(lambda _: [response(packed, "Content-Encoding: gzip")]) as server:
        whole = get(f"http://127.0.0.1:{server.port}/")

    assert whole.json() == {"a": 1}
    assert "content-encoding" not in whole.headers
    assert b"Accept-Encoding: gzip\r\n" in server.requests[0]


# Time.

BODY = response(b"{" + b" " * 400)


@pytest.mark.parametrize("slow_from", [0, BODY.index(b"\r\n\r\n") + 5], ids=["head", "body"])
def test_a_response_that_trickles_in_is_given_up_on(slow_from):
    def pieces(_head):
        yield BODY[:slow_from]
        yield from server.slowly(BODY[slow_from:])

    with raw_server(pieces) as server:
        began = time.monotonic()
        fault = refused(f"http://127.0.0.1:{server.port}/", seconds=1.0)
        took = time.monotonic() - began

    assert "no response in time" in str(fault) or "did not end in time" in str(fault)
    assert not fault.is_lasting
    assert fault.was_sent
    assert took < 4.0


def test_a_handshake_that_never_ends_is_given_up_on():
    def pieces(_head):
        yield from server.slowly(b"")

    with raw_server(pieces) as server:
        began = time.monotonic()
        refused(f"https://127.0.0.1:{server.port}/", seconds=1.0)
        assert time.monotonic() - began < 4.0


def test_a_proxy_that_trickles_is_given_up_on():
    def pieces(_head):
        yield from server.slowly(b"HTTP/1.1 200 Connection established\r\nX: " + b"y" * 400)

    with raw_server(pieces) as server:
        began = time.monotonic()
        refused(
            "https://graph.invalid/",
            {"HTTPS_PROXY": f"http://127.0.0.1:{server.port}"},
            seconds=1.0,
        )
        assert time.monotonic() - began < 4.0


# Size.


def bomb(body, encoding):
    return response(body, f"Content-Encoding: {encoding}", "request-id: r-1")


def test_a_body_that_unpacks_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(http_client, "LARGEST_RESPONSE", 1024 * 1024)
    packed = gzip.compress(bytes(30 * 1024 * 1024), 1)
    with raw_server(lambda _: [bomb(packed, "gzip")]) as server:
        fault = refused(f"http://127.0.0.1:{server.port}/")

    assert "is larger than 1 MiB (request-id r-1)" in str(fault)
    assert fault.is_lasting


def test_a_body_that_is_large_on_the_wire_is_refused(monkeypatch):
    monkeypatch.setattr(http_client, "LARGEST_RESPONSE", 100_000)
    with raw_server(lambda _: [response(bytes(200_000))]) as server:
        assert "is larger than" in str(refused(f"http://127.0.0.1:{server.port}/"))


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "nonsense"])
def test_a_packing_that_was_not_asked_for_is_refused(encoding):
    with raw_server(lambda _: [bomb(gzip.compress(b"{}"), encoding)]) as server:
        assert "packed its response" in str(refused(f"http://127.0.0.1:{server.port}/"))


def test_a_broken_packing_is_a_sentence():
    with raw_server(lambda _: [bomb(b"\x1f\x8bnonsense", "gzip")]) as server:
        fault = refused(f"http://127.0.0.1:{server.port}/")

    assert "cannot reach 127.0.0.1" in str(fault)
    assert zlib.error.__name__ not in str(fault)


# Certificates.

FAULTS = {
    "expired": "its certificate has expired (or this machine's clock is wrong)",
    "early": "its certificate is not valid yet: check this machine's clock",
    "other host": "its certificate is for another host",
    "foreign": "its certificate is not trusted by the certificates that SSL_CERT_FILE names",
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("is_proxied", [False, True], ids=["directly", "through a proxy"])
def test_each_fault_of_a_certificate_has_its_own_words(tls, kind, is_proxied):
    with raw_server(lambda _: [response()], tls.context(kind), tunnel=is_proxied) as server:
        environ = {"SSL_CERT_FILE": str(tls.file)}
        host = f"127.0.0.1:{server.port}"
        if is_proxied:
            environ["HTTPS_PROXY"], host = f"http://{host}", "graph.test"
        fault = refused(f"https://{host}/", environ)

    assert f"cannot reach {host}: {FAULTS[kind]}" in str(fault)
    assert fault.is_lasting
    assert not any(CANARY.encode() in head for head in server.requests)


def test_a_request_goes_through_a_proxy_to_the_host_itself(tls):
    with raw_server(lambda _: [response(b'{"a": 1}')], tls.context(), tunnel=True) as server:
        environ = {
            "SSL_CERT_FILE": str(tls.file),
            "https_proxy": f"user:pass@127.0.0.1:{server.port}",
        }
        whole = get("https://graph.test/v1.0/x", environ)

    assert whole.json() == {"a": 1}
    connect, request = server.requests
    assert connect.startswith(b"CONNECT graph.test:443 ")
    assert CANARY.encode() not in connect
    assert request.startswith(b"GET /v1.0/x ")
    assert b"Proxy-Authorization" not in request


def test_an_untrusted_certificate_says_how_to_trust_it(tls):
    with raw_server(lambda _: [response()], tls.context()) as server:
        fault = refused(f"https://127.0.0.1:{server.port}/")

    assert "is not trusted here" in str(fault)
    assert "set SSL_CERT_FILE (or REQUESTS_CA_BUNDLE)" in str(fault)


@pytest.mark.parametrize(
    "variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"]
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_file_and_a_folder_of_certificates_are_taken(tls, tmp_path, variable, is_folder):
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "notes.txt").write_text("no certificate")
    (folder / "ours.pem").write_bytes(tls.file.read_bytes())
    with raw_server(lambda _: [response()], tls.context()) as server:
        place = folder if is_folder or variable == "SSL_CERT_DIR" else folder / "ours.pem"
        assert get(f"https://127.0.0.1:{server.port}/", {variable: str(place)}).status_code == 200


@pytest.mark.parametrize("content", ["missing", "", "no certificate", "empty folder", "key"])
def test_certificates_that_cannot_be_read_are_named_by_their_variable(tmp_path, content):
    place = tmp_path / "Canary"
    if content == "empty folder":
        place.mkdir()
    elif content == "key":
        place = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
    elif content != "missing":
        place.write_text(content)

    with pytest.raises(ConfigError) as caught:
        get("https://127.0.0.1:9/", {"REQUESTS_CA_BUNDLE": str(place)})

    assert "REQUESTS_CA_BUNDLE" in str(caught.value)
    assert "Canary" not in str(caught.value)


def test_plain_http_where_tls_was_due_is_a_lasting_fault():
    with raw_server(lambda _: [response()]) as server:
        fault = refused(f"https://127.0.0.1:{server.port}/")

    assert "it does not speak TLS as expected" in str(fault)
    assert fault.is_lasting


# Proxies.


@pytest.mark.parametrize(
    ("status", "words", "is_lasting"),
    [
        ("407 Proxy Authentication Required", "wants a user name and a password (407)", True),
        ("403 Forbidden", "does not let the request through (403)", True),
        ("502 Bad Gateway", "does not let the request through (502)", False),
        ("302 Found", "does not let the request through (302)", True),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_refuses_is_blamed_by_its_variable(variable, status, words, is_lasting):
    block_page = response(b"<html>blocked</html>", status=status)
    with raw_server(lambda _: [block_page]) as server:
        environ = {variable: f"http://user:{CANARY}@127.0.0.1:{server.port}"}
        fault = refused("https://graph.invalid/", environ)

    assert f"the proxy that {variable} names {words}" in str(fault)
    assert fault.is_lasting is is_lasting
    assert not fault.was_sent
    assert b"Proxy-Authorization: Basic" in server.requests[0]
    assert CANARY.encode() not in server.requests[0]


def test_a_socks_proxy_is_named_before_anything_is_sent():
    with pytest.raises(ConfigError, match="ALL_PROXY names a SOCKS proxy"):
        open_client("https://graph.invalid", {"ALL_PROXY": "socks5://127.0.0.1:9"}, connections=1)


# Odd requests and responses.


@pytest.mark.parametrize("header", ["line\nbreak", "a\rb", "null\x00"])
def test_a_header_that_cannot_be_sent_is_not_quoted(header):
    with raw_server(lambda _: [response()]) as server:
        fault = refused(
            f"http://127.0.0.1:{server.port}/", headers={"Authorization": f"{CANARY}{header}"}
        )

    assert "holds characters that cannot be sent" in str(fault)
    assert fault.is_lasting


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"\x00" * 99],
)
def test_what_is_no_http_is_a_connection_that_broke_off(content):
    with raw_server(lambda _: [content]) as server:
        fault = refused(f"http://127.0.0.1:{server.port}/")

    assert "the connection broke off" in str(fault)
    assert not fault.is_lasting


@pytest.mark.parametrize("url", ["https://a\nb", "-----BEGIN KEY-----\nCanary", "http://host:port"])
def test_what_is_no_address_is_a_sentence_that_does_not_quote_it(url):
    with pytest.raises(ConfigError) as caught:
        open_client(url, {}, connections=1)

    assert str(caught.value) == "the address to go to is no address"


@pytest.mark.parametrize("host", ["graph.invalid", "no..dots.invalid", "xn--.invalid"])
def test_a_host_that_does_not_exist_is_a_sentence(host):
    fault = refused(f"https://{host}/")

    assert f"cannot reach {host}" in str(fault)


def test_a_netrc_file_does_not_replace_our_header(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with raw_server(lambda _: [response()]) as server:
        get(f"http://127.0.0.1:{server.port}/")

    assert f"Authorization: Bearer {CANARY}".encode() in server.requests[0]
