"""Multi Admin Approval: which writes are queued for approval, and which may be carried out. Changes the given state."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.sandbox.errors import Refusal, bad_request
from reconciler.sandbox.tenant_file import OPEN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.sandbox.checks import JsonObject
    from reconciler.sandbox.state import SandboxState

JUSTIFICATION = "x-msft-approval-justification"
CODE = "x-msft-approval-code"
_LIFETIME = timedelta(days=3)  # [D] section 10
_MAX_JUSTIFICATION = 1024  # characters once decoded, [O] section 10
_PRIVATE = "sandbox"
"""Where an approval request keeps the fingerprint of its write. Never served."""


@dataclass(frozen=True, slots=True)
class QueuedWrite:
    """What must be the same when a write is sent again with its approval code ([D] section 10)."""

    method: str
    path: str
    policy_id: str
    body: bytes

    def fingerprint(self) -> JsonObject:
        """The write as it is remembered: its body by hash."""
        return {
            "method": self.method,
            "path": self.path,
            "policyId": self.policy_id.lower(),
            "bodySha256": hashlib.sha256(self.body).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class ApprovalQueue:
    """The tenant's approval requests, with the time and the ids that they need."""

    state: SandboxState
    clock: Callable[[], float]
    new_id: Callable[[], str]

    def admit(self, write: QueuedWrite, headers: Mapping[str, str]) -> str | None:
        """Allow a write, or queue it and raise Refusal.

        Returns the code of the request that the write completes, None where no approval is asked for.
        The caller holds the state's lock, and calls `SandboxState.complete_approval` once committed.
        """
        form = self.state.approval_form
        if form is None:
            return None
        self.expire()
        code = headers.get(CODE)
        if code is not None:
            return self._approved(code, write)
        raise self._queue(write, headers.get(JUSTIFICATION), documented=form == "documented")

    def expire(self) -> None:
        """Close the requests that have expired."""
        now = self._now()
        for request in self.state.approvals:
            is_over = datetime.fromisoformat(request["expirationDateTime"]) <= now
            if is_over and request["status"] in OPEN_STATUSES:
                self.state.decide(request["id"], "expired")

    def listed(self) -> list[JsonObject]:
        """The requests as Graph shows them."""
        self.expire()
        return [
            {key: value for key, value in request.items() if key != _PRIVATE}
            for request in self.state.approvals
        ]

    def _approved(self, code: str, write: QueuedWrite) -> str:
        request = self.state.approval(code)
        if (
            request is None
            or request["status"] != "approved"
            or request.get(_PRIVATE) != write.fingerprint()
        ):
            raise Refusal(403, "Forbidden", "")  # bare, as observed ([O] section 10)
        return str(request["id"])

    def _queue(self, write: QueuedWrite, justification: str | None, *, documented: bool) -> Refusal:
        """Queue the write; returns what its sender is told."""
        if justification is None:
            message = f"Header '{JUSTIFICATION}' is required to request approval"
            return Refusal(403, "ApprovalRequired", message) if documented else bad_request(message)
        reason = _decoded(justification)
        for request in self.state.approvals:
            same = request.get(_PRIVATE, {}).get("policyId") == write.policy_id.lower()
            if same and request["status"] in OPEN_STATUSES:
                return Refusal(
                    409, "Conflict", "An active Approval Request already exists for this entity"
                )
        code = self._file(write, reason)
        status, error_code = (
            (403, "ApprovalRequired") if documented else (412, "PreconditionFailed")
        )
        return Refusal(
            status,
            error_code,
            "The change waits for another administrator's approval.",
            {CODE: code},
        )

    def _file(self, write: QueuedWrite, reason: str) -> str:
        now = self._now()
        code = self.new_id()
        self.state.add_approval(
            {
                "id": code,
                "status": "needsApproval",
                "requestDateTime": _stamp(now),
                "expirationDateTime": _stamp(now + _LIFETIME),
                "requestJustification": reason,
                _PRIVATE: write.fingerprint(),
            }
        )
        return code

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


def _decoded(justification: str) -> str:
    try:
        text = base64.b64decode(justification, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise bad_request(f"Header '{JUSTIFICATION}' is not valid base64 text") from error
    if not text.strip():
        raise bad_request(f"Header '{JUSTIFICATION}' is empty")
    if len(text) > _MAX_JUSTIFICATION:
        raise bad_request(f"Header '{JUSTIFICATION}' exceeds {_MAX_JUSTIFICATION} characters")
    return text


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
