"""`$batch`: up to twenty requests in one, with their responses in another order. Pure but for what it is given."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.sandbox.errors import bad_request
from reconciler.sandbox.exchange import SandboxRequest, SandboxResponse, without_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.sandbox.checks import JsonObject

MAX_ENTRIES = 20  # [D] section 6
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_FAILED = 400
_FAILED_DEPENDENCY = 424  # [D] section 6


@dataclass(frozen=True, slots=True)
class _BatchEntry:
    own_id: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    depends_on: tuple[str, ...] = ()


def run_batch(
    request: SandboxRequest, carry_out: Callable[[SandboxRequest], SandboxResponse], seed: int
) -> SandboxResponse:
    """Carry out every entry with `carry_out`, in the order of the batch; list the responses in another order."""
    entries = _entries(request.json())
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
            response = SandboxResponse(_FAILED_DEPENDENCY, error)
        else:
            response = carry_out(_inner_request(request, entry))
        statuses[entry.own_id] = response.status
        responses.append(_listed(entry.own_id, response))
    return SandboxResponse(200, {"responses": _shuffled(responses, seed)})


def _entries(body: object) -> list[_BatchEntry]:
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise bad_request("Invalid batch payload format.")
    if len(requests) > MAX_ENTRIES:
        raise bad_request(
            f"Number of batch request steps exceeds the maximum value of {MAX_ENTRIES}."
        )
    entries: list[_BatchEntry] = []
    for item in requests:
        earlier = {entry.own_id for entry in entries}
        entry = _entry(item)
        if entry.own_id in earlier:
            raise bad_request(f"Request id '{entry.own_id}' appears twice in the batch.")
        if not set(entry.depends_on) <= earlier:
            raise bad_request(
                f"Request '{entry.own_id}' depends on one that does not come before it."
            )
        entries.append(entry)
    return entries


def _entry(item: object) -> _BatchEntry:
    if not isinstance(item, dict):
        raise bad_request("Invalid batch payload format.")
    own_id, method, url = item.get("id"), item.get("method"), item.get("url")
    if isinstance(own_id, int):  # documented is a string; IntuneCD sends a number and is understood
        own_id = str(own_id)
    if not isinstance(own_id, str) or not own_id:
        raise bad_request("Every batch request needs an 'id' that is a string.")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise bad_request(f"Batch request '{own_id}' needs a 'method'.")
    if not isinstance(url, str) or not url or "://" in url:
        raise bad_request(f"Batch request '{own_id}' needs a 'url' relative to the version.")
    headers = item.get("headers") or {}
    depends_on = item.get("dependsOn") or []
    if not isinstance(headers, dict) or not isinstance(depends_on, list):
        raise bad_request(f"Batch request '{own_id}' is malformed.")
    lowered = without_token((str(name), str(value)) for name, value in headers.items())
    if "body" in item and "content-type" not in lowered:
        raise bad_request(f"Batch request '{own_id}' has a body and no Content-Type.")
    body = json.dumps(item["body"]).encode() if "body" in item else b""
    return _BatchEntry(
        own_id, method.upper(), url, lowered, body, tuple(str(other) for other in depends_on)
    )


def _inner_request(request: SandboxRequest, entry: _BatchEntry) -> SandboxRequest:
    # The endpoint decides the version ([D] section 6): one in the url is looked up as a segment, and not found.
    path, _, query = f"/{entry.url.removeprefix('/')}".partition("?")
    return SandboxRequest(
        entry.method,
        request.root,
        f"/{request.version}{path}",
        query,
        entry.headers,
        entry.body,
        in_batch=True,
    )


def _listed(own_id: str, response: SandboxResponse) -> JsonObject:
    listed: JsonObject = {
        "id": own_id,
        "status": response.status,
        "headers": dict(response.headers),
    }
    if response.body is not None:
        listed["headers"]["Content-Type"] = "application/json"
        listed["body"] = response.body
    if response.text is not None:
        listed["headers"]["Content-Type"] = response.text.media_type
        listed["body"] = response.text.in_batch
    return listed


def _shuffled(responses: list[JsonObject], seed: int) -> list[JsonObject]:
    # Answers come in any order ([D], and seen live on Intune [O], section 6): never in the one asked for.
    shuffled = list(responses)
    random.Random(seed).shuffle(shuffled)
    return shuffled if shuffled != responses else shuffled[::-1]
