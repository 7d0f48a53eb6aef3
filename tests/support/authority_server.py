"""The sign-in service of `authority` on loopback, over TLS or without, as fixtures. Serves a socket."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
import trustme

from tests.support.authority import Authority, Seen


def _handler(authority: Authority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body leave in one packet
        disable_nagle_algorithm = True  # else it meets delayed ACKs in TLS handshakes: 40 ms each
        timeout = 10

        def do_GET(self) -> None:
            self._serve("")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

        def _serve(self, body: str) -> None:
            parts = urlsplit(self.path)
            headers = {name.casefold(): value for name, value in self.headers.items()}
            query, form = dict(parse_qsl(parts.query)), dict(parse_qsl(body))
            seen = Seen(self.command, parts.path, query, form, headers)
            status, answer_headers, content = authority.answer(seen)
            self.send_response_only(status)  # a Date is sent where a test plans one
            for name, value in answer_headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that drops its connection is no fault of the fake: say nothing about it."""


def serve(authority: Authority, context: ssl.SSLContext | None) -> ThreadingHTTPServer:
    """Serve on a free port of loopback, in a thread; over TLS where there is a context."""
    server = _Server(("127.0.0.1", 0), _handler(authority))
    if context:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    authority.port = server.server_address[1]
    authority.scheme = "https" if context else "http"
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    return server


def visit(url: str) -> None:
    """Be the browser: fetch the sign-in page without a person, and post what it would post back."""
    page = requests.get(url, timeout=10).json()
    target = page.pop("redirect_uri")
    requests.post(
        target,
        data=urlencode(page),
        timeout=10,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )


@pytest.fixture(scope="session")
def _tls_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    ca = trustme.CA()
    ca_file = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    authority = Authority(ca_file)
    server = serve(authority, context)
    yield authority
    server.shutdown()
    server.server_close()


@pytest.fixture
def authority(_tls_authority: Authority) -> Authority:
    """The sign-in service over TLS, with nothing planned and nothing seen."""
    _tls_authority.reset()
    return _tls_authority


@pytest.fixture
def plain_authority(tmp_path: Path) -> Iterator[Authority]:
    """The same over plain http, as a local stand-in may be."""
    authority = Authority(tmp_path / "none.pem")
    server = serve(authority, None)
    yield authority
    server.shutdown()
    server.server_close()
