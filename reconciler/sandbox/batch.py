"""`$batch`: up to twenty calls in one request, answered in another order than asked. Pure but for what it is given."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.sandbox.errors import bad_request
from reconciler.sandbox.exchange import SandboxRequest, SandboxResponse, without_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.sandbox.tenant_file import JsonObject

MAX_ENTRIES = 20  # [D] section 6
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_FAILED = 400
_FAILED_DEPENDENCY = 424  # [D] section 6


@dataclass(frozen=True, slots=True)
class _Entry:
    own_id: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    depends_on: tuple[str, ...] = ()


def run_batch(
    call: SandboxRequest, answer: Callable[[SandboxRequest], SandboxResponse], seed: int
) -> SandboxResponse:
    """Answer every entry with `answer`, in the order asked, and list the answers in another."""
    entries = _entries(call.json())
    statuses: dict[str, int] = {}
    responses: list[JsonObject] = []
    for entry in entries:
        if any(statuses[other] >= _FAILED for other in entry.depends_on):
            error = {
                "error": {
                    "code": "FailedDependency",
                    "message": "A request this one depends on failed.",
                }
            }
            reply = SandboxResponse(_FAILED_DEPENDENCY, error)
        else:
            reply = answer(_inner_call(call, entry))
        statuses[entry.own_id] = reply.status
        responses.append(_response(entry.own_id, reply))
    return SandboxResponse(200, {"responses": _shuffled(responses, seed)})


def _entries(body: object) -> list[_Entry]:
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise bad_request("Invalid batch payload format.")
    if len(requests) > MAX_ENTRIES:
        raise bad_request(
            f"Number of batch request steps exceeds the maximum value of {MAX_ENTRIES}."
        )
    entries: list[_Entry] = []
    for request in requests:
        earlier = {entry.own_id for entry in entries}
        entry = _entry(request)
        if entry.own_id in earlier:
            raise bad_request(f"Request id '{entry.own_id}' stands twice in the batch.")
        if not set(entry.depends_on) <= earlier:
            raise bad_request(
                f"Request '{entry.own_id}' depends on one that does not stand before it."
            )
        entries.append(entry)
    return entries


def _entry(request: object) -> _Entry:
    if not isinstance(request, dict):
        raise bad_request("Invalid batch payload format.")
    own_id, method, url = request.get("id"), request.get("method"), request.get("url")
    if not isinstance(own_id, str) or not own_id:
        raise bad_request("Every batch request needs an 'id' that is a string.")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise bad_request(f"Batch request '{own_id}' needs a 'method'.")
    if not isinstance(url, str) or not url or "://" in url:
        raise bad_request(f"Batch request '{own_id}' needs a 'url' relative to the version.")
    headers = request.get("headers") or {}
    depends_on = request.get("dependsOn") or []
    if not isinstance(headers, dict) or not isinstance(depends_on, list):
        raise bad_request(f"Batch request '{own_id}' is malformed.")
    lowered = without_token((str(name), str(value)) for name, value in headers.items())
    if "body" in request and "content-type" not in lowered:
        raise bad_request(f"Batch request '{own_id}' has a body and no Content-Type.")
    body = json.dumps(request["body"]).encode() if "body" in request else b""
    return _Entry(
        own_id, method.upper(), url, lowered, body, tuple(str(other) for other in depends_on)
    )


def _inner_call(call: SandboxRequest, entry: _Entry) -> SandboxRequest:
    # The endpoint decides the version ([D] section 6): one in the url is looked up as a segment, and not found.
    path, _, query = f"/{entry.url.removeprefix('/')}".partition("?")
    return SandboxRequest(
        entry.method, call.root, f"/{call.version}{path}", query, entry.headers, entry.body
    )


def _response(own_id: str, reply: SandboxResponse) -> JsonObject:
    response: JsonObject = {"id": own_id, "status": reply.status, "headers": dict(reply.headers)}
    if reply.body is not None:
        response["headers"]["Content-Type"] = "application/json"
        response["body"] = reply.body
    return response


def _shuffled(responses: list[JsonObject], seed: int) -> list[JsonObject]:
    # Answers come in any order ([D], and seen live on Intune [O], section 6): never in the one asked for.
    shuffled = list(responses)
    random.Random(seed).shuffle(shuffled)
    return shuffled if shuffled != responses else shuffled[::-1]
