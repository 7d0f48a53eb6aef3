"""The sandbox on a loopback socket: threaded, HTTP/1.1 with keep-alive. Opens a listening socket.

werkzeug's own server is not used, because it closes every connection after one answer
(`WSGIRequestHandler.run_wsgi` in werkzeug/serving.py). Clients keep connections open to Graph, and what
they do when a kept connection drops is one of the things that the sandbox is there to rehearse.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import logging
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

_LOG = logging.getLogger(__name__)


class SandboxServer:
    """Serves a WSGI application on loopback; a context manager, or `start`, `stop`, or `serve_forever`."""

    def __init__(
        self, app: WSGIApplication, host: str = "127.0.0.1", port: int = 0, *, verbose: bool = False
    ) -> None:
        """Bind at once, so that `url` is known; ValueError for a host that is not loopback."""
        if not _is_loopback(host):
            raise ValueError(
                f"the sandbox listens on loopback only, not on {host!r}: it checks no sign-in"
            )
        self._server = _Server((host, port), app, verbose=verbose)
        self._thread: threading.Thread | None = None
        bound = self._server.server_address[1]
        self.url = f"http://{host}:{bound}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(
            target=self.serve_forever, name="reconciler-sandbox", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close every socket."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.hang_up()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve in this thread until interrupted."""
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> Self:
        """Start, and hand over the server."""
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop."""
        self.stop()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.version == 4 and address.is_loopback


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], app: WSGIApplication, *, verbose: bool) -> None:
        self.app = app
        self.verbose = verbose
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server what loopback is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection in a thread, and remember it until it is closed."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close one connection."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open: their threads wait for a next request."""
        with self._connections_lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error. A connection that the client has closed is none."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            _LOG.error("the sandbox failed on a request of %s", client_address, exc_info=True)
        del request


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in two small packets meet Nagle on this side and delayed ACK on the other, some
    # 45 ms a request: send each answer in one piece, and without Nagle.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        """Read one request, have it answered, and drop the connection where a planned fault says so."""
        line = self.rfile.readline(65537)
        if not line:
            self.close_connection = True
            return
        self.raw_requestline = line
        if not self.parse_request():
            return
        try:
            body = self._read_body()
            self._answer(body)
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _answer(self, body: bytes) -> None:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: object = None
        ) -> Any:
            started.append((status, headers))

        answer = self.server.app(self._environ(body), start_response)
        content = b"".join(answer)
        status, headers = started[-1]
        code, _, reason = status.partition(" ")
        self.log_request(code, len(content))
        self.send_response_only(int(code), reason)
        announced = len(content)
        for name, value in headers:
            self.send_header(name, value)
            if name.lower() == "content-length":
                announced = int(value)
        self.end_headers()
        self.wfile.write(content)
        if announced > len(content):
            self.close_connection = True

    def _environ(self, body: bytes) -> WSGIEnvironment:
        target = urlsplit(self.path)
        host, port = self.server.server_address[:2]
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(target.path, "latin-1"),
            "QUERY_STRING": target.query,
            "SERVER_NAME": str(host),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH", "TRANSFER_ENCODING"):
                environ[f"HTTP_{key}"] = value
        return environ

    def log_message(self, format: str, *args: Any) -> None:
        """Write requests to stderr with `verbose` only."""
        if self.server.verbose:
            sys.stderr.write(f"{self.log_date_time_string()} {format % args}\n")
