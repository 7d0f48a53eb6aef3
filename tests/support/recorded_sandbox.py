"""A sandbox that keeps what it was asked, for tests to read. No test stands here."""

from __future__ import annotations

import json
from typing import Any

from reconciler.sandbox import Exchange, SandboxApp, SandboxState

_READ_BY_POST = ("/$batch", "/evaluateAssignmentFilter")


class RecordedSandbox(SandboxApp):
    """The embedded Graph, with a list of every request."""

    def __init__(self, state: SandboxState, **options: Any) -> None:
        super().__init__(state, on_exchange=self._record, **options)
        self.requests: list[tuple[str, str, int]] = []
        """Every request: method, decoded path and query, status (0 where the connection was dropped)."""
        self.batched: list[tuple[str, str, int]] = []
        """Every entry of every batch, in the same form."""
        self.bodies: list[tuple[str, str, Any, dict[str, str]]] = []
        """Every write, carried out or not: method, path, parsed body, headers in lower case."""

    def _record(self, exchange: Exchange) -> None:
        request = exchange.request
        line = (request.method, request.address, exchange.status)
        (self.batched if exchange.in_batch else self.requests).append(line)
        is_write = request.method not in ("GET", "HEAD") and not request.path.endswith(
            _READ_BY_POST
        )
        if is_write and "/sandbox/" not in request.path:
            body = _parsed(request.body)
            self.bodies.append((request.method, request.path, body, dict(request.headers)))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
