"""One HTTP client for Graph, the sign-in and GitHub: proxies, certificates, time and size. Does network I/O.

A *response* is whole or it is an error: `exchange` bounds the time of the whole exchange and the
bytes of the body, on the wire and unpacked. The usual time-outs do not: they begin anew with every
packet, so a server that sends one byte a minute is waited for without end. So each socket operation
gets what is left of the exchange's time (`_BoundedStream`).
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpcore
import httpx

from reconciler.model.errors import ConfigError
from reconciler.runtime.certificates import ca_variable, tls_context
from reconciler.runtime.known_secrets import KNOWN
from reconciler.runtime.proxies import Proxy, proxy_for

F = TypeVar("F", bound=BaseException)

LONGEST_SILENCE = 60.0
"""Seconds without a byte."""

LONGEST_CONNECT = 15.0
LONGEST_EXCHANGE = 300.0
"""Seconds for one request and its whole response."""

LARGEST_RESPONSE = 64 * 1024 * 1024
"""Bytes, unpacked. 5,000 policies in one page are about a third of it."""

_KEEPALIVE = 5.0
"""Seconds that an unused connection stays open."""

_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_UNPACKED_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class NoResponseError(httpx.TransportError):
    """No whole response came; the text is a sentence that says why and what to check.

    ``is_lasting``: the next attempt would meet it too. ``was_sent``: the request may have arrived.
    """

    def __init__(self, message: str, *, is_lasting: bool = False, was_sent: bool = True) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting
        self.was_sent = was_sent


def open_client(
    url: str, environ: Mapping[str, str], *, connections: int, use_proxies: bool = True
) -> httpx.Client:
    """Open a client with the proxies and certificates that the environment names.

    ``url`` is where it will go first. Raises `ConfigError` where the certificates cannot be read,
    or the proxy for ``url`` cannot be used. For other hosts that is raised at their first request.
    """
    KNOWN.learn_environment(environ)
    for library in ("httpx", "httpcore"):  # at DEBUG they log headers, tokens and all
        logging.getLogger(library).setLevel(logging.CRITICAL)
    transport = _Transport(environ, connections=connections, use_proxies=use_proxies)
    try:
        transport.prepare(httpx.URL(url))
    except httpx.InvalidURL:
        raise ConfigError("the address to go to is no address") from None
    # Not from the environment a second time: ~/.netrc would replace our Authorization header.
    return httpx.Client(transport=transport, trust_env=False, follow_redirects=False)


def exchange(
    http: httpx.Client,
    method: str,
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str],
    content: bytes | None = None,
    silence: float = LONGEST_SILENCE,
    connect: float = LONGEST_CONNECT,
) -> httpx.Response:
    """Send one request, once, and read its whole response within ``seconds``; no redirect is followed.

    The body of the response is unpacked already. Raises `NoResponseError`.
    """
    seconds = max(min(seconds, LONGEST_EXCHANGE), 1.0)
    end = time.monotonic() + seconds
    timeout = httpx.Timeout(min(silence, seconds), connect=min(connect, seconds))
    sent = {"Accept-Encoding": "gzip", **headers}
    try:
        with (
            _bounded_until(end),
            http.stream(method, url, headers=sent, content=content, timeout=timeout) as response,
        ):
            return _whole(response, end)
    except NoResponseError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as fault:
        raise explain(fault, _host_of(url)) from fault


def _host_of(url: str) -> str:
    try:
        return httpx.URL(url).netloc.decode("ascii", "replace") or "the address"
    except (httpx.InvalidURL, ValueError):
        return "the address"


def _whole(response: httpx.Response, end: float) -> httpx.Response:
    """Read the body, and stop where it takes too long or grows too large."""
    host = response.request.url.netloc.decode("ascii", "replace")
    encoding = response.headers.get("content-encoding", "").strip().casefold()
    if encoding not in _ENCODINGS:  # several of them multiply what a small body unpacks to
        raise NoResponseError(
            f"{host} packed its response in a way that was not asked for", is_lasting=True
        )
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > LARGEST_RESPONSE:
            raise NoResponseError(
                f"the response of {host} is larger than {LARGEST_RESPONSE // 1024**2} MiB"
                f"{_request_id(response)}; nothing was concluded from it",
                is_lasting=True,
            )
        if time.monotonic() > end:
            raise NoResponseError(
                f"the response of {host} did not end in time{_request_id(response)}"
            )
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.casefold() not in _UNPACKED_HEADERS
    ]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(body), request=response.request
    )


def _request_id(response: httpx.Response) -> str:
    value = response.headers.get("request-id", "")[:100]
    return f" (request-id {value})" if value.replace("-", "").isalnum() else ""


class _Wall(threading.local):
    """When the exchange of this thread must end, on the monotonic clock."""

    end: float | None = None


_WALL = _Wall()


@contextmanager
def _bounded_until(end: float) -> Iterator[None]:
    _WALL.end = end
    try:
        yield
    finally:
        _WALL.end = None


def _left(timeout: float | None) -> float | None:
    if _WALL.end is None:
        return timeout
    # Zero would make the socket non-blocking.
    left = max(_WALL.end - time.monotonic(), 0.001)
    return left if timeout is None else min(left, timeout)


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose every operation ends with the exchange that it belongs to."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all."""
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on under TLS."""
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        """Pass on what the connection knows of itself."""
        return self._stream.get_extra_info(info)


class _BoundedBackend(httpcore.NetworkBackend):
    """Connects to one address of a host after the other, all within one time-out."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect. Raises `httpcore.ConnectError` or `httpcore.ConnectTimeout`."""
        end = None if timeout is None else time.monotonic() + timeout
        fault: Exception = httpcore.ConnectError("no address")
        for address in _addresses(host, port):
            left = None if end is None else max(end - time.monotonic(), 0.001)
            try:
                stream = self._backend.connect_tcp(
                    address, port, _left(left), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
                if end is not None and time.monotonic() >= end:
                    break
                continue
            return _BoundedStream(stream)
        raise fault

    def sleep(self, seconds: float) -> None:
        """Wait; httpcore does so between retries alone, and none are asked for."""
        self._backend.sleep(seconds)


def _addresses(host: str, port: int) -> list[str]:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise httpcore.ConnectError(str(fault)) from fault
    return list(dict.fromkeys(str(address[0]) for *_, address in entries))


class _Transport(httpx.BaseTransport):
    """Sends requests, each through the proxy for its host; faults become `NoResponseError`."""

    def __init__(self, environ: Mapping[str, str], *, connections: int, use_proxies: bool) -> None:
        self._environ = environ
        self._connections = connections
        self._use_proxies = use_proxies
        self._lock = threading.Lock()
        self._pools: dict[tuple[Proxy | None, str], httpcore.ConnectionPool] = {}

    def prepare(self, url: httpx.URL) -> httpcore.ConnectionPool:
        """Make the connections' settings for an address. Raises `ConfigError` where that fails."""
        proxy = self._proxy_for(url)
        with self._lock:
            key = (proxy, url.scheme)
            if key not in self._pools:
                self._pools[key] = self._made(proxy, url.scheme)
            return self._pools[key]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        url = request.url
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        host = url.netloc.decode("ascii", "replace")
        context = (host, self._proxy_for(url), ca_variable(self._environ))
        pool = self.prepare(url)
        with _explained(*context):
            response = pool.handle_request(sent)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response, *context),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _proxy_for(self, url: httpx.URL) -> Proxy | None:
        return proxy_for(str(url), self._environ) if self._use_proxies else None

    def _made(self, proxy: Proxy | None, scheme: str) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=tls_context(self._environ) if scheme == "https" else None,
            proxy=self._proxy(proxy) if proxy else None,
            max_connections=self._connections,
            max_keepalive_connections=self._connections,
            keepalive_expiry=_KEEPALIVE,
            network_backend=_BoundedBackend(),
        )

    def _proxy(self, proxy: Proxy) -> httpcore.Proxy:
        return httpcore.Proxy(
            httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/"),
            auth=(proxy.user, proxy.password) if proxy.user or proxy.password else None,
            ssl_context=tls_context(self._environ) if proxy.scheme == "https" else None,
        )


class _Body(httpx.SyncByteStream):
    """A body on its way."""

    def __init__(
        self, response: httpcore.Response, host: str, proxy: Proxy | None, trust: str | None
    ) -> None:
        self._response = response
        self._context = (host, proxy, trust)

    def __iter__(self) -> Iterator[bytes]:
        with _explained(*self._context):
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


@contextmanager
def _explained(host: str, proxy: Proxy | None, trust: str | None) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError, *_HTTPCORE_FAULTS) as fault:
        raise explain(fault, host, proxy=proxy, trust=trust) from fault


_HTTPCORE_FAULTS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
_TIMEOUTS = (httpcore.TimeoutException, httpx.TimeoutException, TimeoutError)
_NOT_CONNECTED = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
)
_CERTIFICATE_FAULTS = {
    9: "is not valid yet: check this machine's clock",
    10: "has expired (or this machine's clock is wrong)",
    62: "is for another host: something else may have taken its place",
    64: "is for another host: something else may have taken its place",
}
"""By OpenSSL's number: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/."""


def explain(
    fault: Exception, host: str, *, proxy: Proxy | None = None, trust: str | None = None
) -> NoResponseError:
    """Say in a sentence why no response came. Nothing of the library's own text is repeated.

    It may quote headers. ``trust`` is the variable that names the trusted certificates.
    """
    certificate = _cause(fault, ssl.SSLCertVerificationError)
    if certificate is not None:
        return _untrusted(certificate, host, trust)
    if isinstance(fault, httpcore.ProxyError | httpx.ProxyError):
        return _refused_by_proxy(fault, host, proxy)
    if isinstance(fault, _NOT_CONNECTED):
        return _not_connected(fault, host, proxy)
    start = f"cannot reach {host}"
    if isinstance(fault, _TIMEOUTS):
        return NoResponseError(f"{start}: no response in time; {_advice(proxy)}")
    if _cause(fault, ssl.SSLError) is not None:
        return NoResponseError(f"{start}: it does not speak TLS as expected; {_advice(proxy)}")
    if isinstance(fault, _UNSENT):
        return NoResponseError(
            f"{start}: the request holds characters that cannot be sent",
            is_lasting=True,
            was_sent=False,
        )
    if isinstance(fault, _NO_ADDRESS):
        return NoResponseError(f"{start}: it is no address", is_lasting=True, was_sent=False)
    return NoResponseError(f"{start}: the connection broke off ({_reason(fault)})")


_UNSENT = (httpcore.LocalProtocolError, httpx.LocalProtocolError, UnicodeError)
_NO_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpcore.UnsupportedProtocol)


def _not_connected(fault: Exception, host: str, proxy: Proxy | None) -> NoResponseError:
    """The sentence for a connection that was never there; the request was not sent."""
    start = f"cannot reach {host}"
    is_tls = _cause(fault, ssl.SSLError) is not None
    if is_tls:
        why = f"it does not speak TLS as expected; {_advice(proxy)}"
    elif proxy:
        why = (
            f"the proxy that {proxy.named_by} names cannot be reached ({_reason(fault)}); check "
            "HTTPS_PROXY and NO_PROXY"
        )
    elif isinstance(fault, _TIMEOUTS):
        why = f"no response in time; {_advice(proxy)}"
    else:
        why = f"no connection ({_reason(fault)}); check the network, DNS and HTTPS_PROXY"
    return NoResponseError(f"{start}: {why}", is_lasting=is_tls, was_sent=False)


def _advice(proxy: Proxy | None) -> str:
    return f"check the network and {proxy.named_by if proxy else 'HTTPS_PROXY'}"


def _untrusted(
    fault: ssl.SSLCertVerificationError, host: str, trust: str | None
) -> NoResponseError:
    start = f"cannot reach {host}: its certificate"
    known = _CERTIFICATE_FAULTS.get(fault.verify_code)
    judge = f"by the certificates that {trust} names" if trust else "here"
    text = known or (
        f"is not trusted {judge} ({fault.verify_message}); where a proxy inspects traffic, set "
        "SSL_CERT_FILE (or REQUESTS_CA_BUNDLE) to the certificates of its authority"
    )
    return NoResponseError(f"{start} {text}", is_lasting=True, was_sent=False)


def _refused_by_proxy(fault: Exception, host: str, proxy: Proxy | None) -> NoResponseError:
    variable = proxy.named_by if proxy else "HTTPS_PROXY"
    status = str(fault)[:3] if str(fault)[:3].isdigit() else ""
    why = {
        "407": "wants a user name and a password (407): write them into its address",
        "403": "does not let the request through (403)",
    }.get(status, f"does not let the request through{f' ({status})' * bool(status)}")
    return NoResponseError(
        f"cannot reach {host}: the proxy that {variable} names {why}; check HTTPS_PROXY and "
        "NO_PROXY",
        is_lasting=not status.startswith("5"),
        was_sent=False,
    )


def _reason(fault: Exception) -> str:
    """The system's own word for a fault, such as "Connection refused"; else the fault's kind."""
    system = _cause(fault, OSError)
    if isinstance(system, socket.gaierror):
        return "the name is not known"
    return (system.strerror if system else None) or type(fault).__name__


def _cause(fault: BaseException | None, kind: type[F]) -> F | None:
    while fault is not None:
        if isinstance(fault, kind):
            return fault
        fault = fault.__cause__ or fault.__context__
    return None
