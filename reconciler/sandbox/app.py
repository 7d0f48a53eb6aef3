"""The sandbox as a WSGI application: tokens, faults, headers. No I/O of its own.

It keeps no request, and no token: of an expired one it remembers the hash.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from reconciler.sandbox.batch import run_batch
from reconciler.sandbox.errors import (
    Refusal,
    envelope,
    unauthenticated,
)
from reconciler.sandbox.exchange import Exchange, SandboxRequest, SandboxResponse, without_token
from reconciler.sandbox.fault_responses import (
    JSON_TYPE,
    cut,
    planned_body,
    planned_refusal,
    proxy_page,
    with_replaced,
)
from reconciler.sandbox.faults import Fault, FaultKind, Faults
from reconciler.sandbox.odata import without_metadata
from reconciler.sandbox.routes import APPROVALS_PATH, BATCH_PATHS, dispatch
from reconciler.sandbox.service import COUNT_FORMS, MODES, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from reconciler.sandbox.state import SandboxState

DROPPED = 0
"""The status of an exchange whose connection was dropped."""


class SandboxApp:
    """Microsoft Graph for one tenant. `mode` is production, as observed in real tenants, or documented."""

    def __init__(
        self,
        state: SandboxState,
        *,
        mode: str = "production",
        page_size: int = 25,
        count_form: str = "digits",
        faults: Faults | None = None,
        on_write: Callable[[SandboxState], None] | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """Serve `state`; `on_write` is called after each committed change, with the state's lock held.

        `count_form` is how a `$batch` carries the number of a `$count` (`COUNT_FORMS`).
        `on_exchange` is told of every request once it is answered, and of every entry of a batch.
        """
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; known: {', '.join(MODES)}")
        if count_form not in COUNT_FORMS:
            raise ValueError(f"unknown form {count_form!r}; known: {', '.join(COUNT_FORMS)}")
        if page_size < 1:
            raise ValueError("a page holds at least one entry")
        self.faults = Faults() if faults is None else faults
        self._service = Service(
            state=state,
            documented=mode == "documented",
            page_size=page_size,
            count_form=count_form,
            faults=self.faults,
            on_write=on_write or (lambda _state: None),
            clock=clock,
            new_id=new_id,
        )
        self._on_exchange = on_exchange or (lambda _exchange: None)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._expired_tokens: set[str] = set()
        self._batches = 0
        self._last_read: dict[bool, SandboxResponse] = {}
        """The latest answer to a reading, apart for batches: what a proxy may give once more."""

    @property
    def state(self) -> SandboxState:
        """The tenant that is served."""
        return self._service.state

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to one request. ConnectionResetError means: drop the connection."""
        received = Request(environ)
        request = _sandbox_request(received)
        try:
            response = self._respond(
                request, _token_hash(received.headers.get("Authorization", ""))
            )
        except ConnectionResetError:
            self._on_exchange(Exchange(request, DROPPED))
            raise
        self._on_exchange(Exchange(request, response.status_code))
        return response(environ, start_response)

    def _respond(self, request: SandboxRequest, token: str | None) -> Response:
        if request.path.startswith(APPROVALS_PATH):
            return self._finish(request, self._carry_out(request))
        if token is None:
            return self._refuse(request, unauthenticated("Access token is empty."))
        with self._lock:
            expired = token in self._expired_tokens
        if expired:
            return self._refuse(
                request, unauthenticated("Lifetime validation failed, the token is expired.")
            )
        return self._respond_with_fault(
            request, token, self.faults.take(request.method, request.address)
        )

    def _respond_with_fault(
        self, request: SandboxRequest, token: str, fault: Fault | None
    ) -> Response:
        match fault:
            case None:
                return self._finish(request, self._carry_out(request))
            case Fault(kind=FaultKind.SLOW, seconds=seconds):
                self._sleep(seconds or 0)
                return self._finish(request, self._carry_out(request))
            case Fault(kind=FaultKind.RESET_BEFORE):
                raise ConnectionResetError("planned: dropped before the request was carried out")
            case Fault(kind=FaultKind.RESET_AFTER):
                self._carry_out(request)
                raise ConnectionResetError("planned: dropped after the request was carried out")
            case Fault(kind=FaultKind.BODY, find=str()):
                return with_replaced(self._finish(request, self._carry_out(request)), fault)
            case Fault(kind=FaultKind.TRUNCATED):
                return cut(self._finish(request, self._carry_out(request)))
            case Fault(kind=FaultKind.EXPIRED_TOKEN):
                with self._lock:
                    self._expired_tokens.add(token)
                return self._refuse(
                    request, unauthenticated("Lifetime validation failed, the token is expired.")
                )
            case Fault(kind=FaultKind.SWAPPED_ANSWER):
                return self._finish(request, self._swapped(request, fault))
            case _:
                return self._respond_wrongly(request, fault)

    def _respond_wrongly(self, request: SandboxRequest, fault: Fault) -> Response:
        if fault.after:
            self._carry_out(request)
        if fault.kind == FaultKind.HTML:
            return proxy_page(fault)
        if fault.kind == FaultKind.BODY:
            return planned_body(fault)
        return self._refuse(request, planned_refusal(fault))

    def _swapped(self, request: SandboxRequest, fault: Fault) -> SandboxResponse:
        """The response to another request. The first reading of all has no other, and gets its own."""
        before = self._last_read.get(request.path in BATCH_PATHS)
        own = self._carry_out(request)
        if fault.of is not None:
            path, _, query = fault.of.partition("?")
            other = replace(request, method="GET", path=path, query=query, body=b"")
            return self._carry_out(other)
        return before or own

    def _carry_out(self, request: SandboxRequest) -> SandboxResponse:
        """What Graph says, errors included."""
        is_batch = request.path in BATCH_PATHS
        carry_out = self._carry_out_batch if is_batch else partial(dispatch, self._service)
        response = self._or_error(request, carry_out)
        if is_batch or request.method == "GET":
            self._last_read[is_batch] = response
        return response

    def _carry_out_batch(self, request: SandboxRequest) -> SandboxResponse:
        if request.method != "POST":
            raise Refusal(405, "BadRequest", "A batch is sent with POST.")
        request.options()
        with self._lock:
            self._batches += 1
            seed = self._batches
        return run_batch(request, self._carry_out_entry, seed)

    def _or_error(
        self, request: SandboxRequest, carry_out: Callable[[SandboxRequest], SandboxResponse]
    ) -> SandboxResponse:
        try:
            with self.state.lock:
                return carry_out(request)
        except Refusal as refusal:
            return self._error(request, refusal)

    def _carry_out_entry(self, request: SandboxRequest) -> SandboxResponse:
        fault = self.faults.take(
            request.method, request.address, FaultKind.BATCH_STATUS, FaultKind.SWAPPED_ANSWER
        )
        match fault:
            case None:
                response = self._carry_out(request)
            case Fault(kind=FaultKind.SWAPPED_ANSWER):
                response = self._swapped(request, fault)
            case _:
                response = self._error(request, planned_refusal(fault))
        self._on_exchange(Exchange(request, response.status, in_batch=True))
        return response

    def _error(self, request: SandboxRequest, refusal: Refusal) -> SandboxResponse:
        request_id = self._service.new_id()
        body = envelope(
            refusal,
            date=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._service.clock())),
            request_id=request_id,
            client_request_id=request.headers.get("client-request-id", request_id),
        )
        return SandboxResponse(refusal.status, body, {**refusal.headers, "request-id": request_id})

    def _refuse(self, request: SandboxRequest, refusal: Refusal) -> Response:
        return self._finish(request, self._error(request, refusal))

    def _finish(self, request: SandboxRequest, response: SandboxResponse) -> Response:
        request_id = response.headers.get("request-id") or self._service.new_id()
        headers = {
            **response.headers,
            "request-id": request_id,
            "client-request-id": request.headers.get("client-request-id", request_id),
            "Date": http_date(self._service.clock()),
        }
        if response.text is not None:
            return Response(
                response.text.content.encode(),
                status=response.status,
                headers=headers,
                content_type=response.text.media_type,
            )
        if response.body is None:
            sent = Response(status=response.status, headers=headers)
            del sent.headers["Content-Type"]
            return sent
        plain = "odata.metadata=none" in request.headers.get("accept", "").lower()
        text = json.dumps(
            without_metadata(response.body) if plain else response.body, ensure_ascii=False
        )
        return Response(
            text.encode("utf-8", errors="surrogatepass"),  # a name may hold half a surrogate pair
            status=response.status,
            headers=headers,
            content_type=JSON_TYPE,
        )


def _sandbox_request(received: Request) -> SandboxRequest:
    headers = without_token(received.headers.items())
    query = received.query_string.decode("latin-1")
    return SandboxRequest(
        received.method,
        received.host_url.rstrip("/"),
        received.path,
        query,
        headers,
        received.get_data(),
    )


def _token_hash(authorization: str) -> str | None:
    """The SHA-256 of the bearer token; None where there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    return hashlib.sha256(token.strip().encode()).hexdigest()
