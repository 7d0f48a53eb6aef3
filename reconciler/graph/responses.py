"""Make sense of what Graph answers: errors, waits, approvals. No I/O.

Graph's envelope is ``{"error": {"code", "message", "innerError": {...}}}``, and Intune wraps JSON
of its own in the message. Code branches on status and ``code``; the message is for people.
Sources: https://learn.microsoft.com/graph/errors, graph.md sections 7 and 10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from reconciler.model.errors import (
    AuthError,
    GraphError,
    MultiAdminApprovalError,
    MultiAdminApprovalStatus,
    NotFoundError,
    ReconcilerError,
    RouteMissingError,
    ThrottledError,
)
from reconciler.runtime.retry import retry_after

APPROVAL_CODE_HEADER = "x-msft-approval-code"
JUSTIFICATION_HEADER = "x-msft-approval-justification"

_ROUTE_MISSING = "no method match route template"
_OPERATION_ID = re.compile(r"\s*-\s*Change ID \(for customer support\).*", re.DOTALL)
_ACTIVITY_ID = re.compile(r"Activity ID:\s*([0-9a-fA-F-]{36})")
_MAX_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class GraphResponse:
    """One HTTP answer, or one entry of a ``$batch``.

    ``body`` is the parsed JSON, None where there was none. ``is_foreign`` says that the body is not
    JSON although one was due: something between us and Graph answered in its stead.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    is_foreign: bool = False

    @classmethod
    def of(cls, response: httpx.Response) -> GraphResponse:
        """Read an HTTP response."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        content = response.content.strip()
        if not content:
            return cls(response.status_code, headers, None)
        try:
            return cls(response.status_code, headers, json.loads(content))
        except ValueError:
            return cls(response.status_code, headers, None, is_foreign=True)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def _error(self) -> Mapping[str, Any]:
        found = self.body.get("error") if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def code(self) -> str:
        """Graph's error code, "" where there is none."""
        return str(self._error.get("code") or "")

    @property
    def request_id(self) -> str | None:
        """The id that Microsoft's support asks for."""
        inner = self._error.get("innerError") or self._error.get("innererror")
        from_body = inner.get("request-id") if isinstance(inner, dict) else None
        found = self.headers.get("request-id") or from_body
        return str(found) if found else None

    @property
    def message(self) -> str:
        """What went wrong in one line, unwrapped from Intune's JSON in a string."""
        if self.is_foreign:
            return (
                "the answer is not JSON, so something other than Microsoft Graph gave it "
                "(a proxy, a gateway or a sign-in page)"
            )
        message = str(self._error.get("message") or "").strip()
        return plain_message(message) or f"Graph gave no reason (HTTP {self.status})"


def plain_message(message: str) -> str:
    """Unwrap Intune's stringified JSON, and cut internal addresses off; keep the activity id."""
    if message.startswith("{"):
        try:
            wrapped = json.loads(message)
        except ValueError:
            wrapped = None
        if isinstance(wrapped, dict):
            message = str(wrapped.get("Message") or wrapped.get("message") or message)
    activity = _ACTIVITY_ID.search(message)
    text = " ".join(_OPERATION_ID.sub("", message).split())[:_MAX_MESSAGE]
    return f"{text} (activity id {activity.group(1)})" if activity else text


def retry_after_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """How many seconds Graph asks to wait; None where it names nothing usable."""
    return retry_after(headers.get("retry-after", "").strip(), now)


def is_throttled(answer: GraphResponse) -> bool:
    """Whether Graph asks to slow down; one part of Intune says so with a 500 (graph.md 7)."""
    if answer.status in (429, 503):
        return True
    return answer.status == 500 and "rate limit" in answer.message.casefold()


def refusal(answer: GraphResponse, attempted: str, *, now: datetime) -> ReconcilerError:
    """Choose the exception for an answer that is a definite no."""
    approval = _approval(answer, attempted)
    if approval is not None:
        return approval
    if answer.status == 401:
        return AuthError(
            f"{attempted}: Microsoft Graph refused the token twice (401 {answer.code}: "
            f"{answer.message}); sign in again, and check that it was issued for this cloud's Graph"
            + (f" (request-id {answer.request_id})" if answer.request_id else "")
        )
    kind: type[GraphError] = GraphError
    if answer.code.casefold() == _ROUTE_MISSING:
        kind = RouteMissingError
    elif answer.status == 404 or answer.code.casefold() in (
        "resourcenotfound",
        "request_resourcenotfound",
    ):
        kind = NotFoundError
    elif answer.status == 429:
        kind = ThrottledError
    return kind(
        answer.message + _hint(answer),
        attempted=attempted,
        status=answer.status,
        code=answer.code,
        request_id=answer.request_id,
        retry_after=retry_after_of(answer.headers, now),
    )


def _hint(answer: GraphResponse) -> str:
    if answer.status == 403:
        return (
            "; an app permission may be missing, or an Intune licence, or an Intune role "
            "(`reconciler doctor` tells which)"
        )
    if 300 <= answer.status < 400:
        return "; redirects are not followed, check RECONCILER_GRAPH_URL"
    return ""


def _approval(answer: GraphResponse, attempted: str) -> MultiAdminApprovalError | None:
    """Recognise Multi Admin Approval in each form that was documented or observed."""
    code = answer.headers.get(APPROVAL_CODE_HEADER)
    text = answer.message.casefold()
    if JUSTIFICATION_HEADER in text and ("required" in text or "exceed" in text):
        status, message = (
            MultiAdminApprovalStatus.BLOCKED,
            f"{answer.message}; give it with --justification",
        )
    elif code or answer.code.casefold() == "approvalrequired":
        status, message = (
            MultiAdminApprovalStatus.PENDING,
            "a second administrator must approve this write",
        )
    elif "active approval request already exists" in text:
        status, message = (
            MultiAdminApprovalStatus.PENDING,
            "an approval request for this policy is open",
        )
    else:
        return None
    return MultiAdminApprovalError(
        message,
        attempted=attempted,
        approval_code=code.casefold() if code else None,
        approval_status=status,
        status=answer.status,
        code=answer.code,
        request_id=answer.request_id,
    )
