"""A server on loopback that sends prepared bytes, at once or piece by piece, with or without TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_TLS_HANDSHAKE = b"\x16\x03"
"""How a client begins that expects TLS."""

PAUSE = 0.05
"""Seconds between two pieces of a slow response."""


class RawServer:
    """Sends ``pieces(request)`` to every connection; ``requests`` holds the heads that came in.

    As a ``tunnel`` it is an HTTP proxy whose every CONNECT ends at itself, with TLS inside.
    """

    def __init__(
        self,
        pieces: Callable[[bytes], Iterable[bytes]],
        context: ssl.SSLContext | None = None,
        *,
        tunnel: bool = False,
    ) -> None:
        self._tunnel = tunnel
        self.requests: list[bytes] = []
        self._pieces = pieces
        self._context = context
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tunnel and self._head(connection):
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            secured = connection
            if self._context is not None:
                secured = self._context.wrap_socket(connection, server_side=True)
            with secured:
                head = self._head(secured)
                for piece in self._pieces(head) if head else ():
                    secured.sendall(piece)
                    if self._over.is_set():
                        return

    def _head(self, connection: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head and not head.startswith(_TLS_HANDSHAKE):
            received = connection.recv(65536)
            if not received:
                return b""
            head += received
        self.requests.append(head)
        return head

    def slowly(self, content: bytes) -> Iterator[bytes]:
        """One byte after the other, with a pause in between, for as long as the server runs."""
        for byte in content:
            yield bytes([byte])
            self._over.wait(PAUSE)

    def close(self) -> None:
        self._over.set()
        self._socket.close()


@contextmanager
def raw_server(
    pieces: Callable[[bytes], Iterable[bytes]],
    context: ssl.SSLContext | None = None,
    *,
    tunnel: bool = False,
) -> Iterator[RawServer]:
    server = RawServer(pieces, context, tunnel=tunnel)
    try:
        yield server
    finally:
        server.close()


def response(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """A whole response, as it goes onto the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class TlsFiles:
    """A certificate authority of the tests, and certificates with one thing wrong each."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def context(self, kind: str = "good") -> ssl.SSLContext:
        """A server's certificate: good, expired, early, for another host, or from a stranger."""
        now = datetime.now(UTC)
        ca = trustme.CA() if kind == "foreign" else self._ca
        names = ("elsewhere.example",) if kind == "other host" else ("127.0.0.1", "graph.test")
        made = ca.issue_cert(
            *names,
            not_before=now + timedelta(days=1) if kind == "early" else now - timedelta(days=9),
            not_after=now - timedelta(days=1) if kind == "expired" else now + timedelta(days=9),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.configure_cert(context)
        return context
