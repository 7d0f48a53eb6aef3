"""The sandbox as a WSGI application: tokens, faults, headers. No I/O of its own.

It keeps no request, and no token: of an expired one it remembers the hash.
"""

from __future__ import annotations

import hashlib
import json
import re
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
    default_code,
    envelope,
    intune_message,
    unauthenticated,
)
from reconciler.sandbox.exchange import Exchange, SandboxRequest, SandboxResponse, without_token
from reconciler.sandbox.faults import Fault, FaultKind, Faults
from reconciler.sandbox.odata import without_metadata
from reconciler.sandbox.routes import APPROVALS_PATH, BATCH_PATHS, dispatch
from reconciler.sandbox.service import MODES, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from reconciler.sandbox.state import SandboxState

DROPPED = 0
"""The status of an exchange whose connection was dropped."""
_JSON = "application/json; charset=utf-8"
_HTML = (
    "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>"
    "<body><h1>Our services aren't available right now</h1></body></html>\n"
)


class SandboxApp:
    """Microsoft Graph for one tenant. `mode` is production, as observed in real tenants, or documented."""

    def __init__(
        self,
        state: SandboxState,
        *,
        mode: str = "production",
        page_size: int = 25,
        empty_catalog_expansion: bool = False,
        faults: Faults | None = None,
        on_write: Callable[[SandboxState], None] | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """Serve `state`; `on_write` is called after each committed change, with the state's lock held.

        `on_exchange` is told of every request once it is answered, and of every entry of a batch.

        With `empty_catalog_expansion`, a list of settings-catalog policies shows every expanded set as
        empty, as a reading of a single one does.
        """
        if mode not in MODES:
            raise ValueError(f"no mode is called {mode!r}; there are {', '.join(MODES)}")
        if page_size < 1:
            raise ValueError("a page holds at least one entry")
        self.faults = Faults() if faults is None else faults
        self._service = Service(
            state=state,
            documented=mode == "documented",
            page_size=page_size,
            empty_catalog_expansion=empty_catalog_expansion,
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
        """Answer one request; ConnectionResetError stands for a connection that drops."""
        request = Request(environ)
        call = _call(request)
        try:
            response = self._respond(call, _token_hash(request.headers.get("Authorization", "")))
        except ConnectionResetError:
            self._on_exchange(Exchange(call, DROPPED))
            raise
        self._on_exchange(Exchange(call, response.status_code))
        return response(environ, start_response)

    def _respond(self, call: SandboxRequest, token: str | None) -> Response:
        if call.path.startswith(APPROVALS_PATH):
            return self._finish(call, self._answer(call))
        if token is None:
            return self._refuse(call, unauthenticated("Access token is empty."))
        with self._lock:
            expired = token in self._expired_tokens
        if expired:
            return self._refuse(
                call, unauthenticated("Lifetime validation failed, the token is expired.")
            )
        return self._respond_with_fault(call, token, self.faults.take(call.method, call.address))

    def _respond_with_fault(
        self, call: SandboxRequest, token: str, fault: Fault | None
    ) -> Response:
        match fault:
            case None:
                return self._finish(call, self._answer(call))
            case Fault(kind=FaultKind.SLOW, seconds=seconds):
                self._sleep(seconds or 0)
                return self._finish(call, self._answer(call))
            case Fault(kind=FaultKind.RESET_BEFORE):
                raise ConnectionResetError("planned: dropped before the request was carried out")
            case Fault(kind=FaultKind.RESET_AFTER):
                self._answer(call)
                raise ConnectionResetError("planned: dropped after the request was carried out")
            case Fault(kind=FaultKind.BODY, find=str()):
                return _with_replaced(self._finish(call, self._answer(call)), fault)
            case Fault(kind=FaultKind.TRUNCATED):
                return _cut(self._finish(call, self._answer(call)))
            case Fault(kind=FaultKind.EXPIRED_TOKEN):
                with self._lock:
                    self._expired_tokens.add(token)
                return self._refuse(
                    call, unauthenticated("Lifetime validation failed, the token is expired.")
                )
            case Fault(kind=FaultKind.SWAPPED_ANSWER):
                return self._finish(call, self._swapped(call, fault, self._answer))
            case _:
                return self._respond_wrongly(call, fault)

    def _respond_wrongly(self, call: SandboxRequest, fault: Fault) -> Response:
        if fault.after:
            self._answer(call)
        if fault.kind == FaultKind.HTML:
            return Response(_HTML, status=fault.code or 502, content_type="text/html")
        if fault.kind == FaultKind.BODY:
            return Response(fault.text, status=fault.code or 200, content_type=_JSON)
        return self._refuse(call, _planned_refusal(fault))

    def _swapped(
        self,
        call: SandboxRequest,
        fault: Fault,
        answer: Callable[[SandboxRequest], SandboxResponse],
    ) -> SandboxResponse:
        """An answer that belongs to another request; the very first reading has none, and gets its own."""
        before = self._last_read.get(call.path in BATCH_PATHS)
        own = answer(call)
        if fault.of is not None:
            path, _, query = fault.of.partition("?")
            return answer(replace(call, method="GET", path=path, query=query, body=b""))
        return before or own

    def _answer(self, call: SandboxRequest) -> SandboxResponse:
        """What Graph says, errors included."""
        is_batch = call.path in BATCH_PATHS
        answer_one = self._answer_batch if is_batch else partial(dispatch, self._service)
        answer = self._or_error(call, answer_one)
        if is_batch or call.method == "GET":
            self._last_read[is_batch] = answer
        return answer

    def _answer_batch(self, call: SandboxRequest) -> SandboxResponse:
        if call.method != "POST":
            raise Refusal(405, "BadRequest", "A batch is sent with POST.")
        call.options()
        with self._lock:
            self._batches += 1
            seed = self._batches
        return run_batch(call, self._answer_entry, seed)

    def _or_error(
        self, call: SandboxRequest, answer: Callable[[SandboxRequest], SandboxResponse]
    ) -> SandboxResponse:
        try:
            with self.state.lock:
                return answer(call)
        except Refusal as refusal:
            return self._error(call, refusal)

    def _answer_entry(self, call: SandboxRequest) -> SandboxResponse:
        fault = self.faults.take(
            call.method, call.address, FaultKind.BATCH_STATUS, FaultKind.SWAPPED_ANSWER
        )
        match fault:
            case None:
                answer = self._answer(call)
            case Fault(kind=FaultKind.SWAPPED_ANSWER):
                answer = self._swapped(call, fault, self._answer)
            case _:
                answer = self._error(call, _planned_refusal(fault))
        self._on_exchange(Exchange(call, answer.status, in_batch=True))
        return answer

    def _error(self, call: SandboxRequest, refusal: Refusal) -> SandboxResponse:
        request_id = self._service.new_id()
        body = envelope(
            refusal,
            date=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._service.clock())),
            request_id=request_id,
            client_request_id=call.headers.get("client-request-id", request_id),
        )
        return SandboxResponse(refusal.status, body, {**refusal.headers, "request-id": request_id})

    def _refuse(self, call: SandboxRequest, refusal: Refusal) -> Response:
        return self._finish(call, self._error(call, refusal))

    def _finish(self, call: SandboxRequest, answer: SandboxResponse) -> Response:
        request_id = answer.headers.get("request-id") or self._service.new_id()
        headers = {
            **answer.headers,
            "request-id": request_id,
            "client-request-id": call.headers.get("client-request-id", request_id),
            "Date": http_date(self._service.clock()),
        }
        if answer.body is None:
            response = Response(status=answer.status, headers=headers)
            del response.headers["Content-Type"]
            return response
        plain = "odata.metadata=none" in call.headers.get("accept", "").lower()
        text = json.dumps(
            without_metadata(answer.body) if plain else answer.body, ensure_ascii=False
        )
        return Response(
            text,
            status=answer.status,
            headers=headers,
            content_type=_JSON,
        )


def _call(request: Request) -> SandboxRequest:
    headers = without_token(request.headers.items())
    query = request.query_string.decode("latin-1")
    return SandboxRequest(
        request.method,
        request.host_url.rstrip("/"),
        request.path,
        query,
        headers,
        request.get_data(),
    )


def _token_hash(authorization: str) -> str | None:
    """The SHA-256 of the bearer token; None where there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    return hashlib.sha256(token.strip().encode()).hexdigest()


def _planned_refusal(fault: Fault) -> Refusal:
    status = fault.code or 500
    message = fault.message or "A planned fault."
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    text = intune_message(message) if fault.intune else message
    return Refusal(status, fault.error_code or default_code(status), text, headers)


def _with_replaced(response: Response, fault: Fault) -> Response:
    body = re.sub(
        fault.find or "", lambda _match: fault.text or "", response.get_data(as_text=True)
    )
    response.set_data(body)
    response.status_code = fault.code or response.status_code
    return response


def _cut(response: Response) -> Response:
    body = response.get_data()
    if not body:
        # Without a body only the head could be cut, and then nothing usable arrives.
        raise ConnectionResetError("planned: dropped after the request was carried out")
    response.set_data(body[: len(body) // 2])
    response.headers["Content-Length"] = str(len(body))
    return response
